"""An OpenAI-compatible endpoint on a real socket, which answers what a test hands it and keeps every byte it was sent.

What belongs here: the protocol, and the ways in which endpoints fail. What does not: any opinion on what is asked.
"""

import contextlib
import json
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any, Literal

Fault = Literal["never", "half", "no_end", "garbage", "wrong_json", "pings", "empty", "error_event", "endless"]


@dataclass(frozen=True, kw_only=True)
class Reply:
    """One answer. `text` comes as a stream of words, `message` (tool calls, say) as it is; `pause` seconds lie before each word."""

    text: str = "Yes. [1]"
    message: dict[str, Any] | None = None
    status: int = 200
    headers: dict[str, str] = field(default_factory=dict)
    pause: float = 0.0
    usage: tuple[int, int] | None = (100, 20)
    reason: str = "stop"
    fault: Fault | None = None


@dataclass
class Endpoint:
    """`replies` are given one after the other, the last one for ever; or `answer` makes one of each request."""

    replies: list[Reply] = field(default_factory=lambda: [Reply()])
    answer: Callable[[dict[str, Any]], Reply] | None = None
    requests: list[dict[str, Any]] = field(default_factory=list)
    received: list[bytes] = field(default_factory=list)
    url: str = ""
    closing: threading.Event = field(default_factory=threading.Event)
    _lock: threading.Lock = field(default_factory=threading.Lock)

    @property
    def sent(self) -> str:
        """Everything that reached the endpoint, headers too."""
        return b"\n".join(self.received).decode("utf-8", "replace")

    def reply_to(self, request: dict[str, Any], raw: bytes) -> Reply:
        with self._lock:
            self.requests.append(request)
            self.received.append(raw)
            if self.answer is not None:
                return self.answer(request)
            return self.replies.pop(0) if len(self.replies) > 1 else self.replies[0]


@contextmanager
def openai_endpoint(*replies: Reply, answer: Callable[[dict[str, Any]], Reply] | None = None) -> Iterator[Endpoint]:
    """A running endpoint; `url` is its base, ending in /v1."""
    endpoint = Endpoint(replies=list(replies) or [Reply()], answer=answer)
    server = ThreadingHTTPServer(("127.0.0.1", 0), type("Handler", (_Handler,), {"endpoint": endpoint}))
    server.daemon_threads = True
    endpoint.url = f"http://127.0.0.1:{server.server_address[1]}/v1"
    thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.02}, daemon=True)
    thread.start()
    try:
        yield endpoint
    finally:
        endpoint.closing.set()
        server.shutdown()
        server.server_close()
        thread.join(5)


class _Handler(BaseHTTPRequestHandler):
    endpoint: Endpoint
    protocol_version = "HTTP/1.1"

    def do_POST(self) -> None:
        body = self.rfile.read(int(self.headers["Content-Length"]))
        request = json.loads(body)
        reply = self.endpoint.reply_to(request, self.requestline.encode() + str(self.headers).encode() + body)
        with contextlib.suppress(OSError):  # the client has left, as some tests want it to
            self._give(reply, stream=bool(request.get("stream")), model=request["model"])
        self.close_connection = True

    def _give(self, reply: Reply, *, stream: bool, model: str) -> None:
        if reply.fault == "never":
            self.endpoint.closing.wait(30)
        elif reply.status != 200:
            self._whole(reply.status, json.dumps({"error": {"message": f"status {reply.status}"}}), reply.headers)
        elif reply.fault == "garbage":
            self._whole(200, "<html>welcome to the proxy</html>", {"Content-Type": "text/html"})
        elif stream:
            self._stream(reply, model)
        else:
            self._whole(200, json.dumps(_completion(reply, model)), reply.headers)

    def _whole(self, status: int, text: str, headers: dict[str, str]) -> None:
        body = text.encode()
        self.send_response(status)
        for name, value in ({"Content-Type": "application/json"} | headers).items():
            self.send_header(name, value)
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    def _stream(self, reply: Reply, model: str) -> None:
        self.send_response(200)
        self.send_header("Content-Type", "text/event-stream")
        self.send_header("Transfer-Encoding", "chunked")
        self.end_headers()
        for event in self._events(reply, model):
            if reply.pause and self.endpoint.closing.wait(reply.pause):
                return
            data = event.encode()
            self.wfile.write(f"{len(data):x}\r\n".encode() + data + b"\r\n")
            self.wfile.flush()
        if reply.fault != "half":  # a cut connection sends no last chunk
            self.wfile.write(b"0\r\n\r\n")

    def _events(self, reply: Reply, model: str) -> Iterator[str]:
        if reply.fault == "empty":
            return
        if reply.fault == "wrong_json":
            yield 'data: {"choices": [{"delta"\n\n'
        while reply.fault in ("pings", "endless") and not self.endpoint.closing.is_set():
            time.sleep(0.0 if reply.fault == "endless" else 0.02)
            yield ": still here\n\n" if reply.fault == "pings" else _chunk(model, {"content": "and so on " * 50})
        words = reply.text.split(" ")
        if reply.fault in ("half", "no_end"):
            words = words[: max(1, len(words) // 2)]
        yield _chunk(model, {"role": "assistant", "content": ""})
        if reply.message is not None:
            yield _chunk(model, _delta(reply.message))
        else:
            for number, word in enumerate(words):
                yield _chunk(model, {"content": word if number == 0 else f" {word}"})
        if reply.fault in ("half", "no_end"):
            return
        if reply.fault == "error_event":
            yield f"data: {json.dumps({'error': {'message': 'out of memory'}})}\n\n"
            return
        yield _chunk(model, {}, reason=reply.reason)
        if reply.usage is not None:
            yield _chunk(model, None, usage=reply.usage)
        yield "data: [DONE]\n\n"

    def log_message(self, format: str, *args: Any) -> None: ...


def _delta(message: dict[str, Any]) -> dict[str, Any]:
    calls = [{"index": number, **call} for number, call in enumerate(message.get("tool_calls", []))]
    return message | ({"tool_calls": calls} if calls else {})


def _chunk(
    model: str, delta: dict[str, Any] | None, *, reason: str | None = None, usage: tuple[int, int] | None = None
) -> str:
    choices = [] if delta is None else [{"index": 0, "delta": delta, "finish_reason": reason}]
    body = {"id": "c-1", "object": "chat.completion.chunk", "created": 0, "model": model, "choices": choices}
    return f"data: {json.dumps(body | ({'usage': _usage(usage)} if usage else {}))}\n\n"


def _completion(reply: Reply, model: str) -> dict[str, Any]:
    message = (
        {"role": "assistant", "content": reply.text}
        if reply.message is None
        else {"role": "assistant", "content": None, **reply.message}
    )
    choice = {"index": 0, "message": message, "finish_reason": reply.reason}
    return {
        "id": "c-1", "object": "chat.completion", "created": 0, "model": model, "choices": [choice],
        **({"usage": _usage(reply.usage)} if reply.usage else {}),
    }  # fmt: skip


def _usage(usage: tuple[int, int]) -> dict[str, int]:
    return {"prompt_tokens": usage[0], "completion_tokens": usage[1], "total_tokens": sum(usage)}
