"""One raw record in, one canonical entity out, whatever the vendor.

What belongs here: the choice of mapper, and what is the same for all of them. What does not: vendor payloads (a module a
vendor, beside this file).
"""

import hashlib
from collections.abc import Callable, Mapping
from contextlib import suppress
from datetime import datetime
from functools import partial
from typing import Any

import orjson

from aios_core.canonical import salesforce, tabular, zendesk
from aios_core.canonical.entities import Contact, Customer, Ticket
from aios_core.canonical.values import fields_of, to_id
from aios_core.declaration.source_base import ApiSource
from aios_core.declaration.sources import SalesforceSource, Source, ZendeskSource
from aios_core.errors import RecordError

Mapper = Callable[..., Ticket | Contact | Customer]
"""(payload, correlation_id=, landed_at=, external_id=, version=): the entity that it states. Raises RecordError, and nothing else."""


def objects_of(source: Source) -> tuple[str, ...]:
    """What is landed of a source, in the order in which it is best read: users before the tickets that name them."""
    if isinstance(source, ZendeskSource):
        return ("users", "tickets")
    return tuple(source.lists) if isinstance(source, ApiSource) else (source.provides,)


def mapper_for(source: Source, *, source_name: str, object: str) -> Mapper:
    """What makes an entity of each payload of that object, for many of them: what the declaration says is looked up once."""
    mapper = _mapper(source, source_name, object)

    def mapped(
        payload: Mapping[str, Any], *, correlation_id: str, landed_at: datetime, external_id: str, version: str
    ) -> Ticket | Contact | Customer:
        if not isinstance(payload, dict):
            raise RecordError(
                "record.not_an_object", f"{object} {external_id}: the record is not an object with fields"
            )
        if mapper is None:
            raise RecordError(
                "record.unknown_object", f"source `{source_name}` ({source.connector}) has no object `{object}`"
            )
        return mapper(
            payload,
            correlation_id=correlation_id,
            landed_at=landed_at,
            external_id=to_id(external_id, field="external_id"),
            version=to_id(version, field="version"),
        )

    return mapped


def reader_for(source: Source, *, object: str) -> Callable[[str], Any]:
    """What parses a payload's JSON as far as its mapper looks. Raises `record.malformed`."""
    some = (
        fields_of(*zendesk.fields_read(source)) if isinstance(source, ZendeskSource) and object == "tickets" else None
    )

    def read(payload: str) -> Any:
        if some is not None:
            with suppress(ValueError):  # no object, or no JSON: said below
                return some(payload)
        try:
            return orjson.loads(payload)
        except orjson.JSONDecodeError as error:
            raise RecordError("record.malformed", f"the payload is not JSON: {error}") from error

    return read


def map_record(
    source: Source,
    *,
    source_name: str,
    object: str,
    payload: Mapping[str, Any],
    correlation_id: str,
    landed_at: datetime,
    external_id: str,
    version: str,
) -> Ticket | Contact | Customer:
    """The entity that a record states. Raises RecordError, and nothing else, whatever the payload holds."""
    return mapper_for(source, source_name=source_name, object=object)(
        payload, correlation_id=correlation_id, landed_at=landed_at, external_id=external_id, version=version
    )


def _mapper(source: Source, source_name: str, object: str) -> Mapper | None:
    if isinstance(source, ZendeskSource):
        if object == "users":
            return partial(zendesk.map_contact, source, source_name=source_name)
        return zendesk.ticket_mapper(source, source_name) if object == "tickets" else None
    if isinstance(source, SalesforceSource):
        return partial(salesforce.map_customer, source, source_name=source_name) if object == "customers" else None
    if isinstance(source, ApiSource) and object == "users":
        return partial(tabular.map_contact, source, source_name=source_name)
    if object != source.provides:
        return None
    if object == "tickets":
        return tabular.ticket_mapper(source, source_name)
    return partial(tabular.map_customer, source, source_name=source_name)


def identify(source: Source, *, object: str, payload: Mapping[str, Any]) -> tuple[str | None, str | None]:
    """(external id, version) as far as the payload itself says them; raises RecordError where its id is unusable."""
    if isinstance(source, ZendeskSource):
        return zendesk.identify(payload, object=object)
    if isinstance(source, SalesforceSource):
        return salesforce.identify(payload)
    return tabular.identify(source, payload)


def content_hash(ticket: Ticket) -> str:
    """Of what a decision reads, subject and body: a new one asks for a new decision, a new status does not."""
    text = f"{len(ticket.subject)}:{ticket.subject}{ticket.body}"
    return hashlib.blake2b(text.encode(), digest_size=16).hexdigest()
