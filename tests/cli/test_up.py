"""`aios up` as a process of its own: everything answers, and everything is gone afterwards, however it ended."""

import json
import os
import shutil
import signal
import socket
import subprocess
import sys
import tempfile
import threading
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from pathlib import Path

import httpx
import psutil
import pytest

from resources.deployments import PROJECT
from resources.supervisor import is_held

pytestmark = [pytest.mark.end_to_end, pytest.mark.timeout(240), pytest.mark.xdist_group("platform")]


@dataclass
class Up:
    """One `aios up --no-run` on ports and a state folder of its own."""

    home: Path
    ports: dict[str, int]
    process: subprocess.Popen[str] = field(init=False)
    said: list[str] = field(default_factory=list)

    def start(self) -> "Up":
        self.process = subprocess.Popen(
            self.command("up", "--no-run", "--tickets", "200", *self.options()),
            cwd=PROJECT,
            env=self.environ(),
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
        )
        threading.Thread(target=self._listen, daemon=True).start()
        return self

    def options(self) -> list[str]:
        return [word for name, port in self.ports.items() for word in (f"--port-{name}", str(port))]

    def environ(self) -> dict[str, str]:
        return {**os.environ, "AIOS_HOME": str(self.home)}

    @staticmethod
    def command(*arguments: str) -> list[str]:
        return [sys.executable, "-m", "cli.main", *arguments]

    def call(self, *arguments: str) -> subprocess.CompletedProcess[str]:
        return subprocess.run(
            self.command(*arguments), cwd=PROJECT, env=self.environ(), capture_output=True, text=True, timeout=60
        )

    def _listen(self) -> None:
        assert self.process.stdout is not None
        self.said.extend(iter(self.process.stdout.readline, ""))

    def await_up(self) -> None:
        assert soon(lambda: "Ctrl-C stops it" in self.text() or self.process.poll() is not None, 180), self.text()
        assert self.process.poll() is None, self.text()

    def text(self) -> str:
        return "".join(self.said)

    def url(self, name: str, path: str) -> str:
        return f"http://127.0.0.1:{self.ports[name]}{path}"

    def left_over(self) -> list[str]:
        """Every process that has our state folder in its environment or on its command line."""
        found = []
        for process in psutil.process_iter():
            try:
                if process.status() == psutil.STATUS_ZOMBIE or process.pid == os.getpid():
                    continue
                command = process.cmdline()
                told = [*command, *process.environ().values()]
            except (psutil.NoSuchProcess, psutil.AccessDenied):
                continue
            if any(str(self.home) in word for word in told):
                found.append(" ".join(command)[:120])
        return found


@pytest.fixture
def up() -> Iterator[Up]:
    home = Path(tempfile.mkdtemp(prefix="aios-up-"))
    one = Up(home=home, ports={name: free_port() for name in ("dagster", "console", "sandbox")})
    yield one
    if hasattr(one, "process") and one.process.poll() is None:
        one.process.kill()
        soon(lambda: not one.left_over(), 60)
    shutil.rmtree(home, ignore_errors=True)


def test_all_answers_and_a_killed_platform_takes_its_processes_with_it_and_starts_again(up: Up) -> None:
    """One start and one more serve all of it, since each costs half a minute; Ctrl-C is tried in `end_to_end`."""
    up.start().await_up()
    assert "user admin, password " in up.text()
    for name, path in (("console", "/health"), ("dagster", "/server_info"), ("sandbox", "/sandbox/health")):
        assert httpx.get(up.url(name, path), timeout=30).status_code == 200

    second = up.call("up", *up.options())
    assert (second.returncode, second.stderr.splitlines()[0].split(" (")[0]) == (1, "error: AIOS is up already")
    assert up.call("reset", "--yes").returncode == 1
    assert json.loads(up.call("user", "list", "--json").stdout) == [{"username": "admin", "role": "admin"}]

    gateway = next(p for p in psutil.Process(up.process.pid).children() if "gateway" in p.cmdline())
    gateway.kill()
    assert soon(lambda: "gateway ended with exit code -9; started again" in up.text(), 60)
    assert soon(lambda: answers(up.url("console", "/health")), 60)

    postmaster = int((up.home / "postgres" / "data" / "postmaster.pid").read_text().split()[0])
    os.kill(postmaster, signal.SIGKILL)
    assert soon(lambda: "embedded Postgres ended; started again" in up.text(), 60)
    assert up.call("user", "list").returncode == 0

    up.process.kill()
    up.process.wait()
    assert soon(lambda: not up.left_over(), 60), up.left_over()

    seed_before = (up.home / "sandbox.sqlite").stat().st_ino
    up.said.clear()
    up.start().await_up()
    assert "password as shown at the first start" in up.text()
    assert (up.home / "sandbox.sqlite").stat().st_ino == seed_before
    up.process.send_signal(signal.SIGTERM)
    assert up.process.wait(60) == 0
    assert up.left_over() == []
    assert not is_held(up.home / "up.lock") and not (up.home / "up.lock").exists()
    assert all(free(port) for port in up.ports.values())
    assert up.call("reset", "--yes").returncode == 0
    assert not up.home.exists()


def test_a_signal_while_starting_stops_what_had_started(up: Up) -> None:
    up.start()
    assert soon(lambda: "sandbox" in up.text(), 60), up.text()
    up.process.send_signal(signal.SIGTERM)
    assert up.process.wait(60) != 0
    assert up.left_over() == []


def test_a_busy_port_is_named_before_anything_is_started(up: Up) -> None:
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", up.ports["console"]))
        taken.listen()
        done = up.call("up", "--no-run", *up.options())
    assert done.returncode == 1
    assert f"error: port {up.ports['console']} for the console can't be had" in done.stderr
    assert "--port-console" in done.stderr
    assert up.left_over() == []


def soon(condition: Callable[[], bool], seconds: float) -> bool:
    deadline = time.monotonic() + seconds
    while not condition() and time.monotonic() < deadline:
        time.sleep(0.1)
    return condition()


def answers(url: str) -> bool:
    try:
        return httpx.get(url, timeout=5).status_code == 200
    except httpx.HTTPError:
        return False


def free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


def free(port: int) -> bool:
    with socket.socket() as probe:
        probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            probe.bind(("127.0.0.1", port))
        except OSError:
            return False
        return True
