"""A ticket's conversation out of whatever a vendor answers."""

from datetime import UTC, datetime
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from pydantic import ValidationError

from aios_core.canonical.thread import MOST_MESSAGES, messages_of
from aios_core.declaration.listing import Listing
from aios_core.declaration.thread import Thread

LISTING = Listing(path="/tickets/{id}/comments")


def thread(**changes: Any) -> Thread:
    usual: dict[str, Any] = {
        "listing": LISTING,
        "text": "body",
        "at": "created",
        "author": "by",
        "attachments": "files",
    }
    return Thread(**(usual | {"public": {"public": True}} | changes))


def test_messages_come_oldest_first_and_say_who_wrote_them_and_who_sees_them() -> None:
    items = [
        {"body": "second", "created": "2026-01-02T00:00:00Z", "by": 7, "public": False},
        {"body": "first", "created": "2026-01-01T00:00:00Z", "by": " Ana ", "public": True},
    ]
    found = messages_of(thread(), items)
    assert [(m.text, m.author, m.public) for m in found] == [("first", "Ana", True), ("second", "7", False)]
    assert found[0].at == datetime(2026, 1, 1, tzinfo=UTC)


def test_the_tickets_own_text_is_no_message_where_the_vendor_begins_with_it() -> None:
    items = [{"body": "mine", "created": 2}, {"body": "the ticket", "created": 1}]
    assert [m.text for m in messages_of(thread(first=True), items)] == ["mine"]


def test_markup_is_taken_off_and_a_message_without_words_counts_by_what_is_attached() -> None:
    file = {"file_name": "bill.pdf", "size": 3, "content_url": "https://a.example/b.pdf?token=secret"}
    items = [
        {"body": "<p>Dear <b>Ana</b></p>", "created": 1},
        {"body": None, "created": 2},
        {"files": [file], "created": 3},
    ]
    words, attached = messages_of(thread(markup="html", public={}), items)
    assert (words.text, words.public) == ("Dear Ana", None)
    assert (attached.text, attached.attachments[0].url) == ("", "https://a.example/b.pdf")


def test_the_newest_are_kept_where_there_are_too_many() -> None:
    many = [{"body": str(n), "created": n} for n in range(MOST_MESSAGES + 5)]
    found = messages_of(thread(), many)
    assert [found[0].text, found[-1].text, len(found)] == ["5", str(MOST_MESSAGES + 4), MOST_MESSAGES]


anything = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=20),
    lambda inner: (
        st.lists(inner, max_size=3)
        | st.dictionaries(
            st.sampled_from(["body", "created", "by", "public", "files", "name", "size"]), inner, max_size=4
        )
    ),
    max_leaves=12,
)


@given(
    st.lists(st.dictionaries(st.sampled_from(["body", "created", "by", "public", "files"]), anything), max_size=4),
    st.sampled_from([None, "html"]),
)
def test_no_answer_is_too_odd_to_be_shown(items: list[dict[str, Any]], markup: Any) -> None:
    for message in messages_of(thread(markup=markup), items):
        assert message.text or message.attachments
        message.text.encode()


def test_messages_inside_a_ticket_need_what_gives_the_ticket() -> None:
    with pytest.raises(ValidationError, match="both or none"):
        thread(listing=None, inside="parts")
