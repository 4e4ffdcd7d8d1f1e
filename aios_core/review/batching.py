"""Waiting cases become named batches: one day and queue, at most `max_batch` cases, the most valuable first.

What belongs here: the plan, as a pure function. What does not: writing it (`resources/reviews.py`) and Dagster's dynamic
partitions (`aios_assets/review.py`), whose keys the names are.
"""

import hashlib
import re
from collections import defaultdict
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import date, datetime

from aios_core.review.ordering import drawn_priorities


@dataclass(frozen=True, slots=True, kw_only=True)
class WaitingCase:
    """A case without a batch. `waiting_since` is aware UTC; `audit`: of the random slice that people always see."""

    case_id: str
    queue: str
    priority: float
    waiting_since: datetime
    audit: bool = False


@dataclass(frozen=True, slots=True, kw_only=True)
class ExistingBatch:
    """A batch made earlier for the same day. `room` is how many more cases it takes: none once it is done."""

    name: str
    queue: str
    room: int


@dataclass(frozen=True, slots=True, kw_only=True)
class PlannedBatch:
    """Cases to put into the batch `name`; `new` tells whether it has to be made first.

    `drawn` are the priorities that audit cases have in it: where one stands must not tell what it is.
    """

    name: str
    queue: str
    day: date
    cases: tuple[str, ...]
    waiting_since: datetime
    new: bool
    drawn: Mapping[str, float] = field(default_factory=dict)


def plan(
    cases: Iterable[WaitingCase],
    *,
    max_batch: int,
    day: date,
    existing: Sequence[ExistingBatch] = (),
    min_batch: int = 1,
    older_than: datetime | None = None,
) -> list[PlannedBatch]:
    """Every case goes into exactly one batch, whatever order they come in; a new batch waits until `min_batch` cases do.

    Open batches with room are filled before new ones are made: a schedule of minutes would otherwise leave a trail of
    batches with two cases each. A new one is made of fewer than `min_batch` once a case in it waits since before `older_than`.
    Names are `day/queue`, then `day/queue.2`, and are never used again.
    """
    by_queue: dict[str, list[WaitingCase]] = defaultdict(list)
    for case in cases:
        by_queue[case.queue].append(case)
    planned: list[PlannedBatch] = []
    for queue in sorted(by_queue):
        drawn = drawn_priorities(
            [c.priority for c in by_queue[queue] if not c.audit], [c.case_id for c in by_queue[queue] if c.audit]
        )
        ordered = sorted(by_queue[queue], key=lambda c: (-drawn.get(c.case_id, c.priority), c.case_id))
        mine = [b for b in existing if b.queue == queue]
        start = 0
        for name, room, new in _places(day, queue, mine, max_batch):
            chunk = ordered[start : start + room]
            if not chunk or (new and len(chunk) < min_batch and not _any_old(chunk, older_than)):
                break
            planned.append(
                PlannedBatch(
                    name=name,
                    queue=queue,
                    day=day,
                    cases=tuple(c.case_id for c in chunk),
                    waiting_since=min(c.waiting_since for c in chunk),
                    new=new,
                    drawn={c.case_id: drawn[c.case_id] for c in chunk if c.case_id in drawn},
                )
            )
            start += room
    return planned


def batch_name(day: date, queue: str, ordinal: int) -> str:
    """`2026-11-20/billing`, `2026-11-20/billing.2`: the dynamic partition key."""
    return f"{day.isoformat()}/{_safe(queue)}" + (f".{ordinal}" if ordinal > 1 else "")


def _any_old(cases: Sequence[WaitingCase], older_than: datetime | None) -> bool:
    return older_than is not None and min(c.waiting_since for c in cases) <= older_than


def _places(
    day: date, queue: str, existing: Sequence[ExistingBatch], max_batch: int
) -> Iterator[tuple[str, int, bool]]:
    """(name, room, new), first what is open and has room, then new ones without end."""
    taken = {b.name for b in existing}
    for batch in sorted(existing, key=lambda b: (len(b.name), b.name)):
        if batch.room > 0:
            yield batch.name, batch.room, False
    ordinal = 1
    while True:
        name = batch_name(day, queue, ordinal)
        if name not in taken:
            yield name, max_batch, True
        ordinal += 1


def _safe(queue: str) -> str:
    """Learnt classes may hold anything; a partition key and a URL may not. Two classes never share a name."""
    slug = re.sub(r"[^A-Za-z0-9_-]+", "-", queue).strip("-")[:80]
    if slug == queue:
        return queue
    return f"{slug or 'queue'}-{hashlib.sha256(queue.encode()).hexdigest()[:6]}"
