"""What a world is made from: the seed, the sizes, and the moments at which it changes.

What belongs here: the settings of a world and how they are written on a command line. What does not: anything drawn
from the seed (the modules beside this one) and the settings of the server (`sandbox/settings.py`).
"""

import math
from dataclasses import dataclass
from typing import Literal, get_args

DAY = 86_400.0
QUIET_SECONDS = 120.0
"""The generated past ends this long before the start, so that the export's one-minute guard never holds it back."""
CALM_SECONDS = 900.0
"""Nothing happens by itself for this long after the start: whoever runs right after it sees the same world each time."""

DriftKind = Literal["new_product", "class_shift", "label_rule"]
DRIFT_KINDS: tuple[DriftKind, ...] = get_args(DriftKind)
"""Changes that a monitor is measured by."""
ChangeKind = Literal[DriftKind, "account_team"]
CHANGE_KINDS: tuple[ChangeKind, ...] = (*DRIFT_KINDS, "account_team")
"""All changes of the world."""


class SpecError(ValueError):
    """A setting of the world can't be used; the message names it and what would be accepted."""


@dataclass(frozen=True, slots=True)
class Drift:
    """One change of the world. `at` is in seconds relative to the world's start clock (negative: before it)."""

    kind: ChangeKind
    at: float


@dataclass(frozen=True, slots=True, kw_only=True)
class WorldSpec:
    """Everything that decides what happened before the clock starts. Times are relative to that moment, in seconds.

    Two specs that are equal give the same texts, ids and relative times, whatever the calendar date they are put on.
    """

    seed: int = 7
    tickets: int = 2_000
    new_days: float = 2.0
    history: int = 8_000
    history_days: float = 28.0
    drift: tuple[Drift, ...] = ()

    def __post_init__(self) -> None:
        for name in ("seed", "tickets", "history"):
            if getattr(self, name) < 0:
                raise SpecError(f"{name} is {getattr(self, name)}; give a number of 0 or more")
        for name in ("new_days", "history_days"):
            value = getattr(self, name)
            if not math.isfinite(value) or not 0.01 <= value <= 3660:
                raise SpecError(f"{name} is {value}; give a number of days from 0.01 to 3660")

    @property
    def first_moment(self) -> float:
        """Start of the history, in seconds relative to the start clock (so: negative)."""
        return -(self.history_days + self.new_days) * DAY

    @property
    def customers(self) -> int:
        """About one customer for four tickets, and never a toy CRM."""
        return max(200, (self.tickets + self.history) // 4)

    def drift_at(self, kind: ChangeKind) -> float:
        """The earliest moment of this kind of change, or infinity."""
        return min((drift.at for drift in self.drift if drift.kind == kind), default=math.inf)


def parse_drift(text: str, *, first_moment: float) -> Drift:
    """Read `KIND@DAY`: the day counts from the world's first day, a negative one back from the start clock."""
    kind, _, day = text.partition("@")
    if kind not in CHANGE_KINDS:
        raise SpecError(f"drift {text!r}: unknown kind {kind!r}; use KIND@DAY with one of {', '.join(CHANGE_KINDS)}")
    try:
        days = float(day)
    except ValueError:
        days = math.nan
    if not math.isfinite(days):
        raise SpecError(f"drift {text!r}: {day!r} is not a day; write for example {kind}@20 or {kind}@-2.5")
    counts_back = day.strip().startswith("-")
    return Drift(kind, days * DAY if counts_back else first_moment + days * DAY)
