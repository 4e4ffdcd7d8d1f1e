"""One raw record in, one canonical entity out, whatever the vendor.

What belongs here: the choice of mapper, and what is the same for all of them. What does not: vendor payloads (a module a
vendor, beside this file).
"""

import hashlib
from collections.abc import Callable, Mapping
from datetime import datetime
from functools import cache
from typing import Any

from aios_core.canonical import salesforce, tabular, zendesk
from aios_core.canonical.entities import Contact, Customer, Ticket
from aios_core.canonical.values import to_id
from aios_core.declaration.source_base import ApiSource
from aios_core.declaration.sources import SalesforceSource, Source, ZendeskSource
from aios_core.errors import RecordError


def objects_of(source: Source) -> tuple[str, ...]:
    """What is landed of a source, in the order in which it is best read: users before the tickets that name them."""
    if isinstance(source, ZendeskSource):
        return ("users", "tickets")
    return tuple(source.lists) if isinstance(source, ApiSource) else (source.provides,)


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
    if not isinstance(payload, Mapping):
        raise RecordError("record.not_an_object", f"{object} {external_id}: the record is not an object with fields")
    own: dict[str, Any] = {
        "source_name": source_name,
        "payload": payload,
        "landed_at": landed_at,
        "external_id": to_id(external_id, field="external_id"),
        "version": to_id(version, field="version"),
    }
    mapper = _mapper(type(source), object, source.provides)
    if mapper is None:
        raise RecordError(
            "record.unknown_object", f"source `{source_name}` ({source.connector}) has no object `{object}`"
        )
    if object != "users":
        own["correlation_id"] = correlation_id
    return mapper(source, **own)


@cache
def _mapper(kind: type[Source], object: str, provides: str) -> Callable[..., Ticket | Contact | Customer] | None:
    """Chosen once a kind: asking a pydantic model what it is costs as much as reading a field of a record."""
    if issubclass(kind, ZendeskSource):
        if object == "users":
            return zendesk.map_contact
        return zendesk.map_ticket if object == "tickets" else None
    if issubclass(kind, SalesforceSource):
        return salesforce.map_customer if object == "customers" else None
    if issubclass(kind, ApiSource) and object == "users":
        return tabular.map_contact
    if object != provides:
        return None
    return tabular.map_ticket if object == "tickets" else tabular.map_customer


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
