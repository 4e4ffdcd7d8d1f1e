"""The sandbox's own clock: where the world stands now.

What belongs here: moving time. What does not: what happens as it moves (`helpdesk/store.py`). Times are microseconds since
the epoch, UTC; the wall is read through `monotonic`, which is passed in.
"""

from collections.abc import Callable
from datetime import UTC, datetime

SECOND = 1_000_000


class Clock:
    """Starts at a given moment, runs with the wall unless frozen, and can be moved on by hand. It never goes back."""

    def __init__(self, start: int, *, running: bool, monotonic: Callable[[], float]) -> None:
        self._start = start
        self._running = running
        self._monotonic = monotonic
        self._since = monotonic()

    @property
    def running(self) -> bool:
        """Whether wall time moves this clock."""
        return self._running

    def now(self) -> int:
        """Microseconds since the epoch."""
        elapsed = self._monotonic() - self._since if self._running else 0.0
        return self._start + int(elapsed * SECOND)

    def advance(self, microseconds: int) -> None:
        """Move on by hand; `microseconds` is not negative."""
        self._start += microseconds


def iso(seconds: float) -> str:
    """A moment as Zendesk writes it: `2026-11-22T20:35:00Z`."""
    return datetime.fromtimestamp(int(seconds), UTC).strftime("%Y-%m-%dT%H:%M:%SZ")
