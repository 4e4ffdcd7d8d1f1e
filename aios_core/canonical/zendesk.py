"""Zendesk's tickets and users as canonical entities.

What belongs here: where each canonical field stands in a Zendesk payload. What does not: HTTP (`resources/connectors/`).
Any field may be mapped otherwise in the declaration: `language: custom_fields.360001`.
"""

from collections.abc import Callable, Mapping
from datetime import datetime
from typing import Any

from aios_core.canonical.entities import Contact, Ticket
from aios_core.canonical.values import (
    Read,
    clean_json,
    fields_of,
    heads,
    reader,
    to_id,
    to_optional_id,
    to_optional_text,
    to_optional_time,
    to_tags,
    to_text,
    to_time,
)
from aios_core.declaration.sources import ZendeskSource
from aios_core.errors import RecordError

# Zendesk's `hold` waits for a third party: for triage it is pending
STATUSES = {"hold": "pending"}
_READ = frozenset(
    (
        *("created_at", "updated_at", "subject", "raw_subject", "description", "status", "priority", "via", "group_id"),
        *("tags", "requester_id", "custom_fields"),
    )
)
TICKET_FIELDS = frozenset(
    (
        *("created_at", "updated_at", "subject", "body", "status", "priority"),
        *("channel", "language", "queue", "requester_id", "customer_id", "tags"),
    )
)


# what parses an exported row as far as `identify` looks
identity = fields_of("id", "updated_at", "generated_timestamp")


def fields_read(source: ZendeskSource) -> frozenset[str]:
    """What `ticket_mapper` looks at in a ticket: a quarter of what is there."""
    mapped = (heads(rule.field) for rule in source.mapping.values() if rule.field is not None)
    return _READ.union(*mapped)


def identify(payload: Mapping[str, Any], *, object: str) -> tuple[str, str | None]:
    """(id, version). A ticket's version is its last update and when the export's row was generated: both move on."""
    external_id = to_id(payload.get("id"), field="id")
    updated, generated = payload.get("updated_at"), payload.get("generated_timestamp")
    if not isinstance(updated, str) or not updated:
        return external_id, None
    if object == "tickets" and isinstance(generated, int):
        return external_id, f"{updated}/{generated}"
    return external_id, updated


def ticket_mapper(source: ZendeskSource, source_name: str) -> Callable[..., Ticket]:
    """What makes a ticket of one exported ticket, and raises RecordError."""
    mapping = source.mapping
    created_at, updated_at = reader(mapping, "created_at", "created_at"), reader(mapping, "updated_at", "updated_at")
    subject, body = reader(mapping, "subject", "subject"), reader(mapping, "body", "description")
    status_of, priority = reader(mapping, "status", "status"), reader(mapping, "priority", "priority")
    channel, language = reader(mapping, "channel", "via.channel"), reader(mapping, "language")
    queue_of, tags = reader(mapping, "queue", "group_id"), reader(mapping, "tags", "tags")
    requester_id, customer_id = reader(mapping, "requester_id", "requester_id"), reader(mapping, "customer_id")
    created_format = mapping["created_at"].format if "created_at" in mapping else None
    named = frozenset(mapping["queue"].values.values()) if "queue" in mapping else frozenset()
    custom = {name: reader(mapping, name) for name in mapping if name not in TICKET_FIELDS}

    def mapped(
        payload: Mapping[str, Any], *, correlation_id: str, landed_at: datetime, external_id: str, version: str
    ) -> Ticket:
        created = to_time(created_at(payload), field="created_at", format=created_format)
        updated = to_optional_time(updated_at(payload), field="updated_at")
        status = (to_optional_text(status_of(payload), field="status") or "new").lower()
        queue = to_optional_text(queue_of(payload), field="group_id")
        return Ticket(
            source=source_name,
            ticket_id=external_id,
            version=version,
            correlation_id=correlation_id,
            event_time=updated or created,
            known_at=updated or landed_at,
            created_at=created,
            subject=to_text(subject(payload) or payload.get("raw_subject"), field="subject"),
            body=to_text(body(payload), field="description"),
            status=STATUSES.get(status, status),
            priority=to_optional_text(priority(payload), field="priority"),
            channel=to_optional_text(channel(payload), field="via.channel"),
            language=to_optional_text(language(payload), field="language"),
            # none for a group that the automation does not know, such as general triage
            queue=queue if not named or queue in named else None,
            requester_id=to_optional_id(requester_id(payload), field="requester_id"),
            customer_id=to_optional_id(customer_id(payload), field="customer_id"),
            tags=to_tags(tags(payload)),
            custom=_custom_fields(payload, custom),
        )

    return mapped


def map_contact(
    _source: ZendeskSource,
    payload: Mapping[str, Any],
    *,
    source_name: str,
    correlation_id: str,  # noqa: ARG001  # the same call for all entities
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


def _custom_fields(payload: Mapping[str, Any], mapped: Mapping[str, Read]) -> dict[str, Any]:
    fields = payload.get("custom_fields")
    if fields is not None and not isinstance(fields, list):
        raise RecordError("record.bad_custom", "custom_fields: a list is needed")
    found = {
        to_id(f["id"], field="custom_fields.id"): clean_json(f["value"], field="custom_fields")
        for f in fields or ()
        if isinstance(f, dict) and f.get("value") is not None and f.get("id") is not None
    }
    for name, read in mapped.items():
        found[name] = clean_json(read(payload), field=name)
    return found
