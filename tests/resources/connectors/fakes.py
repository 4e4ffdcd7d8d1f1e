"""A Zendesk and a Salesforce in a few lines each, spoken to through httpx's own transport: real requests, no network."""

import base64
import json
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any
from urllib.parse import parse_qs

import httpx

from aios_core.decisions.actions import OutboxAction

MARKER = 900001
Handler = Callable[[httpx.Request], httpx.Response]


@dataclass
class FakeZendesk:
    """Tickets and users by id. `before` may answer a request in the service's stead, as faults do."""

    tickets: dict[int, dict[str, Any]] = field(default_factory=dict)
    users: dict[int, dict[str, Any]] = field(default_factory=dict)
    fields: list[dict[str, Any]] = field(default_factory=lambda: [{"id": MARKER, "title": "aios_decision"}])
    before: Handler | None = None
    after_read: Callable[[], None] | None = None
    has_show_many: bool = True
    updates: list[dict[str, Any]] = field(default_factory=list)
    requests: list[str] = field(default_factory=list)
    jobs: dict[str, dict[str, Any]] = field(default_factory=dict)
    clock: int = 0

    @property
    def transport(self) -> httpx.MockTransport:
        return httpx.MockTransport(self._answer)

    def put(self, ticket_id: int, **changes: Any) -> None:
        """A new version of a ticket, by whoever."""
        self.clock += 1
        moment = f"2026-03-01T10:{self.clock // 60:02d}:{self.clock % 60:02d}Z"
        known = self.tickets.get(ticket_id, {"id": ticket_id, "created_at": "2026-03-01T09:00:00Z", "status": "new"})
        self.tickets[ticket_id] = {**known, **changes, "updated_at": moment, "generated_timestamp": self.clock}

    def comments(self, ticket_id: int) -> int:
        return sum(1 for u in self.updates if u["id"] == ticket_id and "comment" in u)

    def _answer(self, request: httpx.Request) -> httpx.Response:
        path = request.url.path
        self.requests.append(f"{request.method} {path}")
        if self.before is not None:
            try:
                return self.before(request)
            except NotImplementedError:
                pass
        return self.answer_undisturbed(request)

    def answer_undisturbed(self, request: httpx.Request) -> httpx.Response:
        """What the service does without any fault."""
        path = request.url.path
        expected = base64.b64encode(b"agent@example.com/token:secret").decode()
        if request.headers.get("Authorization") != f"Basic {expected}":
            return httpx.Response(401, json={"error": "Couldn't authenticate you"})
        if path.startswith("/api/v2/incremental/"):
            return self._export(request, path.split("/")[4])
        if path == "/api/v2/users/me.json":
            return httpx.Response(200, json={"user": {"email": "agent@example.com", "role": "admin"}})
        if path == "/api/v2/ticket_fields.json":
            return httpx.Response(200, json={"ticket_fields": self.fields})
        if path == "/api/v2/tickets/show_many.json" and self.has_show_many:
            ids = [int(i) for i in request.url.params["ids"].split(",")]
            return self._read({"tickets": [self.tickets[i] for i in ids if i in self.tickets]})
        if path == "/api/v2/tickets/update_many.json":
            return self._update(json.loads(request.content)["tickets"])
        if path.startswith("/api/v2/job_statuses/"):
            return httpx.Response(200, json={"job_status": self.jobs[path.split("/")[-1].removesuffix(".json")]})
        number = path.split("/")[-1].removesuffix(".json")
        if number.isdigit() and int(number) in self.tickets:
            return self._read({"ticket": self.tickets[int(number)]})
        return httpx.Response(404, json={"error": "RecordNotFound"})

    def _read(self, body: dict[str, Any]) -> httpx.Response:
        response = httpx.Response(200, json=body)
        if self.after_read is not None:
            self.after_read()
        return response

    def _export(self, request: httpx.Request, kind: str) -> httpx.Response:
        items = sorted((self.users if kind == "users" else self.tickets).values(), key=lambda i: i["updated_at"])
        start = int(request.url.params.get("cursor", "0"))
        size = int(request.url.params["per_page"])
        page = items[start : start + size]
        end = start + len(page)
        return httpx.Response(200, json={kind: page, "after_cursor": str(end), "end_of_stream": end >= len(items)})

    def _update(self, updates: list[dict[str, Any]]) -> httpx.Response:
        results = [self._one(place, update) for place, update in enumerate(updates)]
        job = {"id": f"job{len(self.jobs)}", "status": "queued"}
        self.jobs[job["id"]] = {"id": job["id"], "status": "completed", "results": results}
        return httpx.Response(200, json={"job_status": job})

    def _one(self, place: int, update: dict[str, Any]) -> dict[str, Any]:
        ticket = self.tickets.get(update["id"])
        if ticket is None:
            return {"index": place, "id": update["id"], "success": False, "error": "TicketNotFound"}
        if update.get("safe_update") and update["updated_stamp"] != ticket["updated_at"]:
            return {"index": place, "id": update["id"], "success": False, "error": "UpdateConflict"}
        self.updates.append(update)
        kept = {k: v for k, v in update.items() if k in ("group_id", "custom_fields")}
        self.put(update["id"], **kept)
        return {"index": place, "id": update["id"], "success": True, "status": "Updated"}


@dataclass
class FakeSalesforce:
    """Accounts, ordered as they are asked for. A token is good for `token_uses` requests."""

    accounts: list[dict[str, Any]] = field(default_factory=list)
    token_uses: int = 10**9
    queries: list[str] = field(default_factory=list)
    sign_ins: int = 0
    _left: int = 0
    _pending: dict[str, list[dict[str, Any]]] = field(default_factory=dict)

    @property
    def transport(self) -> httpx.MockTransport:
        return httpx.MockTransport(self._answer)

    def _answer(self, request: httpx.Request) -> httpx.Response:
        if request.url.path == "/services/oauth2/token":
            form = parse_qs(request.content.decode())
            if form["client_secret"] != ["secret"] or form["grant_type"] != ["client_credentials"]:
                return httpx.Response(401, json={"error": "invalid_client"})
            self.sign_ins, self._left = self.sign_ins + 1, self.token_uses
            return httpx.Response(
                200, json={"access_token": f"t{self.sign_ins}", "instance_url": "https://na1.example.com"}
            )
        if request.headers.get("Authorization") != f"Bearer t{self.sign_ins}" or self._left <= 0:
            return httpx.Response(401, json=[{"errorCode": "INVALID_SESSION_ID"}])
        self._left -= 1
        assert request.url.host == "na1.example.com"
        size = int(request.headers["Sforce-Query-Options"].removeprefix("batchSize="))
        if "q" in request.url.params:
            query = request.url.params["q"]
            self.queries.append(query)
            rows = sorted(self.accounts, key=lambda a: (a["SystemModstamp"], a["Id"]))
            if " WHERE SystemModstamp >= " in query:
                since = query.split(" WHERE SystemModstamp >= ")[1].split(" ")[0]
                rows = [r for r in rows if r["SystemModstamp"][:23] >= since[:23]]
        else:
            rows = self._pending.pop(request.url.path.split("/")[-1])
        page, rest = rows[:size], rows[size:]
        body: dict[str, Any] = {"records": page, "done": not rest, "totalSize": len(rows)}
        if rest:
            name = f"q{len(self._pending)}-{len(rest)}"
            self._pending[name] = rest
            body["nextRecordsUrl"] = f"/services/data/v62.0/query/{name}"
        return httpx.Response(200, json=body)


def action(ticket_id: int | str, key: str, *, kind: Any = "assign", **payload: Any) -> OutboxAction:
    """An action as the outbox hands it over."""
    content = {
        "queue": "billing",
        "tags": ["aios"],
        "comment": "why",
        "decision_id": "d1",
        "confidence": 0.9,
        **payload,
    }
    return OutboxAction(target="helpdesk", kind=kind, external_id=str(ticket_id), payload=content, idempotency_key=key)
