"""Around every request: its size, its key, its trace; counted and logged.

What belongs here: what holds for whole families of routes, and the short way of inference past the router. What does not: any
route. A machine's routes are `/v1` and `/v2`: they speak JSON, need a key, and may send more than a form does.
"""

import asyncio
from collections.abc import Iterable
from time import perf_counter

from starlette.types import ASGIApp, Message, Receive, Scope, Send

from gateway.access_log import AccessLog
from gateway.inference.service import MAX_BODY, Answer, Call, Inference
from gateway.keys import Keys
from gateway.metrics import Requests
from gateway.refusals import BODY_TOO_LARGE, JSON, Refused
from gateway.security import HEADERS
from gateway.tracing import Trace, trace_of

LARGEST_FORM = 256 * 1024
LARGEST_DECIDE = 2 * 1024 * 1024
LARGEST_HOOK = 1024 * 1024
OPEN_PATHS = ("/v2", "/v2/", "/v2/health/live", "/v2/health/ready")
_PLAIN = [(k.encode(), v.encode()) for k, v in HEADERS.items()]


def is_machine(path: str) -> bool:
    """Whether a path belongs to the machine API."""
    return path.startswith(("/v1/", "/v2/")) or path in ("/v1", "/v2")


def largest(path: str) -> int:
    """How many bytes a body may have."""
    if path.startswith("/v2/"):
        return MAX_BODY
    if path.startswith("/hooks/"):
        return LARGEST_HOOK
    return LARGEST_DECIDE if path.startswith("/v1/") else LARGEST_FORM


class Edge:
    """The outermost part of the app."""

    def __init__(
        self, app: ASGIApp, *, requests: Requests, log: AccessLog, keys: Keys, inference: Inference | None
    ) -> None:
        self._app = app
        self._requests = requests
        self._log = log
        self._keys = keys
        self._inference = inference

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] != "http":
            await self._app(scope, receive, send)
            return
        raw = scope.get("raw_path") or scope["path"].encode()
        if self._inference is not None and self._inference.takes(scope["method"], raw):
            await self._infer(self._inference, raw, scope, receive, send)
        else:
            await self._route(scope, receive, send)

    async def _infer(self, inference: Inference, raw: bytes, scope: Scope, receive: Receive, send: Send) -> None:
        arrived = perf_counter()
        body = await _read(receive, MAX_BODY)
        if body is None:
            refused = too_large(MAX_BODY)
            await _say(send, Answer(refused.status, [(b"content-type", JSON)], refused.body()))
            return
        answered: asyncio.Future[Answer] = asyncio.get_running_loop().create_future()

        def then(answer: Answer) -> None:
            if not answered.done():  # a caller that went away has cancelled it
                answered.set_result(answer)

        client = scope.get("client")
        inference.begin(Call(raw, scope["headers"], body, client[0] if client else None, arrived), then)
        await _say(send, await answered)

    async def _route(self, scope: Scope, receive: Receive, send: Send) -> None:
        started, status = perf_counter(), 500
        path: str = scope["path"]
        machine = is_machine(path)
        head = dict(scope["headers"])
        trace = trace_of(head)
        scope["state"] = {**scope.get("state", {}), "trace": trace, "arrived": started}

        async def sending(message: Message) -> None:
            nonlocal status
            if message["type"] == "http.response.start":
                status = message["status"]
                present = {key for key, _ in message["headers"]}
                extra = [pair for pair in (*_PLAIN, *trace.headers()) if pair[0] not in present]
                message = {**message, "headers": [*message["headers"], *extra]}
            await send(message)

        try:
            if _too_large(scope["method"], head, largest(path)):
                await self._refuse_size(path, trace, sending)
            elif machine and path not in OPEN_PATHS:
                client = scope.get("client")
                scope["state"]["key"] = self._keys.who(head, client[0] if client else None)
                await self._app(scope, receive, sending)
            else:
                await self._app(scope, receive, sending)
        except Refused as refused:
            await _refuse(sending, refused, trace)
        finally:
            seconds = perf_counter() - started
            route = getattr(scope.get("route"), "path", "other")
            self._requests.seen(method=scope["method"], route=route, status=status, seconds=seconds)
            self._log.request(
                route=route,
                status=status,
                method=scope["method"],
                ms=round(seconds * 1000, 2),
                correlation_id=trace.correlation_id,
                trace=None if trace.parent is None else trace.parent.decode(),
                key=scope["state"].get("key"),
            )

    async def _refuse_size(self, path: str, trace: Trace, send: Send) -> None:
        if is_machine(path):
            await _refuse(send, too_large(largest(path)), trace)
            return
        text = b"the form is too large, or does not say how large it is\n"
        await _say(send, Answer(413, [(b"content-type", b"text/plain; charset=utf-8")], text))


def too_large(limit: int) -> Refused:
    """A body over the limit, or one whose length is not said."""
    return Refused(
        413,
        BODY_TOO_LARGE,
        f"the body has more than {limit:,} bytes, or does not say how many (Content-Length); send less at once",
    )


def _too_large(method: str, head: dict[bytes, bytes], limit: int) -> bool:
    """A body without a length can't be bounded before it is read: no browser sends a form that way."""
    if method in ("GET", "HEAD", "OPTIONS"):
        return False
    length = head.get(b"content-length", b"")
    return b"transfer-encoding" in head or not length.isdigit() or len(length) > 12 or int(length) > limit


async def _read(receive: Receive, limit: int) -> bytes | None:
    """The whole body; None where it is longer than it may be."""
    parts: list[bytes] = []
    size = 0
    while True:
        message = await receive()
        if message["type"] == "http.disconnect":
            return b"".join(parts)
        part = message.get("body", b"")
        size += len(part)
        if size > limit:
            return None
        parts.append(part)
        if not message.get("more_body", False):
            return parts[0] if len(parts) == 1 else b"".join(parts)


async def _refuse(send: Send, refused: Refused, trace: Trace) -> None:
    headers = [(b"content-type", JSON), *refused.headers()]
    await _say(send, Answer(refused.status, headers, refused.body(trace.correlation_id)))


async def _say(send: Send, answer: Answer) -> None:
    headers: Iterable[tuple[bytes, bytes]] = [*answer.headers, (b"content-length", str(len(answer.body)).encode())]
    await send({"type": "http.response.start", "status": answer.status, "headers": list(headers)})
    await send({"type": "http.response.body", "body": answer.body})
