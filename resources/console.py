"""What the console shows: read-only views joined from the tables that the stores write.

What belongs here: queries for people's eyes, each bounded, and reading a decision's record into what a page needs. What does
not: any change of state (`resources/reviews.py` and the other stores).
"""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import date, datetime
from typing import Any

from psycopg import Connection
from psycopg.rows import DictRow, dict_row

from aios_core.decisions.model import UnknownDecision
from aios_core.decisions.record import decode_number, parse
from resources.corrected import corrections_of
from resources.database import Database


@dataclass(frozen=True, slots=True, kw_only=True)
class TicketView:
    """The version of a ticket that was decided on. Text as it came: the page escapes it."""

    source: str
    ticket_id: str
    subject: str
    body: str
    status: str
    priority: str | None
    channel: str | None
    language: str | None
    queue: str | None
    requester_id: str | None
    tags: tuple[str, ...]
    created_at: datetime
    run_id: str | None


@dataclass(frozen=True, slots=True, kw_only=True)
class CustomerView:
    """The newest CRM facts about the ticket's customer."""

    customer_id: str
    known_at: datetime
    attributes: dict[str, Any]


@dataclass(frozen=True, slots=True, kw_only=True)
class Term:
    """A word or phrase and how far it pushed towards the predicted queue, -1 to 1 of the strongest one."""

    text: str
    weight: float
    share: float


@dataclass(frozen=True, slots=True, kw_only=True)
class DecisionView:
    """A decision as its record tells it."""

    decision_id: str
    automation: str
    source: str
    ticket_id: str
    ticket_version: str
    correlation_id: str
    day: date
    decided_at: datetime
    verdict: str
    queue: str | None
    confidence: float | None
    rule: str
    reason: str
    model_name: str
    model_version: int
    policy_revision: str
    declaration: str
    probabilities: tuple[tuple[str, float], ...]  # likeliest first
    terms: tuple[Term, ...]
    automate: float | None
    draft: float | None
    policy_input: dict[str, Any]
    policy_answer: dict[str, Any]
    features: dict[str, Any]
    unseen_share: float | None
    audit: bool


@dataclass(frozen=True, slots=True, kw_only=True)
class CaseContext:
    """Everything a person needs beside a case."""

    ticket: TicketView | None  # None: erased since
    customer: CustomerView | None
    decision: DecisionView
    events: tuple[DictRow, ...]


class ConsoleViews:
    """Bounded reads for the console's pages."""

    def __init__(self, database: Database) -> None:
        self._database = database

    def case_context(self, *, case_id: str, decision_id: str) -> CaseContext:
        """The ticket, customer, decision and history of a case. Raises UnknownDecision."""
        with self._database.connection() as conn:
            decision = _decision(conn, decision_id)
            events = _rows(
                conn,
                "select kind, actor, detail, at from review_events where case_id = %s order by event_id limit 50",
                case_id,
            )
            return CaseContext(
                ticket=_ticket(conn, decision),
                customer=_customer(conn, decision),
                decision=decision,
                events=tuple(events),
            )

    def decision(self, decision_id: str) -> DecisionView:
        """One decision. Raises UnknownDecision."""
        with self._database.connection() as conn:
            return _decision(conn, decision_id)

    def decision_trail(self, decision: DecisionView) -> dict[str, Any]:
        """What is around a decision: its ticket and customer, actions, case, outcomes and the ticket's other decisions."""
        same_ticket = (decision.automation, decision.source, decision.ticket_id)
        with self._database.connection() as conn:
            return {
                "ticket": _ticket(conn, decision),
                "customer": _customer(conn, decision),
                "actions": _rows(
                    conn,
                    "select kind, target, external_id, payload ->> 'queue' as queue, state, attempts, last_error, created_at,"
                    " sent_at, case_id from outbox where decision_id = %s order by action_id limit 50",
                    decision.decision_id,
                ),
                "cases": _rows(
                    conn,
                    "select case_id, batch, state, verdict, verdict_queue, decided_by, decided_at from review_cases"
                    " where decision_id = %s",
                    decision.decision_id,
                ),
                "outcomes": _rows(
                    conn,
                    "select queue, origin, actor, known_at from outcomes"
                    " where automation = %s and source = %s and ticket_id = %s order by known_at desc limit 20",
                    *same_ticket,
                ),
                "others": _rows(
                    conn,
                    "select decision_id, verdict, queue, confidence, model_version, decided_at from decisions"
                    " where automation = %s and source = %s and ticket_id = %s and decision_id <> %s"
                    " order by decided_at desc limit 20",
                    *same_ticket,
                    decision.decision_id,
                ),
                **corrections_of(conn, decision.decision_id),
            }

    def search(self, query: str, *, limit: int = 50) -> list[DictRow]:
        """Decisions on a ticket, newest first; the query is a ticket's, a decision's or a correlation id."""
        with self._database.connection() as conn:
            return _rows(
                conn,
                "select decision_id, automation, source, ticket_id, verdict, queue, confidence, rule, model_name,"
                " model_version, decided_at from decisions"
                " where ticket_id = %s or decision_id = %s order by decided_at desc, decision_id limit %s",
                query,
                query,
                limit,
            )

    def recent_decisions(self, *, limit: int = 30) -> list[DictRow]:
        """The newest decisions of each automation."""
        with self._database.connection() as conn:
            return _rows(
                conn,
                "select n.* from (select distinct automation from declarations) a cross join lateral ("
                " select decision_id, automation, source, ticket_id, verdict, queue, confidence, rule, model_name,"
                " model_version, decided_at from decisions d where d.automation = a.automation"
                " order by day desc limit %s) n order by decided_at desc, decision_id limit %s",
                limit,
                limit,
            )

    def batch_rows(self, *, automation: str, batch: str, limit: int = 500) -> list[DictRow]:
        """The cases of a batch with their tickets' subjects: undecided first, in the order they are handed out."""
        with self._database.connection() as conn:
            return _rows(
                conn,
                "select c.case_id, c.ticket_id, c.state, c.claimed_by, c.claim_expires, c.verdict, c.verdict_queue,"
                " c.decided_by, c.decided_at, d.confidence, d.queue, t.subject"
                " from review_cases c join decisions d using (decision_id)"
                " left join tickets t on t.automation = c.automation and t.source = c.source"
                " and t.ticket_id = c.ticket_id and t.version = d.ticket_version"
                " where c.automation = %s and c.batch = %s"
                " order by (c.state = 'decided'), c.priority desc, c.case_id limit %s",
                automation,
                batch,
                limit,
            )

    def skipped(self, *, automation: str, batch: str, actor: str) -> int:
        """How many undecided cases of a batch this person skipped."""
        with self._database.connection() as conn:
            rows = _rows(
                conn,
                "select count(*) as n from review_cases c where c.automation = %s and c.batch = %s and c.state <> 'decided'"
                " and exists (select 1 from review_events e where e.case_id = c.case_id and e.kind = 'skip' and e.actor = %s)",
                automation,
                batch,
                actor,
            )
        return int(rows[0]["n"])

    def overview(self, *, actor: str, since: datetime) -> dict[str, Any]:
        """Counts for the front page; `since` is the start of today."""
        with self._database.connection() as conn:
            return _rows(
                conn,
                "select (select count(*) from review_cases where state <> 'decided') as open,"
                " (select count(*) from review_cases where state <> 'decided' and batch is null) as unbatched,"
                " (select count(*) from review_events where kind = 'decide' and at >= %s) as decided_today,"
                " (select count(*) from review_events where kind = 'decide' and at >= %s and actor = %s) as mine_today,"
                " (select count(*) from quarantine where replayed_at is null) as quarantined",
                since,
                since,
                actor,
            )[0]

    def incidents(self, *, limit: int = 20) -> list[DictRow]:
        """Open incidents, newest first."""
        with self._database.connection() as conn:
            return _rows(
                conn,
                "select incident_id, automation, remedy, queue, reason, opened_at from incidents"
                " where closed_at is null order by opened_at desc limit %s",
                limit,
            )

    def quarantine(self, *, everything: bool = False, limit: int = 200) -> list[DictRow]:
        """Quarantined records, newest first; open ones only unless `everything`."""
        with self._database.connection() as conn:
            return _rows(
                conn,
                "select quarantine_id, automation, source, object, external_id, stage, code, message,"
                " left(payload, 4000) as payload, length(payload) as payload_chars, correlation_id, created_at, replayed_at,"
                " resolution from quarantine where %s or replayed_at is null order by quarantine_id desc limit %s",
                everything,
                limit,
            )

    def quarantine_counts(self) -> list[DictRow]:
        """Open quarantined records by automation, stage and code."""
        with self._database.connection() as conn:
            return _rows(
                conn,
                "select automation, stage, code, count(*) as n from quarantine where replayed_at is null"
                " group by 1, 2, 3 order by 4 desc, 1, 2, 3 limit 50",
            )

    def reports(self, *, limit: int = 100) -> list[DictRow]:
        """Days that were measured for drift, newest first."""
        with self._database.connection() as conn:
            return _rows(
                conn,
                "select automation, day, model_name, model_version, rows, share, flagged, report from monitor_days"
                " order by day desc, automation, model_version desc limit %s",
                limit,
            )

    def gauges(self) -> dict[str, list[DictRow]]:
        """Counts by label for the metrics page; each uses an index or a small table."""
        with self._database.connection() as conn:
            return {
                "aios_review_cases": _rows(
                    conn,
                    "select automation, state, count(*) as value from review_cases where state <> 'decided' group by 1, 2",
                ),
                "aios_review_batches": _rows(
                    conn, "select automation, state, count(*) as value from review_batches group by 1, 2"
                ),
                "aios_review_oldest_case_seconds": _rows(
                    conn,
                    "select automation, extract(epoch from now() - min(created_at))::float8 as value"
                    " from review_cases where state <> 'decided' group by 1",
                ),
                "aios_outbox_pending": _rows(
                    conn,
                    "select automation, target, count(*) as value from outbox where state = 'pending' group by 1, 2",
                ),
                "aios_quarantine_open": _rows(
                    conn,
                    "select automation, count(*) as value from quarantine where replayed_at is null group by 1",
                ),
                "aios_incidents_open": _rows(
                    conn,
                    "select automation, remedy, count(*) as value from incidents where closed_at is null group by 1, 2",
                ),
                "aios_alerts_firing": _rows(
                    conn,
                    "select automation, rule, severity, count(*) as value from alerts where state = 'firing' group by 1, 2, 3",
                ),
                "aios_alerts_looked_at_seconds": _rows(
                    conn, "select automation, extract(epoch from looked_at)::float8 as value from alert_looks"
                ),
                "aios_alert_messages": _rows(
                    conn,
                    "select automation, channel, state, count(*) as value from alert_deliveries"
                    " where state in ('pending', 'dead') group by 1, 2, 3",
                ),
            }


def top(probabilities: Sequence[tuple[str, float]], count: int) -> tuple[tuple[str, float], ...]:
    """The likeliest classes, first one first; ties keep the class order, as the model's own argmax does."""
    return tuple(sorted(probabilities, key=lambda p: -p[1])[:count])


def _rows(conn: Connection[Any], query: str, *parameters: Any) -> list[DictRow]:
    with conn.cursor(row_factory=dict_row) as cursor:
        return cursor.execute(query, parameters or None).fetchall()


def _decision(conn: Connection[Any], decision_id: str) -> DecisionView:
    rows = _rows(conn, "select * from decisions where decision_id = %s", decision_id)
    if not rows:
        raise UnknownDecision(f"there is no decision {decision_id}; search by ticket id to find the ones there are")
    row, record = rows[0], parse(bytes(rows[0]["record"]))
    pairs = [(c, decode_number(p)) for c, p in zip(record["classes"], record["probabilities"], strict=False)]
    usable = [(c, p) for c, p in pairs if p is not None and 0.0 <= p <= 1.0]
    own = {name: row[name] for name in DecisionView.__dataclass_fields__ if name in row}
    return DecisionView(
        **own,
        probabilities=top(usable, len(usable)),
        terms=_terms(record["terms"]),
        automate=record["thresholds"]["automate"],
        draft=record["thresholds"]["draft"],
        policy_input=record["policy"]["input"],
        policy_answer=record["policy"]["answer"],
        features=record["ticket"]["values"],
        unseen_share=decode_number(record["unseen_share"]),
    )


def _terms(pairs: Sequence[Sequence[Any]]) -> tuple[Term, ...]:
    strongest = max((abs(w) for _, w in pairs), default=0.0) or 1.0
    return tuple(Term(text=t, weight=w, share=w / strongest) for t, w in pairs)


def _ticket(conn: Connection[Any], decision: DecisionView) -> TicketView | None:
    rows = _rows(
        conn,
        "select t.*, l.run_id from tickets t left join landing_records l on l.landing_id = t.landing_id"
        " where t.automation = %s and t.source = %s and t.ticket_id = %s and t.version = %s",
        decision.automation,
        decision.source,
        decision.ticket_id,
        decision.ticket_version,
    )
    if not rows:
        return None
    values = {name: rows[0][name] for name in TicketView.__dataclass_fields__}
    return TicketView(**values | {"tags": tuple(values["tags"])})


def _customer(conn: Connection[Any], decision: DecisionView) -> CustomerView | None:
    """The ticket names its customer itself, or through the helpdesk's user."""
    rows = _rows(
        conn,
        "select c.customer_id, c.known_at, c.attributes from tickets t"
        " left join lateral (select customer_id from contacts where automation = t.automation and source = t.source"
        "   and contact_id = t.requester_id order by event_time desc limit 1) k on true"
        " join customers c on c.automation = t.automation and c.customer_id = coalesce(t.customer_id, k.customer_id)"
        " where t.automation = %s and t.source = %s and t.ticket_id = %s and t.version = %s"
        " order by c.event_time desc limit 1",
        decision.automation,
        decision.source,
        decision.ticket_id,
        decision.ticket_version,
    )
    return CustomerView(**rows[0]) if rows else None
