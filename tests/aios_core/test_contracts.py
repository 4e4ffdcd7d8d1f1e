from typing import Any

from hypothesis import given
from hypothesis import strategies as st

from aios_core.contracts import Change, Seen, changes, misfits

TICKET = {"id": 1, "subject": "Bill", "closed": None, "vip": True, "tags": ["a"], "via": {"channel": "email"}}
JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=5), inner, max_size=3),
    max_leaves=8,
)


def seen(*payloads: dict[str, Any]) -> Seen:
    return Seen().add(payloads)


def told(known: Seen, new: Seen) -> list[tuple[str, str]]:
    return [(c.kind, c.path) for c in changes(known, new)]


def test_what_is_as_before_is_no_change() -> None:
    assert changes(seen(TICKET), seen(TICKET, TICKET | {"id": 2.5})) == []


def test_a_new_field_and_another_kind_of_value_are_named_by_their_place() -> None:
    new = TICKET | {"id": "1", "via": {"channel": "email", "agent": 7}}
    assert told(seen(TICKET), seen(new)) == [("new", "via.agent"), ("type", "id")]
    assert changes(seen(TICKET), seen(new))[1] == Change(kind="type", path="id", found="text, was number")


def test_null_says_nothing_of_a_kind() -> None:
    assert changes(seen(TICKET), seen(TICKET | {"closed": "2026-11-20", "subject": None})) == []


def test_a_field_that_every_record_had_and_none_has_any_more_has_vanished() -> None:
    known, without = seen(*[TICKET] * 50), {k: v for k, v in TICKET.items() if k != "via"}
    assert told(known, seen(*[without] * 20)) == [("vanished", "via")], "its own fields are not listed beside it"
    assert told(known, seen(*[without] * 19)) == [], "too few to say"
    assert told(known, seen(*[without] * 19, TICKET)) == []
    assert told(seen(*[TICKET] * 49, without), seen(*[without] * 20)) == [], "it was not in all before"


def test_one_record_that_lacks_something_still_fits() -> None:
    known = seen(*[TICKET] * 60)
    assert misfits(known, {"id": 1}) == []
    assert [c.path for c in misfits(known, {"id": "x", "colour": 1})] == ["colour", "id"]


@given(st.lists(st.dictionaries(st.text(max_size=5), JSON, max_size=4), min_size=1, max_size=6))
def test_what_was_learnt_fits_itself_and_comes_back_as_it_was_kept(payloads: list[dict[str, Any]]) -> None:
    known = seen(*payloads)
    assert changes(known, seen(*payloads)) == []
    assert all(misfits(known, payload) == [] for payload in payloads)
    assert Seen.from_json(known.as_json()) == known
