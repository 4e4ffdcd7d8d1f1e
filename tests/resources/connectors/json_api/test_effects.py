"""What an action still has to change on a ticket, and the requests that say it: without HTTP."""

from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from aios_core.canonical.entities import Ticket
from aios_core.canonical.mapper import map_record
from aios_core.declaration.source_base import ApiSource
from aios_core.declaration.vendors.freshdesk import FreshdeskSource
from aios_core.declaration.vendors.hubspot import HubspotSource
from aios_core.declaration.vendors.jira import JiraSource
from aios_core.declaration.vendors.servicenow import ServicenowSource
from aios_core.declaration.writing import Call, Writing
from resources.connectors.json_api.effects import Effect, NotWritable, effect_of, is_marked, was_replied
from resources.connectors.json_api.filling import Each, request_of
from resources.connectors.marking import mark, marker_key
from tests.resources.connectors.fakes import action
from tests.resources.deciding import NOW

GROUPS = {"41": "billing", "42": "outage"}
FRESHDESK = FreshdeskSource(
    connector="freshdesk", url="http://desk", key="k", mapping={"queue": {"field": "group_id", "values": GROUPS}}
)
PLAIN = {
    "subject": "No signal",
    "description_text": "Since noon",
    "created_at": "2026-11-20T08:00:00Z",
    "updated_at": "2026-11-20T08:00:00Z",
    "status": 2,
    "priority": 2,
    "group_id": 41,
    "tags": ["vip"],
    "responder_id": 9,
}


def effect(source: ApiSource, payload: dict[str, Any], **wanted: Any) -> Effect:
    assert source.writing is not None
    asked = action(7, "d1:assign", **({"comment": "", "tags": []} | wanted))
    return effect_of(asked, payload, _ticket(source, payload), source=source, writing=source.writing)


def _ticket(source: ApiSource, payload: dict[str, Any]) -> Ticket:
    own: dict[str, Any] = {"correlation_id": "c", "landed_at": NOW, "external_id": "7", "version": "v"}
    entity = map_record(source, source_name="desk", object="tickets", payload=payload, **own)
    assert isinstance(entity, Ticket)
    return entity


def sent(source: ApiSource, found: Effect) -> dict[str, Any]:
    """The body of the first step."""
    assert source.writing is not None
    step = source.writing.steps[0]
    said = found.said(step.carries, id="7", tag=Each(found.values.get("tags", ())))
    body: dict[str, Any] = request_of(step, said).body
    return body


def test_only_what_is_not_so_yet_is_sent_in_the_vendors_own_values() -> None:
    found = effect(FRESHDESK, PLAIN, queue="outage", priority="urgent", assignee="9", tags=["vip", "aios"])
    assert sent(FRESHDESK, found) == {"group_id": 42, "priority": 4, "tags": ["vip", "aios"]}
    assert effect(FRESHDESK, PLAIN, queue="billing", priority="normal", tags=["vip"]).parts == frozenset()


def test_a_field_within_a_field_is_written_as_it_is_read() -> None:
    source = JiraSource(
        connector="jira", url="http://j", email="e", token="t", project="CARE",
        mapping={"queue": {"field": "fields.customfield_1.id", "values": GROUPS}},
    )  # fmt: skip
    fields = {"summary": "s", "created": "2026-11-20T08:00:00Z", "updated": "2026-11-20T08:00:00Z", "labels": ["a"]}
    found = effect(source, {"fields": fields}, queue="outage", assignee="u1", tags=["a", "b"])
    assert sent(source, found) == {
        "fields": {"customfield_1": {"id": "42"}, "assignee": {"accountId": "u1"}},
        "update": {"labels": [{"add": "b"}]},
    }


def test_a_priority_that_is_computed_is_written_by_what_it_is_computed_from() -> None:
    source = ServicenowSource(connector="servicenow", url="http://n")
    row = {
        "sys_created_on": "2026-11-20 08:00:00",
        "sys_updated_on": "2026-11-20 08:00:00",
        "priority": "4",
        "state": "2",
    }
    found = effect(source, row, queue="g1", priority="high", comment="why")
    body = sent(source, found)
    assert body.pop("work_notes").startswith("why\n\n[aios d1:assign]")
    assert body == {"assignment_group": "g1", "impact": "2", "urgency": "1"}
    assert effect(source, row | {"priority": "5"}, queue=None, priority="low").parts == frozenset(), "low already"


def test_tags_in_one_text_are_added_once_and_only_where_a_field_is_mapped() -> None:
    def tagged(mapping: dict[str, str], tags: str) -> Effect:
        source = HubspotSource(connector="hubspot", url="http://h", token="t", provides="tickets", mapping=mapping)
        told = {"createdate": "2026-11-20T08:00:00Z", "hs_lastmodifieddate": "2026-11-20T08:00:00Z", "mine": tags}
        return effect(source, {"properties": told}, queue=None, tags=["aios"])

    mapped = {"tags": "properties.mine"}
    assert tagged(mapped, "vip").fields["tags"] == {"mine": "vip;aios"}
    assert tagged(mapped, "vip;aios").parts == tagged({}, "vip").parts == frozenset()


@pytest.mark.parametrize(
    ("mapping", "said"),
    [
        ({"queue": {"field": "group_id", "values": {"41": "billing"}}}, "mapping.queue.values"),
        ({"queue": {"constant": "billing"}}, "reads nowhere"),
    ],
)
def test_a_queue_that_nothing_stands_for_is_a_failure_that_says_what_to_declare(mapping: Any, said: str) -> None:
    source = FreshdeskSource(connector="freshdesk", url="http://desk", key="k", mapping=mapping)
    with pytest.raises(NotWritable, match=said):
        effect(source, PLAIN, queue="outage")


@given(key=st.text(min_size=1, max_size=200), other=st.text(min_size=1, max_size=200))
def test_a_mark_is_one_word_of_its_own_and_is_found_again(key: str, other: str) -> None:
    one, another = action(1, key), action(1, other)
    assert marker_key(one).split() == [marker_key(one)]
    assert is_marked(one, (f"<p>why</p><p>{mark(one)}</p>",))
    if key != other:
        assert not is_marked(one, (f"why\n\n{mark(another)}",))


def test_a_reply_is_found_again_in_markup_and_not_within_other_words() -> None:
    asked = action(1, "k", kind="reply", reply='It\'s "up"\n\nagain & well.')
    assert was_replied(asked, ("<p>It&#39;s &quot;up&quot;</p><p>again &amp; well.</p>",))
    assert not was_replied(asked, ("It is up again.", ""))


@given(st.dictionaries(st.sampled_from(["id", "note", "queue"]), st.text(), min_size=1))
def test_what_is_not_known_is_left_out_and_texts_stand_as_they_are(said: dict[str, str]) -> None:
    call = Call(method="POST", path="/t/{id}", body={"note": "{note}", "to": {"queue": "{queue}"}, "fixed": True})
    body = request_of(call, said).body
    assert body.get("note", said.get("note")) == said.get("note")
    assert ("note" in body) == ("note" in said)
    assert body["to"] == ({"queue": said["queue"]} if "queue" in said else {})
    assert request_of(call, said).path.count("/") == 2, "an id can't leave its place in the path"


def test_writing_is_declared_with_the_note_last_and_no_text_in_batches() -> None:
    plain = FRESHDESK.writing
    assert plain is not None
    declared = plain.model_dump()
    with pytest.raises(ValueError, match="last step carries the note"):
        Writing.model_validate(declared | {"steps": declared["steps"][::-1]})
    with pytest.raises(ValueError, match="go together"):
        Writing.model_validate(declared | {"replies": None})
