"""`aios quarantine`, over a row that a mapper refused."""

import json
from pathlib import Path

import pytest

from resources.database import Database
from resources.quarantine import Entry, QuarantineStore
from tests.cli.conftest import Aios

TICKET = {"id": 7, "created_at": "2026-11-20T08:00:00Z", "updated_at": "2026-11-20T08:00:00Z", "subject": "No signal",
          "description": "Since noon", "status": "new", "generated_timestamp": 1763625600}  # fmt: skip


@pytest.fixture
def row(database: Database) -> int:
    broken = {**TICKET, "created_at": "yesterday"}
    store = QuarantineStore(database)
    store.put(
        [
            Entry(
                automation="customer_escalations",
                source="helpdesk",
                object="tickets",
                external_id="7",
                stage="canonical",
                code="record.bad_time",
                message="created_at: not a time",
                payload=json.dumps(broken),
                correlation_id="c-7",
            )
        ]
    )
    return store.list("customer_escalations")[0].quarantine_id


def test_what_waits_is_listed_without_its_payload(aios: Aios, row: int) -> None:
    (listed,) = json.loads(aios("quarantine", "list", "--json").stdout)
    assert listed["quarantine_id"] == row
    assert "payload" not in listed
    assert "record.bad_time" in aios("quarantine", "list").stdout


def test_one_row_is_shown_with_its_payload(aios: Aios, row: int) -> None:
    assert '"created_at": "yesterday"' in aios("quarantine", "show", str(row)).stdout


def test_a_replay_without_a_fix_still_fails_and_says_so(aios: Aios, row: int) -> None:
    done = aios("quarantine", "replay", str(row), "--json")
    assert done.exit_code == 1
    assert [f["quarantine_id"] for f in json.loads(done.stdout)["failures"]] == [row]


def test_a_corrected_record_goes_back_into_the_pipeline(
    aios: Aios, database: Database, row: int, tmp_path: Path
) -> None:
    fixed = tmp_path / "fixed.json"
    fixed.write_text(json.dumps(TICKET))
    done = aios("quarantine", "replay", str(row), "--payload", str(fixed), "--json")
    assert (done.exit_code, json.loads(done.stdout)) == (0, {"replayed": 1, "failures": []})
    assert aios("quarantine", "list").stdout == "nothing is in quarantine\n"
    with database.connection() as connection:
        found = connection.execute("select ticket_id, subject, correlation_id from tickets").fetchall()
    assert found == [("7", "No signal", "c-7")]


def test_a_dropped_row_waits_no_more(aios: Aios, row: int) -> None:
    assert aios("quarantine", "drop", str(row)).exit_code == 0
    assert json.loads(aios("quarantine", "list", "--json").stdout) == []
    assert len(json.loads(aios("quarantine", "list", "--all", "--json").stdout)) == 1


def test_a_row_or_all_must_be_named(aios: Aios) -> None:
    assert aios("quarantine", "replay").exit_code == 2
    assert aios("quarantine", "replay", "1", "--all").exit_code == 2


def test_a_payload_that_is_not_there_is_named(aios: Aios, row: int) -> None:
    assert "none.json: can't be read" in aios("quarantine", "replay", str(row), "--payload", "none.json").stderr
