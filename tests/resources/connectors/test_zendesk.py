from datetime import date
from typing import Any

import httpx
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from aios_core.declaration.sources import ZendeskSource
from aios_core.errors import PermanentError
from resources.connectors.base import rounds
from resources.connectors.http import SourceDenied
from resources.connectors.zendesk import ZendeskConnector
from resources.connectors.zendesk_updates import KEYS_KEPT
from tests.resources.connectors.fakes import MARKER, FakeZendesk, action

SOURCE = ZendeskSource(
    connector="zendesk",
    url="https://desk.example.com",
    email="agent@example.com",
    token="secret",
    mapping={"queue": {"field": "group_id", "values": {"4001": "billing", "4002": "outage"}}},  # type: ignore[dict-item]
)


def connector(desk: FakeZendesk, **options: Any) -> ZendeskConnector:
    return ZendeskConnector(
        SOURCE,
        url="https://desk.example.com",
        email="agent@example.com",
        token=options.pop("token", "secret"),
        transport=desk.transport,
        sleep=lambda _: None,
        **options,
    )


@pytest.fixture
def desk() -> FakeZendesk:
    desk = FakeZendesk()
    for n in range(1, 26):
        desk.put(n, subject=f"ticket {n}")
    return desk


def read(desk: FakeZendesk, cursor: str | None = None, **options: Any) -> tuple[list[str], str]:
    pages = list(connector(desk, **options).read(object="tickets", cursor=cursor))
    assert [p.done for p in pages] == [False] * (len(pages) - 1) + [True]
    return [r.external_id for p in pages for r in p.records], pages[-1].cursor


def test_every_ticket_is_read_once_over_many_pages(desk: FakeZendesk) -> None:
    ids, _ = read(desk, page_size=10)
    assert ids == [str(n) for n in range(1, 26)]


def test_reading_on_from_a_cursor_gives_only_what_is_new(desk: FakeZendesk) -> None:
    _, cursor = read(desk)
    assert read(desk, cursor) == ([], cursor)
    desk.put(26, subject="new")
    assert read(desk, cursor)[0] == ["26"]


def test_a_version_moves_on_with_every_update(desk: FakeZendesk) -> None:
    def version() -> str:
        return next(iter(connector(desk).read(object="tickets", cursor=None))).records[0].version

    desk.tickets = {1: desk.tickets[1]}
    first = version()
    assert version() == first
    desk.put(1, status="open")
    assert version() != first


def test_tickets_start_at_the_declared_day_and_users_at_the_beginning(desk: FakeZendesk) -> None:
    asked: dict[str, str] = {}

    def note(request: httpx.Request) -> httpx.Response:
        if "start_time" in request.url.params:
            asked[request.url.path.split("/")[4]] = request.url.params["start_time"]
        raise NotImplementedError

    desk.before = note
    source = connector(desk, start=date(2026, 1, 1))
    for name in source.objects:
        list(source.read(object=name, cursor=None))
    assert asked == {"users": "0", "tickets": "1767225600"}


def test_an_item_that_is_no_record_is_rejected_and_the_others_go_on(desk: FakeZendesk) -> None:
    items = [{"id": 1, "updated_at": "2026-01-01T00:00:00Z"}, "what", {"subject": "no id"}, None, {"id": []}]
    desk.before = lambda _: httpx.Response(200, json={"tickets": items, "after_cursor": "1", "end_of_stream": True})
    (page,) = connector(desk).read(object="tickets", cursor=None)
    assert [r.external_id for r in page.records] == ["1"]
    assert [r.code for r in page.rejects] == [
        "record.not_an_object",
        "record.no_id",
        "record.not_an_object",
        "record.no_id",
    ]
    assert page.rejects[1].payload == '{"subject":"no id"}'


def test_a_cursor_that_does_not_move_ends_the_read(desk: FakeZendesk) -> None:
    desk.before = lambda _: httpx.Response(200, json={"tickets": [], "after_cursor": "c", "end_of_stream": False})
    assert [p.cursor for p in connector(desk).read(object="tickets", cursor="c")] == ["c"]


def test_a_truncated_page_is_read_again(desk: FakeZendesk) -> None:
    faults = [httpx.Response(200, content=b'{"tickets": [{"id": 1, "subject": "I can'), httpx.Response(429)]

    def fail_twice(_: httpx.Request) -> httpx.Response:
        if faults:
            return faults.pop()
        raise NotImplementedError

    desk.before = fail_twice
    assert len(read(desk)[0]) == 25


def test_wrong_credentials_are_named(desk: FakeZendesk) -> None:
    with pytest.raises(SourceDenied, match="check the credentials"):
        connector(desk, token="wrong").check()


def test_check_says_who_we_are_and_which_queues_have_no_group(desk: FakeZendesk) -> None:
    said = connector(desk, queues=["billing", "fraud"]).check()
    assert said == "agent@example.com (admin) at https://desk.example.com; no group is mapped to: fraud"


def test_an_unknown_object_is_refused(desk: FakeZendesk) -> None:
    with pytest.raises(PermanentError, match="there are: users, tickets"):
        connector(desk).read(object="calls", cursor=None)


def test_an_assignment_moves_tags_and_comments_in_private(desk: FakeZendesk) -> None:
    (result,) = connector(desk).write([action(7, "d7:assign")])
    assert result.status == "sent"
    (update,) = desk.updates
    assert update["group_id"] == 4001
    assert update["additional_tags"] == ["aios"]
    assert update["comment"] == {"body": "why", "public": False}


def test_a_note_leaves_the_ticket_where_it_is(desk: FakeZendesk) -> None:
    connector(desk).write([action(7, "d7:draft", kind="draft")])
    assert "group_id" not in desk.updates[0]
    assert desk.comments(7) == 1


def test_sending_the_same_key_again_has_no_second_effect(desk: FakeZendesk) -> None:
    actions = [action(n, f"d{n}:assign") for n in range(1, 26)]
    first = connector(desk).write(actions)
    again = connector(desk).write(actions)
    assert {r.status for r in first + again} == {"sent"}
    assert len(desk.updates) == 25


def test_an_older_action_sent_again_after_a_newer_one_has_no_second_effect(desk: FakeZendesk) -> None:
    older, newer = action(7, "d7:draft", kind="draft"), action(7, "d7:verdict")
    connector(desk).write([older, newer])
    connector(desk).write([older, newer])
    assert [u.get("group_id") for u in desk.updates] == [None, 4001]


def test_a_job_whose_answer_was_lost_has_no_second_effect(desk: FakeZendesk) -> None:
    lost = []

    def lose_the_first(request: httpx.Request) -> httpx.Response:
        if request.url.path.endswith("update_many.json") and not lost:
            lost.append(desk.answer_undisturbed(request))
            raise httpx.ReadTimeout("lost")
        raise NotImplementedError

    desk.before = lose_the_first
    (result,) = connector(desk).write([action(7, "d7:assign")])
    assert lost
    assert result.status == "sent"
    assert desk.comments(7) == 1


def test_a_ticket_changed_between_reading_and_writing_is_read_again(desk: FakeZendesk) -> None:
    changes = [lambda: desk.put(7, subject="changed meanwhile")]
    desk.after_read = lambda: changes.pop()() if changes else None
    (result,) = connector(desk).write([action(7, "d7:assign")])
    assert result.status == "sent"
    assert desk.tickets[7]["subject"] == "changed meanwhile"
    assert desk.comments(7) == 1


def test_a_ticket_that_never_keeps_still_is_left_for_later(desk: FakeZendesk) -> None:
    desk.after_read = lambda: desk.put(7)
    (result,) = connector(desk).write([action(7, "d7:assign")])
    assert result.status == "retry"
    assert desk.updates == []


@pytest.mark.parametrize("status", ["solved", "closed"])
def test_a_ticket_that_someone_resolved_first_is_a_conflict(desk: FakeZendesk, status: str) -> None:
    desk.put(7, status=status)
    (result,) = connector(desk).write([action(7, "d7:assign")])
    assert result.status == "conflict"
    assert status in result.message
    assert desk.updates == []


def test_an_action_in_effect_before_the_ticket_was_solved_counts_as_sent(desk: FakeZendesk) -> None:
    connector(desk).write([action(7, "d7:assign")])
    desk.put(7, status="solved")
    (result,) = connector(desk).write([action(7, "d7:assign")])
    assert result.status == "sent"


def test_deleted_and_unknown_tickets_are_gone(desk: FakeZendesk) -> None:
    desk.put(7, status="deleted")
    results = connector(desk).write([action(7, "a"), action(99, "b"), action("not-a-number", "c"), action(8, "d")])
    assert [r.status for r in results] == ["gone", "gone", "gone", "sent"]


def test_results_come_in_the_order_of_the_actions(desk: FakeZendesk) -> None:
    desk.put(3, status="solved")
    results = connector(desk).write([action(3, "a"), action(4, "b"), action(3, "c"), action(99, "d")])
    assert [(r.external_id, r.status) for r in results] == [
        ("3", "conflict"),
        ("4", "sent"),
        ("3", "conflict"),
        ("99", "gone"),
    ]


def test_a_queue_without_a_group_fails_and_says_what_to_map(desk: FakeZendesk) -> None:
    (result,) = connector(desk).write([action(7, "a", queue="fraud")])
    assert result.status == "failed"
    assert "mapping.queue.values" in result.message


def test_an_outage_leaves_all_actions_for_later(desk: FakeZendesk) -> None:
    desk.before = lambda _: httpx.Response(503)
    results = connector(desk).write([action(1, "a"), action(2, "b")])
    assert [r.status for r in results] == ["retry", "retry"]


def test_an_account_without_the_marker_field_is_told_to_make_it(desk: FakeZendesk) -> None:
    desk.fields = [{"id": 1, "title": "Subject"}]
    with pytest.raises(PermanentError, match="create a text field"):
        connector(desk).write([action(1, "a")])
    assert desk.updates == []


def test_a_helpdesk_without_show_many_is_read_one_by_one(desk: FakeZendesk) -> None:
    desk.has_show_many = False
    source = connector(desk)
    results = source.write([action(1, "a"), action(99, "b")])
    results += source.write([action(1, "a")])
    assert [r.status for r in results] == ["sent", "gone", "sent"]
    assert desk.requests.count("GET /api/v2/tickets/show_many.json") == 1
    assert len(desk.updates) == 1


def test_the_marker_keeps_a_bounded_number_of_keys(desk: FakeZendesk) -> None:
    for n in range(KEYS_KEPT + 5):
        connector(desk).write([action(7, f"key-{n}", kind="note")])
    (value,) = [f["value"] for f in desk.tickets[7]["custom_fields"] if f["id"] == MARKER]
    assert value.split() == [f"key-{n}" for n in range(KEYS_KEPT + 4, 4, -1)]


@settings(max_examples=50, deadline=None)
@given(ids=st.lists(st.sampled_from("abcd"), max_size=30), limit=st.integers(1, 5))
def test_rounds_hold_each_place_once_no_id_twice_and_keep_the_order_of_each_id(ids: list[str], limit: int) -> None:
    groups = rounds(ids, limit=limit)
    places = [p for group in groups for p in group]
    assert sorted(places) == list(range(len(ids)))
    for group in groups:
        assert len(group) <= limit
        assert len({ids[p] for p in group}) == len(group)
    for name in set(ids):
        own = [p for p in places if ids[p] == name]
        assert own == sorted(own)
