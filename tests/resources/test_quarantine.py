from typing import Any

import pytest

from resources.canonical import CanonicalStore
from resources.connectors.base import Record, Reject
from resources.connectors.items import to_json_bytes
from resources.database import Database
from resources.quarantine import Quarantined, QuarantineError, QuarantineStore
from tests.resources.ingesting import T0, advance, automation, land, rows, ticket

A = "desk_a"


def only(database: Database) -> Quarantined:
    (row,) = QuarantineStore(database).list(A)
    return row


def tickets(database: Database) -> list[tuple[Any, ...]]:
    return rows(database, "select ticket_id, subject, correlation_id from tickets order by ticket_id, landing_id")


def test_a_corrected_record_becomes_a_ticket_with_its_first_correlation_id(database: Database) -> None:
    bad = ticket(1, created_at="yesterday")
    land(database, bad)
    advance(database)
    row = only(database)
    store = QuarantineStore(database)
    result = store.replay(
        row.quarantine_id, automation=automation(), payload=bad.payload | {"created_at": "2026-03-01"}
    )
    assert (result.replayed, result.failures) == (1, ())
    assert tickets(database) == [("1", "subject 1", row.correlation_id)]
    assert store.show(row.quarantine_id).resolution == "replayed"
    assert store.list(A) == []
    assert rows(database, "select payload ->> 'created_at' from landing_records") == [("yesterday",)]


def test_all_of_them_are_replayed_after_the_declaration_was_corrected(database: Database) -> None:
    land(database, *(ticket(n, description="x" * 1000) for n in range(5)), ticket(7, subject=["not", "a", "text"]))
    strict = automation(checks={"max_text_chars": 500})
    assert advance(database, declared=strict).quarantined == 6
    result = QuarantineStore(database).replay(automation=automation())
    assert result.replayed == 5
    assert [f.code for f in result.failures] == ["record.bad_text"]
    assert len(tickets(database)) == 5


def test_a_solved_ticket_brings_its_outcome_when_it_is_replayed(database: Database) -> None:
    land(database, ticket(1, status="solvd", group_id=4001))
    advance(database)
    row = only(database)
    fixed = ticket(1, status="solved", group_id=4001).payload
    QuarantineStore(database).replay(row.quarantine_id, automation=automation(), payload=fixed)
    assert rows(database, "select ticket_id, queue from outcomes") == [("1", "billing")]


def test_what_still_fails_stays_and_says_why(database: Database) -> None:
    land(database, ticket(1, created_at="yesterday"))
    advance(database)
    store = QuarantineStore(database)
    result = store.replay(only(database).quarantine_id, automation=automation(), payload='{"created_at": "tomorrow"}')
    (failure,) = result.failures
    assert (result.replayed, failure.code) == (0, "record.bad_time")
    assert "tomorrow" in failure.message
    assert only(database).resolution is None


@pytest.mark.parametrize("payload", ["{broken", "[1]", '"text"'])
def test_a_correction_that_is_no_record_is_refused(database: Database, payload: str) -> None:
    land(database, ticket(1, created_at="yesterday"))
    advance(database)
    result = QuarantineStore(database).replay(only(database).quarantine_id, automation=automation(), payload=payload)
    assert result.replayed == 0
    assert result.failures[0].code in ("record.malformed", "record.not_an_object")


def test_a_line_that_never_landed_lands_with_its_correction(database: Database) -> None:
    reject = Reject(object="tickets", external_id="a.csv:3", code="file.column_count", message="m", payload="7,x")
    record = Record(
        object="tickets",
        external_id="a",
        version="v",
        json=to_json_bytes({"key": "a", "text": "t", "when": "2026-03-01"}),
    )
    land(database, record, rejects=[reject], source="files")
    advance(database, "files")
    row = only(database)
    store = QuarantineStore(database)
    assert store.replay(row.quarantine_id, automation=automation()).failures[0].code == "record.malformed"
    fixed = {"key": "7", "text": "x", "when": "2026-03-01"}
    assert store.replay(row.quarantine_id, automation=automation(), payload=fixed).replayed == 1
    assert rows(database, "select ticket_id, body, correlation_id from tickets where ticket_id = '7'") == [
        ("7", "x", row.correlation_id)
    ]
    assert rows(database, "select correlation_id from landing_records where external_id = '7'") == [
        (row.correlation_id,)
    ]
    assert advance(database, "files").quarantined == 0
    assert rows(database, "select count(*) from tickets") == [(2,)]


def test_a_version_conflict_can_be_taken_as_a_version_of_its_own(database: Database) -> None:
    land(database, ticket(1))
    land(database, ticket(1, subject="the other one"))
    advance(database)
    assert QuarantineStore(database).replay(automation=automation()).replayed == 1
    assert [t[1] for t in tickets(database)] == ["subject 1", "the other one"]


def test_replaying_twice_is_refused_and_changes_nothing(database: Database) -> None:
    land(database, ticket(1, created_at="yesterday"))
    advance(database)
    row, store = only(database), QuarantineStore(database)
    fixed = ticket(1).payload
    store.replay(row.quarantine_id, automation=automation(), payload=fixed)
    with pytest.raises(QuarantineError, match="was replayed on"):
        store.replay(row.quarantine_id, automation=automation(), payload=fixed)
    assert len(tickets(database)) == 1


def test_a_dropped_row_keeps_its_payload_and_is_not_replayed(database: Database) -> None:
    land(database, ticket(1, created_at="yesterday"))
    advance(database)
    row, store = only(database), QuarantineStore(database)
    store.drop(row.quarantine_id)
    assert store.list(A) == []
    assert [r.payload for r in store.list(A, open_only=False)] == [row.payload]
    assert store.replay(automation=automation()).replayed == 0
    with pytest.raises(QuarantineError, match="was dropped on"):
        store.drop(row.quarantine_id)


def test_an_unknown_row_is_named_with_the_way_out(database: Database) -> None:
    with pytest.raises(QuarantineError, match="there is no quarantine row 99; see `aios quarantine list`"):
        QuarantineStore(database).show(99)
    with pytest.raises(QuarantineError):
        QuarantineStore(database).replay(99, automation=automation())


def test_a_row_of_another_automation_is_not_replayed(database: Database) -> None:
    land(database, ticket(1, created_at="yesterday"))
    advance(database)
    with pytest.raises(QuarantineError, match="belongs to `desk_a`, not to `desk_b`"):
        QuarantineStore(database).replay(only(database).quarantine_id, automation=automation("desk_b"))


def test_one_correction_is_for_one_row(database: Database) -> None:
    with pytest.raises(QuarantineError, match="name its id"):
        QuarantineStore(database).replay(automation=automation(), payload={})


def test_a_replayed_ticket_is_read_like_any_other(database: Database) -> None:
    land(database, ticket(1, created_at="yesterday"))
    advance(database)
    QuarantineStore(database).replay(only(database).quarantine_id, automation=automation(), payload=ticket(1).payload)
    assert CanonicalStore(database).undecided_days(automation=automation())[0][:2] == (T0.date(), 1)
