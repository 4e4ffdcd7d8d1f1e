"""A vendor that is dead keeps no other source waiting, and blocks nothing that follows."""

import json
import socket
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

import pytest

from aios_assets import jobs, landing
from resources.declarations import load_declaration
from resources.source_reads import SourceReads
from tests.aios_assets import small_desk
from tests.aios_assets.conftest import Desk
from tests.aios_assets.small_desk import MONDAY

CHAT = """
    chat:
      connector: http
      provides: tickets
      url: {url}
      listing: {{path: /tickets, items: tickets, id: id}}
      mapping: {{subject: subject, body: text, created_at: at, updated_at: at}}
"""


@contextmanager
def chat() -> Iterator[tuple[str, threading.Event]]:
    """A system with one ticket. Once the event is set it takes connections and says nothing."""
    dead = threading.Event()

    class Handler(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            if dead.is_set():
                time.sleep(20)
                return
            body = json.dumps(
                {"tickets": [{"id": 1, "subject": "s", "text": "t", "at": f"{MONDAY}T09:00:00Z"}]}
            ).encode()
            self.send_response(200)
            self.send_header("Content-Type", "application/json")
            self.send_header("Content-Length", str(len(body)))
            self.end_headers()
            self.wfile.write(body)

        def log_message(self, *_: object) -> None:
            pass

    class Server(ThreadingHTTPServer):
        daemon_threads = True
        address_family = socket.AF_INET

    server = Server(("127.0.0.1", 0), Handler)
    threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.02}, daemon=True).start()
    try:
        yield f"http://127.0.0.1:{server.server_address[1]}", dead
    finally:
        server.shutdown()
        server.server_close()


def test_the_others_land_and_are_understood_while_one_says_nothing(desk: Desk, monkeypatch: pytest.MonkeyPatch) -> None:
    platform, file = desk.platform, desk.declared.file
    with chat() as (url, dead):
        text = file.read_text(encoding="utf-8")
        file.write_text(text.replace("  queues:", f"{CHAT.format(url=url).strip(chr(10))}\n  queues:", 1))
        declared = load_declaration(file)
        name = declared.automation.name
        platform.execute(declared, jobs.INGEST)
        before = platform.rows("select count(*) from tickets where automation = %s", name)[0][0]

        dead.set()
        monkeypatch.setattr(landing, "PATIENCE_SECONDS", 1.0)
        small_desk.arrive(desk.folder, MONDAY, rows=5, first=2000)
        begun = time.monotonic()
        platform.execute(declared, jobs.INGEST)
        took = time.monotonic() - begun

    assert platform.rows("select count(*) from tickets where automation = %s", name)[0][0] == before + 5
    assert took < 15, "one request alone may take 30 s"
    assert "nothing came" in platform.shown(declared, "chat_landing")["problem"]
    reads = {state.source: state for state in SourceReads(platform.database).states() if state.automation == name}
    assert reads["export"].landed == 5


def test_a_source_that_was_never_readable_fails_its_run(desk: Desk, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(landing, "PATIENCE_SECONDS", 0.5)
    file = desk.declared.file
    text = file.read_text(encoding="utf-8")
    file.write_text(text.replace("  queues:", f"{CHAT.format(url='http://127.0.0.1:1').strip(chr(10))}\n  queues:", 1))
    result = desk.platform.execute(load_declaration(file), jobs.INGEST, succeeds=False)
    assert any(
        "chat: nothing came" in str(event.event_specific_data) for event in result.all_events if event.is_step_failure
    )
