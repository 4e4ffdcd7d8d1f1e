"""The story that is played: how many tickets come each day, what goes wrong and when, and what would be right to do about it.

What belongs here: pure plans. What does not: carrying them out (`play.py`), and what the platform makes of them, which nobody tells it.
"""

from dataclasses import dataclass, field
from datetime import UTC, date, datetime, timedelta
from typing import Literal

import numpy as np

from aios_core.errors import ConfigurationError

Remedy = Literal["rollback", "narrow", "pause"]
NEW_PRODUCT, BAD_LABELS, CHANGED_RULE = "new_product", "bad_labels", "changed_rule"

DAYS_A_MONTH = 365.25 / 12
# Monday to Sunday, as the world's own season has it
WEEKDAY = (1.25, 1.12, 1.05, 1.0, 0.98, 0.68, 0.52)
START_HOUR = 15  # the world's first moment counts as a Thursday, 15:00
THURSDAY = 3
MOST_SEEDS = 50
QUIET_DAYS = 14  # from the last incident to the end: so long may a remedy take


@dataclass(frozen=True, slots=True, kw_only=True)
class People:
    """The desk that triages, in both worlds: how many people, when, and how often they put a ticket into a wrong queue."""

    desk: int = 2
    opens: float = 8.0
    closes: float = 18.0
    error_share: float = 0.05


@dataclass(frozen=True, slots=True, kw_only=True)
class Planted:
    """One thing that goes wrong: from which day of the play on, and the remedy that would be right."""

    kind: str
    day: int
    right: Remedy
    told: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Story:
    """One play. Days count from 0; `tickets` is the mean of a day, `history` what agents settled before it."""

    days: int
    seed: int = 7
    tickets: int = 120
    history_days: int = 28
    misfiled: int = 750  # a day, for a week
    delay_minutes: float = (
        3.0  # from a ticket's creation to the write of an automatic decision, on the running platform
    )
    people: People = field(default_factory=People)
    planted: tuple[Planted, ...] = ()

    @property
    def history(self) -> int:
        return self.tickets * self.history_days

    def arrivals(self, day: int) -> int:
        """Tickets of one day: more on Mondays, fewer at weekends. The first day is a Friday."""
        mean = self.tickets * WEEKDAY[(THURSDAY + 1 + day) % 7] / (sum(WEEKDAY) / 7)
        return int(np.random.default_rng([self.seed, 91, day]).poisson(mean))

    def planted_on(self, day: int) -> list[Planted]:
        return [planted for planted in self.planted if planted.day == day]


def six_months(*, months: float, seed: int, tickets: int) -> Story:
    """The telecom's case: three incidents, spread over the months; as many of them as there is time for."""
    days = round(months * DAYS_A_MONTH)
    return Story(days=days, seed=seed, tickets=tickets, planted=_planted(days))


def seeds_of(text: str, *, first: int) -> list[int]:
    """`3`: three seeds from `first` on; `7,8,9`: these. Raises ConfigurationError."""
    parts = [part.strip() for part in text.split(",")]
    if not all(part.isdecimal() for part in parts):
        raise ConfigurationError(f"--seeds `{text}`: give a number of plays, or their seeds with commas (`7,8,9`)")
    numbers = [int(part) for part in parts]
    seeds = numbers if len(numbers) > 1 else [first + n for n in range(numbers[0])]
    if not 1 <= len(seeds) <= MOST_SEEDS or len(set(seeds)) != len(seeds):
        raise ConfigurationError(f"--seeds `{text}`: 1 to {MOST_SEEDS} plays, each with a seed of its own")
    return seeds


def _planted(days: int) -> tuple[Planted, ...]:
    places = (
        (NEW_PRODUCT, 0.20, "narrow", "A new product, nova, with words of its own: three tickets in ten are about it."),
        (
            BAD_LABELS,
            0.46,
            "rollback",
            "For a week, helpers enter a pile of paper forms about bills, outages and roaming, and file them by last year's list of queues.",
        ),
        (
            CHANGED_RULE,
            0.72,
            "pause",
            "An account team takes over business customers: whatever they write about belongs to plan_change now.",
        ),
    )
    planted = [
        Planted(kind=kind, day=round(share * days), right=right, told=told)  # type: ignore[arg-type]
        for kind, share, right, told in places
    ]
    return tuple(p for p in planted if days >= 3 * QUIET_DAYS and p.day + QUIET_DAYS <= days)


def begins(days: int, *, now: datetime) -> datetime:
    """The last Thursday, 15:00 UTC, from which the play and its first hours end before `now`.

    The months end at the present: what Postgres stamps by itself then never lies before what the play has stamped.
    """
    latest = now - timedelta(days=days + 1)
    at = datetime(latest.year, latest.month, latest.day, START_HOUR, tzinfo=UTC)
    at -= timedelta(days=(at.weekday() - THURSDAY) % 7)
    return at if at <= latest else at - timedelta(days=7)


def first_day(begin: datetime) -> date:
    """Day 0: the first whole day after the beginning."""
    return begin.date() + timedelta(days=1)
