"""Cases that would soon be late come first, and leads are told: once a case.

What belongs here: finding and raising them. What does not: telling people, which the signal `cases_escalated` does
(`resources/signals.py`), and when a batch is due.
"""

from datetime import datetime, timedelta
from typing import Any

from psycopg import Connection
from psycopg.types.json import Jsonb

from aios_core.automation import Automation

RAISED = 1e9  # above every priority that costs give, and the order among the raised is kept
ACTOR = "aios"


def escalate(conn: Connection[Any], *, automation: Automation, now: datetime) -> int:
    """Raise what is due within the declared time and not raised yet; returns how many cases that were."""
    before = automation.review.escalate_before_hours
    if before is None:
        return 0
    special = {q: automation.review.hours_for(q) for q in automation.review.service_levels}
    raised = conn.execute(
        _RAISE,
        {
            "automation": automation.name,
            "now": now,
            "special": Jsonb(special),
            "hours": automation.review.service_level_hours,
            "before": timedelta(hours=before),
            "newest": now - timedelta(hours=min([automation.review.service_level_hours, *special.values()]) - before),
            "raised": RAISED,
        },
    ).fetchall()
    with conn.cursor() as cursor:
        cursor.executemany(
            "insert into review_events (case_id, kind, actor, detail, at) values (%s, 'escalate', %s, %s, %s)",
            [(case, ACTOR, Jsonb({"due_at": due.isoformat()}), now) for case, due in raised],
        )
    return len(raised)


# an index finds those old enough; a case that somebody works on at this very moment is raised next time
_RAISE = """
with soon as (
    select c.case_id, c.created_at + coalesce((%(special)s::jsonb ->> c.queue)::float8, %(hours)s::float8) * interval '1 hour' as due_at
    from review_cases c
    where c.automation = %(automation)s and c.state <> 'decided' and c.escalated_at is null and c.created_at <= %(newest)s
      and c.created_at + coalesce((%(special)s::jsonb ->> c.queue)::float8, %(hours)s::float8) * interval '1 hour'
          <= %(now)s + %(before)s
    order by c.case_id for update of c skip locked
)
update review_cases c set escalated_at = %(now)s, priority = c.priority + %(raised)s
from soon s where c.case_id = s.case_id returning c.case_id, s.due_at
"""
