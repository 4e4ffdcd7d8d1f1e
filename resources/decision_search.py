"""Finding decisions: by ticket, time, queue, verdict, version; and what stood for a ticket at a moment.

What belongs here: these two questions. What does not: one decision read whole (`console_decision.py`).

A search without a ticket looks at one automation after the other by its day index and is stopped when it takes too long: nobody
waits for a page that reads a million rows.
"""

from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any

from psycopg.errors import QueryCanceled
from psycopg.rows import DictRow

from resources.database import Database, rows

FOUND = 50
SEARCH_MS = 3_000
BACK = timedelta(days=1)  # without a ticket, a moment stands for the decisions of the day before it


@dataclass(frozen=True, slots=True, kw_only=True)
class Wanted:
    """What is looked for. `words` is a ticket's or a decision's id; empty fields ask for nothing."""

    words: str = ""
    automation: str = ""
    queue: str = ""
    verdict: str = ""
    version: int | None = None
    at: datetime | None = None

    @property
    def anything(self) -> bool:
        """Whether it asks for anything at all."""
        return self != Wanted()


@dataclass(frozen=True, slots=True, kw_only=True)
class Stood:
    """The decision that stood for a ticket at a moment, and what people and the helpdesk had made of it by then."""

    decision: DictRow
    reviewed: DictRow | None  # the person's verdict, given by then
    sent: tuple[DictRow, ...]  # actions that had left by then
    alias: DictRow | None  # where the champion pointed then
    since: DictRow | None  # the decision that stands now, where it is another one


class DecisionSearch:
    """Bounded searches over all decisions."""

    def __init__(self, database: Database) -> None:
        self._database = database

    def find(self, wanted: Wanted, *, limit: int = FOUND) -> list[DictRow] | None:
        """Decisions that fit, newest first; None where the search was stopped because it took too long."""
        conditions, values = _conditions(wanted)
        query = _BY_TICKET if wanted.words else _BY_DAY
        try:
            with self._database.connection() as conn:
                conn.execute(f"set local statement_timeout = {SEARCH_MS}")
                return rows(conn, query.format(conditions=conditions), values | {"limit": limit})
        except QueryCanceled:
            return None

    def stood(self, ticket_id: str, *, at: datetime) -> list[Stood]:
        """What stood for this ticket id at a moment, in each automation that knows it; empty where nothing was decided yet."""
        with self._database.connection() as conn:
            then = rows(conn, _STOOD, {"ticket": ticket_id, "at": at})
            now = {(r["automation"], r["source"]): r for r in rows(conn, _STANDS, {"ticket": ticket_id})}
            found = []
            for decision in then:
                values = {"decision": decision["decision_id"], "at": at, "model": decision["model_name"]}
                newest = now[decision["automation"], decision["source"]]
                found.append(
                    Stood(
                        decision=decision,
                        reviewed=next(iter(rows(conn, _REVIEWED, values)), None),
                        sent=tuple(rows(conn, _SENT, values)),
                        alias=next(iter(rows(conn, _CHAMPION, values)), None),
                        since=newest if newest["decision_id"] != decision["decision_id"] else None,
                    )
                )
            return found

    def first(self, ticket_id: str) -> datetime | None:
        """When a ticket was first decided on."""
        with self._database.connection() as conn:
            row = conn.execute("select min(decided_at) from decisions where ticket_id = %s", (ticket_id,)).fetchone()
        return row[0] if row else None


def _conditions(wanted: Wanted) -> tuple[str, dict[str, Any]]:
    """SQL made of fixed words only; what a person typed goes in as values."""
    parts, values = ["true"], dict[str, Any]()
    for column in ("automation", "queue", "verdict"):
        value = getattr(wanted, column)
        if value:
            parts.append(f"d.{column} = %({column})s")
            values[column] = value
    if wanted.version is not None:
        parts.append("d.model_version = %(version)s")
        values["version"] = wanted.version
    if wanted.at is not None:
        parts.append("d.decided_at <= %(at)s")
        values["at"] = wanted.at
        if not wanted.words:
            parts.append("d.decided_at > %(since)s")
            values["since"] = wanted.at - BACK
    if wanted.words:
        values["words"] = wanted.words
    return " and ".join(parts), values


_SHOWN = """d.decision_id, d.automation, d.source, d.ticket_id, d.verdict, d.queue, d.confidence, d.rule, d.model_name,
 d.model_version, d.decided_at"""

_BY_TICKET = f"""
select {_SHOWN} from decisions d
where (d.ticket_id = %(words)s or d.decision_id = %(words)s) and {{conditions}}
order by d.decided_at desc, d.decision_id limit %(limit)s
"""

_BY_DAY = f"""
select n.* from (select distinct automation from declarations) a cross join lateral (
    select {_SHOWN} from decisions d where d.automation = a.automation and {{conditions}}
    order by d.day desc limit %(limit)s) n
order by n.decided_at desc, n.decision_id limit %(limit)s
"""

# the order in which recording lets one decision of a ticket stand (`recording.py`), as it was at that moment
_ORDER = """
order by d.automation, d.source, coalesce(d.known_at, d.decided_at) desc,
         exists (select from review_cases c where c.case_id = d.decision_id and c.state = 'decided' {then}) desc,
         d.decided_at desc, d.decision_id
"""
_WHOLE = f"{_SHOWN}, d.reason, d.ticket_version, d.policy_revision, d.declaration, d.day, d.known_at, d.correlation_id"
_STOOD = f"""
select distinct on (d.automation, d.source) {_WHOLE} from decisions d
where d.ticket_id = %(ticket)s and d.decided_at <= %(at)s {_ORDER.format(then="and c.decided_at <= %(at)s")}
"""
_STANDS = f"""
select distinct on (d.automation, d.source) {_WHOLE} from decisions d
where d.ticket_id = %(ticket)s {_ORDER.format(then="")}
"""
_REVIEWED = """
select verdict, verdict_queue, decided_by, decided_at, comment, case_id from review_cases
where decision_id = %(decision)s and state = 'decided' and decided_at <= %(at)s
"""
_SENT = """
select kind, target, payload ->> 'queue' as queue, sent_at from outbox
where decision_id = %(decision)s and state = 'sent' and sent_at <= %(at)s order by action_id limit 20
"""
_CHAMPION = """
select version, moved_at, actor from alias_moves where name = %(model)s and alias = 'champion' and moved_at <= %(at)s
order by moved_at desc, move_id desc limit 1
"""
