"""One person's work, and how every queue stands against its service level.

What belongs here: these reads. What does not: steps on cases, and when a case is soon or late (`aios_core/review/service_level.py`, whose
rule the query repeats over batches).

Waiting cases are not counted one by one: `review_tallies` adds up to the counts, and a batch's due time speaks for its cases.
"""

from dataclasses import dataclass
from datetime import datetime, timedelta

from aios_core.review.service_level import SOON_SHARE
from aios_core.review.states import Opinion
from resources.database import Database, rows
from resources.review_cases import CASES, Case, case_of

LATELY = timedelta(days=7)
RECENT = 50
MOST = 200


@dataclass(frozen=True, slots=True, kw_only=True)
class Said:
    """A verdict that somebody gave, and how its case stands now. `settled`: as a lead, over others' opinions."""

    opinion: Opinion
    settled: bool
    case: Case


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
    escalated: int  # raised before being late, and not decided yet
    decided: int  # since midnight, UTC
    median: timedelta | None  # from the case's opening to its verdict, of those
    objective: float | None  # hours a case of the queue may wait, as the newest declaration says

    @property
    def median_minutes(self) -> float | None:
        return None if self.median is None else self.median / timedelta(minutes=1)


class WorkReads:
    """Bounded reads about people's work."""

    _database: Database

    def work_of(self, actor: str, *, now: datetime) -> list[Case]:
        """What they hold, what was left to them, and what they decided and got back; what they hold first."""
        with self._database.connection() as conn:
            found = rows(conn, _WORK, {"actor": actor, "now": now, "limit": MOST})
        return [case_of(row) for row in found]

    def recent_of(self, actor: str, *, now: datetime, limit: int = RECENT) -> list[Said]:
        """Their newest verdicts of the last seven days, with what became of each."""
        wanted = {"actor": actor, "since": now - LATELY, "now": now, "limit": limit}
        with self._database.connection() as conn:
            found = rows(conn, _RECENT, wanted)
        return [
            Said(
                opinion=Opinion(actor=actor, queue=row["said_queue"], comment=row["said_comment"], at=row["said_at"]),
                settled=row["said_settled"],
                case=case_of(row),
            )
            for row in found
        ]

    def service_levels(self, *, now: datetime, automation: str | None = None) -> list[QueueLevel]:
        """Every queue that waits or was worked on today; the one with most late cases first."""
        midnight = now.replace(hour=0, minute=0, second=0, microsecond=0)
        wanted = {"now": now, "midnight": midnight, "soon": SOON_SHARE, "automation": automation}
        with self._database.connection() as conn:
            found = rows(conn, _LEVELS, wanted)
        return [QueueLevel(**row) for row in found]


_WORK = f"""
select * from ({CASES} where c.state = 'claimed' and c.claimed_by = %(actor)s and c.claim_expires > %(now)s
  union {CASES} where c.assigned_to = %(actor)s and c.state <> 'decided'
  union {CASES} where c.state <> 'decided' and c.rework is not null and c.assigned_to is null and c.case_id in (
    select o.case_id from review_opinions o where o.actor = %(actor)s and o.at >= %(now)s - interval '30 days')
    and exists (select from review_opinions o where o.case_id = c.case_id and o.actor = %(actor)s and o.round = c.round - 1)) w
order by (w.state = 'claimed' and w.claimed_by = %(actor)s) desc, w.claim_expires, w.priority desc, w.case_id limit %(limit)s
"""

_RECENT = f"""
select w.*, e.queue as said_queue, e.comment as said_comment, e.at as said_at, e.settled as said_settled from (
    select event_id, case_id, at, detail ->> 'queue' as queue, detail ->> 'comment' as comment,
      kind = 'override' or coalesce((detail ->> 'settled')::boolean, false) as settled
    from review_events
    where kind in ('decide', 'override') and actor = %(actor)s and at >= %(since)s and at <= %(now)s
    order by at desc, event_id desc limit %(limit)s
) e join lateral ({CASES} where c.case_id = e.case_id) w on true
order by e.at desc, e.event_id desc
"""

# how many of a batch's cases wait is a sum of tallies; which of those are held now is asked of the few that are claimed
_LEVELS = """
with counted as (
    select automation, batch, queue, sum(steps) as undecided from review_tallies
    where state <> 'decided' and (%(automation)s::text is null or automation = %(automation)s)
    group by 1, 2, 3 having sum(steps) > 0
), held as (
    select automation, queue, count(*) as held from review_cases
    where state = 'claimed' and claim_expires > %(now)s and (%(automation)s::text is null or automation = %(automation)s) group by 1, 2
), open as (
    select n.automation, n.queue, sum(n.undecided)::bigint as undecided, min(b.due_at) as due_next,
      coalesce(sum(n.undecided) filter (where b.due_at > %(now)s
        and b.due_at - %(now)s <= (b.due_at - coalesce(b.waiting_since, b.created_at)) * %(soon)s::float8), 0)::bigint as soon,
      coalesce(sum(n.undecided) filter (where b.due_at <= %(now)s), 0)::bigint as late
    from counted n left join review_batches b on b.automation = n.automation and b.batch = n.batch group by 1, 2
), today as (
    select c.automation, c.queue, count(distinct c.case_id) as decided,
      percentile_cont(0.5) within group (order by e.at - c.created_at) as median
    from review_events e join review_cases c using (case_id)
    where e.kind in ('decide', 'override') and e.at >= %(midnight)s and e.at <= %(now)s and c.state = 'decided'
      and (%(automation)s::text is null or c.automation = %(automation)s) group by 1, 2
), declared as (
    select distinct on (automation) automation, content -> 'review' as review from declarations
    order by automation, seen_at desc, version
)
select automation, queue, greatest(coalesce(o.undecided, 0) - coalesce(h.held, 0), 0) as waiting, coalesce(h.held, 0) as held,
  (select min(c.created_at) from review_cases c where c.automation = o.automation and c.queue = o.queue and c.state <> 'decided') as oldest,
  o.due_next, coalesce(o.soon, 0) as soon, coalesce(o.late, 0) as late,
  (select count(*) from review_cases c where c.automation = o.automation and c.queue = o.queue and c.state <> 'decided'
   and c.escalated_at is not null) as escalated,
  coalesce(t.decided, 0) as decided, t.median,
  coalesce((d.review -> 'service_levels' ->> queue)::float8, (d.review ->> 'service_level_hours')::float8) as objective
from open o full join today t using (automation, queue) left join held h using (automation, queue)
left join declared d using (automation)
order by coalesce(o.late, 0) desc, coalesce(o.soon, 0) desc, o.due_next nulls last, automation, queue limit 500
"""
