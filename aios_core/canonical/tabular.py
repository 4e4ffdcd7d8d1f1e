"""Rows of files, and items of JSON APIs, as canonical tickets and customers, by the declaration's mapping alone.

What belongs here: the meaning of mapped columns. What does not: reading files (`resources/connectors/files/`).
A canonical field without a mapping is taken from the column of the same name where the row has one.
"""

import re
from collections.abc import Callable, Mapping
from datetime import date, datetime
from typing import Any

from aios_core.canonical.entities import RESOLVED, Contact, Customer, Ticket
from aios_core.canonical.values import (
    clean_json,
    lookup,
    no_value,
    pick,
    reader,
    to_id,
    to_optional_id,
    to_optional_text,
    to_optional_time,
    to_tags,
    to_text,
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


def identifier(source: Mapped) -> Callable[[Mapping[str, Any]], tuple[str | None, str | None]]:
    """What finds (id, version) of a row as far as the row itself says: its id column and its mapped `updated_at`. It raises RecordError.

    What the declaration says is looked up once, not for each row.
    """
    path, rule = id_path(source), source.fields.get("updated_at")
    own_id = reader({}, "", path) if path is not None else None
    updated_at = reader(source.fields, "updated_at") if rule is not None and rule.field is not None else None

    def identified(payload: Mapping[str, Any]) -> tuple[str | None, str | None]:
        external_id = None if own_id is None else to_id(own_id(payload), field=path or "")
        return external_id, None if updated_at is None else _version(updated_at(payload))

    return identified


def identify(source: Mapped, payload: Mapping[str, Any]) -> tuple[str | None, str | None]:
    """(id, version) of one row, as its `identifier` finds them."""
    return identifier(source)(payload)


def _version(updated: Any) -> str | None:
    # a column of times gives times, where a text column gives texts
    return to_optional_text(updated.isoformat() if isinstance(updated, date) else updated, field="updated_at")


def ticket_mapper(source: Mapped, source_name: str) -> Callable[..., Ticket]:
    """What makes a ticket of one row, and raises RecordError: what the declaration says is looked up once, not for each row.

    A resolved ticket of a file became true, and known, when it was resolved; any other when it was updated, else created. A row whose
    status is a constant but whose mapped `resolved_at` is empty is not resolved yet.
    """
    fields = source.fields
    own_id = reader(fields, "ticket_id") if "ticket_id" in fields else None
    created_at, updated_at, resolved_at = (_time_reader(source, n) for n in ("created_at", "updated_at", "resolved_at"))
    subject, body, priority, channel, language, queue, requester_id, customer_id, tags = (
        reader(fields, name, name) for name in _AS_THEY_ARE
    )
    status_of, queue_of = _status_reader(source), _queue_reader(source)
    created_given, from_topic = "created_at" in fields, isinstance(source, KafkaSource)
    # an API lists a ticket again, and a topic has it again, when anything of it changes; a file's row says when it was resolved
    tells_again = from_topic or isinstance(source, ApiSource)
    custom = {name: reader(fields, name) for name in fields if name not in TICKET_FIELDS}

    def mapped(
        payload: Mapping[str, Any], *, correlation_id: str, landed_at: datetime, external_id: str, version: str
    ) -> Ticket:
        if from_topic and payload.get(TOMBSTONE) is True:
            return _gone(source_name, payload, correlation_id, landed_at, external_id, version)
        created = created_at(payload)
        if created is None:
            if created_given or "created_at" in payload:
                raise no_value("created_at")
            created = landed_at
        updated, resolved = updated_at(payload), resolved_at(payload)
        status = status_of(payload, resolved)
        finished = resolved if status in RESOLVED else None
        changed = (updated or finished) if tells_again else (finished or updated)
        moment = changed or (created if created_given else None)
        return Ticket(
            source=source_name,
            ticket_id=external_id if own_id is None else to_id(own_id(payload), field="ticket_id"),
            version=version,
            correlation_id=correlation_id,
            event_time=moment or created,
            known_at=moment or landed_at,
            created_at=created,
            subject=to_text(subject(payload), field="subject"),
            body=to_text(body(payload), field="body"),
            status=status,
            priority=to_optional_text(priority(payload), field="priority"),
            channel=to_optional_text(channel(payload), field="channel"),
            language=to_optional_text(language(payload), field="language"),
            queue=queue_of(queue(payload)),
            requester_id=to_optional_id(requester_id(payload), field="requester_id"),
            customer_id=to_optional_id(customer_id(payload), field="customer_id"),
            tags=to_tags(tags(payload)),
            custom={name: clean_json(read(payload), field=name) for name, read in custom.items()},
        )

    return mapped


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
    payload: Mapping[str, Any],
    *,
    source_name: str,
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
    payload: Mapping[str, Any],
    *,
    source_name: str,
    correlation_id: str,  # noqa: ARG001  # the same call for all entities
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


def _own_id(source: Mapped, name: str, payload: Mapping[str, Any], external_id: str) -> str:
    return to_id(pick(source.fields, name, payload), field=name) if name in source.fields else external_id


def _queue_reader(source: Mapped) -> Callable[[Any], str | None]:
    """Gives the automation's name for it; None for a team of a vendor's account that the declaration does not name."""
    rule = source.fields.get("queue") if isinstance(source, ApiSource) else None
    named = frozenset(rule.values.values()) if rule is not None else frozenset()

    def queue_of(value: Any) -> str | None:
        queue = to_optional_text(value, field="queue")
        return queue if not named or queue in named else None

    return queue_of


def _status_reader(source: Mapped) -> Callable[[Mapping[str, Any], datetime | None], str]:
    rule = source.fields.get("status")
    deleted, status = reader(source.fields, "deleted"), reader(source.fields, "status", "status")
    constant_until_resolved = "resolved_at" in source.fields and rule is not None and rule.field is None

    def status_of(payload: Mapping[str, Any], resolved: datetime | None) -> str:
        if _truth(deleted(payload)):
            return "deleted"
        value = to_optional_text(status(payload), field="status")
        if value is None:
            return "solved" if resolved is not None else "new"
        said = value.lower()
        return "open" if constant_until_resolved and resolved is None and said in RESOLVED else said

    return status_of


def _truth(value: Any) -> bool:
    return value not in (None, False, 0, "false", "False", "0", "no")


def _time_reader(source: Mapped, name: str) -> Callable[[Mapping[str, Any]], datetime | None]:
    read, rule = reader(source.fields, name, name), source.fields.get(name)
    # a constant is written in ISO 8601 whatever the column's format would be
    format = rule.format if rule is not None and rule.field is not None else None  # noqa: A001  # as `to_time` calls it
    return lambda payload: to_optional_time(read(payload), field=name, format=format)


def _optional_time(source: Mapped, payload: Mapping[str, Any], name: str) -> datetime | None:
    return _time_reader(source, name)(payload)


def _columns(source: Mapped, payload: Mapping[str, Any]) -> dict[str, Any]:
    path = id_path(source)
    return {str(n): (None if v == "" else v) for n, v in payload.items() if n != path}


def _attribute(value: Any, name: str) -> Any:
    """CSV knows texts only: what is written as a plain number is one; `007` and `1e5` stay texts."""
    if isinstance(value, str) and _NUMBER.fullmatch(value):
        return float(value) if "." in value else int(value)
    return clean_json(value, field=name)
