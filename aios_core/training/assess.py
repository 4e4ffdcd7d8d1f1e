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

from aios_core.lifecycle.evaluation import evaluation_table
from aios_core.scoring import schema
from aios_core.scoring.novelty import LIMIT
from aios_core.training.calibration import fit_temperature, reliability, softmax
from aios_core.training.evaluation import at_targets, by_class, curve_of, evaluate
from aios_core.training.novelty import Measured, measure, scale_of
from aios_core.training.rows import Labelled

Ints = npt.NDArray[np.int64]
Floats = npt.NDArray[np.float64]
Mask = npt.NDArray[np.bool_]


@dataclass(frozen=True, slots=True, kw_only=True)
class FoldScores:
    """What a fit that never saw `rows` says of them. `margins` are uncalibrated, rows x classes.

    `novelty` are raw scores, larger for stranger rows, on one scale in every fold; None: the kind knows no novelty.
    """

    rows: Ints
    margins: Floats
    unseen_share: Floats
    novelty: Floats | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Assessed:
    """What is known of a fitted model; the same for every kind.

    `metrics` are those of the held-back newest rows under a model and a calibration that never saw them. `temperature` is the
    factor on margins. `scored` and `scores` are the rows with out-of-fold scores (feature and score schema, aligned): the
    monitor's reference. `evaluation` are the held-back rows as `metrics` were measured on them.
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
    evaluation: pa.Table
    novelty: Measured | None = None


def assess(
    data: Labelled,
    *,
    newest: FoldScores,
    parts: Sequence[FoldScores],
    notes: Sequence[str] = (),
    temperature: float | None = None,
    novelty_method: str = "",
) -> Assessed:
    """Calibrate on all out-of-fold scores; judge the newest with what the older ones alone would have given.

    `temperature` is that of all folds' margins, where the caller has fitted it already. `novelty_method` names how the folds'
    raw novelty scores are made, where they have any.
    """
    metrics, newest_classes, evaluation = _held_back(data, newest, parts)
    rows = np.concatenate([part.rows for part in (newest, *parts)])
    margins = np.concatenate([part.margins for part in (newest, *parts)])
    temperature = fit_temperature(margins, data.labels[rows]) if temperature is None else temperature
    probabilities = softmax(margins * temperature)
    correct = probabilities.argmax(axis=1) == data.labels[rows]
    created = data.features.column("created_at")
    unseen = np.concatenate([part.unseen_share for part in (newest, *parts)])
    novelty, normalised = _novelty(novelty_method, newest, parts)
    return Assessed(
        classes=data.classes,
        temperature=temperature,
        operating_curve=curve_of(probabilities, data.labels[rows], None if normalised is None else normalised > LIMIT),
        reliability=reliability(probabilities.max(axis=1), correct),
        metrics=metrics,
        out_of_fold=evaluate(probabilities, data.labels[rows]),
        by_class=newest_classes,
        rows=int(data.labels.size),
        rows_by_class={name: int((data.labels == i).sum()) for i, name in enumerate(data.classes)},
        period=(created[0].as_py(), created[-1].as_py()),
        notes=(*data.notes, *notes),
        scored=data.features.take(pa.array(rows)),
        scores=_score_table(data, rows, probabilities, unseen, normalised),
        evaluation=evaluation,
        novelty=novelty,
    )


def _held_back(
    data: Labelled, newest: FoldScores, parts: Sequence[FoldScores]
) -> tuple[dict[str, Any], list[dict[str, Any]], pa.Table]:
    """Metrics of the newest rows, with the calibration and thresholds that the older rows alone would have given."""
    older = np.concatenate([part.rows for part in parts])
    margins = np.concatenate([part.margins for part in parts])
    temperature = fit_temperature(margins, data.labels[older])
    probabilities, labels = softmax(newest.margins * temperature), data.labels[newest.rows]
    novel, older_novel = _novel_rows(newest, parts)
    curve = curve_of(softmax(margins * temperature), data.labels[older], older_novel)
    metrics = {**evaluate(probabilities, labels), "automated": at_targets(curve, probabilities, labels, novel)}
    frozen = evaluation_table(
        data.features.take(pa.array(newest.rows)), classes=data.classes, labels=labels, probabilities=probabilities
    )
    return metrics, by_class(probabilities, labels, data.classes), frozen


def _novelty(method: str, newest: FoldScores, parts: Sequence[FoldScores]) -> tuple[Measured | None, Floats | None]:
    """The version's novelty and every fold's scores under it, the newest first; nothing where a fold has none."""
    older = _older_novelty(parts)
    if newest.novelty is None or older is None:
        return None, None
    measured = measure(method, newest=newest.novelty, older=older)
    return measured, measured.scale.normalised(np.concatenate([newest.novelty, older]))


def _novel_rows(newest: FoldScores, parts: Sequence[FoldScores]) -> tuple[Mask | None, Mask | None]:
    """Which of the newest and of the older rows are beyond the limit that the older ones alone would have given."""
    older = _older_novelty(parts)
    if newest.novelty is None or older is None:
        return None, None
    scale = scale_of(older)
    return scale.normalised(newest.novelty) > LIMIT, scale.normalised(older) > LIMIT


def _older_novelty(parts: Sequence[FoldScores]) -> Floats | None:
    known = [part.novelty for part in parts if part.novelty is not None]
    return np.concatenate(known) if known and len(known) == len(parts) else None


def _score_table(
    data: Labelled, rows: Ints, probabilities: Floats, unseen_share: Floats, novelty: Floats | None
) -> pa.Table:
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
        novelty=novelty,
    )
    return pa.Table.from_batches([scored])
