import json
import math
from typing import Any

import orjson
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from msgspec import Raw

from resources.connectors.raw import body_with, stands
from resources.connectors.zendesk import _records
from resources.database import Database

parse = body_with("tickets", "after_cursor")
texts = st.text(st.characters(exclude_categories=["Cs"]), max_size=8)
values = st.recursive(
    st.none()
    | st.booleans()
    | st.integers(-(2**63), 2**63 - 1)
    | st.floats(allow_nan=False, allow_infinity=False)
    | texts,
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(texts, inner, max_size=4),
    max_leaves=12,
)
tickets = st.fixed_dictionaries(
    {},
    optional={
        "id": st.integers(0, 9) | texts | values,
        "updated_at": st.just("2026-03-01T10:00:00Z") | texts | values,
        "generated_timestamp": st.integers(0, 9) | values,
        "subject": values,
    },
)


def nested(depth: int) -> bytes:
    return b'{"id":1,"updated_at":"2026-03-01T10:00:00Z","deep":' + b"[" * depth + b"]" * depth + b"}"


@given(st.lists(tickets | values, max_size=5), st.sampled_from([None, 1]), st.booleans())
def test_what_is_cut_out_becomes_what_it_would_become_parsed(items: list[Any], indent: int | None, ascii: bool) -> None:
    body = json.dumps(
        {"other": items, "tickets": items, "after_cursor": "x"}, indent=indent, ensure_ascii=ascii
    ).encode()
    cut, whole = parse(body), orjson.loads(body)
    assert cut["after_cursor"] == "x"
    assert all(isinstance(item, Raw) for item in cut["tickets"])
    (records, rejects), (expected, refused) = _records("tickets", cut["tickets"]), _records("tickets", whole["tickets"])
    assert [(r.external_id, r.version, r.payload) for r in records] == [
        (r.external_id, r.version, r.payload) for r in expected
    ]
    assert not any(b"\n" in record.json for record in records)
    assert rejects == refused


@settings(suppress_health_check=[HealthCheck.function_scoped_fixture])  # it is only asked whether it can read a text
@given(st.lists(tickets, min_size=1, max_size=3), st.data())
def test_whatever_is_cut_out_of_a_damaged_body_is_json_to_postgres(
    database: Database, items: list[Any], data: st.DataObject
) -> None:
    body = bytearray(json.dumps({"tickets": items}, ensure_ascii=False).encode())
    for _ in range(data.draw(st.integers(1, 3))):
        at = data.draw(st.integers(0, len(body) - 1))
        body[at : at + data.draw(st.integers(0, 2))] = data.draw(
            st.binary(max_size=2) | st.sampled_from([b'"', b"\\u", b"1e999", b"{", b"]"])
        )
    try:
        found = parse(bytes(body))
    except ValueError:
        with pytest.raises(ValueError, match="."):
            orjson.loads(bytes(body))
        return
    cut = [
        bytes(item)
        for item in (found.get("tickets") if isinstance(found, dict) else None) or ()
        if isinstance(item, Raw)
    ]
    with database.connection() as connection:
        for item in cut:
            connection.execute("select %s::json", (item.decode(),))


@pytest.mark.parametrize(("depth", "lands"), [(100, True), (249, True), (300, False), (900, False), (5000, False)])
def test_what_is_nested_too_deep_is_no_record(depth: int, lands: bool) -> None:
    try:
        items = parse(b'{"tickets":[' + nested(depth) + b"]}")["tickets"]
    except ValueError:  # deeper than any parser goes
        assert depth > 1000
        return
    records, rejects = _records("tickets", items)
    assert (len(records), [r.code for r in rejects]) == ((1, []) if lands else (0, ["record.too_deep"]))
    assert stands(nested(depth)) is lands


def test_a_number_beyond_all_others_is_its_records_matter_and_not_the_pages() -> None:
    found = parse(
        b'{"tickets":[{"x":1e999},{"id":2,"updated_at":"2026-03-01T10:00:00Z","x":1e999},{"id":3,\n"x":1e999}]}'
    )
    records, rejects = _records("tickets", found["tickets"])
    assert [(r.external_id, r.payload["x"]) for r in records] == [("2", math.inf)]
    assert [(r.code, r.payload) for r in rejects] == [
        ("record.no_id", '"{\\"x\\":1e999}"'),
        ("record.malformed", '"{\\"id\\":3,\\n\\"x\\":1e999}"'),
    ]


@pytest.mark.parametrize(
    "body", [b"", b"[1", b'{"tickets":[{"a":"\xff"}]}', b'{"tickets":[{"a":"\\ud800"}]}', b'{"tickets":[{"a":01}]}']
)
def test_a_body_that_is_not_json_is_told_whatever_was_asked_for(body: bytes) -> None:
    with pytest.raises(ValueError, match="."):
        parse(body)
