"""Batches of review cases: made from what waits, collected into outcomes when they are done.

What belongs here: the two bulk steps of `resources/reviews.py`, each inside the transaction that its caller opened. What does
not: single cases, and the plan itself (`aios_core/review/batching.py`).
"""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import date, datetime, timedelta
from typing import Any

import orjson
from psycopg import Connection
from psycopg.rows import DictRow, dict_row

from aios_core.automation import Automation
from aios_core.decisions.actions import OutboxAction, action_for_verdict
from aios_core.errors import PermanentError
from aios_core.review.batching import ExistingBatch, PlannedBatch, WaitingCase, plan
from aios_core.review.second import opinions_needed
from aios_core.review.service_level import due
from resources import review_agreement, review_contradictions, review_escalation, review_tallies
from resources.ledger import append
from resources.outbox import enqueue
from resources.review_rules import rules_of

FOR_LEADS = "people disagree on these: a lead settles them"
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

    An automation's batches are made by one process at a time; the second one waits and finds nothing left to do. Cases that wait for
    a lead get batches of their own, so that the others of their batch can be sent on; and what would soon be late comes first.
    """
    take_turns(conn, automation.name)
    review_tallies.fold(conn)
    if automation.review.contradictions == "lead":
        review_contradictions.contest(conn, automation=automation.name, now=now)
    touched = for_leads(conn, automation, now)
    older_than = now - timedelta(minutes=automation.review.max_age_minutes)
    for day, waiting in _waiting_by_day(conn, automation).items():
        existing = _existing(conn, automation, day)
        for batch in plan(
            waiting,
            max_batch=automation.review.max_batch,
            day=day,
            existing=existing,
            min_batch=automation.review.min_batch,
            older_than=older_than,
        ):
            _write(conn, automation, batch, now)
            touched.add(batch.name)
    review_escalation.escalate(conn, automation=automation, now=now)
    return touched


def for_leads(conn: Connection[Any], automation: Automation, now: datetime) -> set[str]:
    """Contested cases that nobody holds leave their batches for one that leads work on."""
    found = conn.execute(_CONTESTED, {"automation": automation.name, "reason": FOR_LEADS}).fetchall()
    if not found:
        return set()
    # batches before cases, as everywhere; who took or settled a case meanwhile keeps it where it is
    left = sorted({batch for _, batch in found if batch})
    conn.execute("select 1 from review_batches where automation = %s and batch = any(%s) order by batch for update",
                 (automation.name, left))  # fmt: skip
    moved = conn.execute(
        "update review_cases set batch = null where case_id = any(%s) and contested and state = 'waiting' returning case_id",
        ([case for case, _ in found],),
    ).fetchall()
    for batch in left:
        _recount(conn, automation.name, batch)
    cases = [case for (case,) in moved]
    return make_apart(conn, automation=automation, label="for_a_lead", reason=FOR_LEADS, cases=cases, now=now)


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
    due_at = _due(conn, automation, batch)
    if batch.new:
        conn.execute(
            "insert into review_batches (automation, batch, queue, day, size, created_at, due_at, lease_minutes, undo_minutes,"
            " reason, waiting_since) values (%s, %s, %s, %s, 0, %s, %s, %s, %s, %s, %s)",
            (automation.name, batch.name, batch.queue, batch.day, now, due_at, automation.review.lease_minutes,
             automation.review.undo_minutes, reason, batch.waiting_since),
        )  # fmt: skip
    else:
        conn.execute(
            "update review_batches set due_at = least(due_at, %s), waiting_since = least(waiting_since, %s)"
            " where automation = %s and batch = %s",
            (due_at, batch.waiting_since, automation.name, batch.name),
        )
    conn.execute("update review_cases set batch = %s where case_id = any(%s)", (batch.name, list(batch.cases)))
    with conn.cursor() as cursor:
        cursor.executemany(
            "update review_cases set priority = %s where case_id = %s", [(p, case) for case, p in batch.drawn.items()]
        )
    _ask_for_more(conn, automation, batch.cases, now)
    _recount(conn, automation.name, batch.name)


def _due(conn: Connection[Any], automation: Automation, batch: PlannedBatch) -> datetime:
    """When the first of these cases must be decided: each queue may have its own time."""
    oldest = conn.execute(
        "select queue, min(created_at) from review_cases where case_id = any(%s) group by queue", (list(batch.cases),)
    ).fetchall()
    review = automation.review
    found = [due(since, hours=review.hours_for(queue)) for queue, since in oldest]
    return min(found, default=due(batch.waiting_since, hours=review.hours_for(batch.queue)))


def _recount(conn: Connection[Any], automation: str, batch: str) -> None:
    """Counted, not assumed: a newer decision may have replaced a case since it was read."""
    conn.execute(
        "update review_batches set size = (select count(*) from review_cases where automation = %s and batch = %s)"
        " where automation = %s and batch = %s",
        (automation, batch) * 2,
    )


def _ask_for_more(conn: Connection[Any], automation: Automation, cases: Sequence[str], now: datetime) -> None:
    """How many people each case needs, as far as is known before somebody has chosen a queue."""
    review = automation.review
    if review.quorum == 1 and review.second_opinion is None:
        return
    watched = review.second_opinion is not None and review.second_opinion.below_agreement is not None
    agreement = review_agreement.by_queue(conn, automation=automation.name, now=now) if watched else {}
    rules = rules_of(automation)
    with conn.cursor(row_factory=dict_row) as cursor:
        rows = cursor.execute(
            "select c.case_id, c.queue, d.confidence from review_cases c join decisions d using (decision_id)"
            " where c.case_id = any(%s) and c.state <> 'decided'",
            (list(cases),),
        ).fetchall()
        needed = [
            (
                opinions_needed(
                    quorum=review.quorum,
                    rule=review.second_opinion,
                    case_id=row["case_id"],
                    queues=(row["queue"],),
                    costs=rules.costs,
                    confidence=row["confidence"],
                    agreement=agreement,
                ),
                row["case_id"],
            )
            for row in rows
        ]
        # a case that was decided by one person meanwhile stays decided
        cursor.executemany(
            "update review_cases set opinions_needed = greatest(opinions_needed, %s) where case_id = %s and state <> 'decided'",
            [(n, case) for n, case in needed if n > 1],
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
    if case["form"]:
        said["form"] = case["form"]
    if case["overridden"]:
        said["overridden"] = True
    return orjson.dumps(said, option=orjson.OPT_SORT_KEYS)


_CONTESTED = """
select c.case_id, c.batch from review_cases c left join review_batches b on b.automation = c.automation and b.batch = c.batch
where c.automation = %(automation)s and c.contested and c.state = 'waiting' and b.reason is distinct from %(reason)s
order by c.case_id
"""
