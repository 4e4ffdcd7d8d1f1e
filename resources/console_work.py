"""What one person has in hand and decided lately, and how every queue stands against its service level.

What belongs here: these two reads. What does not: the cases and their steps (`reviews.py`), and when a case is soon or late
(`aios_core/review/service_level.py`, whose rule the query repeats over all waiting cases at once).
"""

from dataclasses import dataclass
from datetime import datetime, timedelta

from psycopg.rows import DictRow

from aios_core.review.service_level import SOON_SHARE
from resources.database import Database, rows

LATELY = timedelta(days=7)
RECENT = 50


@dataclass(frozen=True, slots=True, kw_only=True)
class QueueLevel:
    """One queue of an automation. `soon` and `late` count waiting cases; a case without a batch is due nowhere yet."""

    automation: str
    queue: str
    waiting: int
    held: int
    oldest: datetime | None
    due_next: datetime | None
    soon: int
    late: int
    decided: int  # since midnight, UTC
    median: timedelta | None  # from the case's opening to its verdict, of those


class WorkViews:
    """Bounded reads about people's work."""

    def __init__(self, database: Database) -> None:
        self._database = database

    def held(self, *, actor: str, now: datetime) -> list[DictRow]:
        """The cases in this person's hands, the one that runs out first in front."""
        with self._database.connection() as conn:
            return rows(conn, _HELD, {"actor": actor, "now": now})

    def recent(self, *, actor: str, now: datetime) -> list[DictRow]:
        """Their newest verdicts, with what became of each since."""
        wanted = {"actor": actor, "since": now - LATELY, "limit": RECENT}
        with self._database.connection() as conn:
            return rows(conn, _RECENT, wanted)

    def levels(self, *, now: datetime) -> list[QueueLevel]:
        """Every queue that waits or was worked on today; the one with most late cases first."""
        midnight = now.replace(hour=0, minute=0, second=0, microsecond=0)
        wanted = {"now": now, "midnight": midnight, "soon": SOON_SHARE}
        with self._database.connection() as conn:
            found = rows(conn, _LEVELS, wanted)
        return [QueueLevel(**row) for row in found]


_HELD = """
select c.case_id, c.automation, c.batch, c.ticket_id, c.queue, c.claim_expires, b.due_at
from review_cases c left join review_batches b on b.automation = c.automation and b.batch = c.batch
where c.state = 'claimed' and c.claimed_by = %(actor)s and c.claim_expires > %(now)s
order by c.claim_expires, c.case_id limit 200
"""

_RECENT = """
select e.at, e.case_id, e.detail ->> 'queue' as queue, c.automation, c.ticket_id, c.queue as predicted, c.state, c.verdict_queue,
  c.decided_by, c.decided_at
from review_events e join review_cases c using (case_id)
where e.kind = 'decide' and e.at >= %(since)s and e.actor = %(actor)s
order by e.at desc, e.event_id desc limit %(limit)s
"""

_LEVELS = """
with open as (
    select c.automation, c.queue, count(*) filter (where not held) as waiting, count(*) filter (where held) as held,
      min(c.created_at) as oldest, min(b.due_at) as due_next,
      count(*) filter (where b.due_at > %(now)s and b.due_at - %(now)s <= (b.due_at - c.created_at) * %(soon)s::float8) as soon,
      count(*) filter (where b.due_at <= %(now)s) as late
    from review_cases c cross join lateral (select c.state = 'claimed' and c.claim_expires > %(now)s as held) h
    left join review_batches b on b.automation = c.automation and b.batch = c.batch
    where c.state <> 'decided' group by 1, 2
), today as (
    select c.automation, c.queue, count(distinct c.case_id) as decided,
      percentile_cont(0.5) within group (order by e.at - c.created_at) as median
    from review_events e join review_cases c using (case_id)
    where e.kind = 'decide' and e.at >= %(midnight)s and c.state = 'decided' group by 1, 2
)
select automation, queue, coalesce(o.waiting, 0) as waiting, coalesce(o.held, 0) as held, o.oldest, o.due_next,
  coalesce(o.soon, 0) as soon, coalesce(o.late, 0) as late, coalesce(t.decided, 0) as decided, t.median
from open o full join today t using (automation, queue)
order by coalesce(o.late, 0) desc, coalesce(o.soon, 0) desc, o.due_next nulls last, automation, queue limit 500
"""
