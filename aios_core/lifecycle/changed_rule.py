"""Labels of before a changed rule: which kinds of tickets belong elsewhere now, since when, and which labels are older than that.

What belongs here: the rule, pure. What does not: reading incidents and hearing the version that failed (`resources/changed_rules.py`), and
the verdict that led to the pause (`aios_core/monitoring/verdict.py`).

A pause says that settled tickets contradict the champion and that the last good version is no way back: the world changed, not the
model. The training window then holds weeks of the old rule beside some days of the new one, and what is learnt from both is right
about neither. Older labels have to go, but only those that the change concerns: what else was learnt still holds.

So the kinds of tickets are looked for in which the version was wrong more often than it promised: those of one answer, and those of
one value of a category (a customer's segment, a channel). The kind and the day come first that stand out most of all tickets since that
day, errors being Poisson around what was promised. Its tickets are then set aside, and the rest is looked through again, until
what is left may be chance. Where tickets are off and no kind stands out, all of them changed.

A label of such a kind is outdated where its ticket came before that day. What a reviewer has said since is not.
"""

import math
from collections import defaultdict
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import date

from aios_core.automation import Monitoring

CHANCE = 0.002  # a false alarm's, over all kinds and days that are looked at
MIN_ROWS = 10
MOST_KINDS = 8
KIND_FACTOR = 2  # one kind must be off by twice as much as all tickets: there are many kinds
ALL = ("", "")
QUEUE = "queue"

# column and value; `ALL` for every ticket, ("queue", NAME) for those that were given that answer
Kind = tuple[str, str]


@dataclass(frozen=True, slots=True, kw_only=True)
class Answer:
    """One settled ticket under the version that failed. `promised` is the probability that it gave its answer."""

    day: date
    right: bool
    promised: float
    kinds: frozenset[Kind]


@dataclass(frozen=True, slots=True, kw_only=True)
class ChangedKind:
    """Tickets of one kind, from a day on: `wrong` of `rows` were, where `expected` were promised to be."""

    kind: Kind
    since: date
    rows: int
    wrong: int
    expected: float

    @property
    def told(self) -> str:
        """`crm_segment enterprise since 2026-10-01: 31 of 35 wrong, 1.2 expected`"""
        name = "all tickets" if self.kind == ALL else " ".join(self.kind)
        return f"{name} since {self.since}: {self.wrong} of {self.rows} wrong, {self.expected:.1f} expected"


@dataclass(frozen=True, slots=True, kw_only=True)
class Known:
    """One label as training would read it. `settled` is the day on which it became known, and `kinds` go by the label."""

    day: date
    settled: date
    reviewed: bool
    kinds: frozenset[Kind]


def changed_kinds(answers: Sequence[Answer], *, limits: Monitoring, forgiven: float = 0.0) -> tuple[ChangedKind, ...]:
    """The kinds that changed, the one that explains most first; `forgiven` is the version's calibration error, for each ticket."""
    found: list[ChangedKind] = []
    left = list(answers)
    while len(found) < MOST_KINDS and (best := _best(left, limits, forgiven)) is not None:
        found.append(best)
        left = [a for a in left if not _of(best, a.day, a.kinds)]
    return tuple(found)


def outdated(labels: Iterable[Known], changed: Sequence[ChangedKind]) -> list[bool]:
    """Which labels are of before the change, in their order."""
    return [any(_before(kind, label) for kind in changed) for label in labels]


def _of(found: ChangedKind, day: date, kinds: frozenset[Kind]) -> bool:
    return day >= found.since and (found.kind == ALL or found.kind in kinds)


def _before(found: ChangedKind, label: Known) -> bool:
    if label.day >= found.since or (label.reviewed and label.settled >= found.since):
        return False
    return found.kind == ALL or found.kind in label.kinds


def _best(answers: Sequence[Answer], limits: Monitoring, forgiven: float) -> ChangedKind | None:
    """The kind that stands out most of the tickets of its days; all tickets where they are off and none stands out."""
    days: defaultdict[Kind, defaultdict[date, list[float]]] = defaultdict(lambda: defaultdict(lambda: [0, 0, 0.0]))
    for answer in answers:
        expected = 1 - answer.promised + forgiven
        for kind in (ALL, *answer.kinds):
            sums = days[kind][answer.day]
            sums[0] += 1
            sums[1] += not answer.right
            sums[2] += expected
    splits = [split for kind, by_day in days.items() for split in _splits(kind, by_day)]
    whole = {split.since: split for split in splits if split.kind == ALL}
    since: dict[Kind, ChangedKind] = {}
    # of equal ones the first by name and day, so that the order of rows makes no difference
    for split in sorted(splits, key=lambda s: (s.kind, -_gain(s.wrong, s.expected), s.since)):
        if split.kind not in since and _off(split, limits, of=len(splits)):
            since[split.kind] = split
    contrasts = {split.kind: _contrast(split, whole[split.since]) for split in since.values() if split.kind != ALL}
    best = min(contrasts, key=lambda kind: (-contrasts[kind], kind), default=ALL)
    stands_out = best != ALL and contrasts[best] >= math.log(len(splits) / CHANCE)
    return since.get(best if stands_out else ALL)


def _splits(kind: Kind, by_day: Mapping[date, Sequence[float]]) -> list[ChangedKind]:
    """The kind since each of its days."""
    rows, wrong, expected = 0, 0, 0.0
    found = []
    for day in sorted(by_day, reverse=True):
        rows, wrong, expected = rows + int(by_day[day][0]), wrong + int(by_day[day][1]), expected + by_day[day][2]
        found.append(ChangedKind(kind=kind, since=day, rows=rows, wrong=wrong, expected=expected))
    return found


def _off(split: ChangedKind, limits: Monitoring, *, of: int) -> bool:
    from scipy.special import pdtrc  # heavy, and only a paused automation needs it

    limit = limits.gap_limit * (1 if split.kind == ALL else KIND_FACTOR)
    if split.rows < MIN_ROWS or split.wrong - split.expected < limit * split.rows:
        return False
    return float(pdtrc(split.wrong - 1, max(split.expected, 1e-9))) < CHANCE / of


def _contrast(split: ChangedKind, whole: ChangedKind) -> float:
    """Log likelihood of a rate of its own for the kind, and one for the rest of the same days, above that of one for both (Poisson)."""
    rest_wrong, rest_expected = whole.wrong - split.wrong, whole.expected - split.expected
    if split.wrong * rest_expected <= rest_wrong * split.expected:
        return 0.0  # the rest is at least as bad
    own, rest = _gain(split.wrong, split.expected), _gain(rest_wrong, rest_expected)
    return own + rest - _gain(whole.wrong, whole.expected)


def _gain(wrong: int, expected: float) -> float:
    """Log likelihood of so many at their own rate, above that at the promised one (Poisson)."""
    return (wrong * math.log(wrong / max(expected, 1e-9)) if wrong else 0.0) - (wrong - expected)
