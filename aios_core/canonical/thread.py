"""A ticket's conversation, whatever the vendor: who wrote what, when, whether the customer sees it, and what is attached.

What belongs here: what is made of a vendor's messages. What does not: where they stand (`aios_core/declaration/thread.py`) and asking for them.

It is for people who look at a ticket. What triage decides by is the ticket's own text, so that a decision can be made again from what was landed.
"""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any

from aios_core.canonical.details import Attachment, attachments_in
from aios_core.canonical.values import clean_text, lookup, to_optional_time
from aios_core.declaration.thread import Thread
from aios_core.errors import RecordError
from aios_core.retrieval.markup import html_text

MOST_MESSAGES = 100
MOST_CHARS = 20_000
_BEFORE_ALL = datetime(1970, 1, 1, tzinfo=UTC)


@dataclass(frozen=True, slots=True, kw_only=True)
class Message:
    """One message. `public`: the customer sees it; None: the vendor does not say."""

    at: datetime | None
    author: str | None
    public: bool | None
    text: str
    attachments: tuple[Attachment, ...] = ()


def messages_of(thread: Thread, items: Iterable[Mapping[str, Any]]) -> tuple[Message, ...]:
    """The newest hundred, oldest first, without the ticket's own text. What says nothing and has nothing attached is no message."""
    found = sorted((_message(thread, item) for item in items), key=lambda message: message.at or _BEFORE_ALL)
    said = [message for message in found[1 if thread.first else 0 :] if message.text or message.attachments]
    return tuple(said[-MOST_MESSAGES:])


def _message(thread: Thread, item: Mapping[str, Any]) -> Message:
    text = lookup(item, thread.text)
    told = text if isinstance(text, str) else ""
    return Message(
        at=_moment(lookup(item, thread.at)),
        author=_name(lookup(item, thread.author)) if thread.author is not None else None,
        public=all(lookup(item, path) == value for path, value in thread.public.items()) if thread.public else None,
        text=clean_text(html_text(told) if thread.markup == "html" else told).strip()[:MOST_CHARS],
        attachments=tuple(attachments_in(lookup(item, thread.attachments))) if thread.attachments is not None else (),
    )


def _moment(value: Any) -> datetime | None:
    try:
        return to_optional_time(value, field="at")
    except RecordError:  # nothing depends on it but the order
        return None


def _name(value: Any) -> str | None:
    if isinstance(value, bool) or not isinstance(value, (str, int)):
        return None
    return clean_text(str(value)).strip()[:200] or None
