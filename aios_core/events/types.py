"""The events there are: what each one's data holds, as a JSON schema, and how a row of the outbox becomes one.

What belongs here: types and their schemas. What does not: the envelope (`envelope.py`); the rows, which triggers write
(migration 0035).

A schema grows, it does not change: a field may be added, and a receiver has to bear that. What would break a receiver is a new version.
"""

from collections.abc import Mapping
from datetime import datetime
from typing import Any, Final

from aios_core.declaration.events import EVENT_TYPES, EventType
from aios_core.errors import PermanentError
from aios_core.events.envelope import CloudEvent

PREFIX: Final = "aios."
VERSION: Final = 1
_TEXT: Final = {"type": "string"}
_TEXT_OR_NONE: Final = {"type": ["string", "null"]}
_NUMBER: Final = {"type": "integer"}
_TICKET: Final = {"source": _TEXT, "ticket_id": _TEXT}
_ACTION: Final = {
    "action_id": _NUMBER,
    "kind": {"enum": ["assign", "draft", "note", "reply"]},
    **_TICKET,
    "queue": _TEXT_OR_NONE,
    "decision_id": _TEXT_OR_NONE,
    "case_id": _TEXT_OR_NONE,
    "attempts": _NUMBER,
    "error": _TEXT_OR_NONE,
    "idempotency_key": _TEXT,
}
_REVIEW: Final = {
    "case_id": _TEXT,
    "decision_id": _TEXT,
    **_TICKET,
    "batch": _TEXT_OR_NONE,
    "verdict": {"enum": ["confirmed", "corrected", None]},
    "queue": _TEXT_OR_NONE,
    "decided_by": _TEXT_OR_NONE,
    "overridden": {"type": "boolean"},
    "round": _NUMBER,
    "correlation_id": _TEXT,
}
_INCIDENT: Final = {
    "incident_id": _NUMBER,
    "remedy": _TEXT,
    "queue": _TEXT_OR_NONE,
    "reason": _TEXT,
    "actor": _TEXT,
    "closed_why": _TEXT_OR_NONE,
}
_FIELDS: Final[Mapping[EventType, tuple[str, Mapping[str, Any]]]] = {
    "decision.recorded": (
        "A ticket was decided: what is done with it, and why.",
        {
            "decision_id": _TEXT,
            **_TICKET,
            "ticket_version": _TEXT,
            "verdict": {"enum": ["automate", "draft", "review", "fallback"]},
            "queue": _TEXT_OR_NONE,
            "confidence": {"type": ["number", "null"], "minimum": 0, "maximum": 1},
            "rule": _TEXT,
            "reason": _TEXT,
            "model_name": _TEXT,
            "model_version": _NUMBER,
            "policy_revision": _TEXT,
            "declaration": _TEXT,
            "correlation_id": _TEXT,
        },
    ),
    "action.delivered": ("A write to the helpdesk is in effect.", _ACTION),
    "action.failed": ("A write to the helpdesk failed for good; somebody has to look.", _ACTION),
    "review.decided": ("People have settled a case.", _REVIEW),
    "review.reopened": ("A verdict was taken back, or sent back by a lead; the case waits again.", _REVIEW),
    "incident.opened": ("A remedy was taken, or asks for one.", _INCIDENT),
    "incident.closed": ("An incident is over.", _INCIDENT),
    "model.alias_moved": (
        "A model version became, or is no longer, what an alias means: champion, challenger, shadow, last_good.",
        {
            "move_id": _NUMBER,
            "model_name": _TEXT,
            "alias": _TEXT,
            "version": _NUMBER,
            "previous_version": {"type": ["integer", "null"]},
            "actor": _TEXT,
            "reason": _TEXT,
        },
    ),
}


class UnknownEventType(PermanentError):
    """No event has this type."""

    code = "events.unknown_type"


def schema_of(type_: str, *, console: str) -> dict[str, Any]:
    """The JSON schema of the data of events of this type. Raises UnknownEventType."""
    told = _known(type_)
    description, fields = _FIELDS[told]
    return {
        "$schema": "https://json-schema.org/draft/2020-12/schema",
        "$id": schema_url(told, console=console),
        "title": PREFIX + told,
        "description": description,
        "type": "object",
        "properties": dict(fields),
        "required": list(fields),
    }


def schema_url(type_: str, *, console: str) -> str:
    """Where the schema can be read: the gateway serves it, signed in or not."""
    return f"{console}/events/schemas/{type_}/v{VERSION}.json"


def event_of(
    *, automation: str, type_: str, fact: str, subject: str, at: datetime, data: Mapping[str, Any], console: str
) -> CloudEvent:
    """A row of the outbox as an event. Its `id` is that of the fact: told again, it is the same event."""
    return CloudEvent(
        id=f"{type_}/{fact}",
        source=f"/aios/automations/{automation}",
        type=PREFIX + type_,
        subject=subject,
        time=at,
        dataschema=schema_url(type_, console=console),
        data=data,
    )


def _known(type_: str) -> EventType:
    for told in EVENT_TYPES:
        if told == type_.removeprefix(PREFIX):
            return told
    raise UnknownEventType(f"no event has the type `{type_}`; there are: {', '.join(EVENT_TYPES)}")
