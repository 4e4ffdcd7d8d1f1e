"""`aios model`: what a person reads and does about versions."""

import json
from pathlib import Path

import pytest

from tests.cli.conftest import Aios
from tests.resources.gatekeeping import Triage, triage


@pytest.fixture
def desk(database, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Triage:
    """Version 1 decides, 2 is as good, 3 is far worse."""
    monkeypatch.setenv("AIOS_AUTOMATIONS", str(tmp_path / "automations"))
    monkeypatch.setenv("AIOS_LAKE_URL", str(tmp_path / "lake"))
    made = triage(database, tmp_path)
    for blind in (0.0, 0.02, 0.7):
        made.add(blind=blind)
    made.move(1)
    made.move(2, alias="shadow")
    return made


def told(aios: Aios, *arguments: str) -> object:
    done = aios("model", *arguments, "--json")
    assert done.exit_code in (0, 1), done.stderr
    return json.loads(done.stdout)


def test_list_and_show_say_where_every_alias_points(aios: Aios, desk: Triage) -> None:
    [row] = [r for r in told(aios, "list") if r["model"] == "triage"]
    assert row == {"model": "triage", "versions": 3, "champion": 1, "last_good": None, "canary": None, "shadow": 2,
                   "candidate": None}  # fmt: skip
    assert told(aios, "show", "triage", "2")["aliases"] == ["shadow"]
    assert told(aios, "show", "triage")["version"] == 1


def test_the_gate_can_be_asked_without_moving_anything(aios: Aios, desk: Triage) -> None:
    done = aios("model", "gate", "triage", "3", "--json")
    assert done.exit_code == 1
    found = json.loads(done.stdout)
    assert found["guards"]["quality"]["state"] == "failed"
    assert found["guards"]["latency"]["value"] > 0
    assert desk.standing() == {"champion": 1, "shadow": 2}
    assert "fairness tiers" in aios("model", "gate", "triage", "2").stdout


def test_promote_goes_past_the_gate_or_says_why_not_and_how_to_insist(aios: Aios, desk: Triage) -> None:
    refused = aios("model", "promote", "triage", "3", "--reason", "hurry")
    assert refused.exit_code == 1
    assert "does not become champion" in refused.stderr
    assert "--force" in refused.stderr
    assert desk.standing() == {"champion": 1, "shadow": 2}

    forced = told(aios, "promote", "triage", "3", "--reason", "hurry", "--force", "--alias", "canary")
    assert any("macro-F1" in line for line in forced["forced_past"])
    assert desk.standing() == {"champion": 1, "shadow": 2, "canary": 3}

    assert told(aios, "withdraw", "triage", "--reason", "enough") == {
        "model": "triage",
        "alias": "canary",
        "withdrawn": 3,
    }
    assert "there is no canary" in aios("model", "withdraw", "triage", "--reason", "again").stdout
    promoted = aios("model", "promote", "triage", "2", "--reason", "as good, and newer")
    assert (promoted.exit_code, promoted.stdout) == (0, "triage: champion is version 2\n")
    assert told(aios, "rollback", "triage", "--reason", "people complain")["version"] == 1
    [incident] = json.loads(aios("incident", "list", "--json").stdout)
    assert (incident["remedy"], incident["reason"]) == ("rollback", "people complain")


def test_history_tells_who_moved_what_and_why_and_where_it_pointed_at_a_time(aios: Aios, desk: Triage) -> None:
    rows = told(aios, "history", "triage")
    assert [(r["alias"], r["version"], r["actor"], r["reason"]) for r in rows] == [
        ("shadow", 2, "ana", "because"),
        ("champion", 1, "ana", "because"),
    ]
    assert rows[1]["evidence"]["gate"]["passed"] is True
    assert told(aios, "history", "triage", "--at", "2026-11-20T12:00") == [
        {"alias": "champion", "version": 1},
        {"alias": "shadow", "version": 2},
    ]
    assert "was moved by 2026-11-20" in aios("model", "history", "triage", "--at", "2026-11-20").stdout
    assert aios("model", "history", "triage", "--at", "yesterday").exit_code == 2


def test_compare_tells_who_is_right_where_and_what_it_would_cost(aios: Aios, desk: Triage) -> None:
    found = told(aios, "compare", "triage", "1", "3")
    assert found["old_accuracy"] > found["new_accuracy"]
    assert found["mcnemar"]["p_value"] < 0.01
    text = aios("model", "compare", "triage", "1", "3").stdout
    assert "old is right more often" in text
    assert "McNemar's test" in text
    assert "roaming" in text
    assert "premium" in text


def test_a_model_that_no_automation_has_is_one_line(aios: Aios, desk: Triage) -> None:
    done = aios("model", "compare", "triag", "1", "2")
    assert done.exit_code == 1
    assert "no automation has a model `triag`; there are: " in done.stderr
