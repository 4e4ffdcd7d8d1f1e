"""The load: keep-alive clients over HTTP/1.1, each with one request under way, every response judged.

What belongs here: sockets, time and counting. What does not: what a right answer is (`answers.py`) and which servers there
are (`servers.py`).

The loop is closed: a client sends its next request when it has the answer to the last one, so a slow server is asked less
often, and latencies say nothing about a fixed arrival rate. It shares the machine with the server that it measures, so it is one
thread over epoll with requests encoded beforehand, and an answer known to be right is recognised by its bytes. Latency is from
before `send` until the last byte was read; what the loop itself waits for its turn counts against the server.
"""

import heapq
import multiprocessing
import random
import selectors
import socket
import time
from array import array
from collections import Counter
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from benchmarks.serve.answers import Judge, Score

VERSION_HEADER = b"x-aios-model-version"
DRAIN_SECONDS = 10.0
CONNECT_SECONDS = 5.0
MAX_LOST = 1_000  # connections; a server that is gone ends the run instead of spinning
RECONNECT_SECONDS = 0.01
CHUNK = 65_536
Address = tuple[str, int]


@dataclass(frozen=True, slots=True, kw_only=True)
class Plan:
    """One run of load. Clients are spread over the addresses; `bodies[i]` asks about text i.

    A client whose request is refused with 429 asks again after `pause_seconds`; None: after as many seconds as Retry-After says.
    """

    addresses: Sequence[Address]
    path: str
    bodies: Sequence[bytes]
    expected: Mapping[int, Sequence[Score]]
    reader: str
    clients: int
    seconds: float
    warmup_seconds: float = 1.0
    pause_seconds: float | None = None
    seed: int = 7


@dataclass(slots=True)
class Observed:
    """What a run saw. `seconds` is the measured window; latencies are of the requests sent in it and accepted.

    `finished` and `versions` are aligned with each other and hold every right answer, warm-up included: when it was complete
    (`time.monotonic`) and which version gave it. `failures`, `mixed` and `rejected` count from the first request on.
    """

    seconds: float
    latencies: "array[float]" = field(default_factory=lambda: array("d"))
    finished: "array[float]" = field(default_factory=lambda: array("d"))
    versions: "array[int]" = field(default_factory=lambda: array("l"))
    completed: int = 0
    rejected: int = 0
    mixed: int = 0
    failures: Counter[str] = field(default_factory=Counter)

    @property
    def failed(self) -> int:
        return self.failures.total()

    @property
    def rps(self) -> float:
        """Accepted and right, completed inside the window."""
        return self.completed / self.seconds

    def add(self, other: "Observed") -> None:
        """Join what another process saw of the same window."""
        self.latencies += other.latencies
        self.finished += other.finished
        self.versions += other.versions
        self.completed += other.completed
        self.rejected += other.rejected
        self.mixed += other.mixed
        self.failures += other.failures


def run(plan: Plan, stop: Callable[[], bool] = lambda: False) -> Observed:
    """Load the server as planned, or until `stop`. Raises ConnectionError where it can't be reached or has gone."""
    return _Load(plan, stop).run()


class Loading:
    """A run in a process of its own, so that nothing else here takes turns with it."""

    def __init__(self, plan: Plan) -> None:
        context = multiprocessing.get_context("spawn")
        self._mine, theirs = context.Pipe()
        self._stop = context.Event()
        self._process = context.Process(target=_apart, args=(plan, self._stop, theirs), daemon=True)
        self._process.start()
        theirs.close()
        self._begun: float = self._received()

    @property
    def begun(self) -> float:
        """When the measured window began or will begin, by `time.monotonic`."""
        return self._begun

    def stop(self) -> None:
        """End the window now instead of when it was planned."""
        self._stop.set()

    def result(self) -> Observed:
        """Wait for the end. Raises what the run raised."""
        found: Observed = self._received()
        self._process.join()
        return found

    def _received(self) -> Any:
        try:
            found = self._mine.recv()
        except EOFError:
            raise ConnectionError("the load generator ended without a result") from None
        if isinstance(found, Exception):
            raise found
        return found


def _apart(plan: Plan, stop: Any, told: Any) -> None:
    try:
        load = _Load(plan, stop.is_set)
        told.send(load.begin)
        told.send(load.run())
    except Exception as error:
        told.send(error)


@dataclass(slots=True)
class _Client:
    address: Address
    order: random.Random
    socket: socket.socket
    text: int = 0
    sent: float = 0.0
    buffer: bytes = b""
    waiting: bool = False


class _Load:
    def __init__(self, plan: Plan, stop: Callable[[], bool]) -> None:
        self._plan = plan
        self._stop = stop
        self._judge = Judge(plan.expected, plan.reader)
        self._requests = {address: _requests(plan, address) for address in plan.addresses}
        self._poll = selectors.DefaultSelector()
        self._resting: list[tuple[float, int, _Client]] = []
        self._left = MAX_LOST
        self._observed = Observed(plan.seconds)
        self._open = 0  # requests under way
        self._clients = [self._client(number) for number in range(plan.clients)]
        self.begin = time.monotonic() + plan.warmup_seconds
        self._end = self.begin + plan.seconds

    def run(self) -> Observed:
        try:
            for client in self._clients:
                self._send(client)
            self._loop()
        finally:
            for client in self._clients:
                client.socket.close()
            self._poll.close()
        if self._open:
            self._observed.failures["no answer"] += self._open
        self._observed.seconds = max(self._end - self.begin, 1e-9)
        return self._observed

    def _loop(self) -> None:
        select, receive, clock, stop = self._poll.select, self._receive, time.monotonic, self._stop
        while (now := clock()) < self._end or (self._open and now < self._end + DRAIN_SECONDS):
            if now < self._end and stop():
                self._end = now
            while self._resting and self._resting[0][0] <= now:
                self._send(heapq.heappop(self._resting)[2])
            until = self._resting[0][0] if self._resting else self._end
            for key, _ in select(min(max(until - now, 0.0), 0.1) if now < self._end else 0.1):
                receive(key.data)

    def _client(self, number: int) -> _Client:
        address = self._plan.addresses[number % len(self._plan.addresses)]
        order = random.Random(self._plan.seed * 1_000_003 + number)
        client = _Client(address, order, self._connected(address))
        self._poll.register(client.socket, selectors.EVENT_READ, client)
        return client

    def _connected(self, address: Address) -> socket.socket:
        made = socket.create_connection(address, timeout=CONNECT_SECONDS)
        made.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        made.settimeout(CONNECT_SECONDS)
        return made

    def _send(self, client: _Client) -> None:
        requests = self._requests[client.address]
        client.text = text = int(client.order.random() * len(requests))
        client.sent = now = time.monotonic()
        if now >= self._end:
            return
        try:
            client.socket.sendall(requests[text])
        except OSError as error:
            self._lost(client, error)
            return
        client.waiting = True
        self._open += 1

    def _receive(self, client: _Client) -> None:
        try:
            data = client.socket.recv(CHUNK)
        except OSError as error:
            self._lost(client, error)
            return
        if not data:
            self._lost(client, None)
            return
        client.buffer = buffer = client.buffer + data if client.buffer else data
        split = buffer.find(b"\r\n\r\n")
        if split < 0:
            return
        head = buffer[: split + 2].lower()
        length = _header(head, b"content-length")
        if length is None or not length.isdigit():
            self._lost(client, None, why="no content-length")
            return
        end = split + 4 + int(length)
        if len(buffer) < end:
            return
        now = time.monotonic()
        client.waiting, client.buffer = False, b""
        self._open -= 1
        self._count(client, head, buffer[split + 4 : end], now)
        if len(buffer) > end:
            self._observed.failures["more than one response"] += 1
        if _header(head, b"connection") == b"close":
            self._renew(client)
        pause = self._pause(head)
        if pause:
            heapq.heappush(self._resting, (now + pause, id(client), client))
        else:
            self._send(client)

    def _pause(self, head: bytes) -> float:
        if head[9:12] != b"429":
            return 0.0
        if self._plan.pause_seconds is not None:
            return self._plan.pause_seconds
        said = _header(head, b"retry-after")
        return float(said) if said and said.isdigit() else 1.0

    def _count(self, client: _Client, head: bytes, body: bytes, now: float) -> None:
        observed, status = self._observed, head[9:12]
        if status == b"429":
            observed.rejected += 1
            if _header(head, b"retry-after") is None:
                observed.failures["429 without retry-after"] += 1
            return
        if status != b"200":
            observed.failures[f"status {status.decode('latin-1')}"] += 1
            return
        said = _header(head, VERSION_HEADER)
        header = int(said) if said and said.isdigit() else None
        verdict, version = self._judge.judge(client.text, header, body)
        if verdict == "mixed":
            observed.mixed += 1
            return
        if verdict == "wrong":
            observed.failures["wrong answer"] += 1
            return
        observed.finished.append(now)
        observed.versions.append(version)
        if self.begin <= now < self._end:
            observed.completed += 1
        if client.sent >= self.begin:
            observed.latencies.append(now - client.sent)

    def _lost(self, client: _Client, error: OSError | None, *, why: str = "connection closed") -> None:
        """The connection is of no more use: whatever was under way has failed, and the client takes a new one."""
        if client.waiting:
            self._open -= 1
            client.waiting = False
        self._observed.failures[f"{why}: {type(error).__name__}" if error else why] += 1
        self._left -= 1
        if self._left < 0:
            where = ":".join(map(str, client.address))
            raise ConnectionError(f"{where} closed {MAX_LOST} connections: its log says why")
        self._renew(client)
        heapq.heappush(self._resting, (time.monotonic() + RECONNECT_SECONDS, id(client), client))

    def _renew(self, client: _Client) -> None:
        self._poll.unregister(client.socket)
        client.socket.close()
        client.buffer = b""
        client.socket = self._connected(client.address)
        self._poll.register(client.socket, selectors.EVENT_READ, client)


def _requests(plan: Plan, address: Address) -> list[bytes]:
    host, port = address
    lines = "POST {} HTTP/1.1\r\nHost: {}:{}\r\nContent-Type: application/json\r\nContent-Length: {}\r\n\r\n"
    return [lines.format(plan.path, host, port, len(body)).encode() + body for body in plan.bodies]


def _header(head: bytes, name: bytes) -> bytes | None:
    """The value of a header in a lower-cased head that ends with a line break."""
    at = head.find(b"\r\n" + name + b":")
    if at < 0:
        return None
    start = at + len(name) + 3
    return head[start : head.find(b"\r\n", start)].strip()
