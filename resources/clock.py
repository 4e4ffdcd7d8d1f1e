"""The platform's clock: what time it is for the work that Dagster runs.

What belongs here: one function to ask, and a way to hand it another clock, so that months can be played in minutes
(`aios simulate`). What does not: time limits, leases and waiting, which go by the wall's clock (`time.monotonic`).
"""

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from datetime import UTC, datetime

Clock = Callable[[], datetime]


def _wall() -> datetime:
    return datetime.now(UTC)


_clock: Clock = _wall


def now() -> datetime:
    """The present moment, with its zone."""
    return _clock()


@contextmanager
def running_on(clock: Clock) -> Iterator[None]:
    """Let this process go by another clock; for one thread of work at a time."""
    global _clock  # noqa: PLW0603 (the one thing this module holds)
    before, _clock = _clock, clock
    try:
        yield
    finally:
        _clock = before
