"""The chain: each way of tampering with one entry is seen."""

from dataclasses import replace
from datetime import UTC, datetime, timedelta, timezone
from typing import Any

import pytest

from aios_core.ledger.chain import GENESIS, Entry, entry_hash, problem

AT = datetime(2026, 11, 20, 12, tzinfo=UTC)


def entry(sequence: int, previous: str) -> Entry:
    made = Entry(
        sequence=sequence,
        automation="care",
        kind="decisions",
        subject="s",
        content_hash="ab" * 32,
        items=3,
        previous_hash=previous,
        at=AT,
    )
    return replace(made, entry_hash=entry_hash(made))


FIRST = entry(1, GENESIS)
SECOND = entry(2, FIRST.entry_hash)


def test_an_untouched_chain_has_no_problem() -> None:
    assert problem(FIRST, None) is None
    assert problem(SECOND, FIRST) is None


@pytest.mark.parametrize(
    "change",
    [
        {"automation": "other"},
        {"kind": "actions"},
        {"subject": "t"},
        {"content_hash": "cd" * 32},
        {"items": 4},
        {"at": AT + timedelta(microseconds=1)},
        {"entry_hash": "0" * 64},
    ],
)
def test_a_changed_field_is_seen(change: dict[str, Any]) -> None:
    assert problem(replace(SECOND, **change), FIRST) == "entry 2 was changed after it was written"


def test_a_removed_or_foreign_entry_is_seen() -> None:
    assert problem(entry(3, SECOND.entry_hash), FIRST) == "entry 2 is missing"
    assert problem(entry(2, "f" * 64), FIRST) == "entry 2 does not follow the entry before it"
    assert problem(SECOND, None) == "entry 1 is missing"
    assert problem(FIRST, FIRST) == "entry 1 comes twice"


def test_the_time_zone_in_which_a_time_is_read_does_not_matter() -> None:
    there = timezone(timedelta(hours=5))
    assert entry_hash(replace(FIRST, at=AT.astimezone(there))) == FIRST.entry_hash
