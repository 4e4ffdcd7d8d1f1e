from datetime import UTC, datetime
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from aios_core.canonical.values import MAX_ID_CHARS, clean_text, lookup, to_id, to_time
from aios_core.errors import RecordError


def test_a_path_walks_objects_lists_and_id_value_pairs() -> None:
    payload: dict[str, Any] = {
        "via": {"channel": "web"},
        "list": [{"a": 1}, {"a": 2}],
        "custom_fields": [{"id": 9, "value": "x"}],
        "a.b": "a column with a dot",
        "none": None,
    }
    found = {p: lookup(payload, p) for p in ("via.channel", "list.1.a", "custom_fields.9", "a.b", "none.x", "via.x.y")}
    assert found == {
        "via.channel": "web",
        "list.1.a": 2,
        "custom_fields.9": "x",
        "a.b": "a column with a dot",
        "none.x": None,
        "via.x.y": None,
    }


@pytest.mark.parametrize(
    ("value", "expected"),
    [
        ("2026-01-02T03:04:05Z", datetime(2026, 1, 2, 3, 4, 5, tzinfo=UTC)),
        ("2026-01-02T03:04:05.000+0000", datetime(2026, 1, 2, 3, 4, 5, tzinfo=UTC)),
        ("2026-01-02T03:04:05+02:00", datetime(2026, 1, 2, 1, 4, 5, tzinfo=UTC)),
        ("2026-01-02", datetime(2026, 1, 2, tzinfo=UTC)),
        (1767323045, datetime(2026, 1, 2, 3, 4, 5, tzinfo=UTC)),
        (1767323045000, datetime(2026, 1, 2, 3, 4, 5, tzinfo=UTC)),
        (datetime(2026, 1, 2), datetime(2026, 1, 2, tzinfo=UTC)),  # Parquet's times may be naive
    ],
)
def test_times_in_the_forms_that_sources_write_become_utc(value: Any, expected: datetime) -> None:
    assert to_time(value, field="t") == expected


@pytest.mark.parametrize("value", ["soon", True, [], {}, 1e300, float("nan"), "9999-12-31T23:59:59-12:00", b"2026"])
def test_what_is_no_time_is_named_with_its_field(value: Any) -> None:
    with pytest.raises(RecordError, match="created_at: ") as raised:
        to_time(value, field="created_at")
    assert raised.value.code == "record.bad_time"


@pytest.mark.parametrize(("value", "expected"), [(7, "7"), (7.0, "7"), (" x ", "x"), ("007", "007")])
def test_identifiers_are_written_one_way(value: Any, expected: str) -> None:
    assert to_id(value, field="id") == expected


@pytest.mark.parametrize("value", [None, "", "  ", True, {}, [], "x" * (MAX_ID_CHARS + 1)])
def test_what_is_no_identifier_is_refused(value: Any) -> None:
    with pytest.raises(RecordError):
        to_id(value, field="id")


@given(text=st.text(st.characters(codec=None)))
def test_clean_text_is_storable_and_changes_nothing_else(text: str) -> None:
    clean = clean_text(text)
    clean.encode()
    assert "\0" not in clean
    assert clean_text(clean) == clean
    if text.isprintable() and text.isascii():
        assert clean == text
