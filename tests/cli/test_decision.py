"""`aios decision` and `aios ledger`, over decisions that were really recorded."""

import json

import pytest

from resources.database import Database
from resources.decisions import DecisionStore
from tests.cli.conftest import Aios
from tests.resources.deciding import NOW, POLICY, automation, decisions, ticket


@pytest.fixture
def decided(database: Database) -> list[str]:
    made = decisions([ticket(ticket_id="1"), ticket(ticket_id="2"), ticket(ticket_id="3")])
    DecisionStore(database).record(made, automation=automation(), policy_text=POLICY, now=NOW)
    return [d.decision_id for d in made]


def test_explain_shows_the_reason_and_the_likeliest_queues(aios: Aios, decided: list[str]) -> None:
    told = json.loads(aios("decision", "explain", decided[0], "--json").stdout)
    assert told["verdict"] == "automate"
    done = aios("decision", "explain", decided[0])
    assert done.exit_code == 0
    assert told["reason"] in done.stdout
    assert "0.95" in done.stdout


def test_replay_says_that_a_decision_comes_out_the_same(aios: Aios, decided: list[str]) -> None:
    done = aios("decision", "replay", decided[1], "--recorded-score", "--json")
    assert done.exit_code == 0, done.stderr
    assert json.loads(done.stdout) == {"decision_id": decided[1], "identical": True, "differences": []}


def test_a_replay_without_its_model_version_is_one_line(aios: Aios, decided: list[str]) -> None:
    done = aios("decision", "replay", decided[1])
    assert done.exit_code == 1
    assert done.stderr.startswith("error: ") and done.stderr.count("\n") == 1


def test_a_tickets_decisions_are_found(aios: Aios, decided: list[str]) -> None:
    done = aios("decision", "search", "2", "--automation", automation().name, "--json")
    assert [row["decision_id"] for row in json.loads(done.stdout)] == [decided[1]]
    assert "no decision on ticket 9" in aios("decision", "search", "9", "--automation", automation().name).stdout


def test_an_unknown_decision_is_one_line(aios: Aios) -> None:
    done = aios("decision", "explain", "nonsense")
    assert done.exit_code == 1
    assert done.stderr.startswith("error: there is no decision nonsense")


def test_the_ledger_holds_until_a_row_is_changed(aios: Aios, database: Database, decided: list[str]) -> None:
    assert json.loads(aios("ledger", "verify", "--json").stdout)["ok"] is True
    with database.connection() as connection:
        connection.execute("update decisions set record = 'forged' where decision_id = %s", (decided[0],))
    done = aios("ledger", "verify")
    assert done.exit_code == 1
    assert "entry 1: " in done.stdout
