"""Quality before outcomes are known: what calibrated probabilities promise, and what a few audited tickets say of that promise.

What belongs here: the estimates and their intervals. What does not: realised quality (`performance.py`) and drawing the audit slice
(`aios_core/decisions`).

Where calibration holds, a row's top probability is the chance that it is right, so the mean of them estimates accuracy, and the
probabilities summed by class estimate hits, misses and with them macro-F1 (confidence-based performance
estimation; Guillory et al. 2021, "Predicting with Confidence on Unseen Distributions"). It holds under covariate and mild prior
shift, and not where the labelling rule changed: no input shows that. The audit slice is drawn without regard to confidence and
settled by people; the mean of (right - confidence) over it is an unbiased correction (prediction-powered inference;
Angelopoulos et al. 2023). It is noisy, so it takes the word only where it contradicts the promise.
"""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
import numpy.typing as npt

from aios_core.monitoring.errors import MonitorError

Floats = npt.NDArray[np.float64]

Z95 = 1.96
MIN_AUDITED = 30


@dataclass(frozen=True, slots=True, kw_only=True)
class Promise:
    """What probabilities say of a window, a number a class. Promises add up: any window or segment is a sum.

    `hits` are the tickets expected to be right among those `predicted` as a class, `belong` those expected to belong there;
    `variance` is that of the number that are right.
    """

    rows: int
    hits: Floats
    belong: Floats
    predicted: Floats
    variance: float

    @property
    def expected(self) -> float:
        """Expected number of tickets that are right."""
        return float(self.hits.sum())

    def as_json(self) -> dict[str, Any]:
        named = {name: [round(float(v), 6) for v in getattr(self, name)] for name in ("hits", "belong", "predicted")}
        return {"rows": self.rows, "variance": self.variance, **named}

    @staticmethod
    def from_json(content: Mapping[str, Any]) -> "Promise":
        named = {name: np.array(content[name], np.float64) for name in ("hits", "belong", "predicted")}
        return Promise(rows=content["rows"], variance=content["variance"], **named)


def promise(probabilities: Floats, *, classes: int) -> Promise:
    """Of rows x classes calibrated probabilities. Raises MonitorError for what is no distribution."""
    rows = probabilities.reshape(-1, classes)
    if not np.isfinite(rows).all() or (rows < 0).any() or (np.abs(rows.sum(axis=1) - 1) > 1e-3).any():
        raise MonitorError("a score is no distribution over the classes; score these days again")
    predicted = rows.argmax(axis=1)
    sure = rows[np.arange(len(rows)), predicted]
    return Promise(
        rows=len(rows),
        hits=np.bincount(predicted, weights=sure, minlength=classes).astype(np.float64),
        belong=rows.sum(axis=0),
        predicted=np.bincount(predicted, minlength=classes).astype(np.float64),
        variance=float((sure * (1 - sure)).sum()),
    )


def add(parts: Iterable[Promise]) -> Promise:
    """All parts as one window. Raises MonitorError for parts over different classes, or none."""
    whole = list(parts)
    if len({part.hits.size for part in whole}) != 1:
        raise MonitorError("promises over different classes, or none, can't be added; add those of one model version")
    return Promise(
        rows=sum(p.rows for p in whole),
        hits=np.sum([p.hits for p in whole], axis=0),
        belong=np.sum([p.belong for p in whole], axis=0),
        predicted=np.sum([p.predicted for p in whole], axis=0),
        variance=sum(p.variance for p in whole),
    )


@dataclass(frozen=True, slots=True, kw_only=True)
class Estimate:
    """Estimated quality of a window; None where there is nothing to estimate from. `low` and `high` are 95% bounds of `accuracy`.

    `promised` is what the probabilities say, `audited` what the audit slice makes of it, and `accuracy` the one that
    `source` names.
    """

    rows: int
    audited_rows: int
    accuracy: float | None = None
    low: float | None = None
    high: float | None = None
    macro_f1: float | None = None
    promised: float | None = None
    audited: float | None = None
    source: str = "none"


def estimate(
    window: Promise,
    *,
    calibration_error: float,
    audit: Sequence[tuple[float, bool]] = (),
    min_audited: int = MIN_AUDITED,
) -> Estimate:
    """Accuracy and macro-F1 of a window.

    `calibration_error` is the version's own on held-back rows, and widens the interval: no promise is better than the
    calibration that made it. `audit` are (confidence, right) of settled tickets of the random slice.
    """
    if not window.rows:
        return Estimate(rows=0, audited_rows=len(audit))
    promised = window.expected / window.rows
    half = Z95 * window.variance**0.5 / window.rows + calibration_error
    found = Estimate(
        rows=window.rows,
        audited_rows=len(audit),
        accuracy=promised,
        low=max(0.0, promised - half),
        high=min(1.0, promised + half),
        macro_f1=_macro_f1(window),
        promised=promised,
        source="probabilities",
    )
    if len(audit) < min_audited:
        return found
    return _corrected(found, np.array([float(right) - sure for sure, right in audit]), half)


def kept(confidence: Floats, right: npt.NDArray[np.bool_], *, calibration_error: float) -> bool:
    """Whether what turned out lies within what the same tickets' confidences promised: is the estimate itself to be trusted?"""
    if not confidence.size:
        return True
    half = Z95 * float((confidence * (1 - confidence)).sum()) ** 0.5 / confidence.size + calibration_error
    return bool(abs(float(confidence.mean()) - float(right.mean())) <= half)


def _corrected(found: Estimate, gaps: Floats, promised_half: float) -> Estimate:
    assert found.promised is not None
    error = float(gaps.std(ddof=1)) / len(gaps) ** 0.5
    audited = min(1.0, max(0.0, found.promised + float(gaps.mean())))
    half = Z95 * error
    contradicts = abs(float(gaps.mean())) > half + promised_half
    if not contradicts:
        return replace(found, audited=audited)
    return replace(
        found,
        accuracy=audited,
        low=max(0.0, audited - half),
        high=min(1.0, audited + half),
        macro_f1=None,  # the slice is too small to say it by class
        audited=audited,
        source="audit",
    )


def _macro_f1(window: Promise) -> float:
    """Mean F1 over the classes that are expected or predicted at all."""
    present = (window.belong >= 0.5) | (window.predicted > 0)
    return float((2 * window.hits[present] / (window.belong[present] + window.predicted[present])).mean())
