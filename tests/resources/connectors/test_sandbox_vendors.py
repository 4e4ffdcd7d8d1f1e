"""Every vendor that is read by declaration, against the sandbox over real HTTP: whole, incremental, with faults."""

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from datetime import datetime
from typing import Any

import httpx
import pytest

from aios_core.automation import Automation
from resources.canonical import CanonicalStore
from resources.connectors.factory import open_connector, shared
from resources.database import Database
from resources.landing import LandingStore, Pulled, pull
from tests.conftest import PROJECT
from tests.resources.ingesting import rows
from tests.sandbox_process import sandbox_process

QUEUES = (
    "billing",
    "outage",
    "roaming",
    "porting",
    "device",
    "cancellation",
    "fraud",
    "complaint",
    "activation",
    "plan_change",
)
GROUPS = {str(4001 + n): name for n, name in enumerate(QUEUES)}


@dataclass(frozen=True)
class Vendor:
    """How a vendor is declared, what its ids are of the sandbox's, and whether it tells of deletions."""

    declared: dict[str, Any]
    own_id: Callable[[int], str] = str
    deletes: bool = True


def queue(field: str) -> dict[str, Any]:
    return {"queue": {"field": field, "values": GROUPS}}


VENDORS = {
    "freshdesk": Vendor({"key": "${TOKEN}", "mapping": queue("group_id")}),
    "servicenow": Vendor(
        {"username": "aios", "password": "${TOKEN}", "mapping": queue("assignment_group")},
        "{:032x}".format,
        deletes=False,
    ),
    "jira": Vendor(
        {
            "email": "agent@example.com",
            "token": "${TOKEN}",
            "project": "CARE",
            "mapping": queue("fields.customfield_10050.id"),
        },
        "CARE-{}".format,
        deletes=False,
    ),
    "hubspot": Vendor(
        {
            "token": "${TOKEN}",
            "provides": "tickets",
            "mapping": queue("properties.hs_assigned_team_ids")
            | {
                "status": {
                    "field": "properties.hs_pipeline_stage",
                    "values": {"1": "open", "2": "pending", "4": "solved"},
                }
            },
        }
    ),
    "intercom": Vendor({"token": "${TOKEN}", "mapping": queue("team_assignee_id")}, deletes=False),
}


@dataclass
class Sandbox:
    """A running sandbox."""

    url: str

    def control(self, path: str, content: dict[str, Any] | None = None) -> Any:
        method = "GET" if content is None else "POST"
        return httpx.request(method, f"{self.url}/sandbox/{path}", json=content, timeout=20).raise_for_status().json()

    def automation(self, connector: str, **declared: Any) -> Automation:
        source = {"connector": connector, "url": f"{self.url}/{connector}", **declared}
        sources = {"desk": source}
        if source.get("provides") == "customers" or connector == "pipedrive":
            sources["other"] = {"connector": "file", "provides": "tickets", "path": "none.csv"}
        return Automation.model_validate(
            {"name": "desk", "start_date": "2026-01-01", "queues": [{"name": q} for q in QUEUES], "sources": sources}
        )

    def pull(self, database: Database, automation: Automation) -> Pulled:
        connector = open_connector(
            automation.sources["desk"],
            folder=PROJECT,
            expand=lambda text: text.replace("${TOKEN}", "sandbox-token"),
            traffic=shared(database),
        )
        try:
            pulled = pull(connector, LandingStore(database), automation="desk", source="desk")
        finally:
            connector.close()
        CanonicalStore(database).catch_up(automation=automation, sources=["desk"])
        return pulled


@pytest.fixture(scope="module")
def sandbox() -> Iterator[Sandbox]:
    with sandbox_process(
        "--tickets 200 --history 300 --until 2026-03-10T12:00:00Z --frozen-clock --no-recent-guard"
    ) as url:
        yield Sandbox(url)


def known(database: Database) -> dict[str, datetime]:
    """Ticket -> its newest change, of those that are there."""
    newest = "select distinct on (ticket_id) ticket_id, event_time, status from tickets order by 1, event_time desc, landing_id desc"
    return {i: at for i, at, status in rows(database, newest) if status != "deleted"}


def there(sandbox: Sandbox, vendor: Vendor) -> dict[str, datetime]:
    """The same by the sandbox's own account."""
    tickets = sandbox.control("manifest")["tickets"]
    return {vendor.own_id(t["id"]): datetime.fromisoformat(t["updated_at"]) for t in tickets if not t["deleted"]}


@pytest.mark.parametrize("name", VENDORS)
def test_a_vendors_tickets_arrive_whole_and_then_as_they_change(
    sandbox: Sandbox, database: Database, name: str
) -> None:
    vendor = VENDORS[name]
    automation = sandbox.automation(name, **vendor.declared)
    first = sandbox.pull(database, automation)
    assert (first.rejected, rows(database, "select count(*) from quarantine")) == (0, [(0,)])
    assert known(database) == there(sandbox, vendor)
    assert rows(database, "select count(*) from tickets where subject = '' or body = ''") == [(0,)]
    assert {q for (q,) in rows(database, "select distinct queue from tickets where queue is not null")} == set(QUEUES)
    assert rows(database, "select count(*) > 200 from outcomes") == [(True,)]

    sandbox.control("faults", {"rates": {"429": 0.1, "5xx": 0.1, "truncated": 0.1, "malformed": 0.1, "duplicates": 0.5}, "retry_after": 0.1})  # fmt: skip
    sandbox.control("clock", {"advance_hours": 24})
    more = sandbox.pull(database, automation)
    sandbox.control("faults", {})
    assert more.landed > 0
    if vendor.deletes:
        sandbox.control("faults", {"delete": 3})
        sandbox.pull(database, automation)
        assert rows(database, "select count(distinct ticket_id) >= 3 from tickets where status = 'deleted'") == [
            (True,)
        ]
    assert known(database) == there(sandbox, vendor)
    assert rows(database, "select count(*) from quarantine") == [(0,)]
    assert sandbox.pull(database, automation).landed == 0, "a read of nothing new lands nothing"


@pytest.mark.parametrize(
    ("name", "declared"),
    [
        (
            "pipedrive",
            {"token": "${TOKEN}", "mapping": {"customer_id": "custom_fields.account_id", "plan": "custom_fields.plan"}},
        ),
        (
            "hubspot",
            {
                "token": "${TOKEN}",
                "provides": "customers",
                "mapping": {"customer_id": "properties.account_id", "plan": "properties.plan"},
            },
        ),
    ],
)
def test_a_vendors_customers_arrive_with_what_is_mapped(
    sandbox: Sandbox, database: Database, name: str, declared: dict[str, Any]
) -> None:
    automation = sandbox.automation(name, **declared)
    pulled = sandbox.pull(database, automation)
    total = sandbox.control("state")["counts"]["accounts"]
    assert (pulled.landed, pulled.rejected) == (total, 0)
    plans = rows(database, "select distinct attributes ->> 'plan' from customers")
    assert {plan for (plan,) in plans} >= {"basic", "premium"}
    assert sandbox.pull(database, automation).landed == 0


def test_contacts_join_a_ticket_to_its_customer(sandbox: Sandbox, database: Database) -> None:
    sandbox.pull(database, sandbox.automation("freshdesk", **VENDORS["freshdesk"].declared))
    joined = (
        "select count(*) from tickets t join contacts c on c.contact_id = t.requester_id and c.customer_id is not null"
    )
    (tickets,) = rows(database, "select count(*) from tickets")
    assert rows(database, joined) == [tickets]


@pytest.mark.parametrize("name", [*VENDORS, "pipedrive"])
def test_who_shows_another_credential_is_refused(sandbox: Sandbox, database: Database, name: str) -> None:
    declared = VENDORS[name].declared if name in VENDORS else {"token": "${TOKEN}"}
    connector = open_connector(
        sandbox.automation(name, **declared).sources["desk"],
        folder=PROJECT,
        expand=lambda text: text.replace("${TOKEN}", "wrong"),
    )
    with pytest.raises(Exception, match=r"answered 401") as refused:
        connector.check()
    connector.close()
    assert "wrong" not in str(refused.value)
