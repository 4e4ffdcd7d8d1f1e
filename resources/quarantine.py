"""Quarantine: what could not be used, with its payload and a stable code, until it is replayed or dropped.

What belongs here: the table's rows, and the way back of one of them. What does not: deciding what goes there (landing,
mappers, checks).
"""

import hashlib
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any, Literal

import orjson
from psycopg import Connection
from psycopg.rows import class_row

from aios_core.automation import Automation
from aios_core.canonical.mapper import identify
from aios_core.canonical.values import MAX_ID_CHARS, clean_text
from aios_core.declaration.sources import Source
from aios_core.errors import PermanentError, RecordError
from resources.connectors.items import content_version, to_json, to_json_bytes
from resources.database import Database

_COLUMNS = (
    "quarantine_id, automation, source, object, external_id, stage, code, message, payload, correlation_id, landing_id,"
    " created_at, replayed_at, resolution"
)


class QuarantineError(PermanentError):
    """There is no such row, or it can't be replayed as asked."""

    code = "quarantine.invalid"


@dataclass(frozen=True, slots=True, kw_only=True)
class Entry:
    """What goes into quarantine. The same (id, stage, code, payload) is kept once."""

    automation: str
    source: str
    object: str
    external_id: str
    stage: Literal["landing", "canonical", "checks", "features", "scoring"]
    code: str
    message: str
    payload: str
    correlation_id: str
    landing_id: int | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Quarantined:
    """One row; `resolution` is None while it waits, then `replayed` or `dropped`."""

    quarantine_id: int
    automation: str
    source: str
    object: str
    external_id: str
    stage: str
    code: str
    message: str
    payload: str
    correlation_id: str
    landing_id: int | None
    created_at: datetime
    replayed_at: datetime | None
    resolution: str | None


@dataclass(frozen=True, slots=True, kw_only=True)
class Failure:
    """A row that stays in quarantine, and why."""

    quarantine_id: int
    code: str
    message: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Replayed:
    """`replayed` rows went back into the pipeline; `failures` stay."""

    replayed: int
    failures: tuple[Failure, ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class Returning:
    """A quarantined record on its way back; `landing_id` is None where it never landed, `payload` is JSON text."""

    quarantine_id: int
    source: str
    object: str
    external_id: str
    version: str
    payload: str
    correlation_id: str
    landing_id: int | None
    landed_at: datetime


class QuarantineStore:
    """Rows of the table `quarantine`."""

    def __init__(self, database: Database) -> None:
        self._database = database

    def put(self, entries: Sequence[Entry]) -> int:
        """Keeps these; returns how many were not there yet."""
        with self._database.connection() as connection:
            return put_entries(connection, entries)

    def list(self, automation: str | None = None, *, open_only: bool = True, limit: int = 100) -> list[Quarantined]:
        """Newest first; of every automation where none is named."""
        with self._database.connection() as connection, connection.cursor(row_factory=class_row(Quarantined)) as cursor:
            cursor.execute(
                f"select {_COLUMNS} from quarantine where (%(automation)s::text is null or automation = %(automation)s)"
                " and (not %(open)s or replayed_at is null) order by quarantine_id desc limit %(limit)s",
                {"automation": automation, "open": open_only, "limit": limit},
            )
            return cursor.fetchall()

    def counts(self, automation: str) -> dict[str, int]:
        """Code -> open rows."""
        with self._database.connection() as connection:
            rows = connection.execute(
                "select code, count(*) from quarantine where automation = %s and replayed_at is null group by 1 order by 1",
                (automation,),
            ).fetchall()
        return dict(rows)

    def show(self, quarantine_id: int) -> Quarantined:
        """One row with its whole payload. Raises QuarantineError where there is none."""
        with self._database.connection() as connection, connection.cursor(row_factory=class_row(Quarantined)) as cursor:
            cursor.execute(f"select {_COLUMNS} from quarantine where quarantine_id = %s", (quarantine_id,))
            row = cursor.fetchone()
        if row is None:
            raise QuarantineError(f"there is no quarantine row {quarantine_id}; see `aios quarantine list`")
        return row

    def drop(self, quarantine_id: int) -> None:
        """Closes a row for good; its payload is kept."""
        with self._database.connection() as connection:
            changed = connection.execute(
                "update quarantine set replayed_at = now(), resolution = 'dropped'"
                " where quarantine_id = %s and replayed_at is null",
                (quarantine_id,),
            ).rowcount
        if not changed:
            self._require_open(quarantine_id)

    def replay(
        self,
        quarantine_id: int | None = None,
        *,
        automation: Automation,
        payload: Mapping[str, Any] | str | None = None,
        limit: int = 100_000,
    ) -> Replayed:
        """One row, or all open ones of the automation, through mapping and checks again; each keeps its correlation id.

        `payload` is a corrected record for a single row: an object, or its JSON text. What passes is written as canonical
        rows and closed; what fails stays, with the newest code and message in the answer.
        """
        from resources.canonical import CanonicalStore

        if quarantine_id is None and payload is not None:
            raise QuarantineError("a corrected payload is for one row; name its id")
        rows = self._open(quarantine_id, automation=automation, limit=limit)
        if quarantine_id is not None and not rows:
            self._require_open(quarantine_id, automation=automation.name)
        failures: list[Failure] = []
        returning: list[Returning] = []
        with self._database.connection() as connection:
            for row in rows:
                try:
                    returning.append(_returning(connection, row, automation, payload))
                except RecordError as error:
                    failures.append(Failure(quarantine_id=row.quarantine_id, code=error.code, message=str(error)))
        replayed, refused = CanonicalStore(self._database).replay(automation=automation, records=returning)
        return Replayed(replayed=replayed, failures=(*failures, *refused))

    def _open(self, quarantine_id: int | None, *, automation: Automation, limit: int) -> Sequence[Quarantined]:
        with self._database.connection() as connection, connection.cursor(row_factory=class_row(Quarantined)) as cursor:
            cursor.execute(
                f"select {_COLUMNS} from quarantine where automation = %s and replayed_at is null"
                " and (%s::bigint is null or quarantine_id = %s) order by quarantine_id limit %s",
                (automation.name, quarantine_id, quarantine_id, limit),
            )
            return cursor.fetchall()

    def _require_open(self, quarantine_id: int, automation: str | None = None) -> None:
        row = self.show(quarantine_id)
        if row.resolution is not None:
            raise QuarantineError(
                f"quarantine row {quarantine_id} was {row.resolution} on {row.replayed_at:%Y-%m-%d %H:%M}"
            )
        raise QuarantineError(f"quarantine row {quarantine_id} belongs to `{row.automation}`, not to `{automation}`")


def put_entries(connection: Connection, entries: Sequence[Entry]) -> int:
    """As `QuarantineStore.put`, within the caller's transaction."""
    if not entries:
        return 0
    rows = [_row(e) for e in entries]
    columns = "automation, source, object, external_id, stage, code, message, payload, payload_hash, correlation_id, landing_id"
    types = ["text"] * 10 + ["bigint"]
    arrays = ", ".join(f"%s::{t}[]" for t in types)
    return connection.execute(
        f"insert into quarantine ({columns}) select * from unnest({arrays}) on conflict do nothing",
        [list(column) for column in zip(*rows, strict=True)],
    ).rowcount


def close_entries(connection: Connection, ids: Sequence[int]) -> None:
    """Marks rows as replayed, within the caller's transaction."""
    connection.execute(
        "update quarantine set replayed_at = now(), resolution = 'replayed' where quarantine_id = any(%s)", (list(ids),)
    )


def escape_nul(text: str) -> str:
    """Text that Postgres can hold and that still shows where the NUL bytes were."""
    return clean_text(text.replace("\0", "\\u0000"))


def parse_payload(payload: Mapping[str, Any] | str) -> dict[str, Any]:
    """A record's fields. Raises RecordError `record.malformed` for what is no JSON object."""
    if isinstance(payload, Mapping):
        return dict(payload)
    try:
        value = orjson.loads(payload)
    except (orjson.JSONDecodeError, UnicodeEncodeError) as error:
        raise RecordError(
            "record.malformed", f"the payload is not JSON ({error}); replay it with a corrected one"
        ) from error
    if not isinstance(value, dict):
        raise RecordError("record.not_an_object", "the payload is not a JSON object; replay it with a corrected one")
    return value


def _row(e: Entry) -> tuple[Any, ...]:
    payload = escape_nul(e.payload)
    digest = hashlib.sha256(payload.encode()).hexdigest()
    external_id = escape_nul(e.external_id)[:MAX_ID_CHARS]
    message = escape_nul(e.message)[:2000]
    return (
        *(e.automation, e.source, e.object, external_id, e.stage, e.code, message, payload, digest, e.correlation_id),
        e.landing_id,
    )


def _returning(
    connection: Connection, row: Quarantined, automation: Automation, payload: Mapping[str, Any] | str | None
) -> Returning:
    """What landing says of the row's record, or would say had it landed. Raises RecordError."""
    source = automation.sources.get(row.source)
    if source is None:
        raise RecordError("quarantine.unknown_source", f"the declaration has no source `{row.source}` any more")
    content = parse_payload(row.payload if payload is None else payload)
    landed = connection.execute(
        "select external_id, version, landing_id, landed_at from landing_records where landing_id = %s",
        (row.landing_id,),
    ).fetchone()
    external_id, version, landing_id, landed_at = landed or (*_identity(row, source, content), None, row.created_at)
    return Returning(
        quarantine_id=row.quarantine_id,
        source=row.source,
        object=row.object,
        external_id=external_id,
        version=version,
        payload=to_json(content),
        correlation_id=row.correlation_id,
        landing_id=landing_id,
        landed_at=landed_at,
    )


def _identity(row: Quarantined, source: Source, payload: dict[str, Any]) -> tuple[str, str]:
    """Id and version for a record that never landed: a version of its own, which can't meet one it once conflicted with."""
    try:
        external_id, version = identify(source, object=row.object, payload=payload)
    except RecordError:
        external_id, version = None, None
    found = external_id or row.external_id
    if not found:
        raise RecordError("record.no_id", "the payload has no id; replay it with a corrected one")
    return found, f"{version or 'replayed'}#{content_version(to_json_bytes(payload))[7:23]}"
