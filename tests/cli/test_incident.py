"""`aios incident`."""

import json

import pytest

from resources.modes import ModeStore
from resources.monitoring import MonitorStore
from tests.cli.conftest import Aios
from tests.resources.deciding import NOW


@pytest.fixture
def stopped(database) -> int:
    incident = MonitorStore(database).open_incident(
        automation="care",
        remedy="stop",
        queue="*",
        reason="two rollbacks",
        evidence={"rollbacks": 2},
        actor="run:abc",
        now=NOW,
    )
    ModeStore(database).set(
        automation="care", mode="review_only", reason="r", actor="run:abc", incident_id=incident, now=NOW
    )
    return incident


def told(aios: Aios, *arguments: str):
    result = aios("incident", *arguments, "--json")
    assert result.exit_code == 0, result.output
    return json.loads(result.stdout)


def test_incidents_are_listed_shown_and_closed(aios, stopped, database):
    [listed] = told(aios, "list")
    assert (listed["incident_id"], listed["remedy"], listed["reason"]) == (stopped, "stop", "two rollbacks")
    shown = told(aios, "show", str(stopped))
    assert [e["kind"] for e in shown["timeline"]] == ["decided", "moved"]
    assert shown["evidence"] == {"rollbacks": 2}

    assert told(aios, "close", str(stopped), "--why", "labels mended") == {"incident_id": stopped, "closed": True}

    assert ModeStore(database).current("care") == {"*": "normal"}
    assert told(aios, "list") == []
    assert told(aios, "list", "--all")[0]["closed_why"] == "labels mended"
    assert told(aios, "close", str(stopped), "--why", "again")["closed"] is False


def test_people_read_a_timeline(aios, stopped):
    said = aios("incident", "show", str(stopped)).stdout
    assert "care: stop (*), open" in said
    assert "Everything goes to people only." in said
    assert "run abc" in said
    assert "no incident is open" not in aios("incident", "list").stdout


def test_an_unknown_incident_is_one_line_and_exit_code_1(aios, database):
    result = aios("incident", "show", "404")
    assert (result.exit_code, result.stderr.strip()) == (
        1,
        "error: there is no incident 404; `aios incident list --all` shows those there are",
    )
