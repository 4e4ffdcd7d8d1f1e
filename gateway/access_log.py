"""One line of JSON a request, on standard output.

What belongs here: which requests are written, and how. What does not: counting them (`metrics.py`).

Lines are gathered and written a few times a second, by a thread: a write for each would cost as much as reading its request, and a
pipe that nobody reads must not stop the event loop; then lines are dropped, and counted. What is asked
for by machines all day (health, metrics, static files) is left out; of inference answered well, `share` is kept; what was
refused for being too much is told a few times a second, with how many there were; whatever else failed always.
"""

import asyncio
import io
import os
import queue
import random
import stat
import sys
import threading
from collections.abc import Iterator, MutableMapping, Sequence
from datetime import UTC, datetime
from select import PIPE_BUF
from time import monotonic
from typing import Any, Protocol

import orjson
import structlog

FLUSH_SECONDS = 0.2
MOST_AT_ONCE = 1 << 20
MOST_BACKLOG = 20_000
REFUSALS_SECONDS = 0.2
QUIET = frozenset({"/health", "/ready", "/metrics", "/static", "/v2/health/live", "/v2/health/ready"})


class Writes(Protocol):
    """Where lines end."""

    def write(self, data: bytes, /) -> Any: ...


class AccessLog:
    """`share` of the good inference requests is written, 0 to 1; everything else is."""

    def __init__(self, *, share: float = 1.0, stream: Writes | None = None) -> None:
        self._share = share
        self._stream = stream
        self._lines: list[bytes] = []
        self._waiting = False
        self._queue: queue.SimpleQueue[list[bytes] | None] = queue.SimpleQueue()
        self._writer: threading.Thread | None = None
        self._backlog = 0  # lines; approximate, since two threads count
        self._dropped = 0
        self._refused = 0
        self._tell_again = 0.0
        self._log = structlog.wrap_logger(
            self,
            processors=[
                _at,
                structlog.processors.JSONRenderer(serializer=orjson.dumps),
            ],
            wrapper_class=structlog.BoundLogger,
        ).bind()

    def request(self, *, route: str, status: int, **said: Any) -> None:
        """A request that was answered."""
        if route in QUIET and status < 400:
            return
        self._log.info("request", route=route, status=status, **said)

    def inference(self, status: int, **said: Any) -> None:
        """As `request`, for what there may be thousands of a second."""
        if status == 200 and self._share < 1.0 and random.random() >= self._share:  # noqa: S311
            return
        if status == 429:
            self._refused += 1
            if monotonic() < self._tell_again:
                return  # under overload a line for each would be part of the overload
            self._log.info("infer", status=status, refusals=self._refused, **said)
            self._refused, self._tell_again = 0, monotonic() + REFUSALS_SECONDS
            return
        self._log.info("infer", status=status, **said)

    def event(self, name: str, **said: Any) -> None:
        """Something that is no request: a version that was loaded, say."""
        self._log.info(name, **said)

    def info(self, line: bytes) -> None:
        """Where the rendered lines end: structlog's own logger."""
        self._lines.append(line)
        if self._waiting:
            return
        try:
            asyncio.get_running_loop().call_later(FLUSH_SECONDS, self.flush)
            self._waiting = True
        except RuntimeError:  # not on the loop: rare enough to be written at once
            self.flush()

    def flush(self) -> None:
        """Hand what was gathered to the thread that writes."""
        self._waiting = False
        lines, self._lines = self._lines, []
        if not lines:
            return
        if self._backlog > MOST_BACKLOG:
            self._dropped += len(lines)
            return
        if self._dropped:
            lines.append(orjson.dumps({"event": "log_lines_dropped", "lines": self._dropped, "at": datetime.now(UTC)}))
            self._dropped = 0
        self._backlog += len(lines)
        self._queue.put(lines)
        if self._writer is None:
            self._writer = threading.Thread(target=self._write, name="access-log", daemon=True)
            self._writer.start()

    def close(self, *, seconds: float = 2.0) -> None:
        """Write what is left, as far as somebody reads it."""
        self.flush()
        if self._writer is not None:
            self._queue.put(None)
            self._writer.join(seconds)
            self._writer = None

    def _write(self) -> None:
        while (lines := self._queue.get()) is not None:
            try:
                # unbuffered: a buffer that is full of what nobody reads would hold up the interpreter's end
                stream = self._stream or io.FileIO(sys.stdout.fileno(), "wb", closefd=False)
                for piece in _pieces(lines, PIPE_BUF if _is_pipe(stream) else MOST_AT_ONCE):
                    stream.write(piece)
            except (OSError, ValueError):  # nobody reads any more: no reason to stop serving
                pass
            self._backlog -= len(lines)


def _at(_: Any, __: str, said: MutableMapping[str, Any]) -> MutableMapping[str, Any]:
    said["at"] = datetime.now(UTC)
    return said


def _is_pipe(stream: Any) -> bool:
    """Several processes write to the same one: into a pipe, only so much goes in one piece."""
    return isinstance(stream, io.FileIO) and stat.S_ISFIFO(os.fstat(stream.fileno()).st_mode)


def _pieces(lines: Sequence[bytes], most: int) -> Iterator[bytes]:
    """Whole lines together, up to `most` bytes: each write makes the event loop wait for the interpreter afterwards."""
    piece = b""
    for line in lines:
        if piece and len(piece) + len(line) >= most:
            yield piece
            piece = b""
        piece += line + b"\n"
    yield piece
