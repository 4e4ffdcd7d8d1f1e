"""A running sandbox as every helpdesk that it speaks for, and actions for it."""

import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import Any

import httpx

from aios_core.automation import Automation
from aios_core.decisions.actions import OutboxAction
from resources.connectors.base import Connector, WriteResult
from resources.connectors.factory import Share, open_connector
from tests.conftest import PROJECT
from tests.resources.connectors.fakes import action
from tests.resources.connectors.test_sandbox_vendors import GROUPS, QUEUES, VENDORS
from tests.sandbox_process import sandbox_process

REPLY = 'Dear customer,\n\nyour line is "up" again & we are sorry.\n\nYours <Care>'


@dataclass(frozen=True)
class Desk:
    """How a vendor is declared for writing, what its ids are of the sandbox's, and what it can't do."""

    declared: dict[str, Any]
    own_id: Callable[[int], str] = str
    person: str = "300003"
    lacks: frozenset[str] = frozenset()


def _with(name: str, **more: Any) -> dict[str, Any]:
    declared = VENDORS[name].declared
    return {**declared, **more, "mapping": {**declared["mapping"], **more.get("mapping", {})}}


DESKS = {
    "zendesk": Desk(
        {
            "email": "agent@example.com",
            "token": "${TOKEN}",
            "mapping": {"queue": {"field": "group_id", "values": GROUPS}},
        }
    ),
    "freshdesk": Desk(_with("freshdesk")),
    "servicenow": Desk(
        _with("servicenow", mapping={"tags": "u_tags"}), VENDORS["servicenow"].own_id, person=f"{300003:032x}"
    ),
    "jira": Desk(_with("jira"), VENDORS["jira"].own_id),
    "hubspot": Desk(_with("hubspot", mapping={"tags": "properties.aios_tags"}), lacks=frozenset({"reply"})),
    "intercom": Desk(_with("intercom", admin="300000"), lacks=frozenset({"priority"})),
}

REPLYING = [name for name, desk in DESKS.items() if "reply" not in desk.lacks]


@dataclass
class World:
    """A running sandbox and a ticket after the other that nobody has touched."""

    url: str
    fresh: Iterator[int] = field(default_factory=lambda: iter(()))

    def control(self, path: str, content: dict[str, Any] | None = None) -> Any:
        method = "GET" if content is None else "POST"
        return httpx.request(method, f"{self.url}/sandbox/{path}", json=content, timeout=20).raise_for_status().json()

    def zendesk(self, method: str, path: str, **body: Any) -> Any:
        auth = ("agent@example.com/token", "sandbox-token")
        answer = httpx.request(method, f"{self.url}/api/v2{path}", json=body or None, auth=auth, timeout=20)
        return answer.raise_for_status().json()

    def ticket(self, ticket_id: int) -> dict[str, Any]:
        found: dict[str, Any] = self.zendesk("GET", f"/tickets/{ticket_id}.json")["ticket"]
        return found

    def comments(self, ticket_id: int) -> list[tuple[bool, str]]:
        said = self.zendesk("GET", f"/tickets/{ticket_id}/comments.json")["comments"]
        return [(one["public"], one["body"]) for one in said[1:]]

    def automation(self, name: str) -> Automation:
        url = self.url if name == "zendesk" else f"{self.url}/{name}"
        source = {"connector": name, "url": url, **DESKS[name].declared}
        queues = [{"name": q} for q in QUEUES]
        return Automation.model_validate(
            {
                "name": f"desk_{name}",
                "start_date": "2026-01-01",
                "queues": queues,
                "sources": {"helpdesk": source},
                "actions": {"source": "helpdesk"},
            }
        )

    def open(self, name: str, *, token: str = "sandbox-token", traffic: Share | None = None) -> Connector:
        def expand(text: str) -> str:
            return text.replace("${TOKEN}", token)

        return open_connector(
            self.automation(name).sources["helpdesk"],
            folder=PROJECT,
            queues=QUEUES,
            expand=expand,
            traffic=traffic,
            sleep=lambda seconds: time.sleep(min(seconds, 0.005)),
        )

    def write(self, name: str, *actions: OutboxAction) -> list[WriteResult]:
        connector = self.open(name)
        try:
            return connector.write(actions)
        finally:
            connector.close()

    def until_done(self, name: str, *actions: OutboxAction, tries: int = 5) -> list[WriteResult]:
        """As the outbox goes on, without its pauses: what may work later is sent again."""
        done: dict[str, WriteResult] = {}
        for _ in range(tries):
            waiting = [a for a in actions if a.idempotency_key not in done]
            results = zip(waiting, self.write(name, *waiting), strict=True)
            done |= {a.idempotency_key: r for a, r in results if r.status not in ("retry", "later")}
            if len(done) == len(actions):
                break
        return [done[a.idempotency_key] for a in actions]


@contextmanager
def sandbox_world() -> Iterator[World]:
    """With tickets that nobody has touched yet."""
    with sandbox_process(
        "--tickets 600 --history 50 --until 2026-03-10T12:00:00Z --frozen-clock --no-recent-guard"
    ) as url:
        found = World(url)
        exported = found.zendesk("GET", "/incremental/tickets/cursor.json?start_time=0")["tickets"]
        found.fresh = iter([one["id"] for one in exported if one["status"] == "new" and one["group_id"] is None])
        yield found


def assignment(name: str, ticket_id: int, key: str = "d1:assign", **payload: Any) -> OutboxAction:
    """An assignment with all that this vendor can set."""
    wanted = {"queue": "fraud", "comment": "AIOS chose fraud: it is sure.", "assignee": DESKS[name].person} | payload
    if "priority" not in DESKS[name].lacks:
        wanted["priority"] = "urgent"
    return action(DESKS[name].own_id(ticket_id), f"{key}:{ticket_id}", **wanted)


def reply(name: str, ticket_id: int) -> OutboxAction:
    own_id = DESKS[name].own_id(ticket_id)
    return action(own_id, f"d2:draft:{ticket_id}", kind="reply", comment="The reply was sent.", reply=REPLY)
