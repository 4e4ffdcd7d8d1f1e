"""A receiver of events over real HTTP, which answers as it is told."""

import json
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any

SECRET = "whsec_" + "c2VjcmV0IG9mIHRoaXJ0eS10d28gYnl0ZXMsIG9yIG1vcmU="

Answer = Callable[[dict[str, Any]], "int | float | tuple[int, dict[str, str]]"]


@dataclass
class Heard:
    """Everything that was posted, taken or not, and what was taken: the events in the order in which they came."""

    answer: Answer = lambda _: 204
    url: str = ""
    posted: list[dict[str, Any]] = field(default_factory=list)
    taken: list[dict[str, Any]] = field(default_factory=list)
    requests: list[tuple[dict[str, str], bytes]] = field(default_factory=list)

    def ids(self) -> list[str]:
        return [event["id"] for event in self.taken]


@contextmanager
def receiver(answer: Answer = lambda _: 204) -> Iterator[Heard]:
    """A running receiver. An answer is a status, a status with headers, or seconds without any answer."""
    heard = Heard(answer)

    class Handler(BaseHTTPRequestHandler):
        def do_POST(self) -> None:
            body = self.rfile.read(int(self.headers["Content-Length"]))
            heard.requests.append(({k.lower(): v for k, v in self.headers.items()}, body))
            event = json.loads(body)
            heard.posted.append(event)
            said = heard.answer(event)
            if isinstance(said, float):
                time.sleep(said)
                return
            status, headers = said if isinstance(said, tuple) else (said, {})
            if 200 <= status < 300:
                heard.taken.append(event)
            self.send_response(status)
            for name, value in headers.items():
                self.send_header(name, value)
            self.send_header("Content-Length", "0")
            self.end_headers()

        def log_message(self, *_: object) -> None:
            pass

    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    heard.url = f"http://127.0.0.1:{server.server_address[1]}/events"
    threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.02}, daemon=True).start()
    try:
        yield heard
    finally:
        server.shutdown()
        server.server_close()
