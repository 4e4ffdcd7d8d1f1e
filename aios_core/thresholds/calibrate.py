"""How often a prediction of this confidence is wrong: isotonic regression on labelled tickets.

What belongs here: the fit, by queue where there are rows enough. What does not: guarantees (`certify.py`): a fit is an estimate.

People see uncertain tickets more often than sure ones, so the labelled rows are no fair sample of the tickets. Two things answer that:
the error is learnt at each confidence, where being seen matters little; and a row that only the audit slice could show counts as many
times as such rows went unseen (inverse sampling probability, in `weight`).
"""

from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np

from aios_core.thresholds.tickets import Floats, Tickets, Words

MIN_ROWS = 100  # labelled rows of a queue; below, it has the fit of all queues


@dataclass(frozen=True, slots=True, kw_only=True)
class Steps:
    """A falling step line: the error at each of `confidence`, linear between them."""

    confidence: Floats
    error: Floats

    def at(self, confidence: Floats) -> Floats:
        return np.interp(confidence, self.confidence, self.error)


@dataclass(frozen=True, slots=True, kw_only=True)
class Calibration:
    """`shared` is the fit of all queues, `own` those of queues with rows enough."""

    shared: Steps
    own: Mapping[str, Steps]
    rows: int

    def error(self, queue: Words, confidence: Floats) -> Floats:
        """The expected share of wrong predictions of each row."""
        found = self.shared.at(confidence)
        for name, steps in self.own.items():
            mine = queue == name
            found[mine] = steps.at(confidence[mine])
        return found


def calibrate(tickets: Tickets) -> Calibration:
    """Fit on the labelled tickets with a score; without any, the error is taken to be one minus the confidence."""
    known = tickets.where(tickets.labelled & (tickets.confidence >= 0) & (tickets.weight > 0))
    names, counts = np.unique(known.queue.astype(str), return_counts=True)
    return Calibration(
        shared=_fit(known),
        own={str(n): _fit(known.where(known.queue == n)) for n, c in zip(names, counts, strict=True) if c >= MIN_ROWS},
        rows=len(known),
    )


def _fit(known: Tickets) -> Steps:
    if not len(known):
        return Steps(confidence=np.array([0.0, 1.0]), error=np.array([1.0, 0.0]))
    from sklearn.isotonic import IsotonicRegression  # 1 s to import

    fitted = IsotonicRegression(y_min=0.0, y_max=1.0, increasing=False, out_of_bounds="clip")
    fitted.fit(known.confidence, known.wrong.astype(np.float64), sample_weight=known.weight)
    return Steps(confidence=np.asarray(fitted.X_thresholds_), error=np.asarray(fitted.y_thresholds_))
