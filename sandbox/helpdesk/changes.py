"""A client's change to one ticket, checked: what may be written and what the vendor answers to the rest.

What belongs here: reading an update's JSON into a `Change`. What does not: applying it (`store.py`) and HTTP (`sandbox/zendesk/`).
"""

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from sandbox.helpdesk.lifecycle import STATUSES
from sandbox.world.queues import FIRST_GROUP_ID, PRIORITIES, QUEUES

CUSTOM_FIELDS = {900_001: "aios_decision", 900_002: "aios_confidence", 900_003: "product"}
WRITABLE_STATUSES = ("new", "open", "pending", "hold", "solved", "closed")
TYPES = ("problem", "incident", "question", "task")


class ChangeError(Exception):
    """The vendor refuses this change. `field` is the ticket's field, `code` the vendor's word for what is wrong."""

    def __init__(self, field_name: str, code: str, description: str) -> None:
        super().__init__(description)
        self.field = field_name
        self.code = code
        self.description = description


@dataclass(frozen=True, slots=True, kw_only=True)
class Comment:
    """What a client adds to a ticket."""

    body: str
    public: bool = True


@dataclass(frozen=True, slots=True, kw_only=True)
class Change:
    """One update of one ticket. None means: leave as it is. A `group_id` or `assignee_id` of 0 means: clear it."""

    group_id: int | None = None
    status: str | None = None
    priority: str | None = None
    type: str | None = None
    assignee_id: int | None = None
    subject: str | None = None
    external_id: str | None = None
    tags: tuple[str, ...] | None = None
    additional_tags: tuple[str, ...] = ()
    remove_tags: tuple[str, ...] = ()
    custom_fields: Mapping[int, str | None] = field(default_factory=dict)
    comment: Comment | None = None
    updated_stamp: str | None = None

    def as_json(self) -> dict[str, Any]:
        """What the journal keeps; `read_change` reads it back."""
        written: dict[str, Any] = {
            name: value
            for name in ("group_id", "status", "priority", "type", "assignee_id", "subject", "external_id")
            if (value := getattr(self, name)) is not None
        }
        if self.tags is not None:
            written["tags"] = list(self.tags)
        if self.additional_tags:
            written["additional_tags"] = list(self.additional_tags)
        if self.remove_tags:
            written["remove_tags"] = list(self.remove_tags)
        if self.custom_fields:
            written["custom_fields"] = [{"id": key, "value": value} for key, value in self.custom_fields.items()]
        if self.comment is not None:
            written["comment"] = {"body": self.comment.body, "public": self.comment.public}
        return written


def read_change(raw: object) -> Change:
    """Check an update's `ticket` object. Keys that the vendor has and the sandbox does not are ignored, as with vendors."""
    if not isinstance(raw, dict):
        raise ChangeError("ticket", "InvalidFormat", "Ticket: must be an object")
    return Change(
        group_id=_group(raw),
        status=_one_of(raw, "status", WRITABLE_STATUSES),
        priority=_one_of(raw, "priority", PRIORITIES),
        type=_one_of(raw, "type", TYPES),
        assignee_id=_number(raw, "assignee_id"),
        subject=_text(raw, "subject"),
        external_id=_text(raw, "external_id"),
        tags=_tags(raw, "tags"),
        additional_tags=_tags(raw, "additional_tags") or (),
        remove_tags=_tags(raw, "remove_tags") or (),
        custom_fields=_custom_fields(raw),
        comment=_comment(raw),
        updated_stamp=_stamp(raw),
    )


def status_code(name: str) -> int:
    """The position of a status among `STATUSES`."""
    return STATUSES.index(name)


def _number(raw: dict[str, Any], name: str) -> int | None:
    if name not in raw:
        return None
    value = raw[name]
    if value is None or value == "":
        return 0
    if isinstance(value, str) and value.isascii() and value.isdigit():
        value = int(value)
    if not isinstance(value, int) or isinstance(value, bool):
        raise ChangeError(name, "InvalidValue", f"{name}: {value!r} is not a valid id")
    return value


def _group(raw: dict[str, Any]) -> int | None:
    value = _number(raw, "group_id")
    if value and not FIRST_GROUP_ID <= value < FIRST_GROUP_ID + len(QUEUES):
        raise ChangeError("group_id", "InvalidValue", "Group: is invalid")
    return value


def _text(raw: dict[str, Any], name: str) -> str | None:
    value = raw.get(name)
    if value is not None and not isinstance(value, str):
        raise ChangeError(name, "InvalidValue", f"{name}: is not a string")
    return value


def _one_of(raw: dict[str, Any], name: str, accepted: tuple[str, ...]) -> str | None:
    value = raw.get(name)
    if value is not None and value not in accepted:
        raise ChangeError(name, "InvalidValue", f"{name}: {value!r} is not one of {', '.join(accepted)}")
    return value


def _tags(raw: dict[str, Any], name: str) -> tuple[str, ...] | None:
    value = raw.get(name)
    if value is None:
        return None
    words = value.split() if isinstance(value, str) else value
    if not isinstance(words, list) or not all(isinstance(word, str) for word in words):
        raise ChangeError(name, "InvalidValue", f"{name}: must be a list of strings")
    return tuple(word.strip().lower().replace(" ", "_") for word in words if word.strip())


def _custom_fields(raw: dict[str, Any]) -> dict[int, str | None]:
    given = raw.get("custom_fields") or []
    if isinstance(given, dict):
        given = [{"id": key, "value": value} for key, value in given.items()]
    values: dict[int, str | None] = {}
    for item in given if isinstance(given, list) else [None]:
        if not isinstance(item, dict) or not str(item.get("id", "")).isdigit():
            raise ChangeError("custom_fields", "InvalidValue", 'custom_fields: must be a list of {"id": …, "value": …}')
        key, value = int(item["id"]), item.get("value")
        if key in CUSTOM_FIELDS:  # an unknown field is ignored without a word, as the vendor does
            values[key] = None if value is None else str(value)
    return values


def _comment(raw: dict[str, Any]) -> Comment | None:
    value = raw.get("comment")
    if value is None:
        return None
    value = {"body": value} if isinstance(value, str) else value
    body = value.get("body") or value.get("html_body") if isinstance(value, dict) else None
    if not isinstance(body, str):
        raise ChangeError("comment", "BlankValue", "Comment: cannot be blank")
    return Comment(body=body, public=value.get("public") is not False)


def _stamp(raw: dict[str, Any]) -> str | None:
    if not raw.get("safe_update"):
        return None
    stamp = raw.get("updated_stamp")
    if not isinstance(stamp, str):
        raise ChangeError("updated_stamp", "BlankValue", "updated_stamp: is required with safe_update")
    return stamp
