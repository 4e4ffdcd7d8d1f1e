"""When tickets arrive: daily and weekly season, cut into blocks that are drawn independently of each other.

What belongs here: counts and moments of arrival. What does not: what arrives (`tickets.py`).

A block is about an hour of arrivals with random numbers of its own, so that a million tickets stream in flat memory
and one ticket's text can be drawn again without drawing the rest. The season is tied to the start clock (which counts
as a Thursday, 15:00), not to the calendar: the same seed then gives the same world on every day it is started.
"""

import math
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Final, Literal

import numpy as np
from numpy.typing import NDArray

from sandbox.world.spec import DAY, QUIET_SECONDS, WorldSpec

HOUR: Final = 3_600.0
START_HOUR_OF_WEEK: Final = 3 * 24 + 15
LIVE_SLOT: Final = 10.0
MAX_BLOCK: Final = 4_096

WEEKDAY: Final = np.array([1.25, 1.12, 1.05, 1.0, 0.98, 0.68, 0.52])
HOUR_OF_DAY: Final = np.array(
    [8, 5, 4, 3, 4, 8, 18, 38, 68, 92, 100, 96, 84, 80, 82, 84, 86, 90, 96, 88, 66, 46, 28, 15]
) / 100.0  # fmt: skip

BlockKind = Literal["history", "new", "advance", "live", "entered", "misfiled"]
KIND_KEYS: Final[dict[BlockKind, int]] = {
    "history": 10,
    "new": 11,
    "advance": 12,
    "live": 13,
    "entered": 14,
    "misfiled": 15,
}
ENTERED: Final[tuple[BlockKind, ...]] = ("entered", "misfiled")
"""Tickets that somebody enters when they are solved already; misfiled ones by last year's list of queues."""


@dataclass(frozen=True, slots=True)
class Block:
    """Some arrivals within `[start, start + seconds)`. `first` is the position of its first ticket in the world."""

    kind: BlockKind
    serial: int
    start: float
    seconds: float
    count: int
    first: int

    def key(self, seed: int, purpose: int) -> list[int]:
        """Seeds the random numbers of this block for one purpose."""
        return [seed, KIND_KEYS[self.kind], self.serial, purpose]


def season(moments: NDArray[np.float64]) -> NDArray[np.float64]:
    """Relative rate of arrivals at these moments (seconds relative to the start clock)."""
    hours = np.floor(moments / HOUR).astype(np.int64) + START_HOUR_OF_WEEK
    rate: NDArray[np.float64] = HOUR_OF_DAY[hours % 24] * WEEKDAY[hours // 24 % 7]
    return rate


def spread(
    kind: BlockKind, *, seed: int, serial: int, start: float, seconds: float, count: int, first: int
) -> Iterator[Block]:
    """Cut `count` arrivals over a span into blocks that follow the season.

    `serial` sets apart spans of the same kind; a span uses up to 2**20 serials.
    """
    slots = max(1, math.ceil(seconds / HOUR))
    width = seconds / slots
    weights = season(start + width * (np.arange(slots, dtype=np.float64) + 0.5))
    rng = np.random.default_rng([seed, KIND_KEYS[kind], serial, 0])
    counts = rng.multinomial(count, weights / weights.sum())
    block = serial << 20
    for slot, in_slot in enumerate(counts.tolist()):
        parts = max(1, math.ceil(in_slot / MAX_BLOCK))
        for part in range(parts):
            size = in_slot * (part + 1) // parts - in_slot * part // parts
            if size:
                begin = start + width * (slot + part / parts)
                yield Block(kind, block, begin, width / parts, size, first)
                first += size
            block += 1


def past_blocks(spec: WorldSpec) -> Iterator[Block]:
    """The history and then the new window, both before the clock starts."""
    yield from spread(
        "history",
        seed=spec.seed,
        serial=0,
        start=spec.first_moment,
        seconds=spec.history_days * DAY,
        count=spec.history,
        first=0,
    )
    yield from spread(
        "new",
        seed=spec.seed,
        serial=0,
        start=-spec.new_days * DAY,
        seconds=spec.new_days * DAY - QUIET_SECONDS,
        count=spec.tickets,
        first=spec.history,
    )


def live_blocks(*, seed: int, per_minute: float, first_slot: int, end_slot: int, first: int) -> Iterator[Block]:
    """Arrivals of the ten-second slots `[first_slot, end_slot)` after the start, Poisson around `per_minute` a minute."""
    for slot in range(first_slot, end_slot):
        count = int(np.random.default_rng([seed, KIND_KEYS["live"], slot, 0]).poisson(per_minute * LIVE_SLOT / 60))
        if count:
            yield Block("live", slot, slot * LIVE_SLOT, LIVE_SLOT, count, first)
            first += count
