"""Kills come in the middle of what they are to break, and never so often that the platform has to give up."""

import os
import random
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from benchmarks.drill.killing import (
    ASSESSING,
    DAEMON,
    FLAGGED,
    KINDS,
    PHASES,
    POSTGRES,
    RANDOM,
    ROLLING,
    WITHIN_SECONDS,
    WORKER,
    Chooser,
    Killer,
    Plan,
)
from benchmarks.drill.platform import Platform
from resources.supervisor import MAX_RESTARTS, RESTART_WINDOW_SECONDS


class Clock:
    now = 0.0

    def __call__(self) -> float:
        return self.now


class FakePlatform:
    """Every process that could be killed is the same one."""

    def __init__(self, pid: int) -> None:
        self.pid, self.runs = pid, []

    def daemon_pid(self) -> int:
        return self.pid

    def postmaster_pid(self) -> int:
        return self.pid

    def worker_pid(self, run_id: str) -> int | None:
        return self.pid if run_id in self.runs else None

    def kill(self, pid: int) -> bool:
        os.kill(pid, signal.SIGKILL)
        return True


@pytest.fixture
def victim() -> Iterator[subprocess.Popen[bytes]]:
    process = subprocess.Popen([sys.executable, "-c", "import time; time.sleep(60)"])
    yield process
    process.kill()
    process.wait()


@given(st.integers(0, 10_000), st.lists(st.floats(0, 200), min_size=1, max_size=40))
def test_the_daemon_never_ends_so_often_that_its_supervisor_would_give_it_up(seed: int, pauses: list[float]) -> None:
    clock = Clock()
    chooser, ended = Chooser(RANDOM, random.Random(seed), clock), []
    for pause in pauses:
        clock.now += pause
        plan = chooser.plan()
        assert plan is not None
        assert plan.phase in PHASES[plan.kind]
        assert 0 <= plan.after_seconds <= WITHIN_SECONDS[plan.phase]
        chooser.ended(plan.kind)
        ended += [clock.now] if plan.kind == DAEMON else []
        assert sum(clock.now - t < RESTART_WINDOW_SECONDS for t in ended) < MAX_RESTARTS


def test_who_wants_only_the_daemon_killed_has_to_wait_for_it() -> None:
    clock = Clock()
    chooser = Chooser(DAEMON, random.Random(1), clock)
    for _ in range(MAX_RESTARTS - 1):
        assert chooser.seconds_to_wait() == 0
        chooser.ended(DAEMON)
    clock.now = 10.0
    assert chooser.seconds_to_wait() == RESTART_WINDOW_SECONDS - 10.0
    clock.now = RESTART_WINDOW_SECONDS
    assert chooser.seconds_to_wait() == 0


def test_nothing_is_killed_where_nothing_was_asked_for() -> None:
    assert Chooser(None, random.Random(1)).plan() is None


def test_random_kills_each_kind_now_and_then() -> None:
    clock = Clock()
    chooser = Chooser(RANDOM, random.Random(1), clock)
    assert {plan.kind for _ in range(50) if (plan := chooser.plan())} == set(KINDS)


@pytest.mark.parametrize(("kind", "phase"), [(DAEMON, FLAGGED), (POSTGRES, ASSESSING)])
def test_a_kill_waits_for_its_phase(victim: subprocess.Popen[bytes], kind: str, phase: str) -> None:
    killer = Killer(Plan(kind=kind, phase=phase, after_seconds=0.0), FakePlatform(victim.pid), runs_of=lambda phase: [])
    time.sleep(0.3)
    assert victim.poll() is None
    killer.begun(phase)
    assert victim.wait(10) == -9
    assert killer.end() == pytest.approx(time.time(), abs=5)


def test_a_worker_is_killed_as_soon_as_its_run_has_a_process(victim: subprocess.Popen[bytes]) -> None:
    platform = FakePlatform(victim.pid)
    killer = Killer(Plan(kind=WORKER, phase=ROLLING, after_seconds=0.0), platform, runs_of=lambda phase: ["run-1"])
    time.sleep(0.3)
    assert victim.poll() is None
    platform.runs.append("run-1")
    assert victim.wait(10) == -9
    assert killer.end() is not None


def test_a_drill_that_is_over_first_has_seen_no_kill(victim: subprocess.Popen[bytes]) -> None:
    killer = Killer(
        Plan(kind=DAEMON, phase=FLAGGED, after_seconds=30.0), FakePlatform(victim.pid), runs_of=lambda p: []
    )
    killer.begun(FLAGGED)
    assert killer.end() is None
    assert victim.poll() is None


def test_only_a_process_of_the_platform_is_killed(victim: subprocess.Popen[bytes], tmp_path: Path) -> None:
    platform = Platform(
        home=tmp_path, process=victim, log=tmp_path / "log", variables={}, dagster="", gateway_port=0, sandbox=""
    )
    assert not platform.kill(victim.pid)
    assert victim.poll() is None
    own = subprocess.Popen(
        [sys.executable, "-c", "import time; time.sleep(60)"], env={**os.environ, "AIOS_HOME": str(tmp_path)}
    )
    until = time.monotonic() + 20
    while not platform.kill(own.pid):  # just forked, it still has this process's environment
        assert time.monotonic() < until
        time.sleep(0.01)
    assert own.wait(10) == -signal.SIGKILL
    assert not platform.kill(own.pid)
