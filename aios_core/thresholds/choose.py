"""The cheapest cut-offs that the guarantee allows and that people can follow up.

What belongs here: what a pair of cut-offs would cost and leave to people, and the choice. What does not: which cut-offs are allowed
(`certify.py`) and how sure a confidence makes (`calibrate.py`).

Queues that share cut-offs are one group. A group is free to choose among its pairs; the reviewers' day couples the groups. Each
group's pairs that are the cheapest for their number of reviews form a convex line; its steps, the cheapest saved review first, make
one chain for all. So more capacity never costs more, and each review that is saved is saved where that costs least.
"""

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, fields
from itertools import pairwise

import numpy as np

from aios_core.automation import Automation
from aios_core.thresholds.calibrate import Calibration
from aios_core.thresholds.tickets import Floats, Tickets, Words

NEVER = math.inf
Pair = tuple[float, float]  # (automate, draft); NEVER: no ticket is in that band


@dataclass(frozen=True, slots=True, kw_only=True)
class Load:
    """What a day would bring: cost in the declared currency, and tickets. `wrong` are those of the automated that would err."""

    tickets: float = 0.0
    automated: float = 0.0
    wrong: float = 0.0
    drafts: float = 0.0
    wrong_drafts: float = 0.0
    reviews: float = 0.0
    cost: float = 0.0

    def __add__(self, other: "Load") -> "Load":
        return Load(**{f.name: getattr(self, f.name) + getattr(other, f.name) for f in fields(self)})

    @property
    def error(self) -> float | None:
        """The share of automated tickets that would be wrong."""
        return self.wrong / self.automated if self.automated else None


NAMES = tuple(f.name for f in fields(Load))


@dataclass(frozen=True, slots=True)
class Stream:
    """Tickets of a day in the order of their confidence. `above` sums what each and all surer ones would bring in each band:
    3 bands x (rows + 1) x numbers, the last row zero.
    """

    confidence: Floats
    above: Floats

    def load(self, pair: Pair) -> Load:
        """Under one pair of cut-offs."""
        return Load(**dict(zip(NAMES, self._loads([pair])[0].tolist(), strict=True)))

    def pairs(self, automate: Sequence[float], draft: Sequence[float]) -> list[tuple[Pair, float, float]]:
        """(pair, reviews, cost) of every pair in order: `automate` above `draft`, and nothing automated where nothing is drafted."""
        wanted = [(a, d) for a in automate for d in draft if a > d or a == d == NEVER]
        loads = self._loads(wanted)
        reviews, cost = loads[:, NAMES.index("reviews")], loads[:, NAMES.index("cost")]
        return list(zip(wanted, reviews.tolist(), cost.tolist(), strict=True))

    def _loads(self, pairs: Sequence[Pair]) -> Floats:
        high, middle, low = self.above
        automate, draft = (np.searchsorted(self.confidence, np.array(cuts)) for cuts in zip(*pairs, strict=True))
        found: Floats = high[automate] + (middle[draft] - middle[automate]) + (low[0] - low[draft])
        return found


def stream_of(
    tickets: Tickets, calibration: Calibration, *, automation: Automation, share: float, audit_share: float
) -> Stream:
    """The tickets as those of a day, of which each is this share; errors are expected ones, so that no label is needed."""
    order = np.argsort(tickets.confidence, kind="stable")
    rows = Tickets(**{name: getattr(tickets, name)[order] for name in Tickets.__slots__})
    error = np.where(rows.confidence >= 0, calibration.error(rows.queue, rows.confidence), 1.0)
    prices = _wrong_costs(rows, automation)
    brought = [
        _brought(verdicts, error, prices, automation, audit_share) for verdicts in (rows.high, rows.middle, rows.low)
    ]
    above = np.zeros((3, len(rows) + 1, len(NAMES)))
    above[:, :-1] = np.cumsum(np.stack(brought)[:, ::-1] * share, axis=1)[:, ::-1]
    return Stream(rows.confidence, above)


def _brought(verdicts: Words, error: Floats, prices: Floats, automation: Automation, audit_share: float) -> Floats:
    """What each ticket brings on average, one ticket in `1 / audit_share` going to people whatever its verdict."""
    costs, value = automation.decisions.costs, automation.value
    minute = value.hourly_cost / 60
    automate, draft, review = (verdicts == name for name in ("automate", "draft", "review"))
    seen = 1 - audit_share
    cost = np.select(
        [automate, draft, review],
        [error * prices, value.minutes_draft * minute + error * costs.wrong_draft, np.full(len(error), costs.review)],
        value.minutes_manual * minute,
    )
    columns = {
        "tickets": np.ones(len(error)),
        "automated": automate * seen,
        "wrong": automate * error * seen,
        "drafts": draft * seen,
        "wrong_drafts": draft * error * seen,
        "reviews": np.where(review, 1.0, audit_share),
        "cost": cost * seen + costs.review * audit_share,
    }
    return np.stack([columns[name].astype(np.float64) for name in NAMES], axis=1)


@dataclass(frozen=True, slots=True, kw_only=True)
class Step:
    """One point of the chain: the pair of every group, and what a day would bring under them."""

    pairs: Mapping[str, Pair]
    load: Load


def chain(options: Mapping[str, tuple[Stream, Sequence[float], Sequence[float]]]) -> tuple[list[Step], int]:
    """Points from the most reviews to the fewest, and the place of the cheapest.

    `options` holds each group's stream with the cut-offs for automate and draft that it may choose. Neighbouring points differ in one
    group; up to the cheapest a saved review saves money, after it each costs more than the one before.
    """
    lines = {name: _lower_line(stream.pairs(automate, draft)) for name, (stream, automate, draft) in options.items()}
    # (price of a saved review, group, place): within a group the prices rise, so the order of its steps is kept
    steps = sorted(
        ((c2 - c1) / (r1 - r2), name, place)
        for name, line in lines.items()
        for place, ((_, r1, c1), (_, r2, c2)) in enumerate(pairwise(line), start=1)
    )
    at = {name: line[0][0] for name, line in lines.items()}
    loads = {name: options[name][0].load(pair) for name, pair in at.items()}
    found = [Step(pairs=dict(at), load=sum(loads.values(), Load()))]
    for _, name, place in steps:
        at[name] = lines[name][place][0]
        loads[name] = options[name][0].load(at[name])
        found.append(Step(pairs=dict(at), load=sum(loads.values(), Load())))
    return found, sum(price < 0 for price, _, _ in steps)


def within(steps: Sequence[Step], cheapest: int, capacity: float | None) -> int:
    """The place of the cheapest point that people can follow up; of that with the fewest reviews where none is."""
    for place in range(cheapest, len(steps)):
        if capacity is None or steps[place].load.reviews <= capacity:
            return place
    return len(steps) - 1


def _lower_line(points: Sequence[tuple[Pair, float, float]]) -> list[tuple[Pair, float, float]]:
    """The lower convex line from the most reviews to the fewest. Of equal points the more careful pair stands for all."""
    best: dict[float, tuple[Pair, float, float]] = {}
    for pair, reviews, cost in points:
        key, price = round(reviews, 9), round(cost, 9)
        if key not in best or (price, _careless(pair)) < (best[key][2], _careless(best[key][0])):
            best[key] = (pair, key, price)
    line: list[tuple[Pair, float, float]] = []
    for point in sorted(best.values(), key=lambda p: -p[1]):
        while len(line) >= 2 and _over(line[-2], line[-1], point):
            line.pop()
        line.append(point)
    return line


def _careless(pair: Pair) -> tuple[float, float]:
    return -pair[0], -pair[1]


def _over(a: tuple[Pair, float, float], b: tuple[Pair, float, float], c: tuple[Pair, float, float]) -> bool:
    """Whether `b` lies on or above the line from `a` to `c`."""
    return (b[2] - a[2]) * (a[1] - c[1]) >= (c[2] - a[2]) * (a[1] - b[1])


def _wrong_costs(tickets: Tickets, automation: Automation) -> Floats:
    own = {q.name: q.wrong_cost for q in automation.queues if q.wrong_cost is not None}
    return np.array([own.get(q, automation.decisions.costs.wrong_automation) for q in tickets.queue], np.float64)
