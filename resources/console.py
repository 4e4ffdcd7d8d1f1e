"""What the console shows: read-only views joined from the tables that the stores write.

What belongs here: queries for people's eyes, each bounded. What does not: one case (`console_case.py`), one decision
(`console_decision.py`), finding decisions (`decision_search.py`), and any change of state (`reviews.py` and the other stores).
"""

from datetime import datetime
from typing import Any

from psycopg import Connection
from psycopg.rows import DictRow, dict_row

from aios_core.canonical.details import Details
from resources.console_case import customer_of, roles_masked, ticket_of
from resources.console_decision import DecisionView, read_decision
from resources.corrected import corrections_of
from resources.database import Database
from resources.declared_history import declared_as
from resources.source_reads import asking
from resources.ticket_details import ticket_details


class ConsoleViews:
    """Bounded reads for the console's pages."""

    def __init__(self, database: Database) -> None:
        self._database = database

    def decision(self, decision_id: str) -> DecisionView:
        """One decision. Raises UnknownDecision."""
        with self._database.connection() as conn:
            return read_decision(conn, decision_id)

    def decision_trail(self, decision: DecisionView) -> dict[str, Any]:
        """What is around a decision: its ticket and customer, actions, case, outcomes and the ticket's other decisions."""
        same_ticket = (decision.automation, decision.source, decision.ticket_id)
        with self._database.connection() as conn:
            return {
                "ticket": ticket_of(conn, decision),
                "customer": customer_of(conn, decision),
                "details": _details(conn, decision),
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
                "mask_for": roles_masked(conn, automation=decision.automation, declaration=decision.declaration),
                **corrections_of(conn, decision.decision_id),
            }

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
                "select (select coalesce(sum(steps), 0)::bigint from review_tallies where state <> 'decided') as open,"
                " (select coalesce(sum(steps), 0)::bigint from review_tallies where state <> 'decided' and batch is null)"
                " as unbatched,"
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

    def masked_for(self, automation: str) -> frozenset[str]:
        """The roles that read masked texts of this automation."""
        with self._database.connection() as conn:
            return roles_masked(conn, automation=automation)

    def automations(self) -> dict[str, list[str]]:
        """The automations that have decided something, with their declared queues."""
        with self._database.connection() as conn:
            found = _rows(
                conn,
                "select distinct on (automation) automation, array(select q ->> 'name' from"
                " jsonb_array_elements(coalesce(content -> 'queues', '[]'::jsonb)) q) as queues"
                " from declarations order by automation, seen_at desc, version",
            )
        return {row["automation"]: row["queues"] for row in found}

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
                    "select automation, state, sum(steps)::bigint as value from review_tallies where state <> 'decided'"
                    " group by 1, 2 having sum(steps) > 0",
                ),
                "aios_review_batches": _rows(
                    conn, "select automation, state, count(*) as value from review_batches group by 1, 2"
                ),
                **asking(conn),
                "aios_review_oldest_case_seconds": _rows(
                    conn,
                    "select t.automation, extract(epoch from now() - min(o.oldest))::float8 as value"
                    " from (select automation, queue from review_tallies where state <> 'decided' group by 1, 2"
                    " having sum(steps) > 0) t cross join lateral (select min(c.created_at) as oldest from review_cases c"
                    " where c.automation = t.automation and c.queue = t.queue and c.state <> 'decided') o group by 1",
                ),
                "aios_outbox_pending": _rows(
                    conn,
                    "select automation, target, count(*) as value from outbox where state = 'pending' group by 1, 2",
                ),
                "aios_outbox_dead": _rows(
                    conn,
                    "select automation, target, count(*) as value from outbox where state = 'dead' group by 1, 2",
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


def _rows(conn: Connection[Any], query: str, *parameters: Any) -> list[DictRow]:
    with conn.cursor(row_factory=dict_row) as cursor:
        return cursor.execute(query, parameters or None).fetchall()


def _details(conn: Connection, decision: DecisionView) -> Details | None:
    """What the helpdesk says beside; None where the declaration that was decided under can't be read any more."""
    automation = declared_as(conn, decision.declaration)
    if automation is None:
        return None
    return ticket_details(
        conn, automation, source=decision.source, ticket_id=decision.ticket_id, version=decision.ticket_version
    )
