"""When a ticket is no longer the one that was decided on."""

import dataclasses
from datetime import UTC, datetime

from hypothesis import given
from hypothesis import strategies as st
from msgspec.structs import replace

from aios_core.canonical.entities import Ticket
from aios_core.canonical.mapper import content_hash
from aios_core.decisions.conflicts import Seen, conflict

THEN = datetime(2026, 11, 20, tzinfo=UTC)
TICKET = Ticket(
    source="helpdesk",
    ticket_id="7",
    version="v1",
    correlation_id="c7",
    event_time=THEN,
    known_at=THEN,
    created_at=THEN,
    subject="No signal",
    body="Since noon.",
    queue="billing",
    priority="normal",
)
SEEN = Seen(content_hash=content_hash(TICKET), queue="billing", priority="normal")


def test_an_unchanged_ticket_may_be_written_to() -> None:
    assert conflict(SEEN, TICKET, queue="outage", priority="urgent") is None


def test_tags_assignee_and_times_of_change_are_no_conflict() -> None:
    touched = replace(TICKET, version="v2", event_time=THEN.replace(hour=5), tags=("aios",), custom={"product": "5G"})
    assert conflict(SEEN, touched, queue="outage") is None


def test_a_ticket_that_somebody_moved_stays_where_they_put_it() -> None:
    moved = replace(TICKET, queue="roaming")
    assert conflict(SEEN, moved, queue="outage") == "somebody moved the ticket to roaming since the decision"
    assert conflict(SEEN, replace(TICKET, queue="outage"), queue="outage") is None, "they put it where we would"
    assert conflict(dataclasses.replace(SEEN, ours=frozenset({"roaming"})), moved, queue="outage") is None, "it was us"
    assert conflict(SEEN, moved) is None, "a note moves nothing"


def test_a_priority_that_somebody_set_stays() -> None:
    raised = replace(TICKET, priority="high")
    assert "set the ticket's priority to high" in str(conflict(SEEN, raised, priority="low"))
    assert conflict(SEEN, raised, queue="outage") is None, "it is not what we would set"
    assert conflict(dataclasses.replace(SEEN, our_priorities=frozenset({"high"})), raised, priority="low") is None


def test_another_text_asks_for_another_decision() -> None:
    assert "what the ticket says was changed" in str(conflict(SEEN, replace(TICKET, body="It is back.")))


@given(status=st.sampled_from(["solved", "closed"]), seen=st.sampled_from([None, SEEN]))
def test_what_is_resolved_is_never_written_to(status: str, seen: Seen | None) -> None:
    assert conflict(seen, replace(TICKET, status=status), queue="billing") is not None


@given(queue=st.sampled_from(["a", "b", "c", None]), now=st.sampled_from(["a", "b", "c", None]))
def test_what_is_not_known_to_have_been_seen_is_compared_with_nothing(queue: str | None, now: str | None) -> None:
    assert conflict(None, replace(TICKET, queue=now), queue=queue) is None
