"""The promotion gate: may a new version become champion?

What belongs here: the pure verdict over metrics, and a champion's metrics on rows that a new fit held back. What does not:
moving the alias (`resources/registry.py`).
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import pyarrow as pa

from aios_core.scoring.model import ScoringModel
from aios_core.training.evaluation import evaluate

WORSE_BY = 0.02  # held-back sets differ from version to version; less than this is noise on a few hundred rows


@dataclass(frozen=True, slots=True)
class Promotion:
    """The verdict, a reason people can read, and what it rests on."""

    promote: bool
    reason: str
    evidence: dict[str, Any]


def promotion(
    new: Mapping[str, Any], old: Mapping[str, Any] | None, *, min_macro_f1: float, worse_by: float = WORSE_BY
) -> Promotion:
    """Promote what reaches the declared macro-F1 and is not worse than the champion by more than `worse_by`.

    `new` and `old` are held-back metrics. A champion's registered metrics come from older rows; where the world got harder
    they flatter it, so hand in its metrics on the new version's held-back rows where they are to be had (`metrics_on`).
    """
    reached = float(new["macro_f1"])
    before = float(old["macro_f1"]) if old and "macro_f1" in old else None
    evidence = {"macro_f1": reached, "min_macro_f1": min_macro_f1, "champion_macro_f1": before, "worse_by": worse_by}
    if not reached >= min_macro_f1:  # NaN is not enough either
        reason = f"macro-F1 {reached:.3f} on held-back rows is below the {min_macro_f1:.3f} that `training.min_macro_f1` asks for"
        return Promotion(False, reason, evidence)
    if before is None:
        return Promotion(True, f"macro-F1 {reached:.3f} on held-back rows, and there is no champion yet", evidence)
    if reached < before - worse_by:
        return Promotion(
            False, f"macro-F1 {reached:.3f} on held-back rows is worse than the champion's {before:.3f}", evidence
        )
    return Promotion(True, f"macro-F1 {reached:.3f} on held-back rows, the champion has {before:.3f}", evidence)


def metrics_on(model: ScoringModel, features: pa.Table, labels: Sequence[str]) -> dict[str, float]:
    """A loaded version's metrics on labelled rows; labels it does not know count as errors."""
    numbers = {name: number for number, name in enumerate(model.classes)}
    scored = model.score_batch(features)
    probabilities = np.array(scored.column("probabilities").flatten()).reshape(features.num_rows, len(numbers))
    return evaluate(probabilities, np.array([numbers.get(label, -1) for label in labels], np.int64))
