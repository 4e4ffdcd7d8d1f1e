"""What an action still has to change on a ticket as it stands, in the vendor's own fields: pure, without HTTP.

What belongs here: the inverse of the mapping, and what is in effect already. What does not: requests (`filling.py`), sending (`writer.py`),
and conflicts, which are the same for every vendor (`aios_core/decisions/conflicts.py`).
"""

import html
from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING, Any

from aios_core.canonical.entities import Ticket
from aios_core.canonical.values import lookup
from aios_core.declaration.source_base import ApiSource
from aios_core.declaration.writing import Part, Writing
from aios_core.errors import PermanentError
from aios_core.retrieval.markup import html_text
from resources.connectors.json_api.filling import names
from resources.connectors.marking import mark, note_of

if TYPE_CHECKING:
    from aios_core.decisions.actions import OutboxAction


OWN: dict[Part, str] = {"tags": "tag"}  # the placeholder of a part that is not called as the part is


class NotWritable(PermanentError):
    """The action asks for something that this source can't be made to show; `str` says what to declare."""

    code = "source.not_writable"


@dataclass(frozen=True, slots=True, kw_only=True)
class Effect:
    """What is to be written. `values` are in the vendor's words; `fields` are the fields to set, by the part they belong to."""

    values: dict[str, Any]
    fields: dict[Part, dict[str, Any]] = field(default_factory=dict)
    parts: frozenset[Part]

    def without(self, part: Part) -> "Effect":
        """The same less a part that is in effect already."""
        return replace(self, parts=self.parts - {part}, values={k: v for k, v in self.values.items() if k != part})

    def said(self, carries: tuple[Part, ...], **more: Any) -> dict[str, Any]:
        """What a step that carries these parts may say."""
        merged: dict[str, Any] = {}
        for part in carries:
            merged = _joined(merged, self.fields.get(part, {}))
        own = {name: value for name, value in self.values.items() if name in carries}
        return {**own, "fields": merged, **more}


def effect_of(
    action: "OutboxAction", payload: Mapping[str, Any], now: Ticket, *, source: ApiSource, writing: Writing
) -> Effect:
    """What the action has to change, less what is so already. Raises NotWritable."""
    _require(action, source, writing)
    wanted: dict[Part, Any] = {}
    if action.moves_to is not None and now.queue != action.moves_to:
        wanted["queue"] = _told(source, writing, "queue", action.moves_to)
    if (priority := action.payload.get("priority")) is not None and now.priority != priority:
        wanted["priority"] = "" if "priority" in writing.instead else _told(source, writing, "priority", priority)
    assignee = action.payload.get("assignee")
    if assignee is not None and str(_at(payload, writing.assignee)) != assignee:
        wanted["assignee"] = _number(assignee, writing)
    there = _own_tags(payload, now, source, writing)
    new = [tag for tag in action.payload.get("tags") or () if there is not None and tag not in there]
    if new and "tags" in writing.carried:
        wanted["tags"] = new
    if (note := note_of(action, marked=True)) is not None:
        wanted["note"] = _written(note, writing)
    if action.kind == "reply":
        wanted["reply"] = _written(str(action.payload["reply"]), writing)
    fields = {part: _fields(part, value, action, now, payload, source, writing) for part, value in wanted.items()}
    return Effect(values=dict(wanted), fields=fields, parts=frozenset(wanted))


def _require(action: "OutboxAction", source: ApiSource, writing: Writing) -> None:
    asked: dict[Part, Any] = {
        "queue": action.moves_to,
        "priority": action.payload.get("priority"),
        "assignee": action.payload.get("assignee"),
        "reply": action.kind == "reply" or None,
    }
    for part, value in asked.items():
        if value is not None and part not in writing.carried:
            raise NotWritable(f"{source_kind(source)}: {part} can't be written over its API; leave it out of `actions`")


def is_marked(action: "OutboxAction", notes: tuple[str, ...]) -> bool:
    """Whether a note of this action is there: then all of it is in effect, since the note is written last."""
    return any(mark(action) in note for note in notes)


def was_replied(action: "OutboxAction", replies: tuple[str, ...]) -> bool:
    """Whether the customer has this very text already. A reply bears no mark: people read it."""
    wanted = _words(str(action.payload.get("reply", "")))
    return bool(wanted) and any(wanted in _words(one) for one in replies)


def source_kind(source: ApiSource) -> str:
    """What the source is, as declared."""
    return str(source.connector)  # type: ignore[attr-defined]  # every kind has one


def _told(source: ApiSource, writing: Writing, name: str, canonical: str) -> Any:
    """The vendor's own value for a canonical one: the first that the mapping translates into it."""
    rule = source.fields.get(name)
    values = rule.values if rule is not None else {}
    own = next((value for value, meant in values.items() if meant == canonical), None if values else canonical)
    if own is None:
        raise NotWritable(
            f"{source_kind(source)}: no value is mapped to {name} `{canonical}`; name one in the source's mapping.{name}.values"
        )
    return _number(own, writing)


def _number(value: str, writing: Writing) -> Any:
    return int(value) if writing.numbers and value.isascii() and value.isdigit() else value


def _fields(
    part: Part,
    value: Any,
    action: "OutboxAction",
    now: Ticket,
    payload: Mapping[str, Any],
    source: ApiSource,
    writing: Writing,
) -> dict[str, Any]:
    """The fields that a part sets; none where a step says the value itself."""
    if part in writing.instead:
        return dict(writing.instead[part].get(str(action.payload[part]), {}))
    if any(OWN.get(part, part) in names(step) for step in writing.steps):
        return {}
    path = writing.assignee if part == "assignee" else _path(source, part)
    if path is None or not path.startswith(writing.root):
        place = f"`{path}`, which can't be written to" if path else "nowhere"
        begins = f" that begins with `{writing.root}`" if writing.root else ""
        raise NotWritable(
            f"{source_kind(source)}: mapping.{part} reads {place}; map it to a field of the ticket{begins}"
        )
    if part == "tags":
        every = [*(_own_tags(payload, now, source, writing) or ()), *value]
        value = writing.joined.join(every) if writing.joined else every
    return _nested(path.removeprefix(writing.root), value)


def _path(source: ApiSource, part: str) -> str | None:
    rule = source.fields.get(part)
    return None if rule is None else rule.field


def _own_tags(payload: Mapping[str, Any], now: Ticket, source: ApiSource, writing: Writing) -> list[str] | None:
    """The ticket's tags; None: it can have none. A vendor without tags has them where the declaration maps a text field to them."""
    if writing.joined is None:
        return list(now.tags)
    path = _path(source, "tags")
    return None if path is None else [tag for tag in str(_at(payload, path) or "").split(writing.joined) if tag]


def _at(payload: Mapping[str, Any], path: str | None) -> Any:
    return None if path is None else lookup(payload, path)


def _nested(path: str, value: Any) -> dict[str, Any]:
    for name in reversed(path.split(".")):
        value = {name: value}
    made: dict[str, Any] = value
    return made


def _joined(one: Mapping[str, Any], other: Mapping[str, Any]) -> dict[str, Any]:
    made = dict(one)
    for name, value in other.items():
        known = made.get(name)
        made[name] = _joined(known, value) if isinstance(known, Mapping) and isinstance(value, Mapping) else value
    return made


def _written(text: str, writing: Writing) -> str:
    if writing.markup is None:
        return text
    paragraphs = (html.escape(part, quote=False).replace("\n", "<br>") for part in text.split("\n\n"))
    return "".join(f"<p>{part}</p>" for part in paragraphs)


def _words(text: str) -> str:
    """A text as it survives a vendor's editor: its words, without markup."""
    return " ".join((html_text(text) if "<" in text else html.unescape(text)).split())
