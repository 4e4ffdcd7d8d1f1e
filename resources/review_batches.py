"""Batches of review cases: made from what waits, collected into outcomes when they are done.

What belongs here: the two bulk steps of `resources/reviews.py`, each inside the transaction that its caller opened. What does
not: single cases, and the plan itself (`aios_core/review/batching.py`).
"""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import date, datetime
from typing import Any

import orjson
from psycopg import Connection
from psycopg.rows import DictRow, dict_row

from aios_core.automation import Automation
from aios_core.decisions.actions import OutboxAction, action_for_verdict
from aios_core.errors import PermanentError
from aios_core.review.batching import ExistingBatch, PlannedBatch, WaitingCase, plan
from aios_core.review.service_level import due
from resources.ledger import append
from resources.outbox import enqueue

_HAS_UNDECIDED = "exists (select 1 from review_cases c where c.automation = b.automation and c.batch = b.batch and c.state <> 'decided')"


class BatchNotFinished(PermanentError):
    """A batch still has cases to decide."""

    code = "review.batch_not_finished"


@dataclass(frozen=True, slots=True, kw_only=True)
class Collected:
    """What one batch came to. `agreed` + `corrected` = decided cases."""

    outcomes: int
    agreed: int
    corrected: int
    actions: int


def take_turns(conn: Connection[Any], automation: str) -> None:
    """Until the transaction ends, nobody else makes batches of this automation. Taken before any batch or case is locked."""
    conn.execute("select pg_advisory_xact_lock(hashtextextended(%s, 0))", (f"aios.review_batches.{automation}",))


def make(conn: Connection[Any], *, automation: Automation, now: datetime) -> set[str]:
    """Give every case without a batch one; returns the names of batches made or filled.

    An automation's batches are made by one process at a time; the second one waits and finds nothing left to do.
    """
    take_turns(conn, automation.name)
    touched: set[str] = set()
    for day, waiting in _waiting_by_day(conn, automation).items():
        existing = _existing(conn, automation, day)
        for batch in plan(waiting, max_batch=automation.review.max_batch, day=day, existing=existing):
            _write(conn, automation, batch, now)
            touched.add(batch.name)
    return touched


def make_apart(
    conn: Connection[Any], *, automation: Automation, label: str, reason: str, cases: Sequence[str], now: datetime
) -> set[str]:
    """Put these cases into batches of their own, called by `label` instead of a queue; returns their names.

    For work that people should see as one thing. The caller has taken turns (`take_turns`), and the cases have no batch yet.
    """
    waiting = [
        WaitingCase(case_id=case_id, queue=label, priority=priority, waiting_since=created_at)
        for case_id, priority, created_at in conn.execute(
            "select case_id, priority, created_at from review_cases where case_id = any(%s) and batch is null",
            (list(cases),),
        )
    ]
    day = now.date()
    planned = plan(waiting, max_batch=automation.review.max_batch, day=day, existing=_existing(conn, automation, day))
    for batch in planned:
        _write(conn, automation, batch, now, reason=reason)
    return {batch.name for batch in planned}


def _waiting_by_day(conn: Connection[Any], automation: Automation) -> dict[date, list[WaitingCase]]:
    """A case that was decided before it had a batch needs one as well, or nobody would collect it."""
    with conn.cursor(row_factory=dict_row) as cursor:
        cursor.execute(
            "select c.case_id, c.queue, c.priority, c.created_at, d.day, coalesce(d.audit and d.rule = 'audit', false) as audit"
            " from review_cases c join decisions d using (decision_id) where c.automation = %s and c.batch is null",
            (automation.name,),
        )
        by_day: dict[date, list[WaitingCase]] = {}
        for row in cursor:
            case = WaitingCase(
                case_id=row["case_id"],
                queue=row["queue"],
                priority=row["priority"],
                waiting_since=row["created_at"],
                audit=row["audit"],
            )
            by_day.setdefault(row["day"], []).append(case)
    return by_day


def _existing(conn: Connection[Any], automation: Automation, day: date) -> list[ExistingBatch]:
    """Locked, so that a batch that is being closed is either closed or filled, not both.

    A batch with nothing left to decide is about to be closed: who decided its last case was told that it is complete.
    """
    with conn.cursor(row_factory=dict_row) as cursor:
        cursor.execute(
            "select 1 from review_batches where automation = %s and day = %s order by batch for update",
            (automation.name, day),
        )
        rows = cursor.execute(
            f"select batch, queue, size, state = 'open' and {_HAS_UNDECIDED} as open from review_batches b"
            " where automation = %s and day = %s",
            (automation.name, day),
        ).fetchall()
    return [
        ExistingBatch(
            name=r["batch"],
            queue=r["queue"],
            room=max(automation.review.max_batch - r["size"], 0) if r["open"] else 0,
        )
        for r in rows
    ]


def _write(
    conn: Connection[Any], automation: Automation, batch: PlannedBatch, now: datetime, *, reason: str = ""
) -> None:
    if batch.new:
        conn.execute(
            "insert into review_batches (automation, batch, queue, day, size, created_at, due_at, lease_minutes, undo_minutes,"
            " reason) values (%s, %s, %s, %s, 0, %s, %s, %s, %s, %s)",
            (automation.name, batch.name, batch.queue, batch.day, now,
             due(batch.waiting_since, hours=automation.review.service_level_hours),
             automation.review.lease_minutes, automation.review.undo_minutes, reason),
        )  # fmt: skip
    conn.execute("update review_cases set batch = %s where case_id = any(%s)", (batch.name, list(batch.cases)))
    with conn.cursor() as cursor:
        cursor.executemany(
            "update review_cases set priority = %s where case_id = %s", [(p, case) for case, p in batch.drawn.items()]
        )
    # Counted, not assumed: a newer decision may have replaced a case since it was read.
    conn.execute(
        "update review_batches set size = (select count(*) from review_cases where automation = %s and batch = %s)"
        " where automation = %s and batch = %s",
        (automation.name, batch.name) * 2,
    )


def close(conn: Connection[Any], *, automation: str, batches: Sequence[str], now: datetime | None) -> None:
    """Close those of the batches, locked by the caller, that have nothing left to decide: no undo, no more cases."""
    conn.execute(
        "update review_batches b set state = 'done', done_at = coalesce(%s, now())"
        f" where automation = %s and batch = any(%s) and state = 'open' and not {_HAS_UNDECIDED}",
        (now, automation, list(batches)),
    )


def collect(conn: Connection[Any], *, automation: Automation, batch: str, now: datetime) -> Collected:
    """Verdicts of a batch whose row the caller has locked become outcomes, actions and a ledger entry, once.

    A batch collected before gives the same numbers and writes nothing.
    """
    with conn.cursor(row_factory=dict_row) as cursor:
        state = cursor.execute(
            "select state from review_batches where automation = %s and batch = %s", (automation.name, batch)
        ).fetchall()[0]["state"]
        cases = cursor.execute(
            "select * from review_cases where automation = %s and batch = %s order by case_id", (automation.name, batch)
        ).fetchall()
    undecided = sum(c["state"] != "decided" for c in cases)
    if undecided and state != "collected":
        raise BatchNotFinished(
            f"automation {automation.name}: batch {batch} has {undecided} of {len(cases)} cases to decide; it is collected after"
        )
    decided = [c for c in cases if c["state"] == "decided"]
    if state != "collected":
        _write_outcomes(conn, automation, decided)
        enqueue(conn, automation, [a for c in decided for a in _actions(automation, c)], now=now)
        conn.execute(
            "update review_batches set state = 'collected', done_at = coalesce(done_at, %s)"
            " where automation = %s and batch = %s",
            (now, automation.name, batch),
        )
    agreed = sum(c["verdict"] == "confirmed" for c in decided)
    sent = conn.execute("select count(*) from outbox where case_id = any(%s)", ([c["case_id"] for c in decided],))
    actions = sent.fetchone()
    if decided and state != "collected":
        # Last: until the commit every other appender waits.
        items = [_item(c) for c in decided]
        append(conn, automation=automation.name, kind="review", subject=batch, items=items, now=now)
    return Collected(
        outcomes=len(decided), agreed=agreed, corrected=len(decided) - agreed, actions=actions[0] if actions else 0
    )


def _write_outcomes(conn: Connection[Any], automation: Automation, decided: list[DictRow]) -> None:
    """A reviewer knows and says it at the same moment: event time and known-at time are the verdict's."""
    with conn.cursor() as cursor:
        cursor.executemany(
            "insert into outcomes (automation, source, ticket_id, queue, origin, actor, correlation_id, event_time, known_at)"
            " values (%s, %s, %s, %s, 'review', %s, %s, %s, %s) on conflict do nothing",
            [
                (automation.name, c["source"], c["ticket_id"], c["verdict_queue"], c["decided_by"],
                 c["correlation_id"], c["decided_at"], c["decided_at"])
                for c in decided
            ],
        )  # fmt: skip


def _actions(automation: Automation, case: DictRow) -> list[OutboxAction]:
    return action_for_verdict(
        automation=automation,
        case_id=case["case_id"],
        decision_id=case["decision_id"],
        source=case["source"],
        ticket_id=case["ticket_id"],
        correlation_id=case["correlation_id"],
        queue=case["verdict_queue"],
        actor=case["decided_by"],
        comment=case["comment"],
    )


def _item(case: DictRow) -> bytes:
    """What the ledger stands for: one verdict as canonical JSON."""
    said = {k: case[k] for k in ("case_id", "decision_id", "ticket_id", "queue", "verdict", "verdict_queue", "comment")}
    said |= {"decided_by": case["decided_by"], "decided_at": case["decided_at"].isoformat()}
    return orjson.dumps(said, option=orjson.OPT_SORT_KEYS)
