"""The gateway's worker processes: one socket each on one port, started again when they end, and all of them stopped together.

What belongs here: sockets, forking and waiting. What does not: what a worker serves (`gateway/app.py`).

Python runs one thread at a time, so serving on several cores takes several processes. Each worker has a listening socket of its
own on the same port, and the kernel deals connections out among them; the parent keeps all of the sockets open, so that a
worker that dies loses nothing that waits in its socket: its successor goes on with it. Where the kernel does not deal
connections out (only Linux does), they share one socket.

Workers are forked before anything is opened: no thread, no connection and no session is shared. A pipe tells them when the
parent is gone, however it went.
"""

import contextlib
import os
import signal
import socket
import sys
import threading
import time
import traceback
from collections.abc import Callable, Sequence
from pathlib import Path
from types import FrameType

from aios_core.errors import AiosError, ConfigurationError

PATIENCE_SECONDS = 10.0
CALM_SECONDS = 1.0  # a worker that ends sooner than this after its start is not started again at once

CPU_LIMIT = Path("/sys/fs/cgroup/cpu.max")


class MisusedWorkers(ConfigurationError):
    """A number of processes that can't be."""

    code = "gateway.workers"


Serve = Callable[[socket.socket], int]


def usable_cores() -> int:
    """The cores that this process may use: of its affinity, and within its container's limit."""
    cores = len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1
    with contextlib.suppress(OSError, ValueError):
        quota, period = CPU_LIMIT.read_text().split()
        if quota != "max":
            cores = min(cores, max(1, int(quota) // int(period)))
    return cores


def sockets(first: socket.socket, count: int) -> list[socket.socket]:
    """`count` sockets that listen where the first one is bound; the first one is closed where they take its place."""
    if count == 1 or not sys.platform.startswith("linux"):
        return [first] * count
    address, family = first.getsockname(), first.family
    # only now: while the first one was bound alone, a port that somebody else serves was an error
    first.close()
    made: list[socket.socket] = []
    try:
        for _ in range(count):
            one = socket.socket(family, socket.SOCK_STREAM)
            made.append(one)
            one.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
            one.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEPORT, 1)
            one.bind(address)
            one.listen(512)
    except OSError:
        for one in made:
            one.close()
        raise
    return made


class Workers:
    """The parent's side. `run` returns when it was told to stop and every worker has ended."""

    def __init__(self, listening: Sequence[socket.socket], serve: Serve) -> None:
        self._listening = list(listening)
        self._serve = serve
        self._places: dict[int, int] = {}  # process id -> place
        self._started: dict[int, float] = {}
        self._alive, self._held = os.pipe()
        self._stopping = False

    def run(self) -> int:
        """0 when all ended as they were told to."""
        for place in range(len(self._listening)):
            self._start(place)
        for number in (signal.SIGTERM, signal.SIGINT):
            signal.signal(number, self._stop)
        while self._places:
            with contextlib.suppress(InterruptedError, ChildProcessError):
                process, _ = os.waitpid(-1, 0)
                self._ended(process)
        return 0

    def _ended(self, process: int) -> None:
        place = self._places.pop(process, None)
        if place is None or self._stopping:
            return
        if time.monotonic() - self._started[place] < CALM_SECONDS:
            time.sleep(CALM_SECONDS)  # what can't start must not be started a thousand times a second
        if not self._stopping:
            self._start(place)

    def _start(self, place: int) -> None:
        self._started[place] = time.monotonic()
        sys.stdout.flush()
        sys.stderr.flush()
        process = os.fork()
        if process:
            self._places[process] = place
            return
        code = 1
        try:
            code = self._be_worker(place)
        except SystemExit as left:
            code = left.code if isinstance(left.code, int) else 0
        except AiosError as error:
            print(f"error: {error}", file=sys.stderr)
        except BaseException:
            traceback.print_exc()
        finally:
            with contextlib.suppress(OSError, ValueError):
                sys.stdout.flush()
                sys.stderr.flush()
            os._exit(code)  # what the parent opened is the parent's to close

    def _be_worker(self, place: int) -> int:
        signal.signal(signal.SIGINT, signal.SIG_IGN)  # Ctrl-C reaches the whole group: the parent says when to stop
        signal.signal(signal.SIGTERM, signal.SIG_DFL)
        os.close(self._held)
        own = self._listening[place]
        for other in {id(one): one for one in self._listening if one is not own}.values():
            other.close()
        threading.Thread(target=self._end_with_the_parent, name="parent", daemon=True).start()
        return self._serve(own)

    def _end_with_the_parent(self) -> None:
        os.read(self._alive, 1)  # nobody writes: it returns when the parent's end is closed
        os._exit(1)

    def _stop(self, _: int, __: FrameType | None) -> None:
        self._stopping = True
        for process in list(self._places):
            with contextlib.suppress(ProcessLookupError):
                os.kill(process, signal.SIGTERM)
        threading.Thread(target=self._end_the_slow, name="patience", daemon=True).start()

    def _end_the_slow(self) -> None:
        time.sleep(PATIENCE_SECONDS)
        for process in list(self._places):
            with contextlib.suppress(ProcessLookupError):
                os.kill(process, signal.SIGKILL)
