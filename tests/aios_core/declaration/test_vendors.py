"""What is said of each vendor's API: items become tickets and customers, and the vendors' own descriptions know what we ask for."""

import json
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest
import yaml
from pydantic import TypeAdapter

from aios_core.canonical.entities import Contact, Customer, Ticket
from aios_core.canonical.mapper import map_record, objects_of
from aios_core.declaration.source_base import ApiSource
from aios_core.declaration.sources import Source

NOW = datetime(2026, 11, 20, 12, tzinfo=UTC)
VENDORS: dict[str, dict[str, Any]] = {
    "freshdesk": {"url": "${URL}", "key": "${KEY}"},
    "servicenow": {"url": "${URL}", "username": "aios", "password": "${SECRET}"},
    "jira": {"url": "${URL}", "email": "aios@example.com", "token": "${TOKEN}", "project": "CARE"},
    "hubspot": {"url": "${URL}", "token": "${TOKEN}", "provides": "tickets"},
    "intercom": {"url": "${URL}", "token": "${TOKEN}"},
    "pipedrive": {"url": "${URL}", "token": "${TOKEN}"},
}


def source(vendor: str, **told: Any) -> ApiSource:
    declared = TypeAdapter(Source).validate_python({"connector": vendor, **VENDORS[vendor], **told})
    assert isinstance(declared, ApiSource)
    return declared


def mapped(declared: ApiSource, payload: dict[str, Any], *, object: str = "tickets") -> Any:
    return map_record(
        declared,
        source_name="desk",
        object=object,
        payload=payload,
        correlation_id="c",
        landed_at=NOW,
        external_id="7",
        version="v",
    )


def test_a_freshdesk_ticket_and_its_contact() -> None:
    declared = source("freshdesk", mapping={"queue": {"field": "group_id", "values": {"41": "billing"}}})
    payload = {
        "id": 7,
        "subject": "Bill",
        "description_text": "Too high",
        "status": 3,
        "priority": 4,
        "source": 1,
        "group_id": 41,
        "requester_id": 900,
        "tags": ["vip"],
        "created_at": "2026-11-01T08:00:00Z",
        "updated_at": "2026-11-02T08:00:00Z",
    }
    ticket = mapped(declared, payload)
    assert isinstance(ticket, Ticket)
    assert (ticket.status, ticket.priority, ticket.channel, ticket.queue) == ("pending", "urgent", "email", "billing")
    assert (ticket.requester_id, ticket.tags) == ("900", ("vip",))
    assert mapped(declared, payload | {"group_id": 42}).queue is None, "a group that the declaration does not name"
    assert mapped(declared, payload | {"deleted": True}).status == "deleted"
    contact = mapped(
        declared, {"id": 900, "unique_external_id": "A-1", "updated_at": "2026-11-02T08:00:00Z"}, object="users"
    )
    assert isinstance(contact, Contact)
    assert contact.customer_id == "A-1"


def test_a_servicenow_incident_says_its_times_in_utc() -> None:
    ticket = mapped(
        source("servicenow"),
        {
            "sys_id": "ab",
            "short_description": "No signal",
            "description": "Since noon",
            "state": "6",
            "priority": "1",
            "sys_created_on": "2026-11-01 08:00:00",
            "sys_updated_on": "2026-11-02 09:30:00",
            "caller_id": "u1",
            "assignment_group": "",
        },
    )
    assert (ticket.status, ticket.priority, ticket.queue) == ("solved", "urgent", None)
    assert ticket.event_time == datetime(2026, 11, 2, 9, 30, tzinfo=UTC)


def test_a_jira_request_is_read_from_its_rendered_html() -> None:
    ticket = mapped(
        source("jira"),
        {
            "key": "CARE-7",
            "fields": {
                "summary": "Line down",
                "created": "2026-11-01T08:00:00.000+0100",
                "updated": "2026-11-02T08:00:00.000+0100",
                "status": {"name": "Waiting for support", "statusCategory": {"key": "indeterminate"}},
                "priority": {"name": "Highest"},
                "labels": ["outage"],
                "reporter": {"accountId": "5b10"},
            },
            "renderedFields": {"description": "<p>Since <b>noon</b></p><script>x()</script>"},
        },
    )
    assert (ticket.subject, ticket.body, ticket.status) == ("Line down", "Since noon", "open")
    assert (ticket.priority, ticket.requester_id, ticket.tags) == ("urgent", "5b10", ("outage",))
    assert ticket.created_at == datetime(2026, 11, 1, 7, tzinfo=UTC)


def test_hubspot_tickets_and_companies() -> None:
    tickets = source(
        "hubspot", mapping={"status": {"field": "properties.hs_pipeline_stage", "values": {"4": "closed"}}}
    )
    ticket = mapped(
        tickets,
        {
            "id": "7",
            "properties": {
                "subject": "Bill",
                "content": "Too high",
                "hs_pipeline_stage": "4",
                "hs_ticket_priority": "HIGH",
                "createdate": "2026-11-01T08:00:00Z",
                "hs_lastmodifieddate": "2026-11-02T08:00:00Z",
            },
            "archived": False,
        },
    )
    assert (ticket.status, ticket.priority, ticket.body) == ("closed", "high", "Too high")
    companies = source("hubspot", provides="customers", object="companies", mapping={"plan": "properties.plan"})
    search, archived = companies.lists["customers"]
    assert search.body is not None
    assert "plan" in search.body["properties"]
    assert archived.params["archived"] == "true"
    customer = mapped(companies, {"id": "7", "properties": {"plan": "gold"}}, object="customers")
    assert isinstance(customer, Customer)
    assert customer.attributes == {"plan": "gold"}


def test_an_intercom_conversation_of_the_vendors_own_example(shared_data: Path) -> None:
    described = _described(shared_data / "openapi" / "intercom_2.14.yaml")
    answer = described["paths"]["/conversations/search"]["post"]["responses"]["200"]["content"]["application/json"]
    (conversation,) = answer["examples"]["successful"]["value"]["conversations"]
    conversation["tags"]["tags"] = [{"type": "tag", "id": "1", "name": "vip"}]
    ticket = mapped(source("intercom"), conversation)
    assert ticket.tags == ("vip",)
    assert (ticket.body, ticket.status, ticket.channel) == ("this is the message body", "closed", "conversation")
    assert (ticket.customer_id, ticket.queue) == ("70", "5017691")


@pytest.mark.parametrize(
    ("vendor", "file", "path"),
    [
        ("freshdesk", "freshdesk.yaml", "/api/v2/tickets"),
        ("freshdesk", "freshdesk.yaml", "/api/v2/contacts"),
        ("servicenow", "servicenow.yaml", "/api/now/table/{tableName}"),
        ("hubspot", "hubspot_crm_ticket.yaml", "/crm/v3/objects/tickets/search"),
        ("hubspot", "hubspot_crm_ticket.yaml", "/crm/v3/objects/tickets"),
        ("intercom", "intercom_2.14.yaml", "/conversations/search"),
    ],
)
def test_the_vendors_own_description_knows_what_we_ask_for(
    shared_data: Path, vendor: str, file: str, path: str
) -> None:
    described = _described(shared_data / "openapi" / file)
    declared = source(vendor)
    ours = {(x.path.replace("/incident", "/{tableName}"), x.method) for lists in declared.lists.values() for x in lists}
    method = next(m for p, m in ours if p == path)
    assert method.lower() in described["paths"][path]


def test_every_vendor_loads_with_no_secret_set_and_lists_what_is_mapped() -> None:
    for vendor in VENDORS:
        declared = source(vendor)
        assert declared.signs_in is not None
        assert tuple(declared.lists) == objects_of(declared)
        assert ("users" in declared.lists) == bool(declared.contact)
        assert declared.provides in declared.lists


def _described(file: Path) -> Any:
    class Loader(yaml.SafeLoader):
        pass

    # PyYAML stumbles over a bare `=`
    Loader.add_constructor("tag:yaml.org,2002:value", lambda loader, node: loader.construct_scalar(node))
    if file.suffix == ".json":
        return json.loads(file.read_text())
    return yaml.load(file.read_text(), Loader)


def test_what_a_vendor_can_not_show_is_refused_when_the_automation_is_loaded() -> None:
    from aios_core.automation import Automation

    facts: dict[str, Any] = {"name": "desk", "start_date": "2026-01-01", "queues": [{"name": "a"}, {"name": "b"}]}
    intercom = {"connector": "intercom", **VENDORS["intercom"], "admin": "12"}

    def load(**actions: Any) -> Automation:
        return Automation.model_validate(
            facts | {"sources": {"desk": intercom}, "actions": {"source": "desk", **actions}}
        )

    assert load(people={"a": "7"}).actions.people == {"a": "7"}
    with pytest.raises(ValueError, match=r"actions\.priorities: this can't be written to desk"):
        load(priorities={"a": "high"})
    with pytest.raises(ValueError, match=r"actions\.people: no queue is called `c`"):
        load(people={"c": "7"})
    with pytest.raises(ValueError, match=r"actions\.public_reply: a reply is a verified draft"):
        load(public_reply=True)
