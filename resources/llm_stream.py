"""An answer as it streams in, and what is counted where an endpoint does not count.

What belongs here: small readings of messages, chunks and headers. What does not: the call (`llm.py`).
"""

import hashlib
import json
from collections.abc import Mapping, Sequence
from typing import Any, Final

from resources.llm_calls import Message

BYTES_A_TOKEN: Final = 3  # English has 4 to 5; estimates may be high, never low


class Taken:
    """What came of one answer so far."""

    def __init__(self) -> None:
        self.begin()

    def begin(self) -> None:
        self._pieces: list[str] = []
        self.chars = 0
        self.reason = ""
        self.usage: tuple[int, int] | None = None

    @property
    def text(self) -> str:
        return "".join(self._pieces)

    def take(self, chunk: Any) -> str:
        """The text of one chunk of the stream; whatever else it says is kept."""
        if chunk.usage is not None:
            self.usage = (int(chunk.usage.prompt_tokens or 0), int(chunk.usage.completion_tokens or 0))
        if not chunk.choices:
            return ""
        choice = chunk.choices[0]
        self.reason = choice.finish_reason or self.reason
        piece = choice.delta.content or ""
        self._pieces.append(piece)
        self.chars += len(piece)
        return piece


def prompt_hash(messages: Sequence[Message]) -> str:
    """16 hex digits of the messages as sent."""
    text = json.dumps([dict(m) for m in messages], ensure_ascii=False, sort_keys=True)
    return hashlib.sha256(text.encode("utf-8", "surrogatepass")).hexdigest()[:16]


def text_of(messages: Sequence[Message]) -> str:
    return "\n".join(str(m.get("content", "")) for m in messages)


def tokens_of(text: str) -> int:
    """How many there may be, where nobody counted."""
    return -(-len(text.encode("utf-8", "replace")) // BYTES_A_TOKEN)


def retry_after(headers: Mapping[str, str]) -> float | None:
    """Seconds that the endpoint asks for; dates are rare and worth no clock of the other side's."""
    try:
        return max(0.0, float(headers["retry-after"]))
    except (KeyError, ValueError):
        return None
