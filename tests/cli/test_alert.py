"""`aios alert`, over an alert that fires."""

import json

import pytest

from resources.database import Database
from tests.cli.conftest import Aios
from tests.resources.alerting import fail_job, look_at, receiver, watched
from tests.review_world import NOW

NAME = "customer_escalations"


@pytest.fixture
def alert(database: Database) -> int:
    fail_job(database, "assess", at=NOW)
    (made,) = look_at(database, watched(), at=NOW).fired
    return made


def test_what_fires_is_listed_and_shown_with_its_timeline(aios: Aios, alert: int) -> None:
    (listed,) = json.loads(aios("alert", "list", "--json").stdout)
    assert listed["rule"] == "monitor_failed"
    assert "monitor_failed" in aios("alert", "list").stdout
    shown = json.loads(aios("alert", "show", str(alert), "--json").stdout)
    assert [e["kind"] for e in shown["timeline"]] == ["fired", "told"]
    assert "Read the run" in aios("alert", "show", str(alert)).stdout


def test_it_is_acknowledged_once(aios: Aios, alert: int) -> None:
    assert "acknowledged alert" in aios("alert", "ack", str(alert), "--note", "on it").stdout
    assert json.loads(aios("alert", "ack", str(alert), "--json").stdout)["acknowledged"] is False
    assert aios("alert", "ack", "999").exit_code == 1


def test_a_rule_is_silenced_and_heard_again(aios: Aios) -> None:
    done = aios("alert", "silence", "backlog_old", "--automation", NAME, "--reason", "holiday", "--json")
    number = json.loads(done.stdout)["silence_id"]
    assert "holiday" in aios("alert", "silences").stdout
    assert "ended silence" in aios("alert", "unsilence", str(number)).stdout
    assert "nothing is silenced" in aios("alert", "silences").stdout


def test_a_rule_that_is_not_there_is_named_with_those_that_are(aios: Aios) -> None:
    done = aios("alert", "silence", "backlog_odl", "--automation", NAME, "--reason", "x")
    assert done.exit_code == 1
    assert "backlog_old" in done.stderr


def test_the_rules_and_signals_are_told(aios: Aios) -> None:
    found = json.loads(aios("alert", "rules", "--automation", NAME, "--json").stdout)
    assert all(rule["costs"] and rule["do"] for rule in found)
    assert "service_level_burn" in aios("alert", "signals").stdout


@pytest.fixture
def watched_folder(tmp_path, monkeypatch: pytest.MonkeyPatch) -> None:
    folder = tmp_path / "automations" / "desk"
    folder.mkdir(parents=True)
    (folder / "defs.yaml").write_text(
        "type: aios_assets.automation.AutomationComponent\n"
        "attributes:\n  name: desk\n  start_date: 2026-01-01\n"
        "  sources: {mail: {connector: file, provides: tickets, path: x.csv}}\n"
        "  alerts: {channels: {chat: '${AIOS_TEST_CHAT}'}}\n"
    )
    (folder / "policy.rego").write_text(
        'package aios.policy\n\ndecision := {"verdict": input.proposed, "rule": "default"}\n'
    )
    monkeypatch.setenv("AIOS_AUTOMATIONS", str(folder.parent))


def test_a_channel_is_tried_for_real(
    aios_without_database: Aios, watched_folder: None, monkeypatch: pytest.MonkeyPatch
) -> None:
    call = ("alert", "test", "chat", "--automation", "desk")
    unset = aios_without_database(*call)
    assert unset.exit_code == 1
    assert "AIOS_TEST_CHAT is not set" in unset.stdout, unset.stderr
    with receiver() as hook:
        monkeypatch.setenv("AIOS_TEST_CHAT", hook.url())
        assert "sent to chat" in aios_without_database(*call).stdout
        hook.answers = [500]
        assert json.loads(aios_without_database(*call, "--json").stdout)["status"] == "retry"
    assert len(hook.got) == 2
    assert "there are: chat" in aios_without_database("alert", "test", "pager", "--automation", "desk").stderr
