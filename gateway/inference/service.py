"""One inference request from its bytes to the bytes of its answer.

What belongs here: the order of the steps, for whatever carries HTTP (`gateway/edge.py` by ASGI, `gateway/fast_http.py` without).
What does not: each step (modules beside this one).
"""

import asyncio
import zlib
from collections.abc import Callable
from dataclasses import dataclass
from time import perf_counter
from urllib.parse import unquote

from gateway.access_log import AccessLog
from gateway.deadlines import DEADLINE, seconds_given
from gateway.inference.hall import Hall, Loaded
from gateway.inference.lane import BUSY, Waiting
from gateway.inference.tensors import Asked, Numbers, parse, read, write
from gateway.keys import Keys
from gateway.metrics import BUCKETS, HTTP_COUNT, HTTP_SECONDS, Count, Requests
from gateway.refusals import JSON, Refused
from gateway.tracing import Trace, trace_of

ROUTE = "/v2/models/{model}/infer"
MAX_BODY = 8 * 1024 * 1024
MAX_PATHS = 1_000
# Who is refused and asks again at once, whatever Retry-After says, can do so 50 times a second and no more: refusing must not take the
# time that answering needs.
BUSY_PAUSE = 0.02
HEADER_LENGTH = b"inference-header-content-length"
OCTETS = b"application/octet-stream"

Headers = list[tuple[bytes, bytes]]


@dataclass(slots=True)
class Call:
    """A request as it came: `path` undecoded, header names in lower case, `arrived` by `perf_counter`."""

    path: bytes
    headers: Headers
    body: bytes
    client: str | None
    arrived: float


@dataclass(frozen=True, slots=True)
class Answer:
    """What goes back. The length of the body is not among the headers."""

    status: int
    headers: Headers
    body: bytes


@dataclass(slots=True)
class _Course:
    """What is known of a request on its way."""

    call: Call
    then: Callable[[Answer], None]
    trace: Trace
    key: str = ""
    asked: Asked | None = None
    loaded: Loaded | None = None


class Inference:
    """Answers `infer` for every model in the hall."""

    def __init__(self, hall: Hall, *, keys: Keys, requests: Requests, log: AccessLog, patience: float = 30.0) -> None:
        self.hall = hall
        self._keys = keys
        self._requests = requests
        self._log = log
        self._patience = patience
        self._seconds = requests.histogram(HTTP_SECONDS, BUCKETS, route=ROUTE)
        self._statuses: dict[int, Count] = {}
        self._paths: dict[bytes, tuple[str, int | None] | None] = {}

    def takes(self, method: str, path: bytes) -> bool:
        """Whether this is an inference request, by its address."""
        return method == "POST" and path.endswith(b"/infer") and self._named(path) is not None

    def begin(self, call: Call, then: Callable[[Answer], None]) -> None:
        """Answer a request, now or later, always once. Runs on the event loop."""
        head = dict(call.headers)
        course = _Course(call, then, trace_of(head))
        try:
            course.key = self._keys.who(head, call.client)
            named = self._named(call.path)
            assert named is not None  # `takes` has looked
            loaded = course.loaded = self.hall.find(*named)
            if loaded is not None and loaded.lane.full:
                raise BUSY
            if loaded is None:
                self._wait_for_load(course, named, head)
            else:
                self._submit(course, loaded, head)
        except Refused as refused:
            if refused is BUSY:
                asyncio.get_running_loop().call_later(BUSY_PAUSE, self._end, course, refused)
            else:
                self._end(course, refused)

    def _submit(self, course: _Course, loaded: Loaded, head: dict[bytes, bytes]) -> None:
        course.loaded = loaded
        encoding = head.get(b"content-encoding")
        body = course.call.body if encoding is None else _decoded(course.call.body, encoding)
        said, rest = parse(body, head.get(HEADER_LENGTH))
        asked = course.asked = read(said, rest, loaded.signature)
        given = head.get(DEADLINE)
        seconds = self._patience if given is None else seconds_given(given)
        if asked.timeout is not None and asked.timeout < seconds:
            seconds = asked.timeout
        arrived = course.call.arrived
        loaded.lane.submit(Waiting(asked, arrived, arrived + seconds, lambda found: self._end(course, found)))

    def _wait_for_load(self, course: _Course, named: tuple[str, int | None], head: dict[bytes, bytes]) -> None:
        loop = asyncio.get_running_loop()

        def go_on(found: Loaded | Refused) -> None:
            try:
                if isinstance(found, Refused):
                    raise found
                self._submit(course, found, head)
            except Refused as refused:
                self._end(course, refused)

        name, version = named
        assert version is not None  # a champion is never waited for
        self.hall.load_beside(name, version, lambda found: loop.call_soon_threadsafe(go_on, found))

    def _end(self, course: _Course, found: Numbers | Refused) -> None:
        call, trace, loaded = course.call, course.trace, course.loaded
        headers: Headers = trace.headers()
        if loaded is not None:
            headers += loaded.head
        code = None
        if isinstance(found, Refused):
            status, code, parts, json_length = found.status, found.code, [found.body(trace.correlation_id)], None
            headers += found.headers()
        else:
            assert loaded is not None
            assert course.asked is not None
            status = 200
            parts, json_length = write(course.asked, found, loaded.signature, name=loaded.name, version=loaded.version)
        if json_length is None:
            headers.append((b"content-type", JSON))
        else:
            headers += ((b"content-type", OCTETS), (HEADER_LENGTH, str(json_length).encode()))
        course.then(Answer(status, headers, parts[0] if len(parts) == 1 else b"".join(parts)))
        seconds = perf_counter() - call.arrived
        self._seconds.seen(seconds)
        if loaded is not None:
            loaded.answered(status)
        self._count(status)
        self._log.inference(
            status,
            route=ROUTE,
            model=None if loaded is None else loaded.name,
            version=None if loaded is None else loaded.version,
            rows=0 if course.asked is None else course.asked.rows,
            ms=round(seconds * 1000, 2),
            correlation_id=trace.correlation_id,
            trace=None if trace.parent is None else trace.parent.decode(),
            key=course.key,
            code=code,
        )

    def _count(self, status: int) -> None:
        count = self._statuses.get(status)
        if count is None:
            count = self._requests.count(HTTP_COUNT, method="POST", route=ROUTE, status=status)
            self._statuses[status] = count
        count.n += 1

    def _named(self, path: bytes) -> tuple[str, int | None] | None:
        """(model, version) of `/v2/models/{name}[/versions/{version}]/infer`; None where it is another path."""
        if path in self._paths:
            return self._paths[path]
        found = _names(path)
        if len(self._paths) < MAX_PATHS and len(path) < 300:
            self._paths[path] = found
        return found


def _names(path: bytes) -> tuple[str, int | None] | None:
    parts = path.decode("latin-1").split("/")
    if parts[:3] != ["", "v2", "models"] or len(parts) not in (5, 7) or parts[-1] != "infer" or not parts[3]:
        return None
    if len(parts) == 5:
        return unquote(parts[3]), None
    if parts[4] != "versions" or not (parts[5].isascii() and parts[5].isdigit()) or len(parts[5]) > 9:
        return None
    return unquote(parts[3]), int(parts[5])


def _decoded(body: bytes, encoding: bytes) -> bytes:
    """A compressed body, opened only as far as a plain one may be long. Raises Refused."""
    windows = {b"gzip": 31, b"deflate": 47, b"identity": 0}.get(encoding.strip().lower())
    if windows is None:
        raise Refused(415, "request.encoding", "Content-Encoding must be gzip, deflate or identity")
    if windows == 0:
        return body
    opener = zlib.decompressobj(windows)
    try:
        opened = opener.decompress(body, MAX_BODY + 1)
    except zlib.error as error:
        raise Refused(400, "request.encoding", f"the body is not what Content-Encoding says: {error}") from error
    if len(opened) > MAX_BODY:
        raise Refused(413, "request.too_large", f"the body opens to more than {MAX_BODY:,} bytes; send less at once")
    if not opener.eof:
        raise Refused(400, "request.encoding", "the compressed body is cut off")
    return opened
