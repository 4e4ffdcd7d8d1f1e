"""The world of the play: a sandbox as a process of its own, its clock moved from here.

What belongs here: starting and stopping it, and its control plane as a client. What does not: the platform's own connectors, which
speak to it as they would to the vendors.
"""

import json
import subprocess
import sys
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from datetime import datetime
from pathlib import Path
from typing import Any

import httpx

from aios_assets.simulation.story import Story
from aios_core.errors import PermanentError
from resources.deployments import PROJECT

BATCH = 100
CHANGES = {"new_product": "new_product", "changed_rule": "account_team"}


class WorldFailed(PermanentError):
    """The sandbox could not be started, or refused what the play asked of it."""

    code = "simulation.world"


@dataclass(frozen=True, slots=True, kw_only=True)
class Told:
    """What the world alone knows of one ticket; moments are seconds since the epoch."""

    queue: str
    created_at: float
    resolved_at: float | None
    entered: bool


@dataclass(slots=True)
class World:
    """A running sandbox."""

    url: str
    credentials: Mapping[str, Mapping[str, str]]
    _client: httpx.Client
    _cursor: str | None = field(default=None)

    def day_begins(self, *, hours: float, tickets: int) -> None:
        """Tickets of so many hours arrive; agents wait for `day_ends`."""
        self._post("clock", {"advance_hours": hours, "new_tickets": tickets, "hold": True})

    def day_ends(self, moments: Mapping[str, datetime], *, delay_minutes: float) -> None:
        """Agents do their work, given when people's moves took effect; automatic ones did after `delay_minutes`."""
        at = {ticket: int(moment.timestamp()) for ticket, moment in moments.items()}
        self._post("release", {"moments": at, "delay_minutes": delay_minutes})

    def change(self, kind: str) -> None:
        self._post("drift", {"kind": CHANGES[kind]})

    def misfile(self, tickets: int) -> None:
        """Solved tickets are entered into wrong queues over the day that comes."""
        self._post("enter", {"tickets": tickets, "hours": 24, "misfiled": True})

    def people_say(self, tickets: Sequence[str], *, error_share: float) -> dict[str, str]:
        """Where people who read them would put these tickets."""
        if not tickets:
            return {}
        said: dict[str, str] = self._post(
            "people", {"tickets": [int(ticket) for ticket in tickets], "error_share": error_share}
        )
        return said

    def truth(self) -> dict[str, Told]:
        """Everything the world knows, by ticket id."""
        rows = self._asked(self._client.get("/sandbox/truth"))["tickets"]
        return {str(row.pop("id")): Told(**row) for row in rows}

    def arrived(self) -> list[tuple[str, datetime]]:
        """(ticket, created) of the tickets that came since this was asked last and that nobody has touched, by the vendor's export."""
        found: list[tuple[str, datetime]] = []
        while True:
            start = {"cursor": self._cursor} if self._cursor else {"start_time": "0"}
            page = self._asked(
                self._client.get(
                    "/api/v2/incremental/tickets/cursor.json",
                    params={**start, "per_page": "1000"},
                    auth=self._sign_in(),
                )
            )
            self._cursor = page["after_cursor"]
            found += [
                (str(t["id"]), datetime.fromisoformat(t["created_at"]))
                for t in page["tickets"]
                if t["status"] == "new" and t["group_id"] is None
            ]
            if page["end_of_stream"]:
                return found

    def assign(self, queues: Mapping[str, int]) -> None:
        """People move tickets by hand: ticket -> the vendor's id of the queue."""
        tickets = [{"id": int(ticket), "group_id": group} for ticket, group in queues.items()]
        for start in range(0, len(tickets), BATCH):
            body = {"tickets": tickets[start : start + BATCH]}
            self._asked(self._client.put("/api/v2/tickets/update_many.json", json=body, auth=self._sign_in()))

    def _sign_in(self) -> tuple[str, str]:
        return f"{self.credentials['zendesk']['email']}/token", self.credentials["zendesk"]["token"]

    def _post(self, path: str, body: Mapping[str, Any]) -> Any:
        return self._asked(self._client.post(f"/sandbox/{path}", json=body))

    def _asked(self, response: httpx.Response) -> Any:
        if response.status_code != 200:
            raise WorldFailed(f"{response.request.url}: {response.status_code} {response.text[:300]}")
        return response.json()


@contextmanager
def started(story: Story, *, begin: datetime, log: Path) -> Iterator[World]:
    """A sandbox on a free port, whose clock stands at `begin`; it ends with the context. Raises WorldFailed."""
    command = [
        *(sys.executable, "-m", "sandbox", "serve", "--port", "0", "--seed", str(story.seed)),
        *("--tickets", "0", "--new-days", "0.01", "--history", str(story.history)),
        *("--history-days", str(story.history_days), "--until", begin.strftime("%Y-%m-%dT%H:%M:%SZ")),
        # a play's clock stands while its helpdesk works, so nobody waits for a job
        *("--frozen-clock", "--no-recent-guard", "--job-seconds", "0"),
    ]
    log.parent.mkdir(parents=True, exist_ok=True)
    with log.open("ab") as errors:
        process = subprocess.Popen(command, cwd=PROJECT, stdout=subprocess.PIPE, stderr=errors, text=True)
    try:
        assert process.stdout is not None
        greeting = process.stdout.readline()
        if not greeting.startswith("{"):
            raise WorldFailed(f"the sandbox did not start; see {log}")
        said = json.loads(greeting)
        with httpx.Client(base_url=said["url"], timeout=120, trust_env=False) as client:
            client.get("/sandbox/health", timeout=60)
            yield World(url=said["url"], credentials={k: v for k, v in said.items() if k != "url"}, _client=client)
    finally:
        process.terminate()
        try:
            process.wait(timeout=10)
        except subprocess.TimeoutExpired:
            process.kill()
            process.wait(timeout=10)
        if process.stdout is not None:
            process.stdout.close()
