"""What a verdict about the champion rests on: counts on one recent window of settled tickets, and what happened before.

What belongs here: the dataclasses, and counting. What does not: the verdict (`verdict.py`) and finding the tickets.

The window must hold only tickets whose outcomes neither version was trained on (known after the training snapshots), and
both versions must have scored all of them: a version looks best on what it has learnt by heart, and two versions can be
compared only on the same tickets. The same holds for estimates, which stand in where too few tickets are settled.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import date, datetime

from aios_core.monitoring.errors import MonitorError


@dataclass(frozen=True, slots=True, kw_only=True)
class Tally:
    """How many were right of how many."""

    rows: int = 0
    correct: int = 0

    def __post_init__(self) -> None:
        if not 0 <= self.correct <= self.rows:
            raise MonitorError(f"{self.correct} right of {self.rows} can't be; count the window again")

    @property
    def accuracy(self) -> float | None:
        """None without rows."""
        return self.correct / self.rows if self.rows else None

    def without(self, other: Tally) -> Tally:
        """These rows less some of them."""
        return Tally(rows=self.rows - other.rows, correct=self.correct - other.correct)


@dataclass(frozen=True, slots=True, kw_only=True)
class ModelQuality:
    """One version on the window; `by_queue` is by the queue that it predicted, since that is where automation would act."""

    version: int
    overall: Tally
    by_queue: Mapping[str, Tally] = field(default_factory=dict)


@dataclass(frozen=True, slots=True, kw_only=True)
class Estimated:
    """Estimated accuracy on a window of tickets, settled or not, with its 95 % bounds; `source` as in `estimate.Estimate`."""

    rows: int
    accuracy: float
    low: float
    high: float
    source: str = "probabilities"
    by_queue: Mapping[str, Estimated] = field(default_factory=dict)


@dataclass(frozen=True, slots=True, kw_only=True)
class Failures:
    """How often a version could not do its work: decisions for which it gave no usable score, and scoring runs that failed."""

    decisions: int = 0
    unscored: int = 0
    runs: int = 0
    failed_runs: int = 0


@dataclass(frozen=True, slots=True, kw_only=True)
class Disagreement:
    """Settled tickets to which the two versions gave these two queues, and how many of them each got right."""

    champion: str
    last_good: str
    champion_right: int
    last_good_right: int


@dataclass(frozen=True, slots=True, kw_only=True)
class DriftDay:
    """One measured day; `share` is None where there was too little to say."""

    day: date
    share: float | None
    flagged: bool
    queues: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True, kw_only=True)
class Evidence:
    """All that `judge` looks at.

    `champion_only` and `last_good_only` count tickets that one of the two versions got right and the other wrong.
    `disagreements` are these tickets by what each of the two named. `automated` and `automated_by_queue` are real decisions of the
    present champion with the verdict `automate`.
    `rollbacks` counts those in the window, `last_rollback_at` is the latest ever, `modes` are those that hold now.
    The estimates are of both versions on the same tickets, and there only where too few are settled.
    """

    champion: ModelQuality | None
    last_good: ModelQuality | None = None
    champion_only: int = 0
    last_good_only: int = 0
    automated: Tally = field(default_factory=Tally)
    automated_by_queue: Mapping[str, Tally] = field(default_factory=dict)
    drift: tuple[DriftDay, ...] = ()
    rollbacks: int = 0
    last_rollback_at: datetime | None = None
    modes: Mapping[str, str] = field(default_factory=dict)
    open_incidents: int = 0
    champion_estimate: Estimated | None = None
    last_good_estimate: Estimated | None = None
    champion_failures: Failures = field(default_factory=Failures)
    last_good_failures: Failures = field(default_factory=Failures)
    disagreements: tuple[Disagreement, ...] = ()


def evidence_of(
    labels: Sequence[str],
    *,
    champion: tuple[int, Sequence[str | None]] | None,
    last_good: tuple[int, Sequence[str | None]] | None = None,
    automated: Iterable[tuple[str, str]] = (),
    drift: Iterable[DriftDay] = (),
    rollbacks: int = 0,
    last_rollback_at: datetime | None = None,
    modes: Mapping[str, str] | None = None,
    open_incidents: int = 0,
) -> Evidence:
    """Count the window. A version comes with its predictions, row by row with `labels`; `automated` are (queue, label) pairs.

    A last good version that is the champion itself is no alternative and is left out. Raises MonitorError where the
    predictions are not of the same rows.
    """
    own = _quality(labels, champion)
    other = (
        None if champion is None or last_good is None or last_good[0] == champion[0] else _quality(labels, last_good)
    )
    champion_only = last_good_only = 0
    disagreements: tuple[Disagreement, ...] = ()
    if champion is not None and last_good is not None and other is not None:
        for label, ours, theirs in zip(labels, champion[1], last_good[1], strict=True):
            champion_only += ours == label != theirs
            last_good_only += theirs == label != ours
        disagreements = _disagreements(labels, champion[1], last_good[1])
    pairs = list(automated)
    return Evidence(
        champion=own,
        last_good=other,
        champion_only=champion_only,
        last_good_only=last_good_only,
        automated=Tally(rows=len(pairs), correct=sum(queue == label for queue, label in pairs)),
        automated_by_queue=_by_queue(pairs),
        drift=tuple(drift),
        rollbacks=rollbacks,
        last_rollback_at=last_rollback_at,
        modes=dict(modes or {}),
        open_incidents=open_incidents,
        disagreements=disagreements,
    )


def _disagreements(
    labels: Sequence[str], ours: Sequence[str | None], theirs: Sequence[str | None]
) -> tuple[Disagreement, ...]:
    right: dict[tuple[str, str], list[int]] = {}
    for label, mine, other in zip(labels, ours, theirs, strict=True):
        if mine is not None and other is not None and mine != other and label in (mine, other):
            right.setdefault((mine, other), [0, 0])[label == other] += 1
    return tuple(
        Disagreement(champion=mine, last_good=other, champion_right=counts[0], last_good_right=counts[1])
        for (mine, other), counts in sorted(right.items())
    )


def _quality(labels: Sequence[str], version: tuple[int, Sequence[str | None]] | None) -> ModelQuality | None:
    if version is None:
        return None
    number, predicted = version
    if len(predicted) != len(labels):
        raise MonitorError(
            f"version {number} scored {len(predicted)} of {len(labels)} settled tickets; "
            "compare versions on the same tickets only"
        )
    right = sum(p == label for p, label in zip(predicted, labels, strict=True))
    pairs = [(p, label) for p, label in zip(predicted, labels, strict=True) if p is not None]
    return ModelQuality(version=number, overall=Tally(rows=len(labels), correct=right), by_queue=_by_queue(pairs))


def _by_queue(pairs: Sequence[tuple[str, str]]) -> dict[str, Tally]:
    rows = Counter(queue for queue, _ in pairs)
    right = Counter(queue for queue, label in pairs if queue == label)
    return {queue: Tally(rows=rows[queue], correct=right[queue]) for queue in sorted(rows)}
