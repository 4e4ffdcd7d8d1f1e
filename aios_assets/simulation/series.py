"""A play week by week: what the page draws.

What belongs here: sums over weeks, pure. What does not: drawing (`pictures.py`).
"""

from collections import defaultdict
from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import date, timedelta

from aios_assets.simulation.play import ByHand, Played
from aios_assets.simulation.world import Told

WEEK = 7


@dataclass(slots=True)
class Week:
    """Seven days from `first` on."""

    first: date
    verdicts: dict[str, int] = field(default_factory=lambda: defaultdict(int))
    automated_wrong: int = 0
    minutes: float = 0.0
    minutes_by_hand: float = 0.0
    hours: list[float] = field(default_factory=list)
    hours_by_hand: list[float] = field(default_factory=list)

    @property
    def tickets(self) -> int:
        return sum(self.verdicts.values())

    @property
    def error_rate(self) -> float | None:
        automated = self.verdicts.get("automate", 0)
        return self.automated_wrong / automated if automated else None


def weeks(played: Played, hand: ByHand) -> list[Week]:
    """Whole weeks of the play, oldest first; errors are against the world's truth."""
    value, zero = played.automation.value, played.days[0].day
    minutes = {"draft": value.minutes_draft, "review": value.minutes_review, "fallback": value.minutes_manual}
    found = [Week(first=zero + timedelta(days=WEEK * n)) for n in range(len(played.days) // WEEK)]
    for row in played.decisions.itertuples():
        number = (row.day - zero).days // WEEK
        if number >= len(found):
            continue
        week, told = found[number], played.truth.get(row.ticket_id)
        week.verdicts[row.verdict] += 1
        wrong = row.verdict == "automate" and told is not None and told.queue != row.queue
        week.automated_wrong += wrong
        week.minutes += value.minutes_manual if wrong else minutes.get(row.verdict, 0.0)
        week.minutes_by_hand += value.minutes_manual
        for hours, truth in ((week.hours, played.truth), (week.hours_by_hand, hand.truth)):
            if (taken := _hours(truth, row.ticket_id)) is not None:
                hours.append(taken)
    return found


def _hours(truth: Mapping[str, Told], ticket: str) -> float | None:
    told = truth.get(ticket)
    return (told.resolved_at - told.created_at) / 3_600 if told is not None and told.resolved_at else None
