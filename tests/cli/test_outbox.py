"""`aios outbox`, over a write that failed for good and one that was kept back."""

import json

import pytest

from aios_core.decisions.actions import OutboxAction
from cli import context
from resources.database import Database
from resources.outbox import Outbox, enqueue
from tests.cli.conftest import Aios
from tests.resources.deciding import NOW, FakeHelpdesk

NAME = "customer_escalations"
OF = ("--automation", NAME)


def enter(database: Database, *, dry_run: bool = False) -> None:
    declared = context.automation(NAME).automation
    if dry_run:
        declared = declared.model_copy(update={"actions": declared.actions.model_copy(update={"dry_run": True})})
    action = OutboxAction(
        target="helpdesk", kind="assign", external_id="7", payload={"queue": "billing"}, idempotency_key=f"k{dry_run}"
    )
    with database.connection() as conn:
        enqueue(conn, declared, [action], now=NOW)


@pytest.fixture
def dead(database: Database) -> int:
    enter(database)
    declared = context.automation(NAME).automation
    Outbox(database).deliver(automation=declared, target="helpdesk", connector=FakeHelpdesk({"7": "failed"}), now=NOW)
    return int(Outbox(database).dead(NAME)[0]["action_id"])


def test_a_dead_write_is_shown_with_its_error_and_sent_again(aios: Aios, dead: int, database: Database) -> None:
    (shown,) = json.loads(aios("outbox", "dead", *OF, "--json").stdout)
    assert (shown["action_id"], shown["last_error"]) == (dead, "failed by fake")
    assert "failed by fake" in aios("outbox", "dead", *OF).stdout
    done = aios("outbox", "replay", str(dead), *OF, "--json")
    assert (done.exit_code, json.loads(done.stdout)) == (0, {"revived": 1, "outdated": 0, "not_dead": []})
    assert json.loads(aios("outbox", "status", *OF, "--json").stdout) == {"pending": 1}
    again = aios("outbox", "replay", str(dead), *OF)
    assert (again.exit_code, f"not dead, or not of {NAME}: {dead}" in again.stderr) == (1, True)
    assert Outbox(database).counts(NAME) == {"pending": 1}


def test_all_dead_writes_are_sent_again_where_asked_and_one_has_to_say_which(aios: Aios, dead: int) -> None:
    assert aios("outbox", "replay", *OF).exit_code == 2
    assert aios("outbox", "replay", "--all", str(dead), *OF).exit_code == 2
    assert "1 will be sent" in aios("outbox", "replay", "--all", *OF).stdout


def test_what_was_kept_back_is_compared_and_the_way_out_is_told(aios: Aios, database: Database) -> None:
    enter(database, dry_run=True)
    told = json.loads(aios("outbox", "compare", *OF, "--json").stdout)
    assert (told["would"], told["open"], told["agreement"], told["kept"]) == (1, 1, None, {"assign": 1})
    assert told["queues"] == [{"queue": "billing", "would": 1, "same": 0, "other": 0, "open": 1}]
    shown = aios("outbox", "compare", *OF, "--days", "0.001")
    assert (shown.exit_code, "nothing was kept back" in shown.stdout) == (0, True)
