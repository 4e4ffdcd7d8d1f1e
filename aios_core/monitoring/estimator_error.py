"""The error of the estimate, watched over time: what was promised of settled tickets less what turned out, a day a point.

What belongs here: the series and when it has drifted. What does not: the estimate (`estimate.py`).

Both sides are of the same settled tickets, so that which tickets settle first (those that people saw) does not look like an error.
A chance error of one day says nothing; a small one that stays does. So the series is summed up (CUSUM; E. S. Page 1954, "Continuous
Inspection Schemes", Biometrika 41): with half a standard deviation allowed and the alarm at five, chance alone raises it about once in
900 days, and an error of one standard deviation a day within about ten.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import date

from aios_core.monitoring.estimate import Z95

ALLOWED, ALARM, CAP = 0.5, 5.0, 10.0
MIN_SETTLED = 10  # of a day: below that a day joins the next one


@dataclass(frozen=True, slots=True, kw_only=True)
class SettledDay:
    """The settled tickets of a day under one version: `expected` right by their confidence, its `variance`, and `right` in truth."""

    day: date
    model_version: int
    settled: int
    expected: float
    variance: float
    right: int

    @property
    def error(self) -> float:
        """Promised less realised accuracy; above 0: the estimate was too good."""
        return (self.expected - self.right) / self.settled


@dataclass(frozen=True, slots=True, kw_only=True)
class Watched:
    """What the series says. `since` is the day from which the sum that stands above the alarm grew; `error` is the mean from then on,
    or that of all days where none does; above 0: estimates were too good.
    """

    days: int
    settled: int
    error: float | None = None
    drifted: bool = False
    since: date | None = None


def watch(days: Sequence[SettledDay], *, tolerance: float) -> Watched:
    """The series of one version, oldest day first. `tolerance` is the calibration error that the version is known to have.

    It has drifted while a sum stands above the alarm at the last day; the sums are capped, so that an error that is over is soon
    forgotten.
    """
    points = _joined(days)
    for sign in (1.0, -1.0):
        summed, began = 0.0, None
        for point in points:
            off = sign * point.error - tolerance
            chance = max(point.variance, 0.25) ** 0.5 / point.settled  # all of them sure would make chance impossible
            summed = min(CAP, max(0.0, summed + off / chance - ALLOWED))
            began = (began or point.day) if summed else None
        if summed > ALARM and began is not None:
            growing = [d for d in days if d.day >= began]
            return Watched(days=len(days), settled=_settled(days), error=_error(growing), drifted=True, since=began)
    return Watched(days=len(days), settled=_settled(days), error=_error(days))


def within(days: Sequence[SettledDay], *, tolerance: float) -> bool:
    """Whether what turned out of all these days lies within the 95% interval of what was expected of them."""
    settled, variance = _settled(days), sum(d.variance for d in days)
    error = _error(days)
    return error is None or bool(abs(error) <= Z95 * variance**0.5 / settled + tolerance)


def _joined(days: Sequence[SettledDay]) -> list[SettledDay]:
    """Days with enough settled tickets for a point, small ones together; a remainder waits for more."""
    points, waiting = list[SettledDay](), list[SettledDay]()
    for day in days:
        waiting.append(day)
        if _settled(waiting) >= MIN_SETTLED:
            points.append(_sum(waiting))
            waiting = []
    return points


def _sum(days: Sequence[SettledDay]) -> SettledDay:
    return SettledDay(
        day=days[0].day,
        model_version=days[0].model_version,
        settled=_settled(days),
        expected=sum(d.expected for d in days),
        variance=sum(d.variance for d in days),
        right=sum(d.right for d in days),
    )


def _settled(days: Sequence[SettledDay]) -> int:
    return sum(d.settled for d in days)


def _error(days: Sequence[SettledDay]) -> float | None:
    settled = _settled(days)
    return sum(d.expected - d.right for d in days) / settled if settled else None
