"""From out-of-fold scores to what may be said of a model, whatever its kind: calibration, thresholds, metrics, reference.

What belongs here: the order of those steps and their result. What does not: each step's own rules (`calibration.py`,
`evaluation.py`) and the fitting that made the scores (a kind's own module).
"""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any

import numpy as np
import numpy.typing as npt
import pyarrow as pa

from aios_core.scoring import schema
from aios_core.training.calibration import fit_temperature, reliability, softmax
from aios_core.training.evaluation import at_targets, by_class, curve_of, evaluate
from aios_core.training.rows import Labelled

Ints = npt.NDArray[np.int64]
Floats = npt.NDArray[np.float64]


@dataclass(frozen=True, slots=True, kw_only=True)
class FoldScores:
    """What a fit that never saw `rows` says of them. `margins` are uncalibrated, rows x classes."""

    rows: Ints
    margins: Floats
    unseen_share: Floats


@dataclass(frozen=True, slots=True, kw_only=True)
class Assessed:
    """What is known of a fitted model; the same for every kind.

    `metrics` are those of the held-back newest rows under a model and a calibration that never saw them. `temperature` is the
    factor on margins. `scored` and `scores` are the rows with out-of-fold scores (feature and score schema, aligned): the
    monitor's reference.
    """

    classes: tuple[str, ...]
    temperature: float
    operating_curve: dict[str, list[float]]
    reliability: dict[str, list[float]]
    metrics: dict[str, Any]
    out_of_fold: dict[str, float]
    by_class: list[dict[str, Any]]
    rows: int
    rows_by_class: dict[str, int]
    period: tuple[datetime, datetime]
    notes: tuple[str, ...]
    scored: pa.Table
    scores: pa.Table


def assess(data: Labelled, *, newest: FoldScores, parts: Sequence[FoldScores], notes: Sequence[str] = ()) -> Assessed:
    """Calibrate on all out-of-fold scores; judge the newest with what the older ones alone would have given."""
    metrics, newest_classes = _held_back(data, newest, parts)
    rows = np.concatenate([part.rows for part in (newest, *parts)])
    margins = np.concatenate([part.margins for part in (newest, *parts)])
    temperature = fit_temperature(margins, data.labels[rows])
    probabilities = softmax(margins * temperature)
    correct = probabilities.argmax(axis=1) == data.labels[rows]
    created = data.features.column("created_at")
    unseen = np.concatenate([part.unseen_share for part in (newest, *parts)])
    return Assessed(
        classes=data.classes,
        temperature=temperature,
        operating_curve=curve_of(probabilities, data.labels[rows]),
        reliability=reliability(probabilities.max(axis=1), correct),
        metrics=metrics,
        out_of_fold=evaluate(probabilities, data.labels[rows]),
        by_class=newest_classes,
        rows=int(data.labels.size),
        rows_by_class={name: int((data.labels == i).sum()) for i, name in enumerate(data.classes)},
        period=(created[0].as_py(), created[-1].as_py()),
        notes=(*data.notes, *notes),
        scored=data.features.take(pa.array(rows)),
        scores=_score_table(data, rows, probabilities, unseen),
    )


def _held_back(
    data: Labelled, newest: FoldScores, parts: Sequence[FoldScores]
) -> tuple[dict[str, Any], list[dict[str, Any]]]:
    """Metrics of the newest rows, with the calibration and thresholds that the older rows alone would have given."""
    older = np.concatenate([part.rows for part in parts])
    margins = np.concatenate([part.margins for part in parts])
    temperature = fit_temperature(margins, data.labels[older])
    probabilities, labels = softmax(newest.margins * temperature), data.labels[newest.rows]
    curve = curve_of(softmax(margins * temperature), data.labels[older])
    metrics = {**evaluate(probabilities, labels), "automated": at_targets(curve, probabilities, labels)}
    return metrics, by_class(probabilities, labels, data.classes)


def _score_table(data: Labelled, rows: Ints, probabilities: Floats, unseen_share: Floats) -> pa.Table:
    batch = data.features.take(pa.array(rows)).combine_chunks().to_batches()[0]
    texts = data.texts
    lengths = np.fromiter((len(texts[row]) for row in rows), np.int64, rows.size)
    scored = schema.score_batch(
        batch,
        name="",
        version=0,
        classes=data.classes,
        probabilities=probabilities,
        unseen_share=unseen_share,
        text_length=lengths,
    )
    return pa.Table.from_batches([scored])
