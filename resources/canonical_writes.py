"""Canonical entities into their tables: COPY into a table of the session, then insert what is not there yet.

What belongs here: the SQL that writes tickets, contacts, customers and helpdesk outcomes within a caller's transaction. What
does not: mapping and checking (`aios_core/canonical`), and reading (`canonical_reads.py`).
"""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Any

import orjson
from psycopg import Connection, sql

from aios_core.canonical.batch import Entity, Landed, Refusal
from aios_core.canonical.entities import Contact, Customer, Outcome, Ticket, outcome_of
from aios_core.canonical.mapper import content_hash
from resources.copying import copy_lines, moment, text, texts

_TICKETS = (
    *("automation", "source", "ticket_id", "version", "correlation_id", "event_time", "known_at", "created_at"),
    *("subject", "body", "status", "priority", "channel", "language", "queue", "requester_id", "customer_id"),
    *("tags", "custom", "content_hash", "landing_id"),
)
_CONTACTS = ("automation", "source", "contact_id", "version", "customer_id", "event_time", "known_at", "landing_id")
_CUSTOMERS = (
    *("automation", "source", "customer_id", "version", "correlation_id", "event_time", "known_at", "attributes"),
    "landing_id",
)
_OUTCOMES = (
    *("automation", "source", "ticket_id", "queue", "origin", "actor", "correlation_id", "event_time", "known_at"),
)


@dataclass(frozen=True, slots=True)
class Written:
    """New rows, new or changed outcomes, and records whose canonical version is another record's already."""

    rows: int
    outcomes: int
    refusals: tuple[Refusal, ...] = ()


def write_entities(connection: Connection, automation: str, entities: Sequence[tuple[Landed, Entity]]) -> Written:
    """All of them; writing the same ones again changes nothing."""
    tickets = [(landed, e) for landed, e in entities if isinstance(e, Ticket)]
    contacts = [(landed, e) for landed, e in entities if isinstance(e, Contact)]
    customers = [(landed, e) for landed, e in entities if isinstance(e, Customer)]
    rows, refusals = 0, []
    if tickets:
        rows += _insert(connection, "tickets", _TICKETS, (_ticket(automation, *pair) for pair in tickets))
        if rows < len(tickets):
            refusals = _taken(connection, {landed.landing_id: landed for landed, _ in tickets})
    if contacts:
        rows += _insert(connection, "contacts", _CONTACTS, (_contact(automation, *pair) for pair in contacts))
    if customers:
        rows += _insert(connection, "customers", _CUSTOMERS, (_customer(automation, *pair) for pair in customers))
    refused = {r.landed.landing_id for r in refusals}
    outcomes = [outcome_of(t) for landed, t in tickets if landed.landing_id not in refused]
    written = _outcomes(connection, automation, [o for o in outcomes if o is not None])
    return Written(rows, written, tuple(refusals))


def _insert(connection: Connection, table: str, columns: Sequence[str], rows: Iterator[tuple[str, ...]]) -> int:
    stage, target = sql.Identifier(f"{table}_stage"), sql.Identifier(table)
    names = sql.SQL(", ").join(map(sql.Identifier, columns))
    _copy(connection, stage, target, names, rows)
    query = sql.SQL("insert into {} ({}) select {} from {} on conflict do nothing").format(target, names, names, stage)
    return connection.execute(query).rowcount


def _copy(
    connection: Connection,
    stage: sql.Identifier,
    like: sql.Identifier,
    names: sql.Composed,
    rows: Iterator[tuple[str, ...]],
) -> None:
    connection.execute(
        sql.SQL("create temp table if not exists {} (like {} including defaults) on commit delete rows").format(
            stage, like
        )
    )
    connection.execute(sql.SQL("truncate {}").format(stage))
    copy_lines(connection, sql.SQL("copy {} ({}) from stdin").format(stage, names), map("\t".join, rows))


def _taken(connection: Connection, landed: dict[int, Landed]) -> list[Refusal]:
    """Staged tickets whose (id, version) another record holds with another content: two records claim to be one."""
    rows = connection.execute(
        "select s.landing_id, t.landing_id from tickets_stage s"
        " join tickets t using (automation, source, ticket_id, version)"
        " where t.landing_id <> s.landing_id and (t.content_hash, t.status, t.queue, t.customer_id)"
        " is distinct from (s.content_hash, s.status, s.queue, s.customer_id)"
    ).fetchall()
    return [
        Refusal(
            landed[ours],
            "canonical",
            "canonical.duplicate_version",
            f"ticket {landed[ours].external_id}: landing record {theirs} is the same ticket and version with another content",
        )
        for ours, theirs in rows
    ]


def _outcomes(connection: Connection, automation: str, outcomes: Sequence[Outcome]) -> int:
    """The last one landed counts where two versions were resolved at the same moment."""
    if not outcomes:
        return 0
    unique = {(o.source, o.ticket_id, o.origin, o.event_time): o for o in outcomes}
    names = sql.SQL(", ").join(map(sql.Identifier, _OUTCOMES))
    rows = (_outcome(automation, o) for o in unique.values())
    _copy(connection, sql.Identifier("outcomes_stage"), sql.Identifier("outcomes"), names, rows)
    query = sql.SQL(
        "insert into outcomes as o ({}) select {} from outcomes_stage"
        " on conflict (automation, source, ticket_id, origin, event_time) do update"
        " set queue = excluded.queue, known_at = excluded.known_at, correlation_id = excluded.correlation_id"
        " where o.queue is distinct from excluded.queue"
    )
    return connection.execute(query.format(names, names)).rowcount


def _ticket(automation: str, landed: Landed, t: Ticket) -> tuple[str, ...]:
    event = moment(t.event_time)
    known = event if t.known_at is t.event_time else moment(t.known_at)  # writing a time costs more than reading one
    return (
        *(automation, t.source, text(t.ticket_id), text(t.version), text(t.correlation_id)),
        *(event, known, moment(t.created_at), text(t.subject), text(t.body), text(t.status)),
        *(
            text(t.priority),
            text(t.channel),
            text(t.language),
            text(t.queue),
            text(t.requester_id),
            text(t.customer_id),
        ),
        *(texts(t.tags), _json(t.custom), content_hash(t), str(landed.landing_id)),
    )


def _contact(automation: str, landed: Landed, c: Contact) -> tuple[str, ...]:
    return (
        *(automation, c.source, text(c.contact_id), text(c.version), text(c.customer_id)),
        *(moment(c.event_time), moment(c.known_at), str(landed.landing_id)),
    )


def _customer(automation: str, landed: Landed, c: Customer) -> tuple[str, ...]:
    return (
        *(automation, c.source, text(c.customer_id), text(c.version), text(c.correlation_id)),
        *(moment(c.event_time), moment(c.known_at), _json(c.attributes), str(landed.landing_id)),
    )


def _outcome(automation: str, o: Outcome) -> tuple[str, ...]:
    event = moment(o.event_time)
    known = event if o.known_at is o.event_time else moment(o.known_at)
    return (
        *(automation, o.source, text(o.ticket_id), text(o.queue), o.origin, text(o.actor), text(o.correlation_id)),
        *(event, known),
    )


def _json(value: dict[str, Any]) -> str:
    return text(orjson.dumps(value).decode()) if value else "{}"
