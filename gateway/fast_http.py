"""Inference requests straight from the HTTP parser to the model's line, past ASGI and the router.

What belongs here: the one shortcut in uvicorn's protocol class, for `infer` alone. What does not: anything that it answers
(`inference/service.py`); every other request goes the usual way, on the same connection.

ASGI makes a task, an event and four messages of each request. Measured with one process and 32 callers, in turns: 10,600 requests/s this
way and 6,900 by ASGI; and under overload a refusal must cost nearly nothing. Where httptools is absent, or a test
drives the app in process, `gateway/edge.py` answers the same requests from the same `Inference`, only slower.
"""

from time import perf_counter
from typing import TYPE_CHECKING, Any

from gateway.edge import too_large
from gateway.inference.service import MAX_BODY, Answer, Call, Inference
from gateway.refusals import JSON

if TYPE_CHECKING:
    from uvicorn.protocols.http.httptools_impl import HttpToolsProtocol as Base
else:
    try:
        from uvicorn.protocols.http.httptools_impl import HttpToolsProtocol as Base
    except ImportError:
        Base = object

HAS_HTTPTOOLS = hasattr(Base, "on_headers_complete")
_REASONS = {200: b"OK", 400: b"Bad Request", 401: b"Unauthorized", 404: b"Not Found", 413: b"Content Too Large",
            415: b"Unsupported Media Type", 429: b"Too Many Requests", 500: b"Internal Server Error",
            503: b"Service Unavailable", 504: b"Gateway Timeout"}  # fmt: skip


def protocol(inference: Inference) -> Any:
    """What `uvicorn.Config(http=...)` takes."""
    if not HAS_HTTPTOOLS:
        return "auto"
    return type("FastHttp", (_FastHttp,), {"inference": inference})


class _Request:
    """An inference request under way. To uvicorn's code it is a cycle like any other: it has what that looks at."""

    __slots__ = (
        "arrived", "body", "disconnected", "keep_alive", "message_event", "more_body", "response_complete", "size"
    )  # fmt: skip

    def __init__(self, *, keep_alive: bool) -> None:
        self.arrived = perf_counter()
        self.body: list[bytes] = []
        self.size = 0
        self.keep_alive = keep_alive
        self.message_event = _Nobody()
        self.disconnected = False
        self.more_body = True
        self.response_complete = False


class _Nobody:
    """An event that nobody waits for."""

    def set(self) -> None:
        return


class _FastHttp(Base):
    inference: Inference

    def on_headers_complete(self) -> None:
        path = self.url
        if (
            path.endswith(b"/infer")
            and (self.cycle is None or self.cycle.response_complete)
            and not self.expect_100_continue
            and not self.flow.write_paused  # who does not read answers gets no more of them made
            and self.config.root_path == ""
            and not self.parser.should_upgrade()
            and self.inference.takes(self.parser.get_method().decode("ascii"), path)
        ):
            keep_alive = self.parser.get_http_version() != "1.0" and self.parser.should_keep_alive()
            self.cycle = _Request(keep_alive=keep_alive)  # type: ignore[assignment]
        else:
            super().on_headers_complete()

    def on_body(self, body: bytes) -> None:
        cycle = self.cycle
        if not isinstance(cycle, _Request):
            super().on_body(body)
            return
        cycle.size += len(body)
        if cycle.size <= MAX_BODY:
            cycle.body.append(body)
        elif not cycle.response_complete:
            refused = too_large(MAX_BODY)
            cycle.keep_alive = False  # what still comes of the body is nobody's
            self._write(cycle, Answer(413, [(b"content-type", JSON)], refused.body()))

    def on_message_complete(self) -> None:
        cycle = self.cycle
        if not isinstance(cycle, _Request):
            super().on_message_complete()
            return
        if cycle.response_complete:
            return
        body = cycle.body[0] if len(cycle.body) == 1 else b"".join(cycle.body)
        client = self.client[0] if self.client else None
        call = Call(self.url, self.headers, body, client, cycle.arrived)
        self.inference.begin(call, lambda answer: self._write(cycle, answer))

    def _write(self, cycle: _Request, answer: Answer) -> None:
        if cycle.response_complete:
            return
        cycle.response_complete = True
        if cycle.disconnected or self.transport.is_closing():
            return
        head = [b"HTTP/1.1 %d %s\r\n" % (answer.status, _REASONS.get(answer.status, b""))]
        for name, value in self.server_state.default_headers:
            head += (name, b": ", value, b"\r\n")
        for name, value in answer.headers:
            head += (name, b": ", value, b"\r\n")
        if not cycle.keep_alive:
            head.append(b"connection: close\r\n")
        head.append(b"content-length: %d\r\n\r\n" % len(answer.body))
        head.append(answer.body)
        self.transport.write(b"".join(head))
        if not cycle.keep_alive:
            self.transport.close()
        self.on_response_complete()
