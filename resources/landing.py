"""Landing: raw records as they came, each version once, committed together with the cursor that passes them.

What belongs here: the tables `landing_records` and `cursors` as a connector's pages move them. What does not: reading
sources (`connectors/`) and understanding payloads (`canonical.py`).

Landings of one stream (automation, source, object) are serialised by an advisory lock, so that their `landing_id`s become
visible in order: a reader that has seen 100 will never find a 99 later.
"""

import hashlib
import json
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from msgspec.structs import replace
from psycopg import Connection
from psycopg.rows import dict_row

from aios_core.canonical.batch import Landed
from aios_core.canonical.values import MAX_ID_CHARS
from aios_core.errors import RecordError
from resources import turns
from resources.collecting import still, sweep
from resources.connectors.base import Connector, Page, Record, Reject
from resources.copying import copy_lines, copy_new, json_line, text
from resources.database import Database
from resources.quarantine import Entry, put_entries

PAGES_A_SWEEP = 20
MAX_RECORD_BYTES = 64 * 1024 * 1024


@dataclass(frozen=True, slots=True, kw_only=True)
class LandedPage:
    """What a page brought: new records, those that were there already, and those in quarantine."""

    landed: int
    duplicates: int
    rejected: int


@dataclass(frozen=True, slots=True, kw_only=True)
class Pulled:
    """What one read of a source brought, over all its objects."""

    landed: int
    duplicates: int
    rejected: int
    pages: int


_Row = tuple[str, str, bytes, str]
"""(external id, version, JSON, correlation id)"""


@dataclass(frozen=True, slots=True, kw_only=True)
class _Stream:
    automation: str
    source: str
    object: str

    @property
    def key(self) -> tuple[str, str, str]:
        return (self.automation, self.source, self.object)


class LandingStore:
    """Rows of `landing_records`, and where each stream was read to."""

    def __init__(self, database: Database) -> None:
        self._database = database

    def land(
        self, *, automation: str, source: str, page: Page, previous_cursor: str | None, run_id: str | None = None
    ) -> LandedPage:
        """One page in one transaction: new versions, rejects into quarantine, and the cursor.

        A version that is there with the same content is a duplicate; with another content it goes to quarantine as
        `landing.version_conflict`. Where another run has moved the cursor since `previous_cursor`, it stays where that
        run put it: the records land all the same.
        """
        stream = _Stream(automation=automation, source=source, object=page.object)
        rows, rejects = _rows(stream, page.records)
        entries = [_entry(stream, r) for r in (*page.rejects, *rejects)]
        with self._database.connection() as connection:
            lock_stream(connection, *stream.key)
            landed, conflicts = _insert(connection, stream, rows, run_id) if rows else (0, [])
            put_entries(connection, [*entries, *conflicts])
            _move(connection, stream, page.cursor, previous_cursor)
        return LandedPage(
            landed=landed,
            duplicates=len(rows) - landed - len(conflicts),
            rejected=len(entries) + len(conflicts),
        )

    def cursor(self, *, automation: str, source: str, object: str) -> str | None:
        """Where to read on; None: from the start."""
        with self._database.connection() as connection:
            row = connection.execute(
                "select position from cursors where automation = %s and source = %s and object = %s",
                (automation, source, object),
            ).fetchone()
        return row[0] if row else None

    def since(
        self, *, automation: str, source: str, object: str, after_landing_id: int = 0, limit: int = 100
    ) -> list[dict[str, Any]]:
        """Records landed after that one, oldest first, with their payload parsed."""
        with self._database.connection() as connection, connection.cursor(row_factory=dict_row) as cursor:
            cursor.execute(
                "select landing_id, external_id, version, payload, correlation_id, run_id, landed_at from landing_records"
                " where automation = %s and source = %s and object = %s and landing_id > %s order by landing_id limit %s",
                (automation, source, object, after_landing_id, limit),
            )
            return cursor.fetchall()

    def count(self, *, automation: str, source: str | None = None) -> int:
        """Records ever landed."""
        with self._database.connection() as connection:
            row = connection.execute(
                "select count(*) from landing_records where automation = %s and (%s::text is null or source = %s)",
                (automation, source, source),
            ).fetchone()
        return int(row[0]) if row else 0


def pull(
    connector: Connector, store: LandingStore, *, automation: str, source: str, run_id: str | None = None
) -> Pulled:
    """Everything new of a source, object by object, from where the last read ended."""
    landed = duplicates = rejected = pages = 0
    with still(), turns.short():
        for name in connector.objects:
            cursor = store.cursor(automation=automation, source=source, object=name)
            for page in connector.read(object=name, cursor=cursor):
                pages += 1
                if pages % PAGES_A_SWEEP == 0:
                    sweep()
                if not page.records and not page.rejects and page.cursor in ("", cursor):
                    continue
                result = store.land(
                    automation=automation, source=source, page=page, previous_cursor=cursor, run_id=run_id
                )
                cursor = page.cursor or cursor
                landed, duplicates = landed + result.landed, duplicates + result.duplicates
                rejected += result.rejected
    return Pulled(landed=landed, duplicates=duplicates, rejected=rejected, pages=pages)


def lock_stream(connection: Connection, automation: str, source: str, object: str) -> None:
    """Until the transaction ends nobody else lands on this stream."""
    key = f"landing:{automation}\x1f{source}\x1f{object}"
    connection.execute("select pg_advisory_xact_lock(hashtextextended(%s, 0))", (key,))


def land_one(connection: Connection, *, automation: str, source: str, object: str, record: Landed) -> Landed:
    """A record that came back from quarantine without ever having landed; the stream's lock is held by the caller."""
    row = connection.execute(
        "insert into landing_records (automation, source, object, external_id, version, payload, correlation_id)"
        " values (%s, %s, %s, %s, %s, %s, %s)"
        " on conflict (automation, source, object, external_id, version) do update set version = excluded.version"
        " returning landing_id, landed_at",
        (automation, source, object, record.external_id, record.version, record.payload, record.correlation_id),
    ).fetchone()
    assert row is not None  # `returning` gives the one row
    return replace(record, landing_id=row[0], landed_at=row[1])


def correlation_id(automation: str, source: str, object: str, external_id: str, version: str) -> str:
    """Minted here, once a record: derived from its key, so that landing it again after a loss gives the same."""
    key = f"{automation}\x1f{source}\x1f{object}\x1f{external_id}\x1f{version}"
    return hashlib.blake2b(key.encode("utf-8", "surrogatepass"), digest_size=12).hexdigest()


def _rows(stream: _Stream, records: Sequence[Record]) -> tuple[list[_Row], list[Reject]]:
    """What can be stored, and rejects of what can't."""
    rows, rejects = [], []
    for record in records:
        try:
            rows.append(_row(stream, record))
        except RecordError as error:
            rejects.append(
                Reject(
                    object=record.object,
                    external_id=record.external_id[:MAX_ID_CHARS],
                    code=error.code,
                    message=str(error),
                    payload=record.json[:1_000_000].decode(errors="replace"),
                )
            )
    return rows, rejects


def _row(stream: _Stream, record: Record) -> _Row:
    for name, value in (("id", record.external_id), ("version", record.version)):
        if not _is_key(value):
            raise RecordError(
                "landing.bad_key", f"the record's {name} `{value[:60]!r}` can't be a key; correct the source"
            )
    if record.object != stream.object:
        raise RecordError("landing.wrong_object", f"a record of `{record.object}` on a page of `{stream.object}`")
    if len(record.json) > MAX_RECORD_BYTES:
        raise RecordError("landing.too_large", f"{len(record.json):,} bytes; at most {MAX_RECORD_BYTES:,} can land")
    minted = correlation_id(*stream.key, record.external_id, record.version)
    return record.external_id, record.version, record.json, minted


def _is_key(value: str) -> bool:
    """Whether an index can hold it."""
    if not value or len(value) > MAX_ID_CHARS or "\0" in value:
        return False
    if value.isascii():
        return True
    try:
        value.encode()
    except UnicodeEncodeError:
        return False
    return True


def _insert(
    connection: Connection, stream: _Stream, rows: Sequence[_Row], run_id: str | None
) -> tuple[int, list[Entry]]:
    """How many are new, and what is there with another content."""
    lines = [
        f"{text(external_id)}\t{text(version)}\t{minted}\t".encode() + json_line(payload)
        for external_id, version, payload, minted in rows
    ]
    own = f"{stream.automation}\t{stream.source}\t{stream.object}\t{text(run_id)}\t".encode()
    columns = "automation, source, object, run_id, external_id, version, correlation_id, payload"
    if copy_new(connection, f"copy landing_records ({columns}) from stdin", (own + line for line in lines)) is not None:
        return len(rows), []
    return _insert_unknown(connection, stream, lines, run_id)


def _insert_unknown(
    connection: Connection, stream: _Stream, lines: Sequence[bytes], run_id: str | None
) -> tuple[int, list[Entry]]:
    """As `_insert`, by a table of this session: what is new is inserted, what was there already is compared."""
    connection.execute(
        "create temp table if not exists landing_stage"
        " (place integer, external_id text, version text, correlation_id text, payload json) on commit delete rows"
    )
    copy_lines(
        connection,
        "copy landing_stage (place, external_id, version, correlation_id, payload) from stdin",
        (b"%d\t%s" % placed for placed in enumerate(lines)),
    )
    landed = connection.execute(
        "insert into landing_records (automation, source, object, external_id, version, payload, correlation_id, run_id)"
        " select %s, %s, %s, external_id, version, payload, correlation_id, %s from landing_stage order by place"
        " on conflict do nothing",
        (*stream.key, run_id),
    ).rowcount
    return landed, _conflicts(connection, stream) if landed < len(lines) else []


def _conflicts(connection: Connection, stream: _Stream) -> list[Entry]:
    """Staged rows whose version is there with another content. The order of keys and the like is not content."""
    unequal = connection.execute(
        "select s.external_id, s.version, s.payload::text, s.correlation_id, l.payload::text, l.landing_id"
        " from landing_stage s join landing_records l on l.automation = %s and l.source = %s and l.object = %s"
        " and l.external_id = s.external_id and l.version = s.version"
        " where l.payload::text <> s.payload::text order by s.place",
        stream.key,
    ).fetchall()
    return [
        Entry(
            automation=stream.automation,
            source=stream.source,
            object=stream.object,
            external_id=external_id,
            stage="landing",
            code="landing.version_conflict",
            message=(
                f"{stream.object} {external_id}: version {version} came again with another content; the first one is "
                f"kept (landing record {landing_id}). Replay this one to take it as a version of its own"
            ),
            payload=payload,
            correlation_id=correlation,
        )
        for external_id, version, payload, correlation, known, landing_id in unequal
        if json.loads(payload) != json.loads(known)
    ]


def _entry(stream: _Stream, reject: Reject) -> Entry:
    return Entry(
        automation=stream.automation,
        source=stream.source,
        object=stream.object,
        external_id=reject.external_id,
        stage="landing",
        code=reject.code,
        message=reject.message,
        payload=reject.payload,
        correlation_id=correlation_id(*stream.key, reject.external_id, reject.code),
    )


def _move(connection: Connection, stream: _Stream, cursor: str, previous: str | None) -> None:
    if not cursor:
        return
    # the lock on the stream is held, so that reading and then writing is safe
    connection.execute(
        "insert into cursors as c (automation, source, object, position) select %s, %s, %s, %s"
        " where %s::text is null or exists (select from cursors where automation = %s and source = %s and object = %s)"
        " on conflict (automation, source, object) do update set position = excluded.position, moved_at = now()"
        " where c.position is not distinct from %s::text",
        (*stream.key, cursor, previous, *stream.key, previous),
    )
