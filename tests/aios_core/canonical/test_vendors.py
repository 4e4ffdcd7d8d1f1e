"""What each vendor's payload means."""

from datetime import UTC, datetime
from typing import Any

import pytest

from aios_core.canonical.entities import Contact, Customer, Ticket, states_outcome
from aios_core.canonical.mapper import map_record
from aios_core.canonical.salesforce import selected_fields
from aios_core.canonical.zendesk import identify
from aios_core.declaration.sources import FileSource, SalesforceSource, ZendeskSource
from aios_core.errors import RecordError

LANDED = datetime(2026, 3, 1, 12, tzinfo=UTC)
TICKET = {
    "id": 35436,
    "created_at": "2026-02-20T22:55:29Z",
    "updated_at": "2026-02-21T10:38:52Z",
    "generated_timestamp": 1771670332,
    "subject": "Help, my printer is on fire!",
    "description": "The fire is very colorful.",
    "status": "open",
    "priority": "high",
    "via": {"channel": "web"},
    "group_id": 4001,
    "requester_id": 20978392,
    "tags": ["enterprise", "other_tag"],
    "custom_fields": [{"id": 27642, "value": "745"}, {"id": 27648, "value": None}],
}


def zendesk(payload: dict[str, Any], name: str = "tickets", **mapping: Any) -> Any:
    queue = {"field": "group_id", "values": {"4001": "billing", "4002": "outage"}}
    source = ZendeskSource(connector="zendesk", url="u", email="e", token="t", mapping={"queue": queue, **mapping})
    return _map(source, name, payload)


def row(payload: dict[str, Any], mapping: dict[str, Any], provides: Any = "tickets", **options: Any) -> Any:
    source = FileSource(connector="file", provides=provides, path="x.csv", mapping=mapping, **options)
    return _map(source, provides, payload)


def _map(source: Any, name: str, payload: dict[str, Any]) -> Any:
    return map_record(
        source,
        source_name="desk",
        object=name,
        payload=payload,
        correlation_id="c1",
        landed_at=LANDED,
        external_id="35436",
        version="v1",
    )


def test_a_zendesk_ticket_becomes_canonical() -> None:
    assert zendesk(TICKET) == Ticket(
        source="desk",
        ticket_id="35436",
        version="v1",
        correlation_id="c1",
        event_time=datetime(2026, 2, 21, 10, 38, 52, tzinfo=UTC),
        known_at=datetime(2026, 2, 21, 10, 38, 52, tzinfo=UTC),
        created_at=datetime(2026, 2, 20, 22, 55, 29, tzinfo=UTC),
        subject="Help, my printer is on fire!",
        body="The fire is very colorful.",
        status="open",
        priority="high",
        channel="web",
        queue="billing",
        requester_id="20978392",
        tags=("enterprise", "other_tag"),
        custom={"27642": "745"},
    )


def test_a_group_that_is_no_queue_leaves_the_ticket_without_one() -> None:
    assert zendesk(TICKET | {"group_id": 999}).queue is None
    assert zendesk(TICKET | {"group_id": None}).queue is None


def test_a_ticket_on_hold_is_pending() -> None:
    assert zendesk(TICKET | {"status": "hold"}).status == "pending"


def test_any_field_may_be_mapped_otherwise() -> None:
    ticket = zendesk(TICKET, language="custom_fields.27642", product={"constant": "printer"})
    assert (ticket.language, ticket.custom["product"]) == ("745", "printer")


@pytest.mark.parametrize(
    ("changes", "code"),
    [
        ({"created_at": None}, "record.missing_field"),
        ({"created_at": "yesterday"}, "record.bad_time"),
        ({"updated_at": {"a": 1}}, "record.bad_time"),
        ({"subject": {"a": 1}}, "record.bad_text"),
        ({"tags": 7}, "record.bad_tags"),
        ({"custom_fields": "x"}, "record.bad_custom"),
        ({"requester_id": [1]}, "record.no_id"),
    ],
)
def test_an_unusable_field_has_a_stable_code_and_is_named(changes: dict[str, Any], code: str) -> None:
    with pytest.raises(RecordError) as raised:
        zendesk(TICKET | changes)
    assert raised.value.code == code
    assert next(iter(changes)) in str(raised.value)


def test_nul_and_lone_surrogates_are_replaced_and_other_scripts_kept() -> None:
    ticket = zendesk(TICKET | {"subject": "a\0b\ud800c", "description": "مرحبا 😀 \u202e"})
    assert (ticket.subject, ticket.body) == ("a\ufffdb\ufffdc", "مرحبا 😀 \u202e")


def test_a_version_is_the_update_and_the_generation() -> None:
    assert identify(TICKET, object="tickets") == ("35436", "2026-02-21T10:38:52Z/1771670332")
    assert identify({"id": 1, "updated_at": "x"}, object="users") == ("1", "x")
    assert identify({"id": 1}, object="tickets") == ("1", None)


def test_a_zendesk_user_says_which_customer_it_is() -> None:
    user = {"id": 7, "external_id": "001A", "created_at": "2020-01-01T00:00:00Z", "updated_at": "2021-01-01T00:00:00Z"}
    moment = datetime(2021, 1, 1, tzinfo=UTC)
    assert zendesk(user, "users") == Contact(
        source="desk", contact_id="35436", version="v1", customer_id="001A", event_time=moment, known_at=moment
    )
    assert zendesk(user | {"external_id": None}, "users").customer_id is None


def test_an_outcome_is_where_a_ticket_stood_when_it_was_solved() -> None:
    solved = zendesk(TICKET | {"status": "solved"})
    assert states_outcome(solved)
    assert (solved.queue, solved.known_at) == ("billing", datetime(2026, 2, 21, 10, 38, 52, tzinfo=UTC))
    assert not states_outcome(zendesk(TICKET))
    assert not states_outcome(zendesk(TICKET | {"status": "solved", "group_id": 999}))


def test_a_salesforce_account_becomes_a_customer_with_the_declared_attributes() -> None:
    source = SalesforceSource(
        connector="salesforce",
        url="u",
        client_id="i",
        client_secret="s",
        mapping={"plan": "Plan__c", "spend": "Spend__c", "city": "BillingAddress.City"},  # type: ignore[dict-item]
    )
    payload = {
        "attributes": {"type": "Account"},
        "Id": "35436",
        "SystemModstamp": "2026-02-02T00:00:01.000+0000",
        "LastModifiedDate": "2026-02-02T00:00:00.000+0000",
        "Plan__c": "plus",
        "Spend__c": 12.5,
        "BillingAddress": {"City": "Graz"},
    }
    assert _map(source, "customers", payload) == Customer(
        source="desk",
        customer_id="35436",
        version="v1",
        correlation_id="c1",
        event_time=datetime(2026, 2, 2, tzinfo=UTC),
        known_at=datetime(2026, 2, 2, 0, 0, 1, tzinfo=UTC),
        attributes={"plan": "plus", "spend": 12.5, "city": "Graz"},
    )
    deleted = _map(source, "customers", payload | {"IsDeleted": True})
    assert deleted.attributes == {"plan": None, "spend": None, "city": None}
    assert selected_fields(source)[-3:] == ("Plan__c", "Spend__c", "BillingAddress.City")


MAPPING: dict[str, Any] = {
    "body": "text",
    "queue": "category",
    "status": {"constant": "solved"},
    "created_at": {"field": "Created", "format": "%d/%b/%y %H:%M"},
    "resolved_at": {"field": "Resolved", "format": "%d/%b/%y %H:%M"},
}


def test_a_row_is_known_when_it_was_resolved() -> None:
    ticket = row({"text": "x", "category": "a", "Created": "30/Sep/21 17:20", "Resolved": "20/Jul/22 20:51"}, MAPPING)
    assert ticket.created_at == datetime(2021, 9, 30, 17, 20, tzinfo=UTC)
    assert ticket.event_time == ticket.known_at == datetime(2022, 7, 20, 20, 51, tzinfo=UTC)
    assert states_outcome(ticket)
    assert ticket.queue == "a"


def test_a_row_that_is_not_resolved_yet_has_no_outcome_though_its_status_is_a_constant() -> None:
    ticket = row({"text": "x", "category": "a", "Created": "30/Sep/21 17:20", "Resolved": ""}, MAPPING)
    assert ticket.status == "open"
    assert ticket.known_at == ticket.created_at
    assert not states_outcome(ticket)


def test_times_may_be_constants_and_default_to_the_landing() -> None:
    constant = {"body": "text", "created_at": {"constant": "2024-01-15T00:00:00Z"}}
    assert row({"text": "x"}, constant).created_at == datetime(2024, 1, 15, tzinfo=UTC)
    unmapped = row({"text": "x"}, {"body": "text"})
    assert unmapped.created_at == unmapped.known_at == LANDED


def test_a_mapped_time_that_a_row_lacks_is_an_error() -> None:
    with pytest.raises(RecordError) as raised:
        row({"text": "x", "Created": "", "Resolved": "", "category": ""}, MAPPING)
    assert raised.value.code == "record.missing_field"


def test_values_translate_and_what_they_do_not_name_passes_through() -> None:
    mapping = {"queue": {"field": "Priority", "values": {"Blocker": "blocker"}}}
    assert row({"Priority": "Blocker"}, mapping).queue == "blocker"
    assert row({"Priority": "Odd"}, mapping).queue == "Odd"


def test_columns_of_canonical_names_need_no_mapping() -> None:
    ticket = row({"subject": "s", "body": "b", "priority": "low", "tags": "a, b", "created_at": "2026-01-01"}, {})
    assert (ticket.subject, ticket.body, ticket.priority, ticket.tags) == ("s", "b", "low", ("a", "b"))


def test_other_mapped_names_are_kept_as_custom_fields() -> None:
    assert row({"text": "x", "Kind": "bug"}, {"body": "text", "kind": "Kind"}).custom == {"kind": "bug"}


def test_a_customer_row_has_its_mapped_columns_or_all_of_them() -> None:
    payload = {"customerID": "C1", "tenure": "12", "Charges": "29.85", "zip": "007", "Total": "", "Plan": "x"}
    every = row(payload, {}, "customers", id_column="customerID")
    assert every.customer_id == "35436"
    assert every.attributes == {"tenure": 12, "Charges": 29.85, "zip": "007", "Total": None, "Plan": "x"}
    some = row(payload, {"customer_id": "customerID", "months": "tenure"}, "customers")
    assert (some.customer_id, some.attributes) == ("C1", {"months": 12})
