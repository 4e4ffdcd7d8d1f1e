"""The conversation beside a case: asked of the helpdesk by the page, masked as its texts are, and never in the way of the rest."""

import json
import threading
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

import pytest

from gateway.pages import threads
from tests.review_world import Wanted, automation, record

SAID = [
    {"id": 1, "body": "the ticket", "created_at": "2026-11-19T08:00:00Z", "public": True},
    {
        "id": 2,
        "body": "<b>call</b> ana@example.com",
        "created_at": "2026-11-19T09:00:00Z",
        "author_id": 7,
        "public": False,
        "attachments": [{"file_name": "bill.pdf", "size": 2048, "content_type": "application/pdf"}],
    },
]


@pytest.fixture
def helpdesk(monkeypatch: pytest.MonkeyPatch) -> Iterator[str]:
    class Handler(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            body = json.dumps({"comments": SAID}).encode()
            self.send_response(200)
            self.send_header("Content-Length", str(len(body)))
            self.end_headers()
            self.wfile.write(body)

        def log_message(self, *_: object) -> None:
            pass

    monkeypatch.setenv("T", "token")
    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    threading.Thread(target=server.serve_forever, daemon=True).start()
    yield f"http://127.0.0.1:{server.server_port}"
    server.shutdown()
    server.server_close()


def decided(database, helpdesk: str, **changes: object) -> str:
    sources = {"helpdesk": {"connector": "zendesk", "url": helpdesk, "email": "a@b.test", "token": "${T}"}}
    sources |= {"crm": {"connector": "salesforce", "url": "http://crm.test", "client_id": "x", "client_secret": "y"}}
    [decision_id] = record(database, [Wanted(ticket_id="T0", p=0.4)], of=automation(sources=sources, **changes))
    return decision_id


def test_what_was_written_is_shown_bare_or_as_a_page_and_the_tickets_own_text_is_not_repeated(ana, database, helpdesk):
    decision_id = decided(database, helpdesk)
    page, bare = (ana.get(f"/decisions/{decision_id}/thread{end}").text for end in ("", "?bare=1"))
    for text in (page, bare):
        assert "&lt;b&gt;call&lt;/b&gt; ana@example.com" in text
        assert "the ticket" not in text
        assert "internal" in text
        assert "bill.pdf" in text
        assert "2,048 bytes" in text
    assert "<html" in page
    assert "<html" not in bare
    assert f'data-load="/decisions/{decision_id}/thread?bare=1"' in ana.get(f"/decisions/{decision_id}").text


def test_it_is_masked_for_who_reads_masked_texts(ana, database, helpdesk):
    decision_id = decided(database, helpdesk, review={"mask_for": ["reviewer"]})
    text = ana.get(f"/decisions/{decision_id}/thread").text
    assert "[e-mail]" in text
    assert "ana@example.com" not in text


def test_a_helpdesk_that_is_not_there_is_a_sentence_and_the_page_stands(ana, database, monkeypatch):
    monkeypatch.setenv("T", "token")
    decision_id = decided(database, "http://127.0.0.1:9")
    found = ana.get(f"/decisions/{decision_id}/thread?bare=1")
    assert found.status_code == 200
    assert "can&#39;t be shown now" in found.text or "can't be shown now" in found.text
    assert "can't connect" in found.text.replace("&#39;", "'")


def test_only_so_many_ask_a_slow_helpdesk_at_once(ana, database, helpdesk, monkeypatch):
    decision_id = decided(database, helpdesk)
    monkeypatch.setattr(threads, "_asking", threading.BoundedSemaphore(1))
    monkeypatch.setattr(threads, "WAIT_SECONDS", 0.01)
    with threads._asking:
        assert "others wait for it" in ana.get(f"/decisions/{decision_id}/thread?bare=1").text
    assert "bill.pdf" in ana.get(f"/decisions/{decision_id}/thread?bare=1").text


def test_a_decision_that_is_not_there_has_no_conversation(ana):
    assert ana.get("/decisions/nonsense/thread").status_code == 404
