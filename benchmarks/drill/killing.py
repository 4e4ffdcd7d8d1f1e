"""Killing on purpose: what is killed, when, and how often it may be.

What belongs here: choosing and carrying out one kill in the middle of a drill. What does not: finding the process
(`platform.py`), and starting it again, which the platform does.
"""

import random
import threading
import time
from collections.abc import Callable, Sequence
from contextlib import suppress
from dataclasses import dataclass, field

import psycopg

from benchmarks.drill.platform import Platform
from resources.supervisor import MAX_RESTARTS, RESTART_WINDOW_SECONDS

DAEMON, WORKER, POSTGRES, RANDOM = "daemon", "worker", "postgres", "random"
KINDS = (DAEMON, WORKER, POSTGRES)
ASSESSING, FLAGGED, ROLLING = "assessing", "flagged", "rolling"
# a run's process lives a few seconds and is there in two of the phases; the others run all the time
PHASES = {DAEMON: (ASSESSING, FLAGGED, ROLLING), WORKER: (ASSESSING, ROLLING), POSTGRES: (ASSESSING, FLAGGED, ROLLING)}
WITHIN_SECONDS = {ASSESSING: 5.0, FLAGGED: 10.0, ROLLING: 3.0}


@dataclass(frozen=True, slots=True, kw_only=True)
class Plan:
    """Kill this, so many seconds into a phase."""

    kind: str
    phase: str
    after_seconds: float


@dataclass(slots=True)
class Chooser:
    """Plans kills; a service that ends too often is given up by the platform's supervisor, as it should be, so it is spared then."""

    asked: str | None
    order: random.Random
    monotonic: Callable[[], float] = time.monotonic
    _daemon_ended: list[float] = field(default_factory=list)

    def plan(self) -> Plan | None:
        """The next kill; None where nothing is to be killed."""
        if self.asked is None:
            return None
        kinds = [
            k for k in (KINDS if self.asked == RANDOM else (self.asked,)) if k != DAEMON or self.seconds_to_wait() == 0
        ]
        kind = self.order.choice(kinds or [DAEMON])
        phase = self.order.choice(PHASES[kind])
        return Plan(kind=kind, phase=phase, after_seconds=self.order.uniform(0.0, WITHIN_SECONDS[phase]))

    def ended(self, kind: str) -> None:
        """A process was killed just now."""
        if kind == DAEMON:
            self._daemon_ended.append(self.monotonic())

    def seconds_to_wait(self) -> float:
        """Until the daemon may end once more; one end is left to whatever else may happen to it."""
        recent = sorted(t for t in self._daemon_ended if self.monotonic() - t < RESTART_WINDOW_SECONDS)
        if len(recent) < MAX_RESTARTS - 1:
            return 0.0
        return max(0.0, recent[-(MAX_RESTARTS - 1)] + RESTART_WINDOW_SECONDS - self.monotonic())


class Killer:
    """Carries out a plan in a thread, as soon as its phase has begun."""

    def __init__(self, plan: Plan, platform: Platform, *, runs_of: Callable[[str], Sequence[str]]) -> None:
        self.plan = plan
        self.killed_at: float | None = None
        self._platform = platform
        self._runs_of = runs_of
        self._begun: dict[str, threading.Event] = {ASSESSING: threading.Event(), FLAGGED: threading.Event()}
        self._over = threading.Event()
        self._thread = threading.Thread(target=self._work, name="killer", daemon=True)
        self._thread.start()

    def begun(self, phase: str) -> None:
        """A phase begins now."""
        self._begun[phase].set()

    def end(self) -> float | None:
        """The drill is over; returns when the kill was (wall seconds), None where its phase was over too soon."""
        self._over.set()
        self._thread.join(30)
        return self.killed_at

    def _work(self) -> None:
        phase = self.plan.phase
        run = self._awaited_run(phase) if phase == ROLLING or self.plan.kind == WORKER else None
        if run is None and phase != ROLLING:
            while not self._over.is_set() and not self._begun[phase].wait(0.1):
                pass
        if self._over.wait(self.plan.after_seconds):
            return
        pid = self._pid(run)
        if pid is not None and self._platform.kill(pid):
            self.killed_at = time.time()

    def _awaited_run(self, phase: str) -> str | None:
        """The run of the phase whose process has started."""
        while not self._over.is_set():
            with suppress(psycopg.Error):
                for run in self._runs_of(phase):
                    if self._platform.worker_pid(run) is not None:
                        return run
            time.sleep(0.2)
        return None

    def _pid(self, run: str | None) -> int | None:
        if self.plan.kind == DAEMON:
            return self._platform.daemon_pid()
        if self.plan.kind == POSTGRES:
            return self._platform.postmaster_pid()
        with suppress(psycopg.Error):
            return None if run is None else self._platform.worker_pid(run)
        return None
