"""What a dry run would have done, beside what people did with the same tickets.

What belongs here: one read-only comparison. What does not: entering and sending actions (`outbox.py`).

An action that was kept back is compared with the first outcome of its ticket that became known after it: where an agent left the ticket, or a
reviewer's verdict. Only the newest action of a ticket counts, as it is the one that would have stood.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime

from psycopg.rows import DictRow

from resources.database import Database, rows


@dataclass(frozen=True, slots=True, kw_only=True)
class QueueCompared:
    """Tickets that would have been moved to one queue: where people put them."""

    queue: str
    would: int
    same: int
    other: int

    @property
    def open(self) -> int:
        """Those that nobody has decided yet."""
        return self.would - self.same - self.other


@dataclass(frozen=True, slots=True, kw_only=True)
class Difference:
    """A ticket that people put elsewhere."""

    ticket_id: str
    decision_id: str
    would: str
    people: str
    confidence: float | None
    known_at: datetime


@dataclass(frozen=True, slots=True, kw_only=True)
class Compared:
    """`kept` counts actions by kind. `hours_sooner` is the median time from our decision to that of people, where both were the same."""

    kept: dict[str, int]
    queues: tuple[QueueCompared, ...]
    differences: tuple[Difference, ...]
    hours_sooner: float | None

    @property
    def would(self) -> int:
        """Tickets that would have been moved."""
        return sum(queue.would for queue in self.queues)

    @property
    def same(self) -> int:
        """Of these, where people did the same."""
        return sum(queue.same for queue in self.queues)

    @property
    def other(self) -> int:
        """Of these, where people did something else."""
        return sum(queue.other for queue in self.queues)

    @property
    def agreement(self) -> float | None:
        """The share of what people have decided by now that is the same; None: nothing yet."""
        decided = self.same + self.other
        return self.same / decided if decided else None


class DryRuns:
    """The actions that automations keep back."""

    def __init__(self, database: Database) -> None:
        self._database = database

    def compare(
        self, automation: str, *, since: datetime | None = None, differences: int = 20, at_most_ms: int = 0
    ) -> Compared:
        """Everything kept back since a moment (None: ever), with at most so many differences, newest first.

        Raises psycopg's QueryCanceled where one of its questions takes longer than `at_most_ms` (0: any time).
        """
        asked = {"automation": automation, "since": since, "limit": differences}
        with self._database.connection() as connection:
            connection.execute(f"set local statement_timeout = {at_most_ms:d}")
            kept = rows(connection, _KEPT, asked)
            queues = rows(connection, _QUEUES, asked)
            differing = rows(connection, _DIFFERENCES, asked)
            sooner = rows(connection, _SOONER, asked)
        return Compared(
            kept={row["kind"]: row["count"] for row in kept},
            queues=tuple(QueueCompared(**row) for row in queues),
            differences=_differences(differing),
            hours_sooner=None if sooner[0]["hours"] is None else float(sooner[0]["hours"]),
        )


def _differences(found: Sequence[DictRow]) -> tuple[Difference, ...]:
    return tuple(Difference(**row) for row in found)


_KEPT = """
select kind, count(*)::int as count from outbox where automation = %(automation)s and state = 'dry_run'
  and (%(since)s::timestamptz is null or created_at >= %(since)s) group by kind order by kind
"""

_COMPARED = """
with kept as (
  select distinct on (target, external_id) target, external_id, decision_id, payload ->> 'queue' as would,
    (payload ->> 'confidence')::float as confidence, created_at, action_id
  from outbox where automation = %(automation)s and state = 'dry_run' and kind = 'assign' and payload ->> 'queue' is not null
    and (%(since)s::timestamptz is null or created_at >= %(since)s)
  order by target, external_id, action_id desc
), compared as (
  select k.*, p.queue as people, p.event_time, p.known_at from kept k
  left join lateral (select o.queue, o.event_time, o.known_at from outcomes o where o.automation = %(automation)s and o.source = k.target
    and o.ticket_id = k.external_id and o.event_time >= k.created_at order by o.event_time, o.origin limit 1) p on true
)
"""

_QUEUES = f"""{_COMPARED}
select would as queue, count(*)::int as would, (count(*) filter (where people = would))::int as same,
  (count(*) filter (where people <> would))::int as other from compared group by would order by count(*) desc, would
"""

_DIFFERENCES = f"""{_COMPARED}
select external_id as ticket_id, decision_id, would, people, confidence, known_at from compared
where people <> would order by known_at desc, external_id limit %(limit)s
"""

_SOONER = f"""{_COMPARED}
select percentile_cont(0.5) within group (order by extract(epoch from event_time - created_at) / 3600) as hours from compared
where people = would
"""
