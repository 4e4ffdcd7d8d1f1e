"""Where the bands begin: declared numbers, or the lowest score at which training data showed the accuracy asked for.

What belongs here: turning the declaration's `automate` and `draft` into numbers for one model version. What does not: using
them (`decide.py`) and making the operating curve (`aios_core/training/`).
"""

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import Any

from aios_core.automation import AtAccuracy, Decisions, Threshold
from aios_core.errors import ModelError

STEP = 1e-6  # scores are rounded to six decimals, so this is the smallest difference there is


@dataclass(frozen=True, slots=True, kw_only=True)
class Thresholds:
    """Scores at which a band begins; None: it was never reached. `automate` is strictly above `draft`.

    The accuracies are those asked for, None where the declaration gives plain numbers. `queues` holds those of queues with
    thresholds of their own.
    """

    automate: float | None
    draft: float | None
    automate_accuracy: float | None = None
    draft_accuracy: float | None = None
    queues: Mapping[str, "Thresholds"] = field(default_factory=dict)

    def of(self, queue: str | None) -> "Thresholds":
        """Those that hold for this predicted queue: its own, or these."""
        return self if queue is None else self.queues.get(queue, self)


def resolve(decisions: Decisions, operating_curve: Mapping[str, Any] | None) -> Thresholds:
    """The thresholds of one model version.

    `operating_curve` holds equally long `threshold`, `coverage`, `accuracy` and, where there is one, `accuracy_lower`: a lower
    confidence bound, which is then what has to reach the target. Where the resolved pair is not in order (a curve may put
    97% accuracy below a declared draft of 0.6), `automate` is raised to just above `draft`, never the other way: the more
    cautious reading. Raises ModelError for a curve that is no curve.
    """
    shared = _pair(decisions.automate, decisions.draft, operating_curve)
    own = {queue: _pair(*decisions.of(queue), operating_curve) for queue in decisions.queues}
    return replace(shared, queues=own)


def _pair(declared_automate: Threshold, declared_draft: Threshold, curve: Mapping[str, Any] | None) -> Thresholds:
    automate, automate_accuracy = _resolved(declared_automate, curve)
    draft, draft_accuracy = _resolved(declared_draft, curve)
    if draft is None:
        automate = None  # where not even a draft is good enough, nothing is automated
    elif automate is not None and automate <= draft:
        automate = round(draft + STEP, 6)
    return Thresholds(
        automate=automate, draft=draft, automate_accuracy=automate_accuracy, draft_accuracy=draft_accuracy
    )


def lowest_reaching(operating_curve: Mapping[str, Any], accuracy: float) -> float | None:
    """The lowest threshold of the curve at which its accuracy is at least this; None where it never is."""
    thresholds = _numbers(operating_curve, "threshold")
    reached = _numbers(operating_curve, "accuracy_lower" if "accuracy_lower" in operating_curve else "accuracy")
    if len(thresholds) != len(reached):
        raise ModelError(
            f"operating curve: {len(thresholds)} thresholds but {len(reached)} accuracies; train the model again"
        )
    good = [t for t, a in zip(thresholds, reached, strict=True) if a >= accuracy and math.isfinite(t)]
    return min(good) if good else None


def _resolved(threshold: Threshold, curve: Mapping[str, Any] | None) -> tuple[float | None, float | None]:
    if threshold == "never":
        return None, None
    if not isinstance(threshold, AtAccuracy):
        return float(threshold), None
    if not curve:
        return None, threshold.accuracy
    return lowest_reaching(curve, threshold.accuracy), threshold.accuracy


def _numbers(curve: Mapping[str, Any], key: str) -> list[float]:
    values = curve.get(key)
    if not isinstance(values, Sequence) or isinstance(values, str):
        raise ModelError(f"operating curve: `{key}` is missing or not a list; train the model again")
    return [math.nan if v is None else float(v) for v in values]
