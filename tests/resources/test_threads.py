"""A conversation for who looks at a ticket: whatever the helpdesk does, the page has something true to say."""

from collections.abc import Iterator
from typing import Any

import httpx
import pytest

from aios_core.automation import Automation
from resources.database import Database
from resources.threads import conversation
from tests.sandbox_process import sandbox_process


@pytest.fixture(scope="module")
def sandbox() -> Iterator[str]:
    with sandbox_process("--tickets 40 --history 20 --until 2026-03-10T12:00:00Z --frozen-clock") as url:
        yield url


@pytest.fixture(autouse=True)
def _credentials(sandbox: str, monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    monkeypatch.setenv("DESK_TOKEN", "sandbox-token")
    yield
    httpx.post(f"{sandbox}/sandbox/faults", json={}).raise_for_status()


def automation(url: str, **changes: Any) -> Automation:
    source = {"connector": "zendesk", "url": url, "email": "agent@example.com", "token": "${DESK_TOKEN}"} | changes
    return Automation.model_validate(
        {
            "name": "desk",
            "start_date": "2026-01-01",
            "queues": [{"name": "a"}, {"name": "b"}],
            "sources": {"helpdesk": source},
        }
    )


def written(url: str, text: str) -> str:
    """A ticket with an internal note."""
    auth = ("agent@example.com/token", "sandbox-token")
    listed = httpx.get(f"{url}/api/v2/incremental/tickets/cursor.json?start_time=0", auth=auth).json()["tickets"]
    ticket = str(next(one["id"] for one in listed if one["status"] == "new"))
    body = {"ticket": {"comment": {"body": text, "public": False}}}
    httpx.put(f"{url}/api/v2/tickets/{ticket}.json", json=body, auth=auth).raise_for_status()
    return ticket


def test_what_was_written_is_shown_and_masked_for_who_reads_masked_texts(sandbox: str, database: Database) -> None:
    ticket = written(sandbox, "call ana@example.com back")
    found = conversation(database, automation(sandbox), source="helpdesk", ticket_id=ticket)
    assert not found.problem
    assert found.messages[-1].text == "call ana@example.com back"
    assert "ana@example.com" not in found.masked().messages[-1].text


def test_a_missing_variable_a_refusal_and_a_source_that_went_are_sentences(
    sandbox: str, database: Database, monkeypatch: pytest.MonkeyPatch
) -> None:
    about = {"source": "helpdesk", "ticket_id": "1"}
    assert "404" in conversation(database, automation(sandbox), **about).problem
    assert "no source" in conversation(database, automation(sandbox), source="gone", ticket_id="1").problem
    refused = conversation(database, automation(sandbox, email="nobody@example.com"), **about)
    assert "check the credentials" in refused.problem
    monkeypatch.delenv("DESK_TOKEN")
    assert "DESK_TOKEN" in conversation(database, automation(sandbox), **about).problem


def test_a_helpdesk_that_fails_is_asked_once_while_somebody_waits(sandbox: str, database: Database) -> None:
    def asked() -> int:
        count: int = httpx.get(f"{sandbox}/sandbox/state").json()["requests"]
        return count

    httpx.post(f"{sandbox}/sandbox/faults", json={"rates": {"5xx": 1.0}}).raise_for_status()
    before = asked()
    found = conversation(database, automation(sandbox), source="helpdesk", ticket_id="100001")
    assert "try again later" in found.problem
    assert not found.messages
    assert asked() - before == 1, "tries with pauses between them take longer than anybody looks at a page"


def test_a_source_of_files_has_no_conversations(database: Database) -> None:
    declared = automation("x").model_dump(mode="json", exclude={"sources"})
    files = {"connector": "file", "provides": "tickets", "path": "t.csv", "id_column": "id"}
    found = conversation(
        database,
        Automation.model_validate(declared | {"sources": {"helpdesk": files}}),
        source="helpdesk",
        ticket_id="1",
    )
    assert found.problem == "helpdesk does not show what was written on a ticket"
