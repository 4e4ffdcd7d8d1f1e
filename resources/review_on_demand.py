"""Batches that somebody asks for: a random look at what is automated, or cases on which models or people differ.

What belongs here: choosing decisions and opening a batch of their cases. What does not: batches by schedule (`review_batches.py`).

Asking again on the same day gives the same batch: it is filled up to the size asked for, never beyond, and by the same lot.
"""

from collections.abc import Mapping, Sequence
from datetime import date, datetime, timedelta
from typing import Any, Literal

from psycopg import Connection

from aios_core.automation import Automation
from resources import review_batches, review_contradictions
from resources.database import Database
from resources.lake import Lake
from resources.outbox import take_turns
from resources.stages import SHADOW_SCORES

Origin = Literal["audit", "disagreement"]
ORIGINS: tuple[Origin, ...] = ("audit", "disagreement")
WHY: Mapping[Origin, str] = {
    "audit": "drawn by lot from what was automated: is it right?",
    "disagreement": "two models, or two people, say different things here",
}
LATELY = timedelta(days=7)
Ticket = tuple[str, str]


def batch_on_demand(
    database: Database,
    *,
    automation: Automation,
    origin: Origin,
    size: int,
    now: datetime,
    differing: Sequence[Ticket] = (),
) -> list[str]:
    """The names of today's batches of this origin, with up to `size` cases altogether; none where there is nothing to look at.

    `differing` are tickets (source, id) on which two versions differ, see `differing_tickets`; only `disagreement` looks at them. Cases
    that already wait in a batch stay where they are. Verdicts that contradict each other, and are not sent on yet, go to a lead's batch.
    """
    label = f"on_demand_{origin}"
    key = {"automation": automation.name, "label": label, "day": now.date()}
    with database.connection() as conn:
        # the order in which everything takes its turn: batches, then recorders
        review_batches.take_turns(conn, automation.name)
        take_turns(conn, automation.name)
        for_leads: set[str] = set()
        if origin == "disagreement":
            review_contradictions.contest(conn, automation=automation.name, now=now)
            for_leads = review_batches.for_leads(conn, automation, now)
        ((there,),) = conn.execute(
            "select coalesce(sum(size), 0) from review_batches where automation = %(automation)s and queue = %(label)s and day = %(day)s",
            key,
        ).fetchall()
        wanted = {"automation": automation.name, "since": now - LATELY, "now": now, "size": max(size - int(there), 0),
                  "day": f"{now.date()}", "sources": [s for s, _ in differing], "tickets": [t for _, t in differing]}  # fmt: skip
        chosen = [row[0] for row in conn.execute(_AUDIT if origin == "audit" else _DIFFERING, wanted)]
        _open(conn, chosen, now)
        review_batches.make_apart(conn, automation=automation, label=label, reason=WHY[origin], cases=chosen, now=now)
        found = conn.execute(
            "select batch from review_batches where automation = %(automation)s and queue = %(label)s and day = %(day)s"
            " order by length(batch), batch",
            key,
        ).fetchall()
    return [batch for (batch,) in found] + sorted(for_leads)


def differing_tickets(database: Database, lake: Lake, *, automation: str, now: datetime) -> list[Ticket]:
    """Tickets of the last seven days to which the version in shadow gives another queue than the decision that was made."""
    found: list[Ticket] = []
    for back in range(LATELY.days):
        day = now.date() - timedelta(days=back)
        if lake.has_partition(automation=automation, dataset=SHADOW_SCORES, day=day):
            table = lake.read_partition(automation=automation, dataset=SHADOW_SCORES, day=day)
            said = {
                (row["source"], row["ticket_id"]): row["queue"]
                for row in table.select(["source", "ticket_id", "queue"]).to_pylist()
            }
            found += _differ(database, automation, day, said)
    return sorted(set(found))


def _differ(database: Database, automation: str, day: date, said: Mapping[Ticket, str]) -> list[Ticket]:
    with database.connection() as conn:
        rows = conn.execute(
            "select distinct on (source, ticket_id) source, ticket_id, queue from decisions"
            " where automation = %s and day = %s order by source, ticket_id, decided_at desc, decision_id",
            (automation, day),
        ).fetchall()
    return [(source, ticket) for source, ticket, queue in rows if said.get((source, ticket), queue) != queue]


def _open(conn: Connection[Any], decisions: Sequence[str], now: datetime) -> None:
    """A case for each that has none yet."""
    conn.execute(
        "insert into review_cases (case_id, automation, decision_id, source, ticket_id, correlation_id, queue, created_at)"
        " select decision_id, automation, decision_id, source, ticket_id, correlation_id, coalesce(queue, 'unknown'), %s"
        " from decisions where decision_id = any(%s) on conflict (case_id) do nothing",
        (now, list(decisions)),
    )


# a ticket's standing decision, where no person has it: the lot is the same for whoever asks that day
_STANDING = """
select distinct on (source, ticket_id) * from decisions
where automation = %(automation)s and decided_at > %(since)s and decided_at <= %(now)s
order by source, ticket_id, coalesce(known_at, decided_at) desc, decided_at desc, decision_id
"""

_AUDIT = f"""
select d.decision_id from ({_STANDING}) d
where d.verdict = 'automate' and not exists (
    select from review_cases c where c.automation = d.automation and c.source = d.source and c.ticket_id = d.ticket_id)
order by md5(%(day)s || d.decision_id) limit %(size)s
"""

_DIFFERING = f"""
select d.decision_id from ({_STANDING}) d
left join review_cases c on c.case_id = d.decision_id
where (c.case_id is null or (c.batch is null and c.state = 'waiting'))
  and (d.source, d.ticket_id) in (select * from unnest(%(sources)s::text[], %(tickets)s::text[]))
order by md5(%(day)s || d.decision_id) limit %(size)s
"""
