"""The entailment checker at a real endpoint: what it is sent, what its word does to a draft, and every way in which it has none."""

import json
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

import pytest

from aios_core.automation import Entailment
from aios_core.drafting.verification.check import EntailmentUnavailable
from resources.breakers import Breakers
from resources.database import Database
from resources.drafts import DraftStore, StoredDraft
from resources.entailment import EntailmentChecker
from tests.resources.drafting_world import ARTICLES, PERSON, World, asks, world
from tests.resources.openai_endpoint import Reply, openai_endpoint

GOOD = "Dear [NAME 1], the reservation disappears within five working days. [1]"
PAIRS = [("Roaming is off on new lines.", "Roaming is on."), ("It takes two hours.", "It takes two hours.")]


@dataclass
class Checker:
    """What it was sent; `answer` gives status and body."""

    answer: Callable[[list[dict[str, str]]], tuple[int, bytes]]
    url: str = ""
    received: list[dict[str, Any]] = field(default_factory=list)
    tokens: list[str | None] = field(default_factory=list)


@contextmanager
def checker(
    answer: Callable[[list[dict[str, str]]], tuple[int, bytes]] | float, *, pause: float = 0.0
) -> Iterator[Checker]:
    """A running checker; a number is its answer to everything. `pause` lies before each byte."""
    says = (
        answer if callable(answer) else lambda pairs: (200, json.dumps({"entailment": [answer] * len(pairs)}).encode())
    )
    made = Checker(says)

    class Handler(BaseHTTPRequestHandler):
        def do_POST(self) -> None:
            asked = json.loads(self.rfile.read(int(self.headers["Content-Length"])))
            made.received.append(asked)
            made.tokens.append(self.headers["Authorization"])
            status, body = made.answer(asked["pairs"])
            self.send_response(status)
            self.end_headers()
            try:
                for byte in body if pause else [body]:
                    self.wfile.write(bytes([byte]) if pause else body)
                    self.wfile.flush()
                    time.sleep(pause)
            except OSError:
                return  # the client has left

        def log_message(self, *_: object) -> None:
            return

    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    server.daemon_threads = True
    made.url = f"http://127.0.0.1:{server.server_address[1]}/entailment"
    thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.02}, daemon=True)
    thread.start()
    try:
        yield made
    finally:
        server.shutdown()
        server.server_close()
        thread.join(5)


def asking(database: Database, url: str, **more: Any) -> EntailmentChecker:
    return EntailmentChecker(Entailment(url=url, **({"timeout_seconds": 0.5} | more)), database=database)


def test_it_is_asked_for_pairs_and_answers_a_probability_each(database: Database, monkeypatch) -> None:
    monkeypatch.setenv("CHECKER_KEY", "s3cret")
    with checker(lambda pairs: (200, json.dumps({"entailment": [0.25] * len(pairs)}).encode())) as made:
        assert asking(database, made.url, key="${CHECKER_KEY}")(PAIRS) == [0.25, 0.25]
    assert made.received == [{"pairs": [{"premise": p, "hypothesis": h} for p, h in PAIRS]}]
    assert made.tokens == ["Bearer s3cret"]


@pytest.mark.parametrize(
    ("answer", "why"),
    [
        ((500, b"{}"), "answered 500"),
        ((200, b"<html>"), "no list `entailment`"),
        ((200, b"[" * 100_000), "no list `entailment`"),
        ((200, b'{"entailment": "high"}'), "no list `entailment`"),
        ((200, b'{"entailment": [0.5]}'), "not 2 numbers"),
        ((200, b'{"entailment": [0.5, 1.5]}'), "not 2 numbers"),
        ((200, b'{"entailment": [0.5, NaN]}'), "not 2 numbers"),
        ((200, b" " * 1_000_001), "more than 1,000,000 bytes"),
    ],
)
def test_an_unusable_answer_is_none(database: Database, answer: tuple[int, bytes], why: str) -> None:
    with checker(lambda _: answer) as made, pytest.raises(EntailmentUnavailable, match=why):
        asking(database, made.url)(PAIRS)


def test_one_that_dribbles_is_given_up_in_time(database: Database) -> None:
    with checker(lambda _: (200, b" " * 1_000), pause=0.1) as made:
        started = time.monotonic()
        with pytest.raises(EntailmentUnavailable, match="did not finish within"):
            asking(database, made.url)(PAIRS)
        assert time.monotonic() - started < 30  # a hundred seconds would be the whole of it


def test_one_that_is_down_is_left_alone_after_a_while(database: Database) -> None:
    asked = asking(database, "http://127.0.0.1:9/entailment")
    for _ in range(5):
        with pytest.raises(EntailmentUnavailable, match="gave no answer"):
            asked(PAIRS)
    with pytest.raises(EntailmentUnavailable, match="is left alone"):
        asked(PAIRS)
    assert [kept.breaker.state for kept in Breakers(database).all()] == ["open"]


def test_an_unset_variable_is_named(database: Database) -> None:
    with pytest.raises(EntailmentUnavailable, match="AIOS_NO_SUCH_URL"):
        asking(database, "${AIOS_NO_SUCH_URL}")(PAIRS)


def drafted(database: Database, folder: Path, url: str, **more: Any) -> StoredDraft:
    """A reply by a model, checked at `url`."""
    shop = world(database, folder)
    shop.knows(*ARTICLES)
    with openai_endpoint(Reply(text=GOOD)) as endpoint:
        model = {"url": endpoint.url, "name": "small", "tries": 1}
        entailment = {"url": url, "timeout_seconds": 0.5} | more
        declared = world(database, Path(), drafts={"model": model, "entailment": entailment})
        shop = World(shop.database, shop.lake, declared.automation, shop.now)
        (decision,) = shop.decided(asks("7", 0.8, subject="Charged twice, Maria Quintanilla"))
        shop.person(PERSON)
        shop.draft()
    stored = DraftStore(database).of(decision)
    assert stored is not None
    return stored


def test_what_follows_passes_and_no_name_is_sent(database: Database, tmp_path: Path) -> None:
    with checker(0.9) as made:
        stored = drafted(database, tmp_path, made.url)
    assert stored.verification.passed, stored.verification.findings
    assert "entailment" not in stored.verification.skipped
    (asked,) = made.received
    assert [pair["hypothesis"] for pair in asked["pairs"]] == [
        "Dear [NAME 1], the reservation disappears within five working days."
    ]
    assert "Maria" not in json.dumps(asked)
    assert "reservation" in asked["pairs"][0]["premise"]


def test_what_does_not_follow_goes_to_a_person_with_the_sentence_marked(database: Database, tmp_path: Path) -> None:
    with checker(0.6) as made:
        stored = drafted(database, tmp_path, made.url, at_least=0.7)
    (finding,) = stored.verification.findings
    assert (finding.code, finding.sentence is not None) == ("draft.entailment", True)
    with database.connection() as connection:
        assert connection.execute("select ticket_id from review_cases").fetchall() == [("7",)]


@pytest.mark.parametrize("required", [False, True])
def test_without_an_answer_the_check_is_left_out_or_a_person_decides(
    database: Database, tmp_path: Path, *, required: bool
) -> None:
    stored = drafted(database, tmp_path, "http://127.0.0.1:9/entailment", required=required)
    assert stored.verification.passed is not required
    assert "gave no answer" in stored.verification.skipped["entailment"]
    assert [finding.code for finding in stored.verification.findings] == ["draft.entailment"] * required
