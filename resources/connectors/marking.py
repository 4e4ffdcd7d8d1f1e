"""How an action is known again at a vendor that has no idempotency keys: its key stands in what it wrote.

What belongs here: the key as one word, and a note's text. What does not: where a vendor keeps it.
"""

import hashlib
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from aios_core.decisions.actions import OutboxAction

MAX_KEY_CHARS = 120


def marker_key(action: "OutboxAction") -> str:
    """The idempotency key as a marker holds it: one word of bounded length."""
    key = action.idempotency_key
    if len(key) <= MAX_KEY_CHARS and key.isascii() and key.split() == [key] and not set(key) & set("[]<>&\"'"):
        return key
    return hashlib.sha256(key.encode("utf-8", "surrogatepass")).hexdigest()[:32]


def mark(action: "OutboxAction") -> str:
    """What a note of this action ends with, and no other note holds."""
    return f"[aios {marker_key(action)}]"


def note_of(action: "OutboxAction", *, marked: bool) -> str | None:
    """The text of the action's private note; None: it has none."""
    comment, link = action.payload.get("comment"), action.payload.get("link")
    if not comment:
        return None
    last = " ".join(part for part in (link, mark(action) if marked else None) if part)
    return f"{comment}\n\n{last}" if last else str(comment)
