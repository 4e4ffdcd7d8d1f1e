"""Canonical tickets, contacts, customers and outcomes: forward from landing, and out again as Arrow tables.

What belongs here: the store's transactions. What does not: the meaning of payloads and checks (`aios_core/canonical`,
`aios_core/checks.py`), and SQL (`canonical_writes.py`, `canonical_reads.py`).
"""

from collections import Counter
from collections.abc import Iterable, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import dataclass, field
from datetime import UTC, date, datetime, time
from itertools import starmap
from typing import TYPE_CHECKING, Literal

from psycopg import Connection

from aios_core.automation import Automation
from aios_core.canonical.batch import Batch, Landed, Refusal, map_batch
from aios_core.canonical.entities import Contact, Customer, Ticket
from aios_core.canonical.mapper import objects_of
from aios_core.synthetic import is_marked, namespace
from resources import canonical_reads as reads
from resources import turns
from resources.canonical_writes import write_entities
from resources.collecting import still, sweep
from resources.database import Database
from resources.landing import land_one, lock_stream
from resources.probes import probe_tickets
from resources.quarantine import Entry, Failure, Returning, close_entries, put_entries

if TYPE_CHECKING:
    import pyarrow as pa

MAX_BATCH_CHARS = 64 * 1024 * 1024
FETCH = 2000
STEP = 15_000  # two of them are in memory: one is written, one prepared


@dataclass(frozen=True, slots=True, kw_only=True)
class Progress:
    """What one or more steps from landing did: `failed_expectations` is code -> records, as in quarantine."""

    read: int = 0
    written: int = 0
    quarantined: int = 0
    outcomes: int = 0
    last_landing_id: int = 0
    failed_expectations: dict[str, int] = field(default_factory=dict)

    def __add__(self, other: "Progress") -> "Progress":
        return Progress(
            read=self.read + other.read,
            written=self.written + other.written,
            quarantined=self.quarantined + other.quarantined,
            outcomes=self.outcomes + other.outcomes,
            last_landing_id=max(self.last_landing_id, other.last_landing_id),
            failed_expectations=dict(Counter(self.failed_expectations) + Counter(other.failed_expectations)),
        )


@dataclass(frozen=True, slots=True)
class _Prepared:
    """Records landed after a position, mapped and checked. `more`: others had landed by then which a step has no room for."""

    after: int
    landed: list[Landed]
    batch: Batch
    more: bool

    @property
    def last(self) -> int:
        return self.landed[-1].landing_id


class CanonicalStore:
    """Rows of `tickets`, `contacts`, `customers` and `outcomes`."""

    def __init__(self, database: Database) -> None:
        self._database = database

    def advance(self, *, automation: Automation, source: str, object: str, limit: int = 50_000) -> Progress:
        """The next landed records, in one transaction with the position that passes them; call until `read` is 0.

        A step takes at most `limit` records and about 64 million characters, so that memory stays flat.
        """
        with still():
            while True:
                prepared = self._prepared(automation, source, object, None, limit)
                if (step := self._written(automation, source, object, prepared)) is not None:
                    return step

    def catch_up(self, *, automation: Automation, sources: Iterable[str]) -> Progress:
        """Everything that has landed of these sources by now. While a step is written the next one is read, mapped and checked.

        What lands meanwhile is another call's: following a reader closely would make of its records many small steps, each of which
        costs Great Expectations as much as thousands of records do.
        """
        total = Progress()
        with still(), turns.short(), ThreadPoolExecutor(1, thread_name_prefix="canonical-ahead") as executor:
            for source in sources:
                for name in objects_of(automation.sources[source]):
                    total += self._caught_up(automation, source, name, executor)
        return total

    def _caught_up(self, automation: Automation, source: str, object: str, executor: ThreadPoolExecutor) -> Progress:
        total, read = Progress(), (automation, source, object)
        following: Future[_Prepared] | None = executor.submit(self._prepared, *read, None, STEP)
        while following is not None and (prepared := following.result()).landed:
            following = executor.submit(self._prepared, *read, prepared.last, STEP) if prepared.more else None
            step = self._written(*read, prepared)
            if step is not None:
                total += step
            else:  # another run was faster: from where it is now
                if following is not None:
                    following.result()
                following = executor.submit(self._prepared, *read, None, STEP)
            sweep()
        return total

    def _prepared(
        self, automation: Automation, source: str, object: str, position: int | None, limit: int
    ) -> _Prepared:
        """The next step as far as it goes without writing; None: from where the last one ended."""
        with self._database.connection() as connection:
            after = _position(connection, automation.name, source, object) if position is None else position
            landed, more = _landed_after(connection, automation.name, source, object, after, limit)
        batch = map_batch(automation, source=source, object=object, records=landed)
        return _Prepared(after=after, landed=landed, batch=batch, more=more)

    def _written(self, automation: Automation, source: str, object: str, prepared: _Prepared) -> Progress | None:
        """In one transaction with the position that passes it; None, and nothing is written, where that is not what it was."""
        if not prepared.landed:
            return Progress(last_landing_id=prepared.after)
        with self._database.connection() as connection:
            if _locked_position(connection, automation.name, source, object) != prepared.after:
                return None
            ordinary, marked = _parted(connection, automation.name, prepared.batch)
            progress = _write(connection, automation.name, source, object, ordinary)
            write_entities(connection, namespace(automation.name), marked)
            _move(connection, automation.name, source, object, prepared.last)
        return progress + Progress(read=len(prepared.landed), last_landing_id=prepared.last)

    def replay(self, *, automation: Automation, records: Sequence[Returning]) -> tuple[int, list[Failure]]:
        """Quarantined records through mapping and checks again: (how many passed and are written, what failed)."""
        failures: list[Failure] = []
        groups: dict[tuple[str, str], list[Returning]] = {}
        for record in records:
            groups.setdefault((record.source, record.object), []).append(record)
        for (source, name), group in groups.items():
            with self._database.connection() as connection:
                failures += _replay_group(connection, automation, source, name, group)
        return len(records) - len(failures), failures

    def tickets_for_days(self, *, automation: str, start: date, end: date, include_resolved: bool = True) -> "pa.Table":
        """The first version of each (ticket, content) created in [start, end), UTC days; columns of the tickets table.

        Deleted tickets are left out, and without `include_resolved` those that were resolved when they first came.
        """
        return self._read(
            reads.TICKETS_FOR_DAYS,
            reads.TICKETS,
            automation=automation,
            start=_midnight(start),
            end=_midnight(end),
            include_resolved=include_resolved,
        )

    def tickets_labelled(self, *, automation: str, known_before: datetime, window_days: int, limit: int) -> "pa.Table":
        """As `tickets_for_days`, with `label`, `label_known_at` and `label_origin`: the outcome as it was known before that moment.

        Tickets created in the window before it; the newest `limit` of them, oldest first.
        """
        return self._read(
            reads.TICKETS_LABELLED,
            reads.LABELLED,
            automation=automation,
            until=known_before,
            window_days=window_days,
            limit=limit,
        )

    def newest(self, entity: Literal["tickets", "customers"], *, automation: str, limit: int = 5) -> "pa.Table":
        """The versions that became canonical last: what a user looks at to see that data flows."""
        query, schema = {
            "tickets": (reads.NEWEST_TICKETS, reads.TICKETS),
            "customers": (reads.NEWEST_CUSTOMERS, reads.CUSTOMERS),
        }[entity]
        return self._read(query, schema, automation=automation, limit=limit)

    def contacts(self, *, automation: str) -> "pa.Table":
        """Every version of every helpdesk user."""
        return self._read(reads.ALL_CONTACTS, reads.CONTACTS, automation=automation)

    def customers(self, *, automation: str, known_before: datetime | None = None) -> "pa.Table":
        """Every version of every customer; `attributes` is JSON text."""
        return self._read(reads.ALL_CUSTOMERS, reads.CUSTOMERS, automation=automation, until=known_before)

    def outcomes(self, *, automation: str, since: datetime, until: datetime) -> "pa.Table":
        """What was settled in [since, until): one row a ticket, a reviewer's verdict before an agent's."""
        return self._read(reads.SETTLED_OUTCOMES, reads.OUTCOMES, automation=automation, since=since, until=until)

    def undecided_days(self, *, automation: Automation) -> list[tuple[date, int, int]]:
        """(day, tickets, newest landing id) of the days with tickets whose newest content has no decision, or only one
        without a model although there is one now.

        From the automation's start_date on, and of the tickets that its `decisions.tickets` asks for.
        """
        with self._database.connection() as connection:
            return connection.execute(
                reads.UNDECIDED_DAYS,
                {
                    "automation": automation.name,
                    "model": automation.model_name,
                    "start": _midnight(automation.start_date),
                    "include_resolved": automation.decisions.tickets == "all",
                },
            ).fetchall()

    def _read(self, query: str, schema: "pa.Schema", **parameters: object) -> "pa.Table":
        with self._database.connection() as connection:
            return reads.read_table(connection, query, schema, parameters)


def _midnight(day: date) -> datetime:
    return datetime.combine(day, time(), tzinfo=UTC)


def _position(connection: Connection, automation: str, source: str, object: str) -> int:
    """The last landing id that was passed."""
    key = (automation, source, f"canonical:{object}")
    row = connection.execute(
        "select position from cursors where automation = %s and source = %s and object = %s", key
    ).fetchone()
    return int(row[0]) if row else 0


def _locked_position(connection: Connection, automation: str, source: str, object: str) -> int:
    """The last landing id that was passed; whoever else wants to advance this stream waits."""
    key = (automation, source, f"canonical:{object}")
    connection.execute(
        "insert into cursors (automation, source, object, position) values (%s, %s, %s, '0') on conflict do nothing",
        key,
    )
    row = connection.execute(
        "select position from cursors where automation = %s and source = %s and object = %s for update", key
    ).fetchone()
    return int(row[0]) if row else 0


def _move(connection: Connection, automation: str, source: str, object: str, position: int) -> None:
    connection.execute(
        "update cursors set position = %s, moved_at = now() where automation = %s and source = %s and object = %s",
        (str(position), automation, source, f"canonical:{object}"),
    )


def _landed_after(
    connection: Connection, automation: str, source: str, object: str, position: int, limit: int
) -> tuple[list[Landed], bool]:
    """(as many as a step has room for, whether there may be more)."""
    landed: list[Landed] = []
    size = 0
    with connection.cursor(name="landed") as cursor:
        cursor.execute(
            "select landing_id, external_id, version, payload::text, correlation_id, landed_at from landing_records"
            " where automation = %s and source = %s and object = %s and landing_id > %s order by landing_id limit %s",
            (automation, source, object, position, limit),
            binary=True,  # a time is a number then, which is sooner read than a text
        )
        while size < MAX_BATCH_CHARS and (rows := cursor.fetchmany(FETCH)):
            landed += starmap(Landed, rows)
            size += sum(len(row[3]) for row in rows)
    return landed, len(landed) == limit or size >= MAX_BATCH_CHARS


def _parted(
    connection: Connection, automation: str, batch: Batch
) -> tuple[Batch, list[tuple[Landed, Ticket | Contact | Customer]]]:
    """(the batch without marked tickets, those): marked tickets are canonical under a name of their own, so no statistic finds them."""
    tickets = [entity.ticket_id for _, entity in batch.entities if isinstance(entity, Ticket)]
    probes = probe_tickets(connection, automation, tickets) if tickets else set()
    marked = [
        (landed, entity)
        for landed, entity in batch.entities
        if isinstance(entity, Ticket) and (entity.ticket_id in probes or (entity.tags and is_marked(entity.tags)))
    ]
    if not marked:
        return batch, []
    aside = {landed.landing_id for landed, _ in marked}
    return Batch([pair for pair in batch.entities if pair[0].landing_id not in aside], batch.refusals), marked


def _write(connection: Connection, automation: str, source: str, object: str, batch: Batch) -> Progress:
    written = write_entities(connection, automation, batch.entities)
    refusals = [*batch.refusals, *written.refusals]
    put_entries(connection, [_entry(automation, source, object, r) for r in refusals])
    return Progress(
        written=written.rows,
        quarantined=len(refusals),
        outcomes=written.outcomes,
        failed_expectations=dict(Counter(r.code for r in refusals)),
    )


def _entry(automation: str, source: str, object: str, refusal: Refusal) -> Entry:
    landed = refusal.landed
    return Entry(
        automation=automation,
        source=source,
        object=object,
        external_id=landed.external_id,
        stage=refusal.stage,
        code=refusal.code,
        message=refusal.message,
        payload=landed.payload,
        correlation_id=landed.correlation_id,
        landing_id=landed.landing_id,
    )


def _replay_group(
    connection: Connection, automation: Automation, source: str, object: str, group: Sequence[Returning]
) -> list[Failure]:
    """Records of one stream, in one transaction. What never landed lands with its canonical row."""
    # stand-ins below zero for what has not landed: they are only used to find the record again
    keyed = {r.landing_id or -r.quarantine_id: r for r in group}
    landed = [
        Landed(key, r.external_id, r.version, r.payload, r.correlation_id, r.landed_at) for key, r in keyed.items()
    ]
    batch = map_batch(automation, source=source, object=object, records=landed)
    lock_stream(connection, automation.name, source, object)
    entities = [
        (_really_landed(connection, automation.name, source, object, record), entity)
        for record, entity in batch.entities
    ]
    ordinary, marked = _parted(connection, automation.name, Batch(entities))
    written = write_entities(connection, automation.name, ordinary.entities)
    write_entities(connection, namespace(automation.name), marked)
    taken = {r.landed.correlation_id + r.landed.version: r for r in written.refusals}
    failures = [_failure(keyed[r.landed.landing_id], r) for r in batch.refusals]
    passed = []
    for record, _ in batch.entities:
        refusal = taken.get(record.correlation_id + record.version)
        if refusal is not None:
            failures.append(_failure(keyed[record.landing_id], refusal))
        else:
            passed.append(keyed[record.landing_id].quarantine_id)
    close_entries(connection, passed)
    return failures


def _really_landed(connection: Connection, automation: str, source: str, object: str, record: Landed) -> Landed:
    if record.landing_id > 0:
        return record
    return land_one(connection, automation=automation, source=source, object=object, record=record)


def _failure(returning: Returning, refusal: Refusal) -> Failure:
    return Failure(quarantine_id=returning.quarantine_id, code=refusal.code, message=refusal.message)
