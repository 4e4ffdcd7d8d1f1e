"""Rows of files, and items of JSON APIs, as canonical tickets and customers, by the declaration's mapping alone.

What belongs here: the meaning of mapped columns. What does not: reading files (`resources/connectors/files/`).
A canonical field without a mapping is taken from the column of the same name where the row has one.
"""

import re
from collections.abc import Mapping
from datetime import datetime
from functools import cache
from typing import Any

from aios_core.canonical.entities import RESOLVED, Contact, Customer, Ticket
from aios_core.canonical.values import (
    clean_json,
    lookup,
    pick,
    to_id,
    to_optional_id,
    to_optional_text,
    to_optional_time,
    to_tags,
    to_text,
    to_time,
    translates,
)
from aios_core.declaration.source_base import ApiSource
from aios_core.declaration.sources import FileSource, KafkaSource, SqlSource

TICKET_FIELDS = frozenset(
    (
        *("ticket_id", "created_at", "updated_at", "resolved_at", "subject", "body", "status", "priority"),
        *("channel", "language", "queue", "requester_id", "customer_id", "tags", "deleted"),
    )
)
# those that need no more than a translation; times, status and deletion are worked out together
_AS_THEY_ARE = (
    *("subject", "body", "priority", "channel", "language", "queue", "requester_id", "customer_id", "tags"),
)
CUSTOMER_FIELDS = frozenset({"customer_id", "created_at", "updated_at", "event_time", "known_at"})
TOMBSTONE = "_deleted"  # a topic's message without a value
Mapped = FileSource | SqlSource | KafkaSource | ApiSource
_NUMBER = re.compile(r"-?(0|[1-9]\d{0,14})(\.\d{1,15})?", re.ASCII)


def id_path(source: Mapped) -> str | None:
    """The column that identifies a row; None: its file and number do."""
    if isinstance(source, ApiSource):
        return source.lists[source.provides][0].id
    if isinstance(source, KafkaSource):
        return "_kafka.key" if source.id == "key" else source.id
    if source.id_column:
        return source.id_column
    own = source.fields.get("ticket_id" if source.provides == "tickets" else "customer_id")
    return own.field if own is not None else None


def mapped_columns(source: FileSource) -> dict[str, str]:
    """Column -> what asks for it, for every column the declaration names."""
    columns = {rule.field: f"mapping.{name}" for name, rule in source.fields.items() if rule.field is not None}
    return columns | ({source.id_column: "id_column"} if source.id_column else {})


def identify(source: Mapped, payload: Mapping[str, Any]) -> tuple[str | None, str | None]:
    """(id, version) as far as the row itself says: its id column and its mapped `updated_at`."""
    path = id_path(source)
    external_id = to_id(pick({}, "", payload, path), field=path) if path is not None else None
    rule = source.fields.get("updated_at")
    updated = pick(source.fields, "updated_at", payload) if rule is not None and rule.field is not None else None
    return external_id, to_optional_text(updated, field="updated_at")


def map_ticket(
    source: Mapped,
    *,
    source_name: str,
    payload: Mapping[str, Any],
    correlation_id: str,
    landed_at: datetime,
    external_id: str,
    version: str,
) -> Ticket:
    """One row as a ticket; raises RecordError.

    A resolved ticket of a file became true, and known, when it was resolved; any other when it was updated, else created. A row whose
    status is a constant but whose mapped `resolved_at` is empty is not resolved yet.
    """
    if payload.get(TOMBSTONE) is True and isinstance(source, KafkaSource):
        return _gone(source_name, payload, correlation_id, landed_at, external_id, version)
    created = _time(source, payload, "created_at") if _said(source, payload, "created_at") else landed_at
    updated = _optional_time(source, payload, "updated_at")
    resolved = _optional_time(source, payload, "resolved_at")
    status = _status(source, payload, resolved)
    finished = resolved if status in RESOLVED else None
    # an API lists a ticket again, and a topic has it again, when anything of it changes; a file's row says when it was resolved
    changed = (updated or finished) if _tells_again(type(source)) else (finished or updated)
    moment = changed or (created if "created_at" in source.fields else None)
    fields = source.fields
    raw = {n: pick(fields, n, payload, n) for n in _AS_THEY_ARE}
    return Ticket(
        source=source_name,
        ticket_id=_own_id(source, "ticket_id", payload, external_id),
        version=version,
        correlation_id=correlation_id,
        event_time=moment or created,
        known_at=moment or landed_at,
        created_at=created,
        subject=to_text(raw["subject"], field="subject"),
        body=to_text(raw["body"], field="body"),
        status=status,
        priority=to_optional_text(raw["priority"], field="priority"),
        channel=to_optional_text(raw["channel"], field="channel"),
        language=to_optional_text(raw["language"], field="language"),
        queue=_queue(source, raw["queue"]),
        requester_id=to_optional_id(raw["requester_id"], field="requester_id"),
        customer_id=to_optional_id(raw["customer_id"], field="customer_id"),
        tags=to_tags(raw["tags"]),
        custom={n: clean_json(pick(fields, n, payload), field=n) for n in fields if n not in TICKET_FIELDS},
    )


def _gone(
    source_name: str,
    payload: Mapping[str, Any],
    correlation_id: str,
    landed_at: datetime,
    external_id: str,
    version: str,
) -> Ticket:
    """A ticket of which a topic says only that its key was deleted."""
    moment = to_optional_time(lookup(payload, "_kafka.time"), field="_kafka.time") or landed_at
    return Ticket(
        source=source_name,
        ticket_id=external_id,
        version=version,
        correlation_id=correlation_id,
        event_time=moment,
        known_at=moment,
        created_at=moment,
        subject="",
        body="",
        status="deleted",
    )


def map_customer(
    source: Mapped,
    *,
    source_name: str,
    payload: Mapping[str, Any],
    correlation_id: str,
    landed_at: datetime,
    external_id: str,
    version: str,
) -> Customer:
    """One row as a customer: its attributes are the mapped ones, or every column where none is mapped. Raises RecordError."""
    names = [n for n in source.fields if n not in CUSTOMER_FIELDS]
    raw = {n: pick(source.fields, n, payload) for n in names} if names else _columns(source, payload)
    told = [_optional_time(source, payload, n) for n in ("known_at", "updated_at", "created_at") if n in source.fields]
    known = next((t for t in told if t is not None), landed_at)
    return Customer(
        source=source_name,
        customer_id=_own_id(source, "customer_id", payload, external_id),
        version=version,
        correlation_id=correlation_id,
        event_time=_optional_time(source, payload, "event_time") or known,
        known_at=known,
        attributes={clean_json(n, field=n): _attribute(v, n) for n, v in raw.items()},
    )


def map_contact(
    source: ApiSource,
    *,
    source_name: str,
    payload: Mapping[str, Any],
    landed_at: datetime,
    external_id: str,
    version: str,
) -> Contact:
    """One user of the helpdesk; its customer's id is the CRM's. Raises RecordError."""
    updated, created = (
        to_optional_time(pick(source.contact, name, payload), field=name) for name in ("updated_at", "created_at")
    )
    return Contact(
        source=source_name,
        contact_id=external_id,
        version=version,
        customer_id=to_optional_id(pick(source.contact, "customer_id", payload), field="customer_id"),
        event_time=updated or created or landed_at,
        known_at=updated or landed_at,
    )


@cache
def _tells_again(kind: type) -> bool:
    return issubclass(kind, (ApiSource, KafkaSource))


@cache
def _is_api(kind: type) -> bool:
    """Asked of every record: the answer is kept, since pydantic's is slow."""
    return issubclass(kind, ApiSource)


def _own_id(source: Mapped, name: str, payload: Mapping[str, Any], external_id: str) -> str:
    return to_id(pick(source.fields, name, payload), field=name) if name in source.fields else external_id


def _queue(source: Mapped, value: Any) -> str | None:
    """The automation's name for it; None for a team of a vendor's account that the declaration does not name."""
    queue = to_optional_text(value, field="queue")
    known = not _is_api(type(source)) or translates(source.fields.get("queue"), queue)
    return queue if known else None


def _status(source: Mapped, payload: Mapping[str, Any], resolved: datetime | None) -> str:
    if _truth(pick(source.fields, "deleted", payload)):
        return "deleted"
    rule = source.fields.get("status")
    value = to_optional_text(pick(source.fields, "status", payload, "status"), field="status")
    if value is None:
        return "solved" if resolved is not None else "new"
    status = value.lower()
    unfinished = "resolved_at" in source.fields and resolved is None and rule is not None and rule.field is None
    return "open" if unfinished and status in RESOLVED else status


def _truth(value: Any) -> bool:
    return value not in (None, False, 0, "false", "False", "0", "no")


def _said(source: Mapped, payload: Mapping[str, Any], name: str) -> bool:
    return name in source.fields or name in payload


def _time(source: Mapped, payload: Mapping[str, Any], name: str) -> datetime:
    rule = source.fields.get(name)
    return to_time(pick(source.fields, name, payload, name), field=name, format=_format(rule))


def _optional_time(source: Mapped, payload: Mapping[str, Any], name: str) -> datetime | None:
    rule = source.fields.get(name)
    return to_optional_time(pick(source.fields, name, payload, name), field=name, format=_format(rule))


def _format(rule: Any) -> str | None:
    # a constant is written in ISO 8601 whatever the column's format would be
    return rule.format if rule is not None and rule.field is not None else None


def _columns(source: Mapped, payload: Mapping[str, Any]) -> dict[str, Any]:
    path = id_path(source)
    return {str(n): (None if v == "" else v) for n, v in payload.items() if n != path}


def _attribute(value: Any, name: str) -> Any:
    """CSV knows texts only: what is written as a plain number is one; `007` and `1e5` stay texts."""
    if isinstance(value, str) and _NUMBER.fullmatch(value):
        return float(value) if "." in value else int(value)
    return clean_json(value, field=name)
