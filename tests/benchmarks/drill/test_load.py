"""The clients against a small server that refuses, breaks off and answers as each test tells it to."""

import json
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any

import pytest

from benchmarks.drill import load as loading
from benchmarks.drill.load import Load

Asked = dict[str, Any]
Answering = Callable[[int, Asked, dict[str, str]], tuple[int, dict[str, str]] | None]


def body(asked: Asked, *, version: int = 3, existing: bool = False) -> bytes:
    said = {
        "decision_id": f"d-{asked['ticket']['ticket_id']}",
        "existing": existing,
        "model": {"version": version},
        "record": {"model_version": version},
        "verdict": "automate",
        "queue": "billing",
    }
    return json.dumps(said).encode()


@contextmanager
def serving(answer: Answering) -> Iterator[tuple[int, list[tuple[Asked, dict[str, str]]]]]:
    """The port of a server, and what it was asked: (body, headers). None from `answer` closes the connection."""
    seen: list[tuple[Asked, dict[str, str]]] = []
    lock = threading.Lock()

    class Handler(BaseHTTPRequestHandler):
        protocol_version = "HTTP/1.1"

        def do_POST(self) -> None:
            asked = json.loads(self.rfile.read(int(self.headers["content-length"])))
            headers = {name.lower(): value for name, value in self.headers.items()}
            with lock:
                seen.append((asked, headers))
                told = answer(len(seen), asked, headers)
            if told is None:
                self.close_connection = True
                return
            status, more = told
            content = body(asked) if status == 200 else b"{}"
            self.send_response(status)
            for name, value in {"x-aios-model-version": "3", "content-length": str(len(content)), **more}.items():
                self.send_header(name, value)
            self.end_headers()
            self.wfile.write(content)

        def log_message(self, *_: object) -> None:
            pass

    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    threading.Thread(target=server.serve_forever, daemon=True).start()
    try:
        yield server.server_port, seen
    finally:
        server.shutdown()
        server.server_close()


def ticket(number: int) -> dict[str, str]:
    return {"ticket_id": str(number), "body": "text"}


@pytest.fixture(autouse=True)
def _quick(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(loading, "PAUSE_SECONDS", 0.005)
    monkeypatch.setattr(loading, "FRESH_EVERY_SECONDS", 0.01)


def soon(condition: Callable[[], bool]) -> None:
    end = time.monotonic() + 10
    while not condition():
        assert time.monotonic() < end
        time.sleep(0.005)


def test_each_fresh_ticket_is_recorded_once_under_its_own_key_and_others_leave_no_trace() -> None:
    with serving(lambda n, asked, headers: (200, {})) as (port, seen), Load(port=port, path="/decide") as load:
        load.feed([ticket(n) for n in range(5)])
        soon(lambda: load.waiting == 0 and len(load.answers()) > 12)
    recorded = [headers["idempotency-key"] for asked, headers in seen if asked["record"]]
    assert sorted(recorded) == [f"drill-{n}" for n in range(5)]
    assert all("idempotency-key" not in headers for asked, headers in seen if not asked["record"])
    assert {a.ticket_id for a in load.answers() if a.recorded} == {str(n) for n in range(5)}
    assert not load.noted.failures
    assert not load.noted.again


def test_what_is_refused_for_now_or_breaks_off_is_asked_again_and_has_not_failed() -> None:
    def unsteady(number: int, asked: Asked, headers: dict[str, str]) -> tuple[int, dict[str, str]] | None:
        return {1: (503, {"retry-after": "0"}), 2: None, 3: (429, {"retry-after": "0"}),
                4: (409, {"retry-after": "0"})}.get(number, (200, {}))  # fmt: skip

    with serving(unsteady) as (port, seen):
        load = Load(port=port, path="/decide")
        answer = load.ask(ticket(1), record=True)
    assert answer is not None
    assert {headers["idempotency-key"] for _, headers in seen} == {"drill-1"}
    again = dict(load.noted.again)
    assert (again.pop("status 503"), again.pop("status 429"), again.pop("status 409")) == (1, 1, 1)
    assert [why for why in again if why.startswith("connection")]
    assert not load.noted.failures


@pytest.mark.parametrize("status", [400, 409, 422, 500, 504])
def test_a_refusal_for_good_is_a_failed_request(status: int) -> None:
    with serving(lambda n, asked, headers: (status, {})) as (port, seen):
        load = Load(port=port, path="/decide")
        assert load.ask(ticket(1), record=True) is None
    assert len(seen) == 1
    assert dict(load.noted.failures) == {f"status {status}": 1}


def test_who_is_never_answered_has_failed(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(loading, "PATIENCE_SECONDS", 0.3)
    with serving(lambda n, asked, headers: (503, {"retry-after": "0"})) as (port, _):
        load = Load(port=port, path="/decide")
        assert load.ask(ticket(1), record=False) is None
    assert dict(load.noted.failures) == {"status 503": 1}


def test_a_replayed_answer_is_marked_as_of_an_earlier_time() -> None:
    with serving(lambda n, asked, headers: (200, {"idempotency-replayed": "true"})) as (port, _):
        answer = Load(port=port, path="/decide").ask(ticket(1), record=True)
    assert answer is not None
    assert answer.existing
