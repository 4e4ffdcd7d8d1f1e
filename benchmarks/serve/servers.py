"""Server processes: started, waited for, and ended.

What belongs here: a process with a port that answers when it is ready. What does not: what is served, and the load.
"""

import http.client
import os
import signal
import socket
import subprocess
import time
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path

from aios_core.errors import PermanentError
from benchmarks.workspace import PROJECT

START_SECONDS = 90.0
STOP_SECONDS = 15.0
LOG_LINES = 15


class ServerFailed(PermanentError):
    """A server did not come up."""

    code = "bench.server"


@dataclass(frozen=True, slots=True, kw_only=True)
class Command:
    """What to start. `ready` is the path that answers 200 once requests may come; None: an open port is enough."""

    name: str
    arguments: Sequence[str]
    port: int
    ready: str | None
    log: Path
    environment: Mapping[str, str]
    folder: Path = PROJECT


def free_port() -> int:
    """A port that nobody listens on at this moment."""
    with socket.socket() as found:
        found.bind(("127.0.0.1", 0))
        port: int = found.getsockname()[1]
        return port


@contextmanager
def running(command: Command) -> Iterator[subprocess.Popen[bytes]]:
    """The server, ready; it and its children are ended on the way out. Raises ServerFailed with the end of its log."""
    with command.log.open("ab") as log:
        process = subprocess.Popen(
            list(command.arguments),
            cwd=command.folder,
            env={**os.environ, **command.environment},
            stdin=subprocess.DEVNULL,
            stdout=log,
            stderr=log,
            start_new_session=True,  # Ctrl-C reaches us, who end it in order
        )
    try:
        _await(command, process)
        yield process
    finally:
        _end(process)


def _await(command: Command, process: subprocess.Popen[bytes]) -> None:
    deadline = time.monotonic() + START_SECONDS
    while time.monotonic() < deadline:
        if process.poll() is not None:
            raise ServerFailed(
                f"{command.name} ended with code {process.returncode} at its start:\n{tail(command.log)}"
            )
        if _answers(command):
            return
        time.sleep(0.05)
    raise ServerFailed(f"{command.name} was not ready after {START_SECONDS:g} s:\n{tail(command.log)}")


def _answers(command: Command) -> bool:
    try:
        if command.ready is None:
            socket.create_connection(("127.0.0.1", command.port), timeout=1).close()
            return True
        return get(command.port, command.ready)[0] == 200
    except (OSError, http.client.HTTPException):
        return False


def get(port: int, path: str) -> tuple[int, bytes]:
    """Status and body. Raises OSError or HTTPException."""
    connection = http.client.HTTPConnection("127.0.0.1", port, timeout=5)
    try:
        connection.request("GET", path)
        response = connection.getresponse()
        return response.status, response.read()
    finally:
        connection.close()


def post(port: int, path: str, body: bytes) -> tuple[int, bytes]:
    """Status and body. Raises OSError or HTTPException."""
    connection = http.client.HTTPConnection("127.0.0.1", port, timeout=10)
    try:
        connection.request("POST", path, body, {"content-type": "application/json"})
        response = connection.getresponse()
        return response.status, response.read()
    finally:
        connection.close()


def _end(process: subprocess.Popen[bytes]) -> None:
    """First it is asked, then what is left is ended: a worker left behind would take the next server's cores."""
    family = _family(process.pid)
    with suppress(ProcessLookupError):
        process.send_signal(signal.SIGTERM)
    with suppress(subprocess.TimeoutExpired):
        process.wait(STOP_SECONDS)
    left = _processes()
    for pid, known in family.items():
        if (now := left.get(pid)) is not None and now.started == known.started:  # else the number is another's by now
            with suppress(ProcessLookupError):
                os.kill(pid, signal.SIGKILL)
    process.wait(STOP_SECONDS)


def cpu_seconds(process: subprocess.Popen[bytes]) -> float | None:
    """Processor seconds of the server and its workers so far; None where the system does not say (there is no /proc).

    On a machine with other work a server does fewer requests a second, but a request costs it what it costs.
    """
    family = _family(process.pid)
    return sum(one.ticks for one in family.values()) / os.sysconf("SC_CLK_TCK") if family else None


@dataclass(frozen=True, slots=True)
class _Process:
    parent: int
    started: int
    ticks: int


def _family(pid: int) -> dict[int, _Process]:
    """A process and all that descend from it."""
    everything = _processes()
    found = {pid: everything[pid]} if pid in everything else {}
    size = 0
    while size != len(found):
        size = len(found)
        found |= {number: one for number, one in everything.items() if one.parent in found}
    return found


def _processes() -> dict[int, _Process]:
    found = {}
    for file in Path("/proc").glob("[0-9]*/stat"):
        with suppress(OSError):  # ended meanwhile
            fields = file.read_text().rpartition(")")[2].split()
            found[int(file.parent.name)] = _Process(int(fields[1]), int(fields[19]), int(fields[11]) + int(fields[12]))
    return found


def tail(log: Path) -> str:
    """The last lines of a log."""
    return "\n".join(log.read_text(encoding="utf-8", errors="replace").splitlines()[-LOG_LINES:])
