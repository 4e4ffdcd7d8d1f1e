"""A look at a declared source: whether it can be read, and what its records become. Nothing is kept.

What belongs here: opening a source for people who set it up. What does not: showing what was found (`cli/connect.py`).
"""

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any

from aios_core.canonical.mapper import map_record
from aios_core.errors import DeclarationError, RecordError
from resources.connectors.base import Connector, Record, Reject
from resources.connectors.factory import open_connector, shared
from resources.connectors.traffic import SharedTraffic
from resources.database import Database
from resources.declarations import Declared
from resources.deployments import expand

SKEW = 30.0  # seconds that two clocks may differ before somebody should look


@dataclass(frozen=True, slots=True, kw_only=True)
class Checked:
    """What a source says of itself. `clock_offset` are seconds that its clock is ahead of ours; None: it tells no time."""

    who: str
    clock_offset: float | None
    quota: dict[str, str]
    first: dict[str, Any] | None

    @property
    def skewed(self) -> bool:
        """Whether times of the source and ours can't be compared as they are."""
        return self.clock_offset is not None and abs(self.clock_offset) > SKEW


@dataclass(frozen=True, slots=True, kw_only=True)
class Seen:
    """One record and what it becomes: an entity's fields, or why it would go to quarantine."""

    object: str
    external_id: str
    version: str
    payload: dict[str, Any]
    entity: dict[str, Any] | None = None
    refused: str | None = None


def check(declared: Declared, source: str, database: Database) -> Checked:
    """Sign in, read one page, and say what was met on the way."""
    with _opened(declared, source, database) as (connector, traffic):
        who = connector.check()
        first = next(_seen(declared, source, connector, objects=connector.objects[-1:]), None)
        return Checked(
            who=who,
            clock_offset=traffic[0].clock_offset if traffic else None,
            quota=traffic[0].standing() if traffic else {},
            first=None if first is None else first.payload,
        )


def preview(declared: Declared, source: str, database: Database, *, limit: int) -> list[Seen]:
    """The first records of every object, mapped as the pipeline would."""
    found: list[Seen] = []
    with _opened(declared, source, database) as (connector, _):
        for object in connector.objects:  # noqa: A001 (the word for what a source holds)
            seen = _seen(declared, source, connector, objects=(object,))
            found += [one for _, one in zip(range(limit), seen, strict=False)]
    return found


@contextmanager
def _opened(declared: Declared, source: str, database: Database) -> Iterator[tuple[Connector, list[SharedTraffic]]]:
    automation, traffic = declared.automation, list[SharedTraffic]()
    if source not in automation.sources:
        known = ", ".join(sorted(automation.sources))
        raise DeclarationError(f"{automation.name} has no source `{source}`; there are: {known}")
    connector = open_connector(
        automation.sources[source],
        folder=declared.folder,
        queues=automation.queue_names,
        expand=expand,
        traffic=shared(database, traffic),
    )
    try:
        yield connector, traffic
    finally:
        connector.close()


def _seen(declared: Declared, source: str, connector: Connector, *, objects: tuple[str, ...]) -> Iterator[Seen]:
    """The first page of each object."""
    for object in objects:  # noqa: A001
        for page in connector.read(object=object, cursor=None):
            yield from (_mapped(declared, source, record) for record in page.records)
            yield from (_rejected(reject) for reject in page.rejects)
            if page.records or page.rejects:
                break


def _mapped(declared: Declared, source: str, record: Record) -> Seen:
    told = {
        "object": record.object,
        "external_id": record.external_id,
        "version": record.version,
        "payload": record.payload,
    }
    try:
        entity = map_record(
            declared.automation.sources[source],
            source_name=source,
            object=record.object,
            payload=record.payload,
            correlation_id="preview",
            landed_at=datetime.now(UTC),
            external_id=record.external_id,
            version=record.version,
        )
    except RecordError as error:
        return Seen(**told, refused=f"{error.code}: {error}")
    fields = {name: getattr(entity, name) for name in entity.__struct_fields__ if name != "correlation_id"}
    return Seen(**told, entity=fields)


def _rejected(reject: Reject) -> Seen:
    return Seen(
        object=reject.object,
        external_id=reject.external_id,
        version="",
        payload={},
        refused=f"{reject.code}: {reject.message}",
    )
