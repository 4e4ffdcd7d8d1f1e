"""Different verdicts on one text: found, put to a lead, and kept out of what models learn until one has spoken.

What belongs here: finding them, and which tickets' labels are in dispute. What does not: when two texts are one
(`aios_core/review/contradictions.py`), and what a lead does (`review_leads.py`).

A lead's word on a text rules it: verdicts that say the same are learnt, others are not.
"""

from collections.abc import Sequence
from datetime import datetime
from typing import Any

from psycopg import Connection

from aios_core.review import states
from resources.review_cases import lock_case, move

ACTOR = "aios"


def contest(conn: Connection[Any], *, automation: str, now: datetime, batches: Sequence[str] | None = None) -> int:
    """Verdicts not sent on yet that contradict another one go to a lead; returns how many. A second call finds none.

    With `batches`, only verdicts in these. Cases are locked in the order of their ids.
    """
    found = conn.execute(_FOUND, {"automation": automation, "batches": None if batches is None else list(batches)})
    contested = 0
    for case_id, against in found.fetchall():
        case = lock_case(conn, case_id)
        put = states.contest(case.standing)
        contested += put != case.standing
        move(
            conn,
            case,
            put,
            "contest",
            now,
            actor=ACTOR,
            detail={"against": against, "queue": case.standing.verdict_queue},
        )
    return contested


def contest_declared(conn: Connection[Any], *, automation: str, now: datetime, batches: Sequence[str]) -> None:
    """The same where the automation's newest declaration wants it."""
    wanted = conn.execute(
        "select content #>> '{review,contradictions}' from declarations where automation = %s order by seen_at desc, version limit 1",
        (automation,),
    ).fetchone()
    if wanted and wanted[0] == "lead":
        contest(conn, automation=automation, now=now, batches=batches)


RULED = """
select distinct on (text_hash) text_hash, verdict_queue from review_cases
where automation = {automation} and state = 'decided' and overridden and text_hash is not null and decided_at < {until}
order by text_hash, decided_at desc, case_id
"""

# (source, ticket) whose label people disagree on
DISPUTED = f"""
select v.source, v.ticket_id from review_cases v
join (select text_hash from review_cases where automation = {{automation}} and state = 'decided' and text_hash is not null
        and decided_at < {{until}} group by text_hash having count(distinct verdict_queue) > 1) s using (text_hash)
left join ({RULED}) r using (text_hash)
where v.automation = {{automation}} and v.state = 'decided' and v.decided_at < {{until}}
  and (r.verdict_queue is null or r.verdict_queue <> v.verdict_queue)
union
select c.source, c.ticket_id from review_cases c where c.automation = {{automation}} and c.contested
"""

_FOUND = f"""
select c.case_id, coalesce(r.verdict_queue, o.verdict_queue) as against
from review_cases c
left join review_batches b on b.automation = c.automation and b.batch = c.batch
left join ({RULED.format(automation="%(automation)s", until="'infinity'")}) r using (text_hash)
left join lateral (
    select x.verdict_queue from review_cases x
    where x.automation = c.automation and x.text_hash = c.text_hash and x.state = 'decided' and x.case_id <> c.case_id
      and x.verdict_queue <> c.verdict_queue order by x.decided_at desc, x.case_id limit 1
) o on r.verdict_queue is null
where c.automation = %(automation)s and c.state = 'decided' and not c.overridden and c.text_hash is not null
  and coalesce(b.state, 'open') = 'open' and (%(batches)s::text[] is null or c.batch = any(%(batches)s))
  and coalesce(r.verdict_queue, o.verdict_queue) <> c.verdict_queue
order by c.case_id
"""
