"""Canonical entities into their tables: COPY, and where some are there already, by a table of the session.

What belongs here: the SQL that writes tickets, contacts, customers and helpdesk outcomes within a caller's transaction. What
does not: mapping and checking (`aios_core/canonical`), and reading (`canonical_reads.py`).
"""

from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass
from typing import Any

import orjson
from psycopg import Connection, sql

from aios_core.canonical.batch import Entity, Landed, Refusal
from aios_core.canonical.entities import Contact, Customer, Ticket, states_outcome
from aios_core.canonical.mapper import content_hash
from resources.copying import copy_lines, copy_new, moments, text, texts

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
    rows, refusals, outcomes = 0, list[Refusal](), 0
    if tickets:
        events = moments([t.event_time for _, t in tickets])
        rows += _insert(connection, "tickets", _TICKETS, lambda: _tickets(automation, tickets, events))
        if rows < len(tickets):
            refusals = _taken(connection, {landed.landing_id: landed for landed, _ in tickets})
        refused = {r.landed.landing_id for r in refusals}
        settled = [
            (t, event)
            for (landed, t), event in zip(tickets, events, strict=True)
            if states_outcome(t) and landed.landing_id not in refused
        ]
        outcomes = _outcomes(connection, _outcome_lines(automation, settled))
    if contacts:
        rows += _insert(connection, "contacts", _CONTACTS, lambda: _contacts(automation, contacts))
    if customers:
        rows += _insert(connection, "customers", _CUSTOMERS, lambda: _customers(automation, customers))
    return Written(rows, outcomes, tuple(refusals))


def _insert(connection: Connection, table: str, columns: Sequence[str], rows: Callable[[], Iterator[str]]) -> int:
    """What is there already stays as it is; returns how many were not. `rows` are written while Postgres takes in those before them."""
    target, names = sql.Identifier(table), _names(columns)
    if (written := copy_new(connection, sql.SQL("copy {} ({}) from stdin").format(target, names), rows())) is not None:
        return written
    stage = _staged(connection, table, names, rows())
    query = sql.SQL("insert into {} ({}) select {} from {} on conflict do nothing").format(target, names, names, stage)
    return connection.execute(query).rowcount


def _names(columns: Sequence[str]) -> sql.Composed:
    return sql.SQL(", ").join(map(sql.Identifier, columns))


def _staged(connection: Connection, table: str, names: sql.Composed, rows: Iterable[str]) -> sql.Identifier:
    """A table of the session like that one, with these rows in it."""
    stage = sql.Identifier(f"{table}_stage")
    connection.execute(
        sql.SQL("create temp table if not exists {} (like {} including defaults) on commit delete rows").format(
            stage, sql.Identifier(table)
        )
    )
    connection.execute(sql.SQL("truncate {}").format(stage))
    copy_lines(connection, sql.SQL("copy {} ({}) from stdin").format(stage, names), rows)
    return stage


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


def _outcomes(connection: Connection, rows: Sequence[str]) -> int:
    """New or changed ones: of two that were resolved at the same moment the later one counts."""
    if not rows:
        return 0
    names = _names(_OUTCOMES)
    if (written := copy_new(connection, sql.SQL("copy outcomes ({}) from stdin").format(names), rows)) is not None:
        return written
    stage = _staged(connection, "outcomes", names, rows)
    query = sql.SQL(
        "insert into outcomes as o ({}) select {} from {}"
        " on conflict (automation, source, ticket_id, origin, event_time) do update"
        " set queue = excluded.queue, known_at = excluded.known_at, correlation_id = excluded.correlation_id"
        " where o.queue is distinct from excluded.queue"
    )
    return connection.execute(query.format(names, names, stage)).rowcount


def _tickets(automation: str, tickets: Sequence[tuple[Landed, Ticket]], events: Sequence[str]) -> Iterator[str]:
    created, known = moments([t.created_at for _, t in tickets]), moments([t.known_at for _, t in tickets])
    return (
        f"{automation}\t{t.source}\t{text(t.ticket_id)}\t{text(t.version)}\t{text(t.correlation_id)}"
        f"\t{event}\t{known_at}\t{created_at}\t{text(t.subject)}\t{text(t.body)}\t{text(t.status)}"
        f"\t{text(t.priority)}\t{text(t.channel)}\t{text(t.language)}\t{text(t.queue)}"
        f"\t{text(t.requester_id)}\t{text(t.customer_id)}"
        f"\t{texts(t.tags)}\t{_json(t.custom)}\t{content_hash(t)}\t{landed.landing_id}"
        for (landed, t), event, known_at, created_at in zip(tickets, events, known, created, strict=True)
    )


def _outcome_lines(automation: str, settled: Sequence[tuple[Ticket, str]]) -> list[str]:
    """The last one landed counts where two versions were resolved at the same moment."""
    known = moments([t.known_at for t, _ in settled])
    lines: dict[tuple[str, str, str], str] = {}
    for (t, event), known_at in zip(settled, known, strict=True):
        lines[t.source, t.ticket_id, event] = (
            f"{automation}\t{t.source}\t{text(t.ticket_id)}\t{text(t.queue)}\thelpdesk\t{t.source}"
            f"\t{text(t.correlation_id)}\t{event}\t{known_at}"
        )
    return list(lines.values())


def _contacts(automation: str, contacts: Sequence[tuple[Landed, Contact]]) -> Iterator[str]:
    events, known = moments([c.event_time for _, c in contacts]), moments([c.known_at for _, c in contacts])
    return (
        f"{automation}\t{c.source}\t{text(c.contact_id)}\t{text(c.version)}\t{text(c.customer_id)}"
        f"\t{event}\t{known_at}\t{landed.landing_id}"
        for (landed, c), event, known_at in zip(contacts, events, known, strict=True)
    )


def _customers(automation: str, customers: Sequence[tuple[Landed, Customer]]) -> Iterator[str]:
    events, known = moments([c.event_time for _, c in customers]), moments([c.known_at for _, c in customers])
    return (
        f"{automation}\t{c.source}\t{text(c.customer_id)}\t{text(c.version)}\t{text(c.correlation_id)}"
        f"\t{event}\t{known_at}\t{_json(c.attributes)}\t{landed.landing_id}"
        for (landed, c), event, known_at in zip(customers, events, known, strict=True)
    )


def _json(value: dict[str, Any]) -> str:
    return text(orjson.dumps(value).decode()) if value else "{}"
