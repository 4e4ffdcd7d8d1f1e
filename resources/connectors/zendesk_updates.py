"""Which Zendesk update follows from an action on a ticket as it stands: pure, without HTTP.

What belongs here: the marker that makes writes safe to repeat, conflicts, and the inverse of the queue mapping. What does
not: sending (`zendesk.py`).
"""

from collections.abc import Mapping
from dataclasses import dataclass, replace
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any, Literal

from aios_core.canonical.entities import RESOLVED
from aios_core.canonical.values import lookup
from aios_core.canonical.zendesk import ticket_mapper
from aios_core.decisions.conflicts import conflict
from aios_core.declaration.sources import ZendeskSource
from resources.connectors.base import WriteResult
from resources.connectors.marking import marker_key, note_of

if TYPE_CHECKING:
    from aios_core.decisions.actions import OutboxAction

MARKER = "aios_decision"
# a ticket gets an assignment, a note and a verdict or two; the oldest keys may go
KEYS_KEPT = 12
CONFLICTS = ("UpdateConflict", "conflict", "409")
_ANY = datetime(1970, 1, 1, tzinfo=UTC)  # when it landed is not asked
GONE = ("RecordNotFound", "TicketNotFound", "NotFound", "404", "deleted")


@dataclass(frozen=True, slots=True, kw_only=True)
class Fields:
    """Ids of the account's custom ticket fields."""

    marker: int
    confidence: int | None = None


def update_for(
    action: "OutboxAction", ticket: Mapping[str, Any] | None, *, fields: Fields, source: ZendeskSource
) -> dict[str, Any] | WriteResult:
    """The ticket object for update_many, or why there is nothing to send."""
    if ticket is None or ticket.get("status") == "deleted":
        return _result(action, "gone", "the helpdesk has no such ticket any more")
    keys = applied_keys(ticket, fields)
    if marker_key(action) in keys:
        return _result(action, "sent", "was in effect already")
    why = _conflict(action, ticket, source)
    if why is not None:
        return _result(action, "conflict", why)
    custom = [{"id": fields.marker, "value": " ".join([marker_key(action), *keys][:KEYS_KEPT])}]
    confidence = action.payload.get("confidence")
    if fields.confidence is not None and confidence is not None:
        custom.append({"id": fields.confidence, "value": str(round(float(confidence), 4))})
    update: dict[str, Any] = {"id": int(action.external_id), "custom_fields": custom}
    if ticket.get("updated_at"):
        update |= {"safe_update": True, "updated_stamp": ticket["updated_at"]}
    if tags := action.payload.get("tags"):
        update["additional_tags"] = list(tags)
    if action.kind == "reply":
        update["comment"] = {"body": str(action.payload["reply"]), "public": True}
    elif (comment := note_of(action, marked=False)) is not None:
        update["comment"] = {"body": comment, "public": False}
    if (priority := action.payload.get("priority")) is not None:
        rule = source.mapping.get("priority")
        values = rule.values if rule is not None else {}
        update["priority"] = next((value for value, name in values.items() if name == priority), priority)
    if (assignee := action.payload.get("assignee")) is not None:
        update["assignee_id"] = _number(assignee)
    if action.kind == "assign":
        refusal = _move(update, action, source)
        if refusal is not None:
            return refusal
    return update


def applied_keys(ticket: Mapping[str, Any], fields: Fields) -> list[str]:
    """Keys of the actions in effect on this ticket, newest first."""
    value = lookup(ticket, f"custom_fields.{fields.marker}")
    return value.split() if isinstance(value, str) else []


def judge_job_result(action: "OutboxAction", result: Mapping[str, Any] | None) -> WriteResult | None:
    """What update_many's job says of one ticket; None: it changed meanwhile, read it again."""
    if result is None:
        return None
    if result.get("success") or result.get("status") == "Updated":
        return _result(action, "sent", "")
    said = " ".join(str(result.get(k)) for k in ("error", "details", "status", "errors") if result.get(k))
    if any(word.lower() in said.lower() for word in CONFLICTS):
        return None
    if any(word.lower() in said.lower() for word in GONE):
        return _result(action, "gone", said)
    return _result(action, "failed", said or "the job gave no reason")


def parts_of(action: "OutboxAction") -> "tuple[OutboxAction, ...]":
    """The updates that make an action, in their order: one update holds one comment, and a public reply has a note beside it."""
    if action.kind != "reply":
        return (action,)
    key = f"{action.idempotency_key}:said"
    return replace(action, idempotency_key=key), replace(action, kind="note")


def _conflict(action: "OutboxAction", ticket: Mapping[str, Any], source: ZendeskSource) -> str | None:
    if action.seen is None:
        status = ticket.get("status")
        return f"the ticket was {status} before this action came" if status in RESOLVED else None
    now = ticket_mapper(source, action.target)(
        ticket,
        correlation_id="",
        landed_at=_ANY,
        external_id=action.external_id,
        version="now",
    )
    return conflict(action.seen, now, queue=action.moves_to, priority=action.payload.get("priority"))


def _number(value: Any) -> Any:
    return int(value) if isinstance(value, str) and value.isascii() and value.isdigit() else value


def _move(update: dict[str, Any], action: "OutboxAction", source: ZendeskSource) -> WriteResult | None:
    """Adds where the ticket goes: the inverse of `mapping.queue`, the first source value that gives this queue."""
    queue, rule = action.payload.get("queue"), source.mapping.get("queue")
    values = rule.values if rule is not None else {}
    target = next((value for value, name in values.items() if name == queue), queue if not values else None)
    path = rule.field if rule is not None and rule.field is not None else "group_id"
    number = _number(target)
    if target is None or (path == "group_id" and not isinstance(number, int)):
        return _result(
            action, "failed", f"no group is mapped to queue `{queue}`; name its id in the source's mapping.queue.values"
        )
    if path == "group_id":
        update["group_id"] = number
    elif path.startswith("custom_fields."):
        update["custom_fields"].append({"id": int(path.removeprefix("custom_fields.")), "value": target})
    else:
        return _result(action, "failed", f"mapping.queue reads `{path}`, which can't be written to; map `group_id`")
    return None


def _result(
    action: "OutboxAction", status: Literal["sent", "conflict", "gone", "retry", "failed"], message: str
) -> WriteResult:
    return WriteResult(external_id=action.external_id, status=status, message=message)
