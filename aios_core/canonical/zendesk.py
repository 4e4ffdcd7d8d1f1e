"""Zendesk's tickets and users as canonical entities.

What belongs here: where each canonical field stands in a Zendesk payload. What does not: HTTP (`resources/connectors/`).
Any field may be mapped otherwise in the declaration: `language: custom_fields.360001`.
"""

from collections.abc import Mapping
from datetime import datetime
from typing import Any

from aios_core.canonical.entities import Contact, Ticket
from aios_core.canonical.values import (
    clean_json,
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
from aios_core.declaration.sources import ZendeskSource
from aios_core.errors import RecordError

# Zendesk's `hold` waits for a third party: for triage it is pending
STATUSES = {"hold": "pending"}
TICKET_FIELDS = frozenset(
    (
        *("created_at", "updated_at", "subject", "body", "status", "priority"),
        *("channel", "language", "queue", "requester_id", "customer_id", "tags"),
    )
)


def identify(payload: Mapping[str, Any], *, object: str) -> tuple[str, str | None]:
    """(id, version). A ticket's version is its last update and when the export's row was generated: both move on."""
    external_id = to_id(payload.get("id"), field="id")
    updated, generated = payload.get("updated_at"), payload.get("generated_timestamp")
    if not isinstance(updated, str) or not updated:
        return external_id, None
    if object == "tickets" and isinstance(generated, int):
        return external_id, f"{updated}/{generated}"
    return external_id, updated


def map_ticket(
    source: ZendeskSource,
    *,
    source_name: str,
    payload: Mapping[str, Any],
    correlation_id: str,
    landed_at: datetime,
    external_id: str,
    version: str,
) -> Ticket:
    """One exported ticket; raises RecordError."""
    mapping = source.mapping
    created = to_time(
        pick(mapping, "created_at", payload, "created_at"), field="created_at", format=_format(source, "created_at")
    )
    updated = to_optional_time(pick(mapping, "updated_at", payload, "updated_at"), field="updated_at")
    subject = pick(mapping, "subject", payload, "subject") or payload.get("raw_subject")
    status = (to_optional_text(pick(mapping, "status", payload, "status"), field="status") or "new").lower()
    return Ticket(
        source=source_name,
        ticket_id=external_id,
        version=version,
        correlation_id=correlation_id,
        event_time=updated or created,
        known_at=updated or landed_at,
        created_at=created,
        subject=to_text(subject, field="subject"),
        body=to_text(pick(mapping, "body", payload, "description"), field="description"),
        status=STATUSES.get(status, status),
        priority=to_optional_text(pick(mapping, "priority", payload, "priority"), field="priority"),
        channel=to_optional_text(pick(mapping, "channel", payload, "via.channel"), field="via.channel"),
        language=to_optional_text(pick(mapping, "language", payload), field="language"),
        queue=_queue(source, payload),
        requester_id=to_optional_id(pick(mapping, "requester_id", payload, "requester_id"), field="requester_id"),
        customer_id=to_optional_id(pick(mapping, "customer_id", payload), field="customer_id"),
        tags=to_tags(pick(mapping, "tags", payload, "tags")),
        custom=_custom(source, payload),
    )


def map_contact(
    _source: ZendeskSource,
    *,
    source_name: str,
    payload: Mapping[str, Any],
    landed_at: datetime,
    external_id: str,
    version: str,
) -> Contact:
    """One exported user; its `external_id` is the customer's id in the CRM. Raises RecordError."""
    updated = to_optional_time(payload.get("updated_at"), field="updated_at")
    created = to_optional_time(payload.get("created_at"), field="created_at")
    return Contact(
        source=source_name,
        contact_id=external_id,
        version=version,
        customer_id=to_optional_id(payload.get("external_id"), field="external_id"),
        event_time=updated or created or landed_at,
        known_at=updated or landed_at,
    )


def _queue(source: ZendeskSource, payload: Mapping[str, Any]) -> str | None:
    """The automation's name for the ticket's group; None for a group it does not know, such as general triage."""
    queue = to_optional_text(pick(source.mapping, "queue", payload, "group_id"), field="group_id")
    return queue if translates(source.mapping.get("queue"), queue) else None


def _custom(source: ZendeskSource, payload: Mapping[str, Any]) -> dict[str, Any]:
    fields = payload.get("custom_fields")
    if fields is not None and not isinstance(fields, list):
        raise RecordError("record.bad_custom", "custom_fields: a list is needed")
    custom = {
        to_id(f["id"], field="custom_fields.id"): clean_json(f["value"], field="custom_fields")
        for f in fields or ()
        if isinstance(f, dict) and f.get("value") is not None and f.get("id") is not None
    }
    for name in source.mapping:
        if name in TICKET_FIELDS:
            continue
        custom[name] = clean_json(pick(source.mapping, name, payload), field=name)
    return custom


def _format(source: ZendeskSource, name: str) -> str | None:
    rule = source.mapping.get(name)
    return rule.format if rule else None
