"""`aios events`, over an event that was refused for good."""

import json

import jsonschema
import pytest

from aios_core.declaration.events import Events
from cli import context
from resources.database import Database
from resources.event_sinks.opening import send_all
from tests.cli.conftest import Aios
from tests.resources.deciding import NOW
from tests.resources.event_receiver import SECRET, receiver

NAME = "customer_escalations"
OF = ("--automation", NAME)


@pytest.fixture
def refused(database: Database, monkeypatch: pytest.MonkeyPatch) -> int:
    monkeypatch.setenv("HOOK_SECRET", SECRET)
    with receiver(lambda _: 410) as heard:
        events = Events.model_validate({"webhooks": {"warehouse": {"url": heard.url, "secrets": ["${HOOK_SECRET}"]}}})
        of = context.automation(NAME).automation.model_copy(update={"events": events})
        send_all(of, database, console="https://c.example", now=NOW)
        with database.connection() as conn:
            conn.execute(
                "insert into incidents (automation, remedy, reason, evidence, actor) values (%s, 'pause', 'r', '{}', 'a')",
                (NAME,),
            )
        assert send_all(of, database, console="https://c.example", now=NOW)["webhook:warehouse"].dead == 1
    with database.connection() as conn:
        (found,) = conn.execute("select event_id from event_deliveries").fetchone() or (0,)
    return int(found)


def test_a_refused_event_is_shown_with_its_reason_and_comes_again(aios: Aios, refused: int) -> None:
    (shown,) = json.loads(aios("events", "dead", *OF, "--json").stdout)
    assert (shown["event_id"], shown["last_error"]) == (refused, "the receiver answered 410")
    assert [e["type"] for e in json.loads(aios("events", "list", *OF, "--json").stdout)] == ["incident.opened"]
    assert json.loads(aios("events", "replay", str(refused), *OF, "--json").stdout) == {"again": 1}
    assert json.loads(aios("events", "dead", *OF, "--json").stdout) == []
    assert aios("events", "replay", *OF).exit_code == 2, "one has to say which"


def test_without_a_receiver_the_way_to_one_is_told(aios: Aios, database: Database) -> None:
    assert "`events:`" in aios("events", "status", *OF).stdout.replace("\n", " ")
    assert json.loads(aios("events", "send", *OF, "--json").stdout) == []


def test_schemas_are_told_one_by_one_and_together(aios: Aios) -> None:
    one = json.loads(aios("events", "schema", "review.decided").stdout)
    jsonschema.Draft202012Validator.check_schema(one)
    assert json.loads(aios("events", "schema").stdout)["review.decided"] == one
