"""`aios automation`, as somebody who writes one meets it."""

import json
from datetime import UTC, date, datetime
from pathlib import Path

import pytest

from aios_core.automation import Automation
from resources.database import Database
from resources.declarations import load_declaration
from tests.cli.conftest import Aios


@pytest.fixture
def written(aios_without_database: Aios, tmp_path: Path) -> Path:
    assert aios_without_database("automation", "new", "mine", "--folder", str(tmp_path)).exit_code == 0
    return tmp_path / "mine" / "defs.yaml"


def test_a_new_automation_passes_its_check(aios_without_database: Aios, written: Path) -> None:
    done = aios_without_database("automation", "check", str(written.parent), "--json")
    assert done.exit_code == 0
    assert json.loads(done.stdout)["automation"] == "mine"


def test_a_new_automation_does_not_overwrite(aios_without_database: Aios, written: Path) -> None:
    done = aios_without_database("automation", "new", "mine", "--folder", str(written.parent.parent))
    assert done.exit_code == 1
    assert done.stderr.startswith(f"error: {written.parent}: exists already")


def test_a_mistake_is_one_line_and_exit_code_one(aios_without_database: Aios, written: Path) -> None:
    written.write_text(written.read_text().replace("automate: 0.9", "automat: 0.9"))
    done = aios_without_database("automation", "check", str(written))
    assert done.exit_code == 1
    (line,) = done.stderr.splitlines()
    assert line.startswith(f"error: {written}:")
    assert "unknown key `automat`, did you mean `automate`?" in line


def test_debug_shows_where_an_error_came_from(aios_without_database: Aios, tmp_path: Path) -> None:
    done = aios_without_database("--debug", "automation", "check", str(tmp_path / "none.yaml"))
    assert done.exception is not None and not isinstance(done.exception, SystemExit)


def test_a_broken_policy_is_found_by_the_check(aios_without_database: Aios, written: Path) -> None:
    (written.parent / "policy.rego").write_text("package aios.policy\n\ndecision := {")
    done = aios_without_database("automation", "check", str(written))
    assert done.exit_code == 1
    assert "policy.rego" in done.stderr


def test_a_diff_between_two_files_names_what_changed(
    aios_without_database: Aios, written: Path, tmp_path: Path
) -> None:
    old = tmp_path / "old"
    old.mkdir()
    (old / "defs.yaml").write_text(written.read_text())
    (old / "policy.rego").write_text("package aios.policy")
    written.write_text(
        written.read_text()
        .replace("automate: 0.9", "automate: 0.95")
        .replace("{name: outage}", "{name: outage, wrong_cost: 9}")
    )
    done = aios_without_database("automation", "diff", str(written), "--against", str(old), "--json")
    assert json.loads(done.stdout)["changes"] == [
        {"what": "decisions.automate", "before": 0.9, "after": 0.95},
        {"what": "queues[outage].wrong_cost", "before": None, "after": 9.0},
    ]


def test_a_diff_without_another_file_is_against_what_decided_last(
    aios: Aios, database: Database, written: Path
) -> None:
    declared = load_declaration(written).automation
    assert "no decision of mine is recorded yet" in aios("automation", "diff", str(written)).stderr
    recorded(database, declared, seen=datetime(2026, 1, 1, tzinfo=UTC), decided=datetime(2026, 3, 1, tzinfo=UTC))
    newer = declared.model_copy(update={"start_date": date(2020, 1, 1)})
    recorded(database, newer, seen=datetime(2026, 2, 1, tzinfo=UTC), decided=datetime(2026, 2, 2, tzinfo=UTC))
    done = aios("automation", "diff", str(written), "--json")
    assert json.loads(done.stdout)["changes"] == []


def test_a_recorded_declaration_of_another_schema_is_said(aios: Aios, database: Database, written: Path) -> None:
    with database.connection() as connection:
        connection.execute(
            "insert into declarations (version, automation, content) values ('v', 'mine', '{\"old\": 1}')"
        )
    done = aios("automation", "diff", str(written))
    assert done.exit_code == 1
    assert "the recorded declaration v of mine can't be read" in done.stderr


def test_automations_outside_the_project_are_listed(
    aios_without_database: Aios, written: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("AIOS_AUTOMATIONS", str(written.parent.parent))
    rows = json.loads(aios_without_database("automation", "list", "--json").stdout)
    assert {"customer_escalations", "mine"} <= {row["name"] for row in rows}


def test_a_wrong_option_is_exit_code_two(aios_without_database: Aios) -> None:
    assert aios_without_database("automation", "list", "--jsn").exit_code == 2


def recorded(database: Database, automation: Automation, *, seen: datetime, decided: datetime) -> None:
    with database.connection() as connection:
        connection.execute(
            "insert into declarations (version, automation, content, seen_at) values (%s, %s, %s::jsonb, %s)",
            (automation.version, automation.name, automation.model_dump_json(), seen),
        )
        connection.execute(
            "insert into decisions (decision_id, automation, source, ticket_id, ticket_version, correlation_id, day,"
            " model_name, model_version, policy_revision, declaration, verdict, rule, reason, record, decided_at)"
            " values (%s, %s, 's', %s, '1', 'c', '2026-01-01', 'm', 0, 'p', %s, 'review', 'r', 'r', '', %s)",
            (automation.version, automation.name, automation.version, automation.version, decided),
        )
