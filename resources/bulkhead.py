"""A thread for each source, so that one whose system does not answer keeps no other waiting.

What belongs here: side by side, and when to stop waiting. What does not: what is read, and where it goes.

Whoever waits does so while there is progress. Work that makes none for a while is left behind: it may still end well, but nobody waits for it, and what it
has committed stays.
"""

import threading
import time
from collections.abc import Callable, Mapping
from contextvars import copy_context
from typing import Generic, TypeVar

from aios_core.errors import RetryableError

LOOK_SECONDS = 0.05

T = TypeVar("T")
Moved = Callable[[], None]


class SourceStalled(RetryableError):
    """A source brought nothing for a while; the others go on, and it is read again by the next run."""

    code = "source.stalled"


class Compartment(Generic[T]):
    """One piece of work in its own thread. It calls what it is handed whenever it has come further."""

    def __init__(self, name: str, work: Callable[[Moved], T]) -> None:
        self._name, self._work = name, work
        self._done = threading.Event()
        self._moved = time.monotonic()
        self._value: list[T] = []
        self._error: BaseException | None = None
        # nobody waits for it at the process's end either
        self._thread = threading.Thread(target=copy_context().run, args=(self._run,), name=f"read-{name}", daemon=True)
        self._thread.start()

    def result(self, *, patience: float) -> T:
        """What it came to, or what it raised. Raises SourceStalled after so many seconds without progress."""
        while not self._done.wait(LOOK_SECONDS):
            still = time.monotonic() - self._moved
            if still > patience:
                raise SourceStalled(f"{self._name}: nothing came for {still:.0f} s; it is read again by the next run")
        if self._error is not None:
            raise self._error
        return self._value[0]

    def _run(self) -> None:
        try:
            self._value.append(self._work(self._progress))
        except BaseException as error:  # it is raised where the result is asked for
            self._error = error
        finally:
            self._done.set()

    def _progress(self) -> None:
        self._moved = time.monotonic()


class Bulkheads(Generic[T]):
    """Work of several runs in this process. The first that asks for a piece of a run's work starts all of it."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._runs: dict[str, dict[str, Compartment[T]]] = {}

    def result(self, run_id: str, name: str, work: Mapping[str, Callable[[Moved], T]], *, patience: float) -> T:
        """The result of one piece; asked for again, it is begun again."""
        with self._lock:
            if run_id not in self._runs:
                self._runs[run_id] = {each: Compartment(each, do) for each, do in work.items()}
            begun = self._runs[run_id]
            mine = begun.pop(name, None) or Compartment(name, work[name])
        try:
            return mine.result(patience=patience)
        finally:
            with self._lock:
                if not self._runs.get(run_id, True):
                    del self._runs[run_id]
