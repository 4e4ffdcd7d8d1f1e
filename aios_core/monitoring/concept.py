"""Label drift and concept drift: what turned out, against the training's labels and against what the same tickets were promised.

What belongs here: class shares of a window by its outcomes, and whether a version is wrong more often than its probabilities say,
overall or in one kind of ticket. What does not: counting settled tickets (`settled.py`), drift of inputs and predictions
(`drift.py`), and what is done about it (`verdict.py`).

**Label drift** compares class shares of outcomes with those of the training labels. Urgent tickets are settled first, so the shares
of the settled tickets alone would differ from day one: tickets without an outcome count with their class probabilities.

**Concept drift** is error where inputs look as before: the same texts belong elsewhere now. Probabilities promise how many answers
of a group of tickets are wrong; the number that really is wrong follows a Poisson distribution at most as wide as that of the
expected number (sums of unequal coins spread less; Hoeffding 1956). A group drifted where that number is improbable over all groups
looked at, *and* the share of wrong answers is clearly above the promised one. A version that was overconfident in a group at
training is forgiven that much.

The same is asked of every pair of queues: tickets predicted as the one that turned out to be of the other. A changed rule moves
a few tickets between two queues, and shows there long before it shows in the accuracy of either.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import asdict, dataclass
from typing import Any

import numpy as np

from aios_core.automation import Monitoring
from aios_core.monitoring.levels import Counts, Levels, name_of
from aios_core.monitoring.settled import OTHER, Settled
from aios_core.monitoring.sketch import MILLION, Cuts, Sketch

FALSE_ALARMS = 0.002  # over all groups of a window, and as much over all pairs of queues
MIN_GROUP = 10
PRIOR_ROWS = 20  # a gap that was seen on few training rows is believed little
SHOWN = 8
ABOVE_ALL = 1.25
MIN_PAIR = 3
STRONG = 2.0  # times the limit: no second day is asked for


@dataclass(frozen=True, slots=True, kw_only=True)
class LabelShares:
    """Tickets by class: of the training, and of a window by its outcomes and, where there are none yet, its probabilities."""

    levels: Levels
    reference: Counts
    current: Counts


@dataclass(frozen=True, slots=True, kw_only=True)
class Gap:
    """A group of settled tickets. `column` and `value` are empty for all of them; `forgiven` is the share known from training."""

    column: str
    value: str
    rows: int
    right: int
    promised: float
    forgiven: float
    chance: float

    @property
    def beyond(self) -> float:
        """Share of wrong answers beyond the promised and the forgiven one."""
        return (self.promised - self.right) / self.rows - self.forgiven


@dataclass(frozen=True, slots=True, kw_only=True)
class Moved:
    """`seen` of `rows` tickets predicted as one class turned out to be of another, where `expected` were promised."""

    predicted: str
    label: str
    rows: int
    seen: int
    expected: float
    chance: float

    @property
    def beyond(self) -> float:
        """Share of the tickets predicted so that is more than expected."""
        return (self.seen - self.expected) / self.rows


@dataclass(frozen=True, slots=True, kw_only=True)
class Concept:
    """What outcomes say of the promises. `gaps` and `moved` are what drifted, the worst first; `drifted` is None where too few are settled."""

    rows: int
    drifted: bool | None = None
    accuracy: float | None = None
    promised: float | None = None
    gaps: tuple[Gap, ...] = ()
    moved: tuple[Moved, ...] = ()
    reason: str = ""

    def as_json(self) -> dict[str, Any]:
        """What a monitored day keeps."""
        return asdict(self)


def label_shares(
    cuts: Cuts, trained: Mapping[str, int], settled: Settled, window: Sketch, *, limits: Monitoring
) -> LabelShares | None:
    """None where too few tickets are settled, or labels of the training or probabilities of the window are not known."""
    known = window.expected is not None and len(window.expected) == len(cuts.classes) and any(trained.values())
    if settled.rows < limits.min_outcomes or not known:
        return None
    assert window.expected is not None  # as just looked at
    unsettled = np.maximum(window.expected - settled.expected.sum(axis=0), 0) / MILLION
    labels = settled.seen.sum(axis=0)
    own = np.rint(labels[:-1] + unsettled).astype(np.int64)
    place_of = {name: i for i, name in enumerate(cuts.classes)}
    # the most frequent first: rare classes are then joined with rare ones, as in any other column
    order = sorted(cuts.classes, key=lambda name: (-trained.get(name, 0), name))
    return LabelShares(
        levels=Levels(kind="categorical", categories=tuple(order)),
        reference=np.array([*(trained.get(name, 0) for name in order), 0, 0, 0], np.int64),
        current=np.array([*(own[place_of[name]] for name in order), 0, labels[-1], 0], np.int64),
    )


def concept(
    cuts: Cuts,
    settled: Settled,
    *,
    limits: Monitoring,
    calibration_error: float,
    trained: Settled | None = None,
    recent: Settled | None = None,
) -> Concept:
    """Compare what turned out with what was promised.

    `trained` are the rows that the version's own metrics were measured on. With `recent`, the last days with this one, a group that
    drifted by less than twice the limit counts only where those days together drifted as much as half of the others would make them.
    """
    if settled.rows < limits.min_outcomes:
        return Concept(rows=settled.rows, reason=f"{settled.rows} settled tickets, {limits.min_outcomes} are needed")
    gaps = list(_gaps(cuts, settled, trained, calibration_error))
    moved = list(_moved(cuts, settled, trained))
    again_gaps, again_moved = set[tuple[str, str]](), set[tuple[str, str]]()
    if recent is not None and recent.rows:
        most = (1 + settled.rows / recent.rows) / 2
        over = list(_gaps(cuts, recent, trained, calibration_error))
        again_gaps = {(g.column, g.value) for g in over if _off(g, most * _limit(g, limits), len(over))}
        pairs = list(_moved(cuts, recent, trained))
        again_moved = {(m.predicted, m.label) for m in pairs if _off(m, most * limits.gap_limit, _pairs(cuts))}

    def lasts(found: Gap | Moved, limit: float, of: int, *, again: bool) -> bool:
        return _off(found, limit, of) and (recent is None or again or found.beyond >= STRONG * limit)

    off = [g for g in gaps if lasts(g, _limit(g, limits), len(gaps), again=(g.column, g.value) in again_gaps)]
    gone = [m for m in moved if lasts(m, limits.gap_limit, _pairs(cuts), again=(m.predicted, m.label) in again_moved)]
    whole = gaps[0]
    drifted = bool(off or gone)
    # a kind of ticket that is off by no more than all are explains nothing
    off = [g for g in off if not g.column or g.beyond >= ABOVE_ALL * whole.beyond]
    return Concept(
        rows=settled.rows,
        drifted=drifted,
        accuracy=whole.right / whole.rows,
        promised=whole.promised / whole.rows,
        gaps=tuple(sorted(off, key=lambda g: (-g.beyond, g.column, g.value))[:SHOWN]),
        moved=tuple(sorted(gone, key=lambda m: (m.expected - m.seen, m.predicted, m.label))[:SHOWN]),
        reason=_reason(whole, off, gone),
    )


def _limit(gap: Gap, limits: Monitoring) -> float:
    """One kind of ticket must be off by twice as much as all of them: there are many kinds."""
    return limits.gap_limit * (2 if gap.column else 1)


def _off(found: Gap | Moved, limit: float, of: int) -> bool:
    return found.beyond >= limit and found.chance < FALSE_ALARMS / of


def _pairs(cuts: Cuts) -> int:
    """Pairs of queues that are looked at, labels outside the classes among them."""
    return len(cuts.classes) ** 2


def _gaps(cuts: Cuts, settled: Settled, trained: Settled | None, calibration_error: float) -> Iterator[Gap]:
    """All settled tickets, then each level of each segment with ten of them at least."""
    if not settled.rows:
        return
    known = None if trained is None else (trained.rows, trained.right, trained.promised)
    yield _gap("", "", (settled.rows, settled.right, settled.promised), known, calibration_error)
    for column, counts in settled.segments.items():
        before = None if trained is None else trained.segments.get(column)
        for place, (rows, right, promised) in enumerate(counts):
            if rows < MIN_GROUP:
                continue
            known = (
                None if before is None else (int(before[place][0]), int(before[place][1]), before[place][2] / MILLION)
            )
            value = name_of(cuts.columns[column], place)
            yield _gap(column, value, (int(rows), int(right), float(promised / MILLION)), known, calibration_error)


def _gap(
    column: str,
    value: str,
    told: tuple[int, int, float],
    known: tuple[int, int, float] | None,
    calibration_error: float,
) -> Gap:
    from scipy.special import pdtrc

    rows, right, promised = told
    forgiven = calibration_error
    if known is not None:
        forgiven = max(forgiven, (known[2] - known[1]) / (known[0] + PRIOR_ROWS))
    wrong, expected = rows - right, max(rows - promised, 0.0) + forgiven * rows
    chance = 1.0 if wrong == 0 else float(pdtrc(wrong - 1, max(expected, 1e-9)))
    return Gap(column=column, value=value, rows=rows, right=right, promised=promised, forgiven=forgiven, chance=chance)


def _moved(cuts: Cuts, settled: Settled, trained: Settled | None) -> Iterator[Moved]:
    """Pairs of classes with tickets enough to speak of. What was more than promised at training already is expected."""
    from scipy.special import pdtrc

    classes = len(cuts.classes)
    promised = _expected(settled)
    usual = np.zeros_like(promised)
    if trained is not None:
        usual = (trained.seen - _expected(trained)) / (trained.seen.sum(axis=1, keepdims=True) + PRIOR_ROWS)
    for place, label in zip(*np.nonzero(settled.seen >= MIN_PAIR), strict=True):
        if place == label:
            continue
        rows, seen = int(settled.seen[place].sum()), int(settled.seen[place, label])
        expected = float(promised[place, label] + rows * max(usual[place, label], 0.0))
        yield Moved(
            predicted=cuts.classes[place],
            label=OTHER if label == classes else cuts.classes[label],
            rows=rows,
            seen=seen,
            expected=expected,
            chance=float(pdtrc(seen - 1, max(expected, 1e-9))),
        )


def _expected(settled: Settled) -> np.ndarray:
    """Promised tickets by predicted class and label; of labels outside the classes none is ever promised."""
    return np.column_stack([settled.expected / MILLION, np.zeros(len(settled.expected))])


def _reason(whole: Gap, off: Sequence[Gap], gone: Sequence[Moved]) -> str:
    told = (
        f"of {whole.rows} settled tickets {whole.right / whole.rows:.1%} were right, "
        f"{whole.promised / whole.rows:.1%} were promised"
    )
    kinds = [g for g in off if g.column]
    worst = [f"{m.seen} of {m.rows} {m.predicted} turned out to be {m.label}, {m.expected:.1f} expected" for m in gone]
    worst += [f"{g.column} {g.value}: {g.right} of {g.rows} right, {g.promised:.1f} promised" for g in kinds]
    return told + (f" ({'; '.join(worst[:3])})" if worst else "")
