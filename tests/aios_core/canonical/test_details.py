from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from pydantic import TypeAdapter

from aios_core.canonical.details import Attachment, Details, bare_url, details_of
from aios_core.declaration.sources import Source

SOURCES: dict[str, Any] = {
    "zendesk": {"email": "e", "token": "t"},
    "freshdesk": {"key": "k"},
    "servicenow": {},
    "jira": {"email": "e", "token": "t", "project": "CARE"},
    "hubspot": {"token": "t", "provides": "tickets"},
    "intercom": {"token": "t"},
}
json = st.recursive(
    st.none() | st.booleans() | st.integers() | st.text(max_size=8),
    lambda inner: (
        st.lists(inner, max_size=3)
        | st.dictionaries(st.sampled_from(["attachments", "type", "id", "url", "name"]), inner)
    ),
    max_leaves=12,
)
payloads = st.dictionaries(
    st.sampled_from(
        ["type", "attachments", "comments", "conversations", "source", "fields", "properties", "assignee_id"]
    ),
    json,
)


def source(connector: str, **changes: Any) -> Source:
    facts = {"connector": connector, "url": "https://desk.example.com", **SOURCES[connector], **changes}
    return TypeAdapter[Source](Source).validate_python(facts)


@pytest.mark.parametrize(
    ("connector", "payload", "found"),
    [
        (
            "zendesk",
            {"type": "incident", "organization_id": 5, "assignee_id": 7, "satisfaction_rating": {"score": "good"}},
            Details(type="incident", organisation="5", assignee="7", satisfaction="good"),
        ),
        (
            "freshdesk",
            {"type": None, "company_id": 9, "responder_id": 3, "due_by": "2026-03-01T10:00:00Z"},
            Details(organisation="9", assignee="3", service_level="2026-03-01T10:00:00Z"),
        ),
        (
            "servicenow",
            {"category": "network", "assigned_to": "", "company": "a1"},
            Details(type="network", organisation="a1"),
        ),
        ("jira", {"fields": {"issuetype": {"name": "Incident"}, "assignee": None}}, Details(type="Incident")),
        ("hubspot", {"properties": {"hubspot_owner_id": "4"}}, Details(assignee="4")),
        (
            "intercom",
            {"admin_assignee_id": 2, "conversation_rating": {"rating": 5}, "sla_applied": {"sla_status": "missed"}},
            Details(assignee="2", satisfaction="5", service_level="missed"),
        ),
    ],
)
def test_each_vendor_has_its_details_where_it_has_them(connector: str, payload: dict[str, Any], found: Details) -> None:
    assert details_of(source(connector), payload) == found


def test_attachments_are_told_with_their_message_and_never_with_what_opens_them() -> None:
    file = {"file_name": "bill.pdf", "size": 99, "content_type": "application/pdf", "data": "JVBERi0="}
    payload = {
        "comments": [
            {
                "id": 8,
                "attachments": [{**file, "content_url": "https://u:p@files.example.com/a/bill.pdf?token=secret#x"}],
            }
        ]
    }
    (found,) = details_of(source("zendesk"), payload).attachments
    url = "https://files.example.com/a/bill.pdf"
    assert found == Attachment(name="bill.pdf", size=99, type="application/pdf", url=url, message="8")
    assert "secret" not in repr(found)
    assert "JVBERi0" not in repr(found)


def test_other_vendors_words_for_the_same() -> None:
    jira = {
        "fields": {
            "attachment": [{"filename": "log.txt", "size": 4, "mimeType": "text/plain", "content": "https://j/1"}]
        }
    }
    assert details_of(source("jira"), jira).attachments == (
        Attachment(name="log.txt", size=4, type="text/plain", url="https://j/1"),
    )
    intercom = {
        "source": {"attachments": [{"name": "a.png", "filesize": 5, "content_type": "image/png", "url": "ftp://x"}]}
    }
    assert details_of(source("intercom"), intercom).attachments == (
        Attachment(name="a.png", size=5, type="image/png", url=None),
    )


def test_a_declared_place_comes_before_the_usual_one() -> None:
    declared = source(
        "zendesk",
        mapping={"type": {"field": "kind", "values": {"p": "problem"}}, "service_level": {"constant": "gold"}},
    )
    assert details_of(declared, {"type": "task", "kind": "p"}) == Details(type="problem", service_level="gold")


@given(st.sampled_from(sorted(SOURCES)), payloads)
def test_no_payload_is_too_odd(connector: str, payload: dict[str, Any]) -> None:
    found = details_of(source(connector), payload)
    assert all(a.url is None or a.url.startswith(("http://", "https://")) for a in found.attachments)


@given(st.text(max_size=60) | st.from_regex(r"https?://[^ ]{0,30}", fullmatch=True))
def test_an_address_without_secrets_has_none_left(url: str) -> None:
    bare = bare_url(url)
    assert bare is None or (bare_url(bare) == bare and not set("?#") & set(bare))
