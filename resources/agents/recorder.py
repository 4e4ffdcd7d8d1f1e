"""The record of a run while it goes on: its events, its passages, and its budget.

What belongs here: keeping them together, and refusing what comes after the end. What does not: running (`running.py`).

A run that was given up may still have a thread somewhere. What that thread brings later is refused, so that a transcript never changes.
"""

import threading

from aios_core.agents.budget import Budget, Exhausted, Limits, Spent
from aios_core.agents.transcript import Event, ToolUse
from aios_core.drafting.model import Source


class Ended(Exception):
    """Ends a run. `code` is stable and is how the transcript ends."""

    def __init__(self, code: str, message: str) -> None:
        super().__init__(f"{code}: {message}")
        self.code, self.message = code, message


class Recorder:
    """Events in their order, and what they cost. Safe to share between threads."""

    def __init__(self, limits: Limits, sources: tuple[Source, ...]) -> None:
        self._budget = Budget(limits=limits)
        self._given = sources
        self._events: list[Event] = []
        self._beyond: Spent | None = None
        self._calls = 0
        self._closed = False
        self._lock = threading.Lock()

    @property
    def tokens_left(self) -> int:
        """Tokens that may still be spent."""
        return self._budget.tokens_left

    @property
    def passages(self) -> list[int]:
        """The numbers of all passages that the model was shown."""
        found = [source for event in self._events if isinstance(event, ToolUse) for source in event.sources]
        return [source.number for source in (*self._given, *found)]

    def next_id(self) -> str:
        """The id of the next call that a model asks for: counted, since a model's own are random and may be the same twice."""
        with self._lock:
            self._calls += 1
            return f"call-{self._calls}"

    def before(self, more: Spent) -> None:
        """Spend what is about to be made. Raises Ended where it may not be made."""
        with self._lock:
            self._open()
            after = self._budget.spend(more)
            if isinstance(after, Exhausted):
                raise Ended(after.of, after.sentence)
            self._budget = after

    def made(self, event: Event, cost: Spent) -> None:
        """Record what was made, and what it cost. Raises Ended where that passes a limit: it is the last event."""
        with self._lock:
            self._open()
            self._events.append(event)
            after = self._budget.spend(cost)
            if isinstance(after, Exhausted):
                self._beyond = after.spent
                raise Ended(after.of, after.sentence)
            self._budget = after

    def close(self) -> tuple[tuple[Event, ...], Spent]:
        """Everything so far; nothing is added any more."""
        with self._lock:
            self._closed = True
            return tuple(self._events), self._beyond or self._budget.spent

    def _open(self) -> None:
        if self._closed:
            raise Ended("closed", "the run is over")
