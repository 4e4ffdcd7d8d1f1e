"""The events sensor: sends in its own process, starts no run, and says what it did."""

from dataclasses import replace

import dagster as dg
import pytest

from aios_core.declaration.events import Events
from resources.dagster_resources import DatabaseResource
from resources.database import Database
from resources.declarations import Declared, load_declaration
from resources.deployments import OWN_AUTOMATIONS
from sensors.events import build
from tests.resources.event_receiver import SECRET, receiver


@pytest.fixture(scope="module")
def shipped() -> Declared:
    return load_declaration(OWN_AUTOMATIONS / "customer_escalations" / "defs.yaml")


def telling(declared: Declared, url: str) -> Declared:
    events = Events.model_validate({"webhooks": {"warehouse": {"url": url, "secrets": ["${HOOK_SECRET}"]}}})
    return replace(declared, automation=declared.automation.model_copy(update={"events": events}))


def tick(declared: Declared, url: str) -> dg.SensorResult:
    (sensor,) = build(declared)
    with (
        dg.DagsterInstance.ephemeral() as instance,
        dg.build_sensor_context(instance=instance, resources={"database": DatabaseResource(url=url)}) as context,
    ):
        return sensor.evaluate_tick(context)


def test_without_a_receiver_there_is_no_sensor(shipped: Declared) -> None:
    assert build(shipped) == []


def test_what_happened_since_the_last_tick_is_sent_and_no_run_is_started(
    shipped: Declared, database: Database, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("HOOK_SECRET", SECRET)
    with receiver() as heard:
        declared = telling(shipped, heard.url)
        first = tick(declared, database.url)
        assert (first.run_requests, first.skip_message) == ([], "webhook:warehouse: nothing new")
        with database.connection() as conn:
            conn.execute(
                "insert into incidents (automation, remedy, reason, evidence, actor) values (%s, 'pause', 'r', '{}', 'lea')",
                (declared.automation.name,),
            )
        second = tick(declared, database.url)
        assert (second.run_requests, second.skip_message) == ([], "webhook:warehouse: 1 taken")
        assert [event["type"] for event in heard.taken] == ["aios.incident.opened"]


def test_a_database_that_is_gone_is_a_tick_that_says_so(shipped: Declared) -> None:
    found = tick(telling(shipped, "http://127.0.0.1:1/"), "postgresql://127.0.0.1:1/nowhere")
    assert "sending failed, trying again at the next tick" in (found.skip_message or "")
