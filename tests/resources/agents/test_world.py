"""The status page that agents ask: what it says, and every way in which it does not."""

import json
import threading
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any

import pytest

from aios_core.errors import ConfigurationError
from resources.agents.world import StatusPage, StatusPageError


class Page(BaseHTTPRequestHandler):
    answer: tuple[int, bytes] = (200, b"{}")
    asked: list[str] = []

    def do_GET(self) -> None:
        self.asked.append(self.path)
        status, body = self.answer
        self.send_response(status)
        self.send_header("Content-Length", str(len(body)))
        if status == 302:
            self.send_header("Location", "/elsewhere")
        self.end_headers()
        try:
            self.wfile.write(body)
        except OSError:
            return  # too much for the reader, as it should be

    def log_message(self, format: str, *args: Any) -> None: ...


@pytest.fixture
def page() -> Iterator[tuple[str, type[Page]]]:
    handler = type("Handler", (Page,), {"asked": []})
    server = ThreadingHTTPServer(("127.0.0.1", 0), handler)
    server.daemon_threads = True
    thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.02}, daemon=True)
    thread.start()
    yield f"http://127.0.0.1:{server.server_address[1]}/status/outages", handler
    server.shutdown()
    server.server_close()


def test_a_page_is_asked_by_area_and_service_and_answers_what_it_says(page: tuple[str, type[Page]]) -> None:
    url, handler = page
    said = {"outages": [{"area": "Springfield", "service": "internet"}]}
    handler.answer = (200, json.dumps(said).encode())
    asked = StatusPage(url, timeout_seconds=2.0)
    assert asked.ask(area="St. John's & more", service="internet") == said
    assert asked.ask(area="Springfield", service=None) == said
    assert handler.asked[0].endswith("?area=St.+John%27s+%26+more&service=internet")
    assert handler.asked[1].endswith("?area=Springfield")


@pytest.mark.parametrize(
    ("answer", "why"),
    [
        ((500, b"{}"), "HTTP 500"),
        ((302, b""), "HTTP 302"),
        ((200, b"<html>"), "not answer JSON"),
        ((200, b"\xff\xfe"), "not answer JSON"),
        ((200, b"[" + b"1," * 500_000 + b"1]"), "more than 200,000 bytes"),
    ],
)
def test_a_page_that_gives_no_usable_answer_says_so(
    page: tuple[str, type[Page]], answer: tuple[int, bytes], why: str
) -> None:
    url, handler = page
    handler.answer = answer
    with pytest.raises(StatusPageError, match=why):
        StatusPage(url, timeout_seconds=2.0).ask(area="Springfield", service=None)
    assert len(handler.asked) == 1  # a redirect is not followed


def test_a_page_that_is_not_there_or_no_page_at_all_is_named() -> None:
    with pytest.raises(StatusPageError, match="can't be reached"):
        StatusPage("http://127.0.0.1:9/", timeout_seconds=1.0).ask(area="Springfield", service=None)
    with pytest.raises(ConfigurationError, match="no http or https URL"):
        StatusPage("file:///etc/passwd", timeout_seconds=1.0)
