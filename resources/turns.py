"""How long a thread computes before another has its turn, while one feeds Postgres and another computes.

What belongs here: that. What does not: the collector (`collecting.py`).

Whoever feeds COPY waits for Postgres many times a second, and after each wait for a thread that computes: by default 5 ms, which Postgres, having
read what there was, waits too.
"""

import sys
import threading
from collections.abc import Iterator
from contextlib import contextmanager

SECONDS = 0.0005

_lock = threading.Lock()
_holders = 0
_usual = 0.0


@contextmanager
def short() -> Iterator[None]:
    """Short turns until the last thread within such a block has left it; then what they were before."""
    global _holders, _usual  # noqa: PLW0603 (the interval itself is the process's)
    with _lock:
        if _holders == 0:
            _usual = sys.getswitchinterval()
            sys.setswitchinterval(SECONDS)
        _holders += 1
    try:
        yield
    finally:
        with _lock:
            _holders -= 1
            if _holders == 0:
                sys.setswitchinterval(_usual)
