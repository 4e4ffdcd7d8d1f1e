"""Quality before outcomes are known: what calibrated probabilities promise, and what a few audited tickets say of that promise.

What belongs here: the estimates and their intervals. What does not: realised quality (`performance.py`) and drawing the audit slice
(`aios_core/decisions`).

Where calibration holds, a row's top probability is the chance that it is right, so the mean of them estimates accuracy, and the
probabilities summed by class estimate hits, misses and with them macro-F1 (confidence-based performance
estimation; Guillory et al. 2021, "Predicting with Confidence on Unseen Distributions"). It holds under covariate shift; class shares
that moved, and what a version overstates on its own held-back rows, are corrected first (`shift.py`). It does not hold where the
labelling rule changed: no input shows that. The audit slice is drawn without regard to confidence and
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
Ints = npt.NDArray[np.int64]

Z95 = 1.96
MIN_AUDITED = 30


@dataclass(frozen=True, slots=True, kw_only=True)
class Promise:
    """What probabilities say of a window, a number a class. Promises add up: any window or segment is a sum.

    `hits` are the tickets expected to be right among those `predicted` as a class, `belong` those expected to belong there;
    `spread` is the variance of the number that are right among those predicted as a class.
    """

    rows: int
    hits: Floats
    belong: Floats
    predicted: Floats
    spread: Floats

    @property
    def expected(self) -> float:
        """Expected number of tickets that are right."""
        return float(self.hits.sum())

    @property
    def variance(self) -> float:
        """Of the number of tickets that are right."""
        return float(self.spread.sum())

    def of_class(self, number: int) -> "Promise":
        """Of the tickets predicted as one class; its macro-F1 is that class's F1."""
        own = {name: getattr(self, name)[number : number + 1] for name in _BY_CLASS}
        return Promise(rows=round(float(self.predicted[number])), **own)

    def as_json(self) -> dict[str, Any]:
        return {"rows": self.rows, **{name: [round(float(v), 6) for v in getattr(self, name)] for name in _BY_CLASS}}

    @staticmethod
    def from_json(content: Mapping[str, Any]) -> "Promise":
        """What `as_json` wrote. Days from before there was a spread a class have the whole one, shared out by rows."""
        named = {name: np.array(content[name], np.float64) for name in ("hits", "belong", "predicted")}
        spread = content.get("spread")
        if spread is None:
            spread = content["variance"] * named["predicted"] / max(content["rows"], 1)
        return Promise(rows=content["rows"], spread=np.array(spread, np.float64), **named)


_BY_CLASS = ("hits", "belong", "predicted", "spread")


def distributions(probabilities: Floats, *, classes: int) -> Floats:
    """The probabilities as rows x classes. Raises MonitorError for what is no distribution."""
    rows = probabilities.reshape(-1, classes)
    if not np.isfinite(rows).all() or (rows < 0).any() or (np.abs(rows.sum(axis=1) - 1) > 1e-3).any():
        raise MonitorError("a score is no distribution over the classes; score these days again")
    return rows


def promise(probabilities: Floats, *, classes: int, predicted: Ints | None = None) -> Promise:
    """Of rows x classes calibrated probabilities. Raises MonitorError for what is no distribution.

    `predicted` are the classes that were decided on, where the probabilities have been corrected since; default: the likeliest.
    """
    rows = distributions(probabilities, classes=classes)
    chosen = rows.argmax(axis=1) if predicted is None else predicted
    sure = rows[np.arange(len(rows)), chosen]
    return Promise(
        rows=len(rows),
        hits=np.bincount(chosen, weights=sure, minlength=classes).astype(np.float64),
        belong=rows.sum(axis=0),
        predicted=np.bincount(chosen, minlength=classes).astype(np.float64),
        spread=np.bincount(chosen, weights=sure * (1 - sure), minlength=classes).astype(np.float64),
    )


def by_group(
    probabilities: Floats, names: Sequence[str | None], *, classes: int, predicted: Ints | None = None
) -> dict[str, Promise]:
    """The promise of each group of rows, in the order of their names; rows without a group are in none."""
    rows = distributions(probabilities, classes=classes)
    chosen = rows.argmax(axis=1) if predicted is None else predicted
    places: dict[str, list[int]] = {}
    for place, name in enumerate(names):
        if name is not None:
            places.setdefault(name, []).append(place)
    return {
        name: promise(rows[own], classes=classes, predicted=chosen[own])
        for name, own in ((name, np.array(places[name])) for name in sorted(places))
    }


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
        spread=np.sum([p.spread for p in whole], axis=0),
    )


@dataclass(frozen=True, slots=True, kw_only=True)
class Estimate:
    """Estimated quality of a window; None where there is nothing to estimate from. `low` and `high` are 95% bounds of `accuracy`.

    `promised` is what the probabilities say, less what the version is known to overstate; `audited` is what the audit slice makes
    of it, and `accuracy` the one that `source` names.
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
    overstated: float = 0.0,
    audit: Sequence[tuple[float, bool]] = (),
    min_audited: int = MIN_AUDITED,
) -> Estimate:
    """Accuracy and macro-F1 of a window.

    `calibration_error` is the version's own on held-back rows, and widens the interval: no promise is better than the
    calibration that made it. `overstated` is by how much its confidence exceeds its accuracy there (`shift.Correction`).
    `audit` are (confidence, right) of settled tickets of the random slice.
    """
    if not window.rows:
        return Estimate(rows=0, audited_rows=len(audit))
    promised = min(1.0, max(0.0, window.expected / window.rows - overstated))
    half = Z95 * window.variance**0.5 / window.rows + calibration_error
    found = Estimate(
        rows=window.rows,
        audited_rows=len(audit),
        accuracy=promised,
        low=max(0.0, promised - half),
        high=min(1.0, promised + half),
        macro_f1=_macro_f1(window, overstated),
        promised=promised,
        source="probabilities",
    )
    if len(audit) < min_audited:
        return found
    return _corrected(found, audit, overstated=overstated, calibration_error=calibration_error)


def _corrected(
    found: Estimate, audit: Sequence[tuple[float, bool]], *, overstated: float, calibration_error: float
) -> Estimate:
    """What the audit slice makes of it. It contradicts where its gap is more than chance and calibration explain, had the promise
    been true: its own spread would be that of the error that is looked for.
    """
    assert found.promised is not None
    sure, right = (np.array(values, np.float64) for values in zip(*audit, strict=True))
    gaps = right - sure + overstated
    chance = Z95 * float((sure * (1 - sure)).sum()) ** 0.5 / len(gaps)
    half = Z95 * float(gaps.std(ddof=1)) / len(gaps) ** 0.5
    audited = min(1.0, max(0.0, found.promised + float(gaps.mean())))
    if abs(float(gaps.mean())) <= chance + calibration_error:
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


def _macro_f1(window: Promise, overstated: float) -> float:
    """Mean F1 over the classes that are expected or predicted at all; a class has its share of what is overstated."""
    present = (window.belong >= 0.5) | (window.predicted > 0)
    hits = np.clip(window.hits - overstated * window.predicted, 0.0, window.predicted)[present]
    return float((2 * hits / (window.belong[present] + window.predicted[present])).mean())
