"""`aios connect`, over an export in files."""

import json
from pathlib import Path

import pytest

from tests.cli.conftest import Aios
from tests.gateway.deciding import declare


@pytest.fixture
def desk(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    folders = declare(tmp_path)
    monkeypatch.setenv("AIOS_AUTOMATIONS", str(folders))
    (folders / "triage" / "tickets.csv").write_text(
        "ticket_id,created_at,subject,body\nT1,2026-03-02,Bill,write to ana@example.com\nT2,yesterday,Line,down\n"
    )
    return folders


def test_a_source_is_checked_by_reading_it(aios: Aios, desk: Path) -> None:
    done = aios("connect", "check", "desk", "--automation", "triage")
    assert done.exit_code == 0, done.output
    assert "1 files match" in done.stdout
    assert "ana@example.com" not in done.stdout


def test_a_preview_shows_what_records_become_and_which_would_be_refused(aios: Aios, desk: Path) -> None:
    done = aios("connect", "preview", "desk", "--automation", "triage", "--json")
    first, second = json.loads(done.stdout)
    assert (first["entity"]["ticket_id"], first["entity"]["subject"]) == ("tickets.csv:1", "Bill")
    assert (second["entity"], second["refused"].split(":")[0]) == (None, "record.bad_time")


def test_an_unknown_source_is_told_with_those_there_are(aios: Aios, desk: Path) -> None:
    done = aios("connect", "check", "helpdesk", "--automation", "triage")
    assert done.exit_code == 1
    assert "there are: crm, desk" in done.stderr


def test_a_source_without_conversations_says_so(aios: Aios, desk: Path) -> None:
    done = aios("connect", "thread", "desk", "T1", "--automation", "triage")
    assert done.exit_code == 1
    assert "desk does not show what was written on a ticket" in done.stderr
