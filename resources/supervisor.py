"""Child processes of `aios up`: started in order, awaited until healthy, watched, and stopped without leaving one behind.

What belongs here: processes, ports, the lock of a running platform. What does not: which processes there are and how they are
called (`resources/local_platform.py`), and what is shown of them (`cli/up.py`).

Each child leads a process group of its own, so that what it starts itself is stopped with it, and asks the kernel to be
ended when this process is killed.
"""

import contextlib
import ctypes
import fcntl
import json
import os
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from aios_core.errors import ConfigurationError, PermanentError
from resources.embedded_postgres import PR_SET_PDEATHSIG

TAIL_LINES = 12
# A service that ends by itself is started again; one that ends this often in this time is broken.
MAX_RESTARTS = 3
RESTART_WINDOW_SECONDS = 300.0


class ServiceFailed(PermanentError):
    """A service did not become healthy, or ended too often. The message ends with the tail of its log."""

    code = "platform.service_failed"


class AlreadyRunning(PermanentError):
    """Another process holds what only one may hold."""

    code = "platform.already_running"


@dataclass(frozen=True, slots=True, kw_only=True)
class Service:
    """One child process. `healthy` answers None once it is, else what is still missing."""

    name: str
    command: Sequence[str]
    healthy: Callable[[], str | None]
    log: Path
    cwd: Path
    environment: Mapping[str, str] = field(default_factory=dict)
    timeout_seconds: float = 120.0


@dataclass(slots=True)
class _Child:
    service: Service
    process: subprocess.Popen[bytes]
    ends: list[float] = field(default_factory=list)


class Supervisor:
    """Starts services one after the other and stops them in the opposite order."""

    def __init__(
        self, *, monotonic: Callable[[], float] = time.monotonic, sleep: Callable[[float], None] = time.sleep
    ) -> None:
        self._children: dict[str, _Child] = {}
        self._monotonic = monotonic
        self._sleep = sleep

    def start(self, service: Service, *, waiting: Callable[[str], None] = lambda missing: None) -> None:
        """Start a service and return when it is healthy; raises ServiceFailed with the tail of its log."""
        self._children[service.name] = _Child(service, _spawn(service))
        self._await(service, waiting)

    def running(self) -> dict[str, int]:
        """Name -> process id of the services that run now."""
        return {name: c.process.pid for name, c in self._children.items() if c.process.poll() is None}

    def revive(self, *, restarted: Callable[[str, int | None], None] = lambda name, code: None) -> None:
        """Start again what ended by itself; raises ServiceFailed for what ends too often."""
        for name, child in self._children.items():
            code = child.process.poll()
            if code is None:
                continue
            _end_group(child.process, signal.SIGKILL)  # what it started itself must not stay
            now = self._monotonic()
            child.ends = [t for t in child.ends if now - t < RESTART_WINDOW_SECONDS] + [now]
            if len(child.ends) > MAX_RESTARTS:
                raise ServiceFailed(
                    f"{name} ended {len(child.ends)} times (last exit code {code}); {_tail(child.service.log)}"
                )
            restarted(name, code)
            child.process = _spawn(child.service)

    def stop(self, *, patience_seconds: float = 15.0) -> None:
        """Stop everything, last started first: SIGTERM, and SIGKILL for what does not listen. Safe to call twice."""
        children = list(reversed(self._children.values()))
        for child in children:
            _end_group(child.process, signal.SIGTERM)
        deadline = self._monotonic() + patience_seconds
        for child in children:
            while child.process.poll() is None and self._monotonic() < deadline:
                self._sleep(0.02)
        for child in children:
            # the group as a whole: a child that ended well may have left one of its own
            _end_group(child.process, signal.SIGKILL)
            child.process.wait()
        self._children.clear()

    def _await(self, service: Service, waiting: Callable[[str], None]) -> None:
        process = self._children[service.name].process
        deadline = self._monotonic() + service.timeout_seconds
        missing: str | None = "not started"
        while self._monotonic() < deadline:
            if (code := process.poll()) is not None:
                raise ServiceFailed(f"{service.name} ended with exit code {code}; {_tail(service.log)}")
            missing = service.healthy()
            if missing is None:
                return
            waiting(missing)
            self._sleep(0.1)
        raise ServiceFailed(
            f"{service.name} was not healthy within {service.timeout_seconds:g} s ({missing}); {_tail(service.log)}"
        )


def run_to_end(
    command: Sequence[str], *, cwd: Path, log: Path, line: Callable[[str], None], environment: Mapping[str, str]
) -> tuple[int, str]:
    """Run a child to its end, handing on each line of its standard error; returns its exit code and standard output.

    The child is stopped when this call is left by an exception, such as the one of Ctrl-C.
    """
    log.parent.mkdir(parents=True, exist_ok=True)
    with log.open("w", encoding="utf-8") as kept, (log.parent / f"{log.stem}.out").open("w+", encoding="utf-8") as out:
        process = subprocess.Popen(
            [*command],
            cwd=cwd,
            env={**os.environ, **environment},
            stdin=subprocess.DEVNULL,
            stdout=out,
            stderr=subprocess.PIPE,
            text=True,
            start_new_session=True,
            preexec_fn=_die_with_parent,
        )
        assert process.stderr is not None
        try:
            for text in process.stderr:
                kept.write(text)
                kept.flush()
                line(text.rstrip("\n"))
            code = process.wait()
        except BaseException:
            _end_group(process, signal.SIGTERM)
            with contextlib.suppress(subprocess.TimeoutExpired):
                process.wait(10)
            raise
        finally:
            _end_group(process, signal.SIGKILL)
            process.wait()
            process.stderr.close()
        out.seek(0)
        return code, out.read()


@contextlib.contextmanager
def only_one(lock: Path, *, what: str, about: Mapping[str, Any]) -> Iterator[None]:
    """Hold `lock`, with `about` written into it; raises AlreadyRunning with what the holder wrote.

    The kernel frees the lock of a killed process: a stale file holds nobody up.
    """
    try:
        lock.parent.mkdir(parents=True, exist_ok=True)
        file = lock.open("a+", encoding="utf-8")
    except OSError as error:
        raise ConfigurationError(
            f"{lock.parent}: can't write here ({error.strerror}); set AIOS_HOME to a folder you may write to"
        ) from error
    with file:
        try:
            fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
            if os.fstat(file.fileno()).st_ino != lock.stat().st_ino:  # removed by its last holder as we came
                raise BlockingIOError
        except (BlockingIOError, FileNotFoundError):
            holder = holder_of(lock) or {}
            told = ", ".join(f"{k} {v}" for k, v in holder.items())
            raise AlreadyRunning(f"{what} already" + (f" ({told})" if told else "")) from None
        file.truncate(0)
        file.write(json.dumps({"process": os.getpid(), **about}))
        file.flush()
        try:
            yield
        finally:
            file.truncate(0)
            lock.unlink(missing_ok=True)


def is_held(lock: Path) -> bool:
    """Whether somebody holds the lock now."""
    try:
        with lock.open("r+", encoding="utf-8") as file:
            fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except FileNotFoundError:
        return False
    except BlockingIOError:
        return True
    return False


def holder_of(lock: Path) -> dict[str, Any] | None:
    """What the holder wrote about itself, None where there is nothing to read."""
    with contextlib.suppress(OSError, ValueError):
        return dict(json.loads(lock.read_text(encoding="utf-8")))
    return None


def require_free_port(host: str, port: int, *, what: str, option: str) -> None:
    """Refuse a port that is taken, naming it, its holder where that can be seen, and the option that changes it."""
    family = socket.AF_INET6 if ":" in host else socket.AF_INET
    with socket.socket(family, socket.SOCK_STREAM) as probe:
        probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            probe.bind((host, port))
        except OSError as error:
            holder = _holder_of_port(port)
            raise ConfigurationError(
                f"port {port} for {what} can't be had on {host}: {(error.strerror or str(error)).lower()}"
                + (f" (by {holder})" if holder else "")
                + f"; stop what holds it, or choose another with {option}"
            ) from error


def _holder_of_port(port: int) -> str | None:
    try:
        import psutil

        for found in psutil.net_connections("tcp"):
            if found.status == psutil.CONN_LISTEN and found.laddr and found.laddr.port == port and found.pid:
                return f"{psutil.Process(found.pid).name()}, process {found.pid}"
    except Exception:  # psutil may be absent or not permitted: the message is complete without it
        return None
    return None


def _spawn(service: Service) -> subprocess.Popen[bytes]:
    service.log.parent.mkdir(parents=True, exist_ok=True)
    with service.log.open("ab") as log:
        return subprocess.Popen(
            [*service.command],
            cwd=service.cwd,
            env={**os.environ, **service.environment},
            stdin=subprocess.DEVNULL,
            stdout=log,
            stderr=log,
            start_new_session=True,
            preexec_fn=_die_with_parent,
        )


def _end_group(process: subprocess.Popen[Any], number: signal.Signals) -> None:
    with contextlib.suppress(ProcessLookupError, PermissionError):
        os.killpg(process.pid, number)


def _tail(log: Path) -> str:
    try:
        lines = log.read_text(encoding="utf-8", errors="replace").splitlines()[-TAIL_LINES:]
    except OSError:
        lines = []
    return f"{log} ends with:\n" + "\n".join(f"  {line}" for line in lines) if lines else f"see {log}"


# loaded before any fork: between fork and exec nothing may be imported
_LIBC = ctypes.CDLL(None) if sys.platform == "linux" else None


def _die_with_parent() -> None:
    if _LIBC is not None:
        _LIBC.prctl(PR_SET_PDEATHSIG, signal.SIGTERM)
    # a script that starts us in the background has SIGINT ignored, children inherit that, and Dagster then treats SIGTERM
    # like SIGINT: nothing short of SIGKILL would end it
    signal.signal(signal.SIGINT, signal.SIG_DFL)
