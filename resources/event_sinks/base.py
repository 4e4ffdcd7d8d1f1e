"""What every receiver of events is.

What belongs here: the types between a receiver and the outbox of events. What does not: rows (`resources/events.py`) and any one kind of receiver.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import timedelta
from typing import Literal, Protocol

from aios_core.errors import RetryableError
from aios_core.events.envelope import CloudEvent


class SinkUnavailable(RetryableError):
    """The receiver takes nothing at the moment; its events wait where they are."""

    code = "events.unavailable"


@dataclass(frozen=True, slots=True, kw_only=True)
class Outcome:
    """What became of one event. `retry` comes again, not before `pause` where the receiver named one; `refused` is for good."""

    status: Literal["taken", "retry", "refused"]
    message: str = ""
    pause: timedelta | None = None


class Receiver(Protocol):
    """Where events go: a topic takes many at once, all or none of them; a URL is handed one at a time."""

    def send(self, events: Sequence[CloudEvent]) -> list[Outcome]:
        """One outcome an event. Raises SinkUnavailable, and ConfigurationError where it is set up wrongly."""
        ...

    def close(self) -> None:
        """Give back connections."""
        ...
