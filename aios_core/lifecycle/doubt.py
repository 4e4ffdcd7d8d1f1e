"""Labels that a rollback has put in doubt: which outcomes a version learnt wrongly, so that the next one does not learn them again.

What belongs here: the rule, pure. What does not: reading incidents and hearing the last good version (`resources/doubts.py`), and the
verdict that led to the rollback (`aios_core/monitoring/verdict.py`).

A version that was rolled back because settled tickets contradict it has learnt something untrue, and its training window still holds
it: the next training would learn it once more, pass the gate on held-back rows that are wrong likewise, and be rolled back once more.
The incident says what is untrue. Where the version left named queue A and the last good one B, and the outcomes proved B, a label A
that the last good version would have called B is in doubt, unless the last good version had learnt that very label itself. Labels
come in batches, by day and queue; where most of a batch is in doubt, so is all of it that the last good version does not confirm.

A doubt ends where somebody settles the ticket anew: a reviewer's verdict is never doubted, nor is what became known later than the
judge's window after the incident. A way back that was chosen for failing runs, by an estimate or by hand proves nothing about labels,
and puts none in doubt.
"""

from collections import Counter
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from datetime import date, datetime

from aios_core.monitoring.evidence import Disagreement
from aios_core.monitoring.intervals import sign_test

# a pair's own, three of three (12.5 %): that the last good version is better was proven on the whole, and here only where is asked
CHANCE = 0.13
BATCH_SHARE = 0.5  # of a day's new labels of one queue: more in doubt than this, and all are that are not confirmed

Pair = tuple[str, str]


@dataclass(frozen=True, slots=True, kw_only=True)
class Label:
    """One labelled ticket as training would read it. `said` is what the last good version says of it; None: it was not asked."""

    queue: str
    known_at: datetime
    reviewed: bool
    said: str | None


@dataclass(frozen=True, slots=True, kw_only=True)
class Doubt:
    """What one rollback proved: in each pair (label, what the last good version says) the latter is right. Labels known until then."""

    pairs: frozenset[Pair]
    until: datetime


def disproved(found: Iterable[Disagreement]) -> frozenset[Pair]:
    """Pairs (what the version left named, what the last good one named) in which the outcomes prove the last good one right."""
    return frozenset(
        (row.champion, row.last_good) for row in found if sign_test(row.last_good_right, row.champion_right) <= CHANCE
    )


def doubted(labels: Sequence[Label], doubt: Doubt) -> list[bool]:
    """Which of the labels that the last good version had not learnt are in doubt, in their order."""
    open_to_doubt = [not label.reviewed and label.known_at < doubt.until for label in labels]
    blamed = [
        asked and label.said is not None and (label.queue, label.said) in doubt.pairs
        for asked, label in zip(open_to_doubt, labels, strict=True)
    ]
    batches = [_batch(label) for label in labels]
    of = Counter(batch for batch, asked in zip(batches, open_to_doubt, strict=True) if asked)
    bad = Counter(batch for batch, is_bad in zip(batches, blamed, strict=True) if is_bad)
    whole = {batch for batch, count in bad.items() if count > BATCH_SHARE * of[batch]}
    return [
        asked and (is_bad or (batch in whole and label.said != label.queue))
        for asked, is_bad, batch, label in zip(open_to_doubt, blamed, batches, labels, strict=True)
    ]


def _batch(label: Label) -> tuple[date, str]:
    return label.known_at.date(), label.queue
