"""Money at risk: what wrong automated decisions are expected to cost a day.

What belongs here: from counts to money. What does not: the counts (`resources/signals.py`).

The chance of an error is what turned out, tempered by what the model promised: (wrong + k p) / (settled + k), where p is the mean of
1 - confidence and k = 20 tickets. Few outcomes move it little, and many decide it: a promise alone would stay low while a model that is
sure of itself goes wrong.
"""

from collections.abc import Iterable
from dataclasses import dataclass

PRIOR_TICKETS = 20


@dataclass(frozen=True, slots=True, kw_only=True)
class Automated:
    """One queue: decisions automated into it in the last day, and how those of the window turned out."""

    queue: str
    decisions: int
    doubt: float  # mean of 1 - confidence over the decisions
    settled: int
    wrong: int
    cost: float  # of one wrong decision


def error_chance(of: Automated) -> float:
    """Between 0 and 1."""
    return (of.wrong + PRIOR_TICKETS * min(max(of.doubt, 0.0), 1.0)) / (of.settled + PRIOR_TICKETS)


def at_risk(queues: Iterable[Automated]) -> dict[str, float]:
    """Queue -> expected cost of its wrong decisions, dearest first."""
    found = {q.queue: q.decisions * error_chance(q) * q.cost for q in queues}
    return dict(sorted(found.items(), key=lambda item: (-item[1], item[0])))
