"""Child processes: healthy or named, started again, and gone when they should be. Real processes throughout."""

import os
import signal
import socket
import subprocess
import sys
import textwrap
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import psutil
import pytest

from aios_core.errors import ConfigurationError
from resources.supervisor import (
    MAX_RESTARTS,
    AlreadyRunning,
    Service,
    ServiceFailed,
    Supervisor,
    is_held,
    only_one,
    require_free_port,
    run_to_end,
)

READY = "import time, pathlib, sys; pathlib.Path(sys.argv[1]).touch(); time.sleep(60)"
DEAF = "import signal, time, pathlib, sys; signal.signal(signal.SIGTERM, signal.SIG_IGN); " + READY
WITH_CHILD = """
import pathlib, subprocess, sys, time
child = subprocess.Popen([sys.executable, "-c", "import time; time.sleep(60)"])
pathlib.Path(sys.argv[1]).write_text(str(child.pid))
time.sleep(60)
"""


@pytest.fixture
def supervisor() -> Iterator[Supervisor]:
    one = Supervisor()
    yield one
    one.stop(patience_seconds=1)


def service(folder: Path, code: str, *, name: str = "one", timeout_seconds: float = 10) -> Service:
    flag = folder / f"{name}.ready"
    return Service(
        name=name,
        command=[sys.executable, "-c", code, str(flag)],
        healthy=lambda: None if flag.exists() and (code != WITH_CHILD or flag.read_text()) else "no flag yet",
        log=folder / f"{name}.log",
        cwd=folder,
        timeout_seconds=timeout_seconds,
    )


def gone(pid: int) -> bool:
    try:
        return psutil.Process(pid).status() == psutil.STATUS_ZOMBIE
    except psutil.NoSuchProcess:
        return True


def soon(condition: Callable[[], bool], seconds: float = 20) -> bool:
    deadline = time.monotonic() + seconds
    while not condition() and time.monotonic() < deadline:
        time.sleep(0.02)
    return condition()


def test_start_returns_when_the_service_is_healthy(supervisor: Supervisor, tmp_path: Path) -> None:
    waited: list[str] = []
    supervisor.start(service(tmp_path, READY), waiting=waited.append)
    assert list(supervisor.running()) == ["one"]
    assert set(waited) <= {"no flag yet"}


def test_a_service_that_ends_at_once_shows_the_tail_of_its_log(supervisor: Supervisor, tmp_path: Path) -> None:
    code = "import sys; print('error: the port is busy', file=sys.stderr); sys.exit(2)"
    with pytest.raises(
        ServiceFailed, match=r"one ended with exit code 2; .*one\.log ends with:\n  error: the port is busy"
    ):
        supervisor.start(service(tmp_path, code))


def test_a_service_that_never_gets_healthy_says_what_was_missing(supervisor: Supervisor, tmp_path: Path) -> None:
    with pytest.raises(ServiceFailed, match=r"not healthy within 0\.3 s \(no flag yet\)"):
        supervisor.start(service(tmp_path, "import time; time.sleep(60)", timeout_seconds=0.3))


def test_stopping_ends_the_deaf_and_the_children_of_children(supervisor: Supervisor, tmp_path: Path) -> None:
    supervisor.start(service(tmp_path, DEAF, name="deaf"))
    supervisor.start(service(tmp_path, WITH_CHILD, name="parent"))
    grandchild = int((tmp_path / "parent.ready").read_text())
    pids = [*supervisor.running().values(), grandchild]
    supervisor.stop(patience_seconds=0.5)
    assert soon(lambda: all(gone(pid) for pid in pids))
    supervisor.stop()


def test_a_service_that_ends_is_started_again_and_said(supervisor: Supervisor, tmp_path: Path) -> None:
    supervisor.start(service(tmp_path, READY))
    before = supervisor.running()["one"]
    os.kill(before, signal.SIGKILL)
    said: list[tuple[str, int]] = []
    assert soon(lambda: not supervisor.running())
    supervisor.revive(restarted=lambda name, code: said.append((name, code)))
    assert said == [("one", -signal.SIGKILL)]
    assert supervisor.running()["one"] != before


def test_a_service_that_ends_too_often_in_a_short_time_is_given_up(tmp_path: Path) -> None:
    moment = [0.0]
    supervisor = Supervisor(monotonic=lambda: moment[0])

    def kill() -> None:
        os.kill(supervisor.running()["one"], signal.SIGKILL)
        assert soon(lambda: not supervisor.running())

    supervisor.start(service(tmp_path, READY))
    try:
        for _ in range(2 * MAX_RESTARTS):
            kill()
            supervisor.revive()
            moment[0] += 200  # never more than two within five minutes
        moment[0] += 1_000
        for _ in range(MAX_RESTARTS):
            kill()
            supervisor.revive()
        kill()
        with pytest.raises(ServiceFailed, match="one ended 4 times"):
            supervisor.revive()
    finally:
        supervisor.stop(patience_seconds=0)


def test_children_end_with_a_supervisor_that_was_killed(tmp_path: Path) -> None:
    code = textwrap.dedent(f"""
        import sys, time
        from pathlib import Path
        sys.path.insert(0, {str(Path(__file__).parent)!r})
        from resources.supervisor import Service, Supervisor
        flag = Path(sys.argv[1]) / "ready"
        Supervisor().start(Service(
            name="one", command=[sys.executable, "-c", {READY!r}, str(flag)], log=flag.with_suffix(".log"),
            healthy=lambda: None if flag.exists() else "no", cwd=flag.parent))
        print("up", flush=True)
        time.sleep(60)
    """)
    owner = subprocess.Popen([sys.executable, "-c", code, str(tmp_path)], stdout=subprocess.PIPE, text=True)
    assert owner.stdout is not None and owner.stdout.readline() == "up\n"
    (child,) = psutil.Process(owner.pid).children()
    owner.kill()
    owner.wait()
    assert soon(lambda: gone(child.pid))


def test_a_command_run_to_its_end_hands_on_its_lines_and_its_output(tmp_path: Path) -> None:
    lines: list[str] = []
    code = "import sys; print('stage: one', file=sys.stderr); print('{}'); sys.exit(3)"
    ended, output = run_to_end(
        [sys.executable, "-c", code], cwd=tmp_path, log=tmp_path / "logs" / "job.log", line=lines.append, environment={}
    )
    assert (ended, output, lines) == (3, "{}\n", ["stage: one"])
    assert (tmp_path / "logs" / "job.log").read_text() == "stage: one\n"


def test_only_one_may_hold_a_lock_and_the_second_learns_who_does(tmp_path: Path) -> None:
    lock = tmp_path / "up.lock"
    with only_one(lock, what="AIOS is up", about={"console": "http://here"}):
        assert is_held(lock)
        with (
            pytest.raises(AlreadyRunning, match=rf"AIOS is up already \(process {os.getpid()}, console http://here\)"),
            only_one(lock, what="AIOS is up", about={}),
        ):
            pass
    assert not lock.exists()
    assert not is_held(lock)


def test_the_lock_of_a_killed_process_holds_nobody_up(tmp_path: Path) -> None:
    lock = tmp_path / "up.lock"
    lock.write_text('{"process": 1}')
    with only_one(lock, what="AIOS is up", about={}):
        assert is_held(lock)


def test_a_busy_port_is_named_with_its_holder_and_the_option() -> None:
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        taken.listen()
        port = taken.getsockname()[1]
        with pytest.raises(ConfigurationError) as caught:
            require_free_port("127.0.0.1", port, what="the console", option="--port-console")
    text = str(caught.value)
    assert text.startswith(f"port {port} for the console can't be had on 127.0.0.1: address already in use (by ")
    assert f"process {os.getpid()}" in text
    assert text.endswith("choose another with --port-console")


def test_an_address_that_is_not_ours_is_named() -> None:
    with pytest.raises(ConfigurationError, match=r"can't be had on 192\.0\.2\.1: cannot assign requested address"):
        require_free_port("192.0.2.1", 0, what="the console", option="--port-console")
