"""The one transaction that records decisions and all that follows from them.

What belongs here: its steps, in the order of their locks: the automation's recorders, then outbox rows and review cases, last
the ledger. What does not: reading decisions (`resources/decisions.py`).
"""

import hashlib
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from psycopg import Connection
from psycopg.types.json import Jsonb

from aios_core.automation import Automation
from aios_core.decisions.actions import actions_for
from aios_core.decisions.model import UNKNOWN_QUEUE, Decision, DecisionError
from aios_core.synthetic import is_synthetic
from resources.ledger import DECISIONS, append
from resources.outbox import NEWER_DECISION, enqueue, take_turns
from resources.policy import revision_of


@dataclass(frozen=True, slots=True, kw_only=True)
class Recorded:
    """`new` + `existing` = decisions given. `actions` and `cases` are those entered now, `superseded` those of older
    decisions on the same tickets that were withdrawn.
    """

    new: int = 0
    existing: int = 0
    actions: int = 0
    cases: int = 0
    superseded: int = 0


def record(
    conn: Connection[Any], decisions: Sequence[Decision], *, automation: Automation, policy_text: str, now: datetime
) -> Recorded:
    """Record in the caller's transaction; see `DecisionStore.record`."""
    given = {d.decision_id: d for d in decisions}
    _refuse_strangers(given, automation, policy_text)
    if not given:
        return Recorded()
    take_turns(conn, automation.name)
    _keep_texts(conn, automation, policy_text, now)
    fresh = _insert(conn, given, now)
    if not fresh:
        return Recorded(existing=len(given))
    standing, superseded = _supersede(conn, fresh)
    acting = [d for d in fresh if d.decision_id in standing]
    actions = enqueue(conn, automation, [a for d in acting for a in actions_for(d, automation)], now=now)
    cases = _open_cases(conn, [d for d in acting if d.verdict == "review" and not is_synthetic(d.automation)], now)
    append(
        conn,
        automation=automation.name,
        kind=DECISIONS,
        subject=_subject(fresh),
        items=[d.record for d in fresh],
        now=now,
    )
    return Recorded(
        new=len(fresh), existing=len(given) - len(fresh), actions=actions, cases=cases, superseded=superseded
    )


def _refuse_strangers(given: dict[str, Decision], automation: Automation, policy_text: str) -> None:
    expected = (automation.name, automation.version, revision_of(policy_text))
    for decision in given.values():
        found = (decision.automation, decision.declaration, decision.policy_revision)
        if found != expected:
            raise DecisionError(
                f"decision {decision.decision_id} was made under {found} but is recorded under {expected} (automation,"
                " declaration, policy); decide again with the rules of this declaration"
            )


def _keep_texts(conn: Connection[Any], automation: Automation, policy_text: str, now: datetime) -> None:
    """What a replay needs to find again: the policy's text and the declaration's content."""
    conn.execute(
        "insert into policies (revision, content, seen_at) values (%s, %s, %s) on conflict do nothing",
        (revision_of(policy_text), policy_text, now),
    )
    conn.execute(
        "insert into declarations (version, automation, content, seen_at) values (%s, %s, %s, %s) on conflict do nothing",
        (automation.version, automation.name, Jsonb(automation.model_dump(mode="json")), now),
    )


def _insert(conn: Connection[Any], given: dict[str, Decision], now: datetime) -> list[Decision]:
    """Those not recorded before, inserted, in the order of their ids."""
    known = conn.execute("select decision_id from decisions where decision_id = any(%s)", (list(given),)).fetchall()
    fresh = [given[i] for i in sorted(given.keys() - {row[0] for row in known})]
    if fresh:
        subject = _subject(fresh)
        with conn.cursor() as cursor, cursor.copy(f"copy decisions ({', '.join(_COLUMNS)}) from stdin") as copy:
            copy.set_types(_TYPES)
            for d in fresh:
                copy.write_row((*(getattr(d, name) for name in _OWN), now, subject))
    return fresh


def _subject(fresh: Sequence[Decision]) -> str:
    """Names the ledger entry of these decisions: a set of new decisions is recorded once, so the name is its own."""
    return hashlib.sha256("".join(d.decision_id for d in fresh).encode()).hexdigest()[:24]


def _supersede(conn: Connection[Any], fresh: Sequence[Decision]) -> tuple[set[str], int]:
    """(new decisions that are their ticket's standing one, how many actions and cases of others were withdrawn).

    The standing decision is that on the content known last; of two on the same content, the one on which a person has
    spoken, else the one made last: a newer model neither undoes what people decided nor asks them again.
    """
    conn.execute("drop table if exists pg_temp.ranked")
    tickets = {"sources": [d.source for d in fresh], "tickets": [d.ticket_id for d in fresh]}
    conn.execute(_RANK, tickets | {"automation": fresh[0].automation, "mine": _subject(fresh)})
    conn.execute("analyze ranked")  # else the planner takes 20,000 rows for a few
    ids = [d.decision_id for d in fresh]
    standing = conn.execute(
        "select decision_id from ranked where place = 1 and decision_id = any(%s)", (ids,)
    ).fetchall()
    actions = conn.execute(_WITHDRAW_ACTIONS, (NEWER_DECISION,)).rowcount
    return {row[0] for row in standing}, actions + _withdraw_cases(conn)


def _withdraw_cases(conn: Connection[Any]) -> int:
    """Cases that nobody holds and nobody has spoken on are removed. Batches are locked before cases, as everywhere, so nobody waits in a circle."""
    batches = conn.execute(_LOCK_BATCHES).fetchall()
    gone = [row[0] for row in conn.execute(_LOCK_CASES).fetchall()]
    if not gone:
        return 0
    conn.execute("delete from review_events where case_id = any(%s)", (gone,))
    conn.execute("delete from review_cases where case_id = any(%s)", (gone,))
    with conn.cursor() as cursor:
        cursor.executemany(_RECOUNT, batches)
    return len(gone)


def _open_cases(conn: Connection[Any], decisions: Sequence[Decision], now: datetime) -> int:
    if not decisions:
        return 0
    columns = ("case_id", "automation", "decision_id", "source", "ticket_id", "correlation_id", "queue", "priority",
               "created_at")  # fmt: skip
    with conn.cursor() as cursor, cursor.copy(f"copy review_cases ({', '.join(columns)}) from stdin") as copy:
        for d in decisions:
            copy.write_row((d.decision_id, d.automation, d.decision_id, d.source, d.ticket_id, d.correlation_id,
                            d.queue or UNKNOWN_QUEUE, d.priority, now))  # fmt: skip
    return len(decisions)


_OWN = ("decision_id", "automation", "source", "ticket_id", "ticket_version", "correlation_id", "day", "model_name",
        "model_version", "policy_revision", "declaration", "verdict", "queue", "confidence", "rule", "reason", "record",
        "known_at", "audit")  # fmt: skip
_COLUMNS = (*_OWN, "decided_at", "ledger_subject")
_TYPES = [*["text"] * 6, "date", "text", "int4", *["text"] * 4, "float8", "text", "text", "bytea", "timestamptz", "bool",
          "timestamptz", "text"]  # fmt: skip

_RANK = """
create temp table ranked on commit drop as
select d.decision_id, row_number() over (
    partition by d.source, d.ticket_id
    order by coalesce(d.known_at, d.decided_at) desc,
             exists (select from review_cases c where c.case_id = d.decision_id and c.state = 'decided') desc,
             d.decided_at desc, (d.ledger_subject is not distinct from n.mine) desc,
             d.decision_id
) as place
from (select distinct source, ticket_id, %(mine)s::text as mine from unnest(%(sources)s::text[], %(tickets)s::text[])
      as given (source, ticket_id)) n
join decisions d on d.automation = %(automation)s and d.source = n.source and d.ticket_id = n.ticket_id
"""

# what is being sent just now is left alone, and dealt with by the delivery
_WITHDRAW_ACTIONS = """
update outbox set state = 'superseded', last_error = %s where action_id in (
    select o.action_id from outbox o join ranked r on r.decision_id = o.decision_id
    where r.place > 1 and o.state = 'pending' and o.case_id is null order by o.action_id for update of o skip locked)
"""

_LOCK_BATCHES = """
select b.automation, b.batch from review_batches b where (b.automation, b.batch) in (
    select c.automation, c.batch from review_cases c join ranked r on r.decision_id = c.case_id
    where r.place > 1 and c.state <> 'decided')
order by b.automation, b.batch for update
"""

_LOCK_CASES = """
select c.case_id from review_cases c join ranked r on r.decision_id = c.case_id
where r.place > 1 and c.state = 'waiting' and not exists (select from review_opinions o where o.case_id = c.case_id)
order by c.case_id for update of c skip locked
"""

_RECOUNT = """
update review_batches b set size = (select count(*) from review_cases c where c.automation = b.automation and c.batch = b.batch)
where b.automation = %s and b.batch = %s
"""
