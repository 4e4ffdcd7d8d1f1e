"""A sandbox to talk to in process, and one as a process of its own."""

import json
import os
import re
import signal
import subprocess
import sys
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

import pytest
from fastapi.testclient import TestClient

from sandbox.app import create_app
from sandbox.service import Sandbox
from sandbox.settings import Settings
from sandbox.world.spec import WorldSpec

PROJECT = Path(__file__).resolve().parents[2]
UNTIL = 1_800_000_000
AUTH = ("agent@example.com/token", "sandbox-token")
SMALL = WorldSpec(seed=7, tickets=120, new_days=1, history=400, history_days=8)


class ManualTime:
    """Wall time that passes only when told to."""

    def __init__(self) -> None:
        self.seconds = 1_000.0

    def __call__(self) -> float:
        return self.seconds

    def sleep(self, seconds: float) -> None:
        self.seconds += seconds


@dataclass
class Talk:
    """A sandbox and a client of it."""

    sandbox: Sandbox
    client: TestClient
    wall: ManualTime
    _token: str = field(default="", init=False)

    def zendesk(self, method: str, path: str, **arguments: Any) -> Any:
        return self.client.request(method, f"/api/v2{path}", auth=AUTH, **arguments)

    def export(self, path: str = "/incremental/tickets/cursor.json", *, cursor: str | None = None, per_page: int = 100):
        """All pages from a cursor on: the records, and the last cursor."""
        records: list[dict[str, Any]] = []
        for page in self.pages(path, cursor=cursor, per_page=per_page):
            records += page.get("tickets", page.get("users"))
            cursor = page["after_cursor"]
        return records, cursor

    def pages(self, path: str = "/incremental/tickets/cursor.json", *, cursor: str | None = None, per_page: int = 100):
        while True:
            start = {"start_time": 0} if cursor is None else {"cursor": cursor}
            response = self.zendesk("GET", path, params={**start, "per_page": per_page})
            assert response.status_code == 200, response.text
            page = response.json()
            yield page
            cursor = page["after_cursor"]
            if page["end_of_stream"]:
                return

    def update(self, ticket_id: int, headers: dict[str, str] | None = None, **fields: Any) -> Any:
        return self.zendesk("PUT", f"/tickets/{ticket_id}.json", json={"ticket": fields}, headers=headers)

    def ticket(self, ticket_id: int) -> dict[str, Any]:
        return self.zendesk("GET", f"/tickets/{ticket_id}.json").json()["ticket"]

    def untouched(self) -> list[dict[str, Any]]:
        return [ticket for ticket in self.export()[0] if ticket["status"] == "new"]

    def advance(self, hours: float, **more: Any) -> dict[str, Any]:
        response = self.client.post("/sandbox/clock", json={"advance_hours": hours, **more})
        assert response.status_code == 200, response.text
        return response.json()

    def faults(self, **plan: Any) -> dict[str, Any]:
        response = self.client.post("/sandbox/faults", json=plan)
        assert response.status_code == 200, response.text
        return response.json()

    def token(self) -> str:
        form = {"grant_type": "client_credentials", "client_id": "sandbox", "client_secret": "sandbox-secret"}
        return self.client.post("/services/oauth2/token", data=form).json()["access_token"]

    def soql(self, text: str, *, headers: dict[str, str] | None = None, path: str = "query") -> Any:
        self._token = self._token or self.token()
        headers = {"Authorization": f"Bearer {self._token}", **(headers or {})}
        return self.client.get(f"/services/data/v61.0/{path}", params={"q": text}, headers=headers)


Start = Callable[..., Talk]


@pytest.fixture
def start() -> Iterator[Start]:
    """Starts sandboxes in process: a frozen clock, a small world, and no minute to wait for, unless said otherwise."""
    opened: list[Talk] = []

    def begin(**changes: Any) -> Talk:
        wall = ManualTime()
        settings = replace(Settings(until=UNTIL, world=SMALL, clock_runs=False, recent_guard=False), **changes)
        sandbox = Sandbox(settings, monotonic=wall)
        talk = Talk(sandbox, TestClient(create_app(sandbox), raise_server_exceptions=False), wall)
        opened.append(talk)
        return talk

    yield begin
    for talk in opened:
        talk.client.close()
        talk.sandbox.journal.close()


@pytest.fixture
def talk(start: Start) -> Talk:
    """One small sandbox."""
    return start()


@dataclass
class Process:
    """`python -m sandbox` and its first line."""

    child: subprocess.Popen[str]
    greeting: dict[str, Any]

    @property
    def url(self) -> str:
        return str(self.greeting["url"])

    def stop(self, how: int = signal.SIGTERM) -> int:
        self.child.send_signal(how)
        return self.child.wait(timeout=60)


@pytest.fixture
def spawn() -> Iterator[Callable[..., Process]]:
    """Starts sandboxes as processes of their own, on free ports."""
    children: list[subprocess.Popen[str]] = []

    def begin(*arguments: str) -> Process:
        command = [sys.executable, "-m", "sandbox", "--port", "0", *arguments]
        child = subprocess.Popen(
            command, cwd=PROJECT, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True, env=dict(os.environ)
        )
        children.append(child)
        line = child.stdout.readline()
        assert line, child.stderr.read()
        return Process(child, json.loads(line))

    yield begin
    for child in children:
        child.kill()
        child.communicate()


@pytest.fixture
def words() -> Callable[[str], set[str]]:
    """The words of a text, lower case."""
    return lambda text: set(re.findall(r"[a-z]{3,}", text.lower()))
