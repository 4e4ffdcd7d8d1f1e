"""The connectors against the sandbox, a process of its own, over real HTTP, faults included."""

from collections.abc import Iterator
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import httpx
import orjson
import pytest

from aios_core.automation import Automation
from aios_core.errors import DeclarationError, RetryableError
from aios_core.webhooks.schemes import Delivery
from resources.breakers import BreakerOpen
from resources.canonical import CanonicalStore
from resources.connectors import looking
from resources.connectors.base import Connector, Hinted
from resources.connectors.factory import open_connector, shared
from resources.database import Database
from resources.landing import LandingStore, Pulled, pull
from resources.webhooks import WebhookStore
from tests.resources.connectors.fakes import action
from tests.resources.ingesting import rows
from tests.sandbox_process import sandbox_process

PROJECT = Path(__file__).resolve().parents[3]
QUEUES = [
    *("billing", "outage", "roaming", "porting", "device"),
    *("cancellation", "fraud", "complaint", "activation", "plan_change"),
]
GROUPS = {str(4001 + n): name for n, name in enumerate(QUEUES)}


@dataclass
class Sandbox:
    """A running sandbox."""

    url: str

    def control(self, path: str, content: dict[str, Any] | None = None) -> Any:
        method = "GET" if content is None else "POST"
        return httpx.request(method, f"{self.url}/sandbox/{path}", json=content, timeout=20).raise_for_status().json()

    @property
    def automation(self) -> Automation:
        return Automation.model_validate(
            {
                "name": "desk",
                "start_date": "2026-01-01",
                "queues": [{"name": q} for q in QUEUES],
                "sources": {
                    "helpdesk": {
                        "connector": "zendesk",
                        "url": self.url,
                        "email": "agent@example.com",
                        "token": "${TOKEN}",
                        "mapping": {"queue": {"field": "group_id", "values": GROUPS}},
                    },
                    "crm": {
                        "connector": "salesforce",
                        "url": self.url,
                        "client_id": "sandbox",
                        "client_secret": "sandbox-secret",
                        "mapping": {"plan": "Plan__c", "tenure_months": "Tenure_Months__c"},
                    },
                },
            }
        )

    def connector(self, source: str) -> Connector:
        return open_connector(
            self.automation.sources[source],
            folder=PROJECT,
            queues=QUEUES,
            expand=lambda text: text.replace("${TOKEN}", "sandbox-token"),
        )

    def pull(self, database: Database, source: str) -> Pulled:
        connector = self.connector(source)
        try:
            return pull(connector, LandingStore(database), automation="desk", source=source)
        finally:
            connector.close()


@pytest.fixture
def sandbox(request: pytest.FixtureRequest) -> Iterator[Sandbox]:
    guard = getattr(request, "param", "--no-recent-guard")
    with sandbox_process(f"--tickets 300 --history 600 --until 2026-03-10T12:00:00Z --frozen-clock {guard}") as url:
        yield Sandbox(url)


def versions(sandbox: Sandbox) -> dict[str, str]:
    """Ticket id -> when it was last updated, by the sandbox's own account."""
    tickets = sandbox.control("manifest")["tickets"]
    return {str(t["id"]): t["updated_at"] for t in tickets}


def landed(database: Database) -> dict[str, str]:
    return dict(
        rows(
            database,
            "select external_id, max(payload ->> 'updated_at') from landing_records where object = 'tickets' group by 1",
        )
    )


def test_everything_the_sandbox_has_arrives_once(sandbox: Sandbox, database: Database) -> None:
    first = [sandbox.pull(database, s) for s in ("helpdesk", "crm")]
    again = [sandbox.pull(database, s) for s in ("helpdesk", "crm")]
    assert landed(database) == versions(sandbox)
    assert all(p.rejected == 0 for p in first)
    assert sum(p.landed for p in again) == 0
    store = CanonicalStore(database)
    progress = store.catch_up(automation=sandbox.automation, sources=["helpdesk", "crm"])
    assert (progress.read, progress.quarantined) == (sum(p.landed for p in first), 0)
    customers = set(store.customers(automation="desk")["customer_id"].to_pylist())
    contacts = store.contacts(automation="desk").to_pylist()
    assert {c["customer_id"] for c in contacts if c["customer_id"]} <= customers
    assert progress.outcomes > 300


def test_updates_arrive_as_versions_as_time_goes_on(sandbox: Sandbox, database: Database) -> None:
    sandbox.pull(database, "helpdesk")
    sandbox.control("clock", {"advance_hours": 24})
    more = sandbox.pull(database, "helpdesk")
    assert more.landed > 50
    assert landed(database) == versions(sandbox)


def test_faults_lose_and_double_nothing(sandbox: Sandbox, database: Database) -> None:
    runs = {
        "helpdesk": ["429", "truncated", "duplicates", "late"],
        "crm": ["malformed", "expired_token", "lost_response"],
    }
    for source, faults in runs.items():
        sandbox.control("faults", {"next": faults, "retry_after": 0.1})
        assert sandbox.pull(database, source).rejected == 0
        sandbox.control("clock", {"advance_hours": 6})
    sandbox.pull(database, "helpdesk")
    assert landed(database) == versions(sandbox)


def test_a_deleted_ticket_arrives_as_a_version_that_says_so(sandbox: Sandbox, database: Database) -> None:
    sandbox.pull(database, "helpdesk")
    sandbox.control("faults", {"delete": 3})
    sandbox.pull(database, "helpdesk")
    CanonicalStore(database).catch_up(automation=sandbox.automation, sources=["helpdesk"])
    assert rows(database, "select count(*) from tickets where status = 'deleted'") == [(3,)]


@pytest.mark.parametrize("fault", ["lost_response", "truncated", "5xx", "429"])
def test_a_write_whose_answer_is_lost_takes_effect_once(sandbox: Sandbox, fault: str) -> None:
    page = next(iter(sandbox.connector("helpdesk").read(object="tickets", cursor=None)))
    ids = [r.external_id for r in page.records if r.payload["status"] in ("new", "open")][:50]
    sandbox.control("faults", {"next": [fault], "only": "update_many", "retry_after": 0.1})
    results = sandbox.connector("helpdesk").write([action(i, f"d{i}", queue="fraud") for i in ids])
    assert {r.status for r in results} == {"sent"}
    applied = [str(w["ticket_id"]) for w in sandbox.control("writes")["writes"] if w["applied"]]
    assert sorted(applied) == sorted(ids)


def test_writes_take_effect_once_and_come_back_as_versions(sandbox: Sandbox, database: Database) -> None:
    sandbox.pull(database, "helpdesk")
    store = CanonicalStore(database)
    store.catch_up(automation=sandbox.automation, sources=["helpdesk"])
    ids = [i for (i,) in rows(database, "select ticket_id from tickets where status = 'new' order by 1 limit 120")]
    actions = [action(i, f"d{i}:assign", queue="fraud") for i in ids]
    results = [sandbox.connector("helpdesk").write(actions) for _ in range(2)]
    assert {r.status for attempt in results for r in attempt} == {"sent"}
    writes = [w for w in sandbox.control("writes")["writes"] if w["applied"]]
    assert sorted(str(w["ticket_id"]) for w in writes) == sorted(ids)
    sandbox.pull(database, "helpdesk")
    store.catch_up(automation=sandbox.automation, sources=["helpdesk"])
    moved = rows(
        database,
        "select distinct ticket_id from tickets where queue = 'fraud' and 'aios' = any(tags) and ticket_id = any(%s)",
        ids,
    )
    assert len(moved) == len(ids)


def test_a_ticket_an_agent_solved_first_is_a_conflict(sandbox: Sandbox) -> None:
    page = next(iter(sandbox.connector("helpdesk").read(object="tickets", cursor=None)))
    solved = next(r.external_id for r in page.records if r.payload["status"] in ("solved", "closed"))
    (result,) = sandbox.connector("helpdesk").write([action(solved, "k", queue="fraud")])
    assert result.status == "conflict"
    assert sandbox.control("writes")["count"] == 0


def test_check_says_where_we_are(sandbox: Sandbox) -> None:
    assert "agent@example.com" in sandbox.connector("helpdesk").check()
    assert "reads Account" in sandbox.connector("crm").check()


def test_a_source_is_looked_at_before_anything_is_read_for_good(
    sandbox: Sandbox, database: Database, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("TOKEN", "sandbox-token")
    declared = SimpleNamespace(automation=sandbox.automation, folder=PROJECT)
    found = looking.check(declared, "helpdesk", database)  # type: ignore[arg-type]  # all that is asked of a declaration
    assert found.who.startswith("agent@example.com (admin)")
    assert found.clock_offset is not None
    assert not found.skewed, "the server's own clock is ours, though its world's stands still"
    assert found.quota["exports"] == "1 of 6000 in 60 s", "the sandbox says its own limit, which is above the vendor's"
    assert found.first is not None

    seen = looking.preview(declared, "helpdesk", database, limit=2)  # type: ignore[arg-type]
    assert [one.object for one in seen] == ["users", "users", "tickets", "tickets"]
    assert seen[-1].entity is not None
    assert seen[-1].entity["ticket_id"] == seen[-1].external_id
    assert rows(database, "select count(*) from landing_records") == [(0,)]
    with pytest.raises(DeclarationError, match="no source `other`; there are: crm, helpdesk"):
        looking.check(declared, "other", database)  # type: ignore[arg-type]


def test_a_vendor_that_does_not_answer_is_left_alone_by_every_process(sandbox: Sandbox, database: Database) -> None:
    sandbox.control("faults", {"rates": {"5xx": 1.0}})

    def read() -> None:
        connector = open_connector(
            sandbox.automation.sources["helpdesk"],
            folder=PROJECT,
            expand=lambda text: text.replace("${TOKEN}", "sandbox-token"),
            traffic=shared(database),
        )
        try:
            pull(connector, LandingStore(database), automation="desk", source="helpdesk")
        finally:
            connector.close()

    with pytest.raises(RetryableError):
        read()
    asked = sandbox.control("state")["faults"]["injected"]["5xx"]
    with pytest.raises(BreakerOpen, match="is left alone for"):
        read()
    assert sandbox.control("state")["faults"]["injected"]["5xx"] == asked, "it was not asked again"


@pytest.mark.parametrize("sandbox", [""], indirect=True)
def test_a_ticket_that_we_are_told_of_is_known_before_the_export_shows_it(sandbox: Sandbox, database: Database) -> None:
    sandbox.control("clock", {"advance_hours": 1})
    sandbox.pull(database, "helpdesk")
    auth = ("agent@example.com/token", "sandbox-token")
    ticket = {"subject": "New", "comment": {"body": "It fails."}}
    made = httpx.post(f"{sandbox.url}/api/v2/tickets.json", json={"ticket": ticket}, auth=auth).json()["ticket"]
    told = orjson.dumps({"type": "zen:event-type:ticket.created", "detail": {"id": str(made["id"])}})
    store, now = WebhookStore(database), datetime(2026, 3, 10, 12, tzinfo=UTC)
    for number, body in enumerate((told, b'{"detail": []}', b'{"detail": {"id": "999"}}')):
        delivery = Delivery(delivery_id=str(number), sent_at=None, payload={})
        store.take(delivery, automation="desk", source="helpdesk", body=body, now=now)

    def pulled(*, hinted: bool) -> set[str]:
        connector = sandbox.connector("helpdesk")
        assert isinstance(connector, Hinted)
        if hinted:
            connector.hint(store.told_of(automation="desk", source="helpdesk", path="detail.id"))
        pull(connector, LandingStore(database), automation="desk", source="helpdesk")
        connector.close()
        CanonicalStore(database).catch_up(automation=sandbox.automation, sources=["helpdesk"])
        return {i for (i,) in rows(database, "select ticket_id from tickets")}

    assert str(made["id"]) not in pulled(hinted=False), "an export leaves out the last minute"
    assert str(made["id"]) in pulled(hinted=True)
    sandbox.control("clock", {"advance_hours": 1})
    pulled(hinted=True)
    (found,) = rows(
        database, "select count(*), count(distinct content_hash) from tickets where ticket_id = %s", str(made["id"])
    )
    assert found == (2, 1), "the export brings it too, as what it is already known to say"
    assert rows(database, "select count(*) from quarantine") == [(0,)]
