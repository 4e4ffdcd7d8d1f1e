"""The law of the mappers: whatever a payload holds, there is an entity that can be stored, or a RecordError."""

import math
from datetime import UTC, datetime
from typing import Any

import orjson
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from aios_core.canonical.entities import Contact, Customer, Ticket
from aios_core.canonical.mapper import content_hash, identify, map_record, objects_of, reader_for
from aios_core.canonical.zendesk import TICKET_FIELDS
from aios_core.declaration.source_base import FieldMapping
from aios_core.declaration.sources import FileSource, SalesforceSource, Source, ZendeskSource
from aios_core.errors import RecordError

LANDED = datetime(2026, 3, 1, 12, tzinfo=UTC)
ZENDESK = ZendeskSource(
    connector="zendesk",
    url="https://x",
    email="e",
    token="t",
    mapping={"queue": {"field": "group_id", "values": {"4001": "billing"}}, "product": "custom_fields.9"},  # type: ignore[dict-item]
)
SALESFORCE = SalesforceSource(
    connector="salesforce",
    url="https://x",
    client_id="i",
    client_secret="s",
    mapping={"plan": "Plan__c"},  # type: ignore[dict-item]
)
TICKET_FILE = FileSource(
    connector="file",
    provides="tickets",
    path="x.csv",
    mapping={
        "subject": "subject",
        "created_at": "created_at",
        "resolved_at": "updated_at",
        "tags": "tags",
        "extra": "x.y",
    },  # type: ignore[dict-item]
)
CUSTOMER_FILE = FileSource(connector="file", provides="customers", path="x.csv")
STREAMS: list[tuple[Source, str]] = [
    (ZENDESK, "tickets"),
    (ZENDESK, "users"),
    (SALESFORCE, "customers"),
    (TICKET_FILE, "tickets"),
    (CUSTOMER_FILE, "customers"),
]

NAMES = st.sampled_from(
    [
        *("id", "created_at", "updated_at", "generated_timestamp", "subject", "raw_subject", "description", "status"),
        *(
            "priority",
            "via",
            "group_id",
            "requester_id",
            "external_id",
            "tags",
            "custom_fields",
            "Id",
            "SystemModstamp",
        ),
        *("LastModifiedDate", "Plan__c", "queue", "x", "language"),
    ]
)
TIMES = st.sampled_from(["2026-01-01T00:00:00Z", "0001-01-01T00:00:00+14:00", "9999-12-31T23:59:59-12:00", "soon", ""])
LEAVES = st.one_of(
    st.none(),
    st.booleans(),
    st.integers(),
    st.sampled_from([10**30, -(10**400), 2**63]),
    st.floats(),
    st.text(st.characters(codec=None), max_size=20),  # with NUL and lone surrogates
    TIMES,
)
VALUES = st.recursive(
    LEAVES,
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(NAMES | st.text(max_size=5), inner, max_size=4),
    max_leaves=12,
)
PATHS = NAMES | st.builds("{}.{}".format, NAMES, NAMES | st.sampled_from(["0", "9", "x"]))
PAYLOADS = st.dictionaries(NAMES | st.text(max_size=5), VALUES, max_size=12)


def mapped(source: Source, name: str, payload: Any, **changes: Any) -> Ticket | Contact | Customer:
    facts: dict[str, Any] = {
        "source_name": "desk",
        "object": name,
        "payload": payload,
        "correlation_id": "c",
        "landed_at": LANDED,
        "external_id": "1",
        "version": "v",
    }
    return map_record(source, **(facts | changes))


def storable(value: Any) -> None:
    if isinstance(value, str):
        assert "\0" not in value
        value.encode()
    elif isinstance(value, datetime):
        assert value.utcoffset() is not None
    elif isinstance(value, float):
        assert math.isfinite(value)
    elif isinstance(value, dict | list | tuple):
        for item in value.items() if isinstance(value, dict) else value:
            storable(item)


@pytest.mark.parametrize(("source", "name"), STREAMS)
@settings(max_examples=150, deadline=None)
@given(payload=PAYLOADS | VALUES)
def test_any_payload_gives_a_storable_entity_or_a_record_error(source: Source, name: str, payload: Any) -> None:
    try:
        entity = mapped(source, name, payload)
    except RecordError as error:
        assert error.code.startswith("record.")
        assert str(error)
        return
    for field in entity.__struct_fields__:
        storable(getattr(entity, field))
    orjson.dumps(getattr(entity, "custom", None) or getattr(entity, "attributes", None))
    if isinstance(entity, Ticket):
        content_hash(entity)


@pytest.mark.parametrize(("source", "name"), STREAMS)
@settings(max_examples=80, deadline=None)
@given(payload=PAYLOADS)
def test_any_payload_has_an_identity_or_a_record_error(source: Source, name: str, payload: dict[str, Any]) -> None:
    try:
        external_id, version = identify(source, object=name, payload=payload)
    except RecordError:
        return
    storable([external_id, version])
    assert external_id != ""


def test_each_source_says_what_is_landed_of_it() -> None:
    assert [objects_of(s) for s in (ZENDESK, SALESFORCE, TICKET_FILE, CUSTOMER_FILE)] == [
        ("users", "tickets"),
        ("customers",),
        ("tickets",),
        ("customers",),
    ]


def test_an_object_the_source_does_not_have_is_named() -> None:
    with pytest.raises(RecordError, match="has no object `users`") as raised:
        mapped(SALESFORCE, "users", {})
    assert raised.value.code == "record.unknown_object"


def test_the_content_hash_is_of_subject_and_body_alone() -> None:
    def hashed(**payload: Any) -> str:
        ticket = mapped(ZENDESK, "tickets", {"created_at": "2026-01-01T00:00:00Z"} | payload)
        assert isinstance(ticket, Ticket)
        return content_hash(ticket)

    base = hashed(subject="ab", description="c", status="new")
    assert base == hashed(subject="ab", description="c", status="open", group_id=4001)
    assert base != hashed(subject="a", description="bc")
    assert base != hashed(subject="ab", description="c!")


def outcome(source: Source, payload: Any) -> object:
    try:
        return mapped(source, "tickets", payload)
    except RecordError as error:
        return error.code, str(error)


@given(PAYLOADS | VALUES, st.dictionaries(st.sampled_from(sorted(TICKET_FIELDS | {"product"})), PATHS, max_size=5))
def test_a_ticket_read_as_far_as_its_mapper_looks_is_what_all_of_it_is(payload: Any, mapping: dict[str, str]) -> None:
    source = ZENDESK.model_copy(update={"mapping": {name: FieldMapping(field=path) for name, path in mapping.items()}})
    try:
        text = orjson.dumps(payload).decode()
    except TypeError:  # what JSON has no form for never landed
        return
    assert outcome(source, reader_for(source, object="tickets")(text)) == outcome(source, orjson.loads(text))


def test_what_is_no_json_is_told_however_little_of_it_is_read() -> None:
    for text in ("", "[1", '{"subject": 01}', '{"subject": 1e999}'):
        with pytest.raises(RecordError, match="record.malformed|not JSON"):
            reader_for(ZENDESK, object="tickets")(text)
