"""Quality against outcomes: how often the model, and what it automated, was right.

What belongs here: metrics over settled tickets. What does not: held-back rows at training (`aios_core/training`), and what
follows from the numbers (`verdict.py`).
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import asdict, dataclass, field
from typing import Any

import numpy as np
import numpy.typing as npt

from aios_core.monitoring.errors import MonitorError
from aios_core.training.calibration import calibration_error, reliability

AUTOMATE = "automate"


@dataclass(frozen=True, slots=True, kw_only=True)
class QueuePerformance:
    """One queue. `rows` are tickets that belong there, `predicted` those the model sent there; shares are None without rows."""

    rows: int
    predicted: int
    precision: float | None
    recall: float | None
    f1: float
    automated: int
    accuracy_automated: float | None


@dataclass(frozen=True, slots=True, kw_only=True)
class Performance:
    """Metrics over `rows` settled tickets; None where there was nothing to measure, never a silent 0 or 1.

    `macro_f1` is the mean over queues present among labels or predictions (scikit-learn's default). `ece` is the expected
    calibration error over 15 bins of equally many rows. `accuracy_automated` and `coverage_automated` are over tickets with the
    verdict `automate`. `confusion` counts (label, predicted) over `queues`.
    """

    rows: int
    accuracy: float | None = None
    macro_f1: float | None = None
    accuracy_automated: float | None = None
    coverage_automated: float | None = None
    automated: int = 0
    ece: float | None = None
    by_queue: dict[str, QueuePerformance] = field(default_factory=dict)
    queues: tuple[str, ...] = ()
    confusion: tuple[tuple[int, ...], ...] = ()
    reliability: dict[str, list[float]] = field(default_factory=dict)

    def as_json(self) -> dict[str, Any]:
        """All of it as plain JSON."""
        return asdict(self)


def evaluate(
    labels: Sequence[str],
    predicted: Sequence[str | None],
    probabilities: Sequence[Any] | npt.NDArray[np.float64] | None = None,
    verdicts: Sequence[str] | None = None,
    classes: Sequence[str] = (),
    *,
    confidence: Sequence[float | None] | None = None,
) -> Performance:
    """Compare what was predicted with what turned out to be right, row by row.

    `probabilities` are rows by `classes`, or one confidence a row; `confidence` says the same more plainly. Rows without a
    prediction (None: there was no model) count as wrong, and are left out of `ece`. `classes` only orders `queues`.
    Raises MonitorError where the columns differ in length.
    """
    rows = len(labels)
    sure = _confidence(probabilities if confidence is None else confidence)
    for name, values in {"predictions": predicted, "confidences": sure, "verdicts": verdicts}.items():
        if values is not None and len(values) != rows:
            raise MonitorError(f"{rows} labels but {len(values)} {name}: they must be of the same tickets")
    if rows == 0:
        return Performance(rows=0)
    # a null that came through pandas is not None but NaN
    predicted = [p if isinstance(p, str) else None for p in predicted]
    queues = _queues(labels, predicted, classes)
    place = {queue: i for i, queue in enumerate(queues)}
    right = np.array([place[label] for label in labels])
    guess = np.array([-1 if p is None else place[p] for p in predicted])
    correct = right == guess
    automated = np.zeros(rows, dtype=bool) if verdicts is None else np.array([v == AUTOMATE for v in verdicts])
    measured = None if sure is None else np.isfinite(sure) & (guess >= 0)
    calibrated = None if sure is None or measured is None or not measured.any() else (sure[measured], correct[measured])
    by_queue = {q: _of_queue(i, right, guess, correct, automated) for i, q in enumerate(queues)}
    return Performance(
        rows=rows,
        accuracy=float(correct.mean()),
        macro_f1=float(np.mean([q.f1 for q in by_queue.values() if q.rows or q.predicted])),
        accuracy_automated=_mean(correct[automated]),
        coverage_automated=None if verdicts is None else float(automated.mean()),
        automated=int(automated.sum()),
        ece=None if calibrated is None else float(calibration_error(*calibrated)),
        by_queue=by_queue,
        queues=queues,
        confusion=_confusion(right, guess, len(queues)),
        reliability={} if calibrated is None else reliability(*calibrated),
    )


def _confidence(values: Any) -> npt.NDArray[np.float64] | None:
    if values is None:
        return None
    numbers = np.array(
        [np.nan if v is None else v for v in values] if not isinstance(values, np.ndarray) else values, dtype=np.float64
    )
    return numbers.max(axis=1) if numbers.ndim == 2 else numbers


def _queues(labels: Sequence[str], predicted: Sequence[str | None], classes: Sequence[str]) -> tuple[str, ...]:
    """Queues present among labels or predictions: in the classes' order, others by name after them."""
    present = set(labels) | {p for p in predicted if p is not None}
    return (*(c for c in classes if c in present), *sorted(present.difference(classes)))


def _of_queue(
    place: int,
    right: npt.NDArray[np.int64],
    guess: npt.NDArray[np.int64],
    correct: npt.NDArray[np.bool_],
    automated: npt.NDArray[np.bool_],
) -> QueuePerformance:
    there, sent = right == place, guess == place
    hits = int((there & sent).sum())
    rows, predicted = int(there.sum()), int(sent.sum())
    return QueuePerformance(
        rows=rows,
        predicted=predicted,
        precision=hits / predicted if predicted else None,
        recall=hits / rows if rows else None,
        f1=2 * hits / (rows + predicted) if rows + predicted else 0.0,
        automated=int((sent & automated).sum()),
        accuracy_automated=_mean(correct[sent & automated]),
    )


def _mean(values: npt.NDArray[np.bool_]) -> float | None:
    return float(values.mean()) if values.size else None


def _confusion(right: npt.NDArray[np.int64], guess: npt.NDArray[np.int64], size: int) -> tuple[tuple[int, ...], ...]:
    known = guess >= 0
    cells = np.bincount(right[known] * size + guess[known], minlength=size * size).reshape(size, size)
    return tuple(tuple(int(v) for v in row) for row in cells)
