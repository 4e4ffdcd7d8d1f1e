"""Python's cycle collector, kept still while a batch is made.

What belongs here: that. What does not: freeing anything, which reference counts do.

A page or a batch is some hundred thousand objects without a cycle among them. The collector looks through all of them again and again and finds
nothing: a fifth of the time that tickets take to become canonical, and two thirds of the time that a page of JSON takes to be parsed. What
goes on for long calls `sweep` now and then, since libraries do leave cycles behind.
"""

import gc
import threading
from collections.abc import Iterator
from contextlib import contextmanager

_lock = threading.Lock()
_holders = 0


@contextmanager
def still() -> Iterator[None]:
    """No collections until the last thread within such a block has left it. Where they were off before, they stay off."""
    global _holders  # noqa: PLW0603 (the collector itself is the process's)
    with _lock:
        held = gc.isenabled() or _holders > 0
        if held:
            _holders += 1
            gc.disable()
    try:
        yield
    finally:
        if held:
            with _lock:
                _holders -= 1
                if _holders == 0:
                    gc.enable()


def sweep() -> None:
    """Free the cycles that have come to be since the last time. It looks at what is alive of that, and at nothing older."""
    gc.collect(1)
