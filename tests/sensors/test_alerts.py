"""The alerts sensor: how jobs ended becomes alerts, and what happened is shown by one run."""

from collections.abc import Iterator

import dagster as dg
import pytest

from aios_assets import alerts as stage
from aios_assets.alerts import job_names, newest_runs, watch
from resources.alerts import AlertStore
from resources.dagster_resources import DatabaseResource
from resources.database import Database
from resources.declarations import Declared, load_declaration
from resources.deployments import OWN_AUTOMATIONS
from sensors.alerts import build
from sensors.requests import show_alerts
from tests.review_world import NOW
from tests.sensors.test_shell import a_run

NAME = "customer_escalations"


@pytest.fixture(scope="module")
def declared() -> Declared:
    return load_declaration(OWN_AUTOMATIONS / NAME / "defs.yaml")


@pytest.fixture
def instance() -> Iterator[dg.DagsterInstance]:
    with dg.DagsterInstance.ephemeral() as instance:
        yield instance


def firing(database: Database) -> dict[str, str]:
    return {a.rule: a.subject for a in AlertStore(database).alerts()}


def tick(declared: Declared, instance: dg.DagsterInstance, url: str, cursor: str | None = None) -> dg.SensorResult:
    (sensor,) = build(declared)
    resources = {"database": DatabaseResource(url=url)}
    with dg.build_sensor_context(instance=instance, cursor=cursor, resources=resources) as context:
        return sensor.evaluate_tick(context)


def test_a_monitor_that_crashed_is_an_alert_until_its_next_run_succeeds(declared, instance, database):
    names = job_names(declared)
    a_run(instance, f"{NAME}__assess", dg.DagsterRunStatus.FAILURE)
    a_run(instance, f"{NAME}__ingest", dg.DagsterRunStatus.FAILURE)
    watch(declared, database, instance, names=names, now=NOW)
    assert firing(database) == {"monitor_failed": "assess", "job_failed": "ingest"}
    a_run(instance, f"{NAME}__assess", dg.DagsterRunStatus.STARTED)
    watch(declared, database, instance, names=names, now=NOW)
    assert "monitor_failed" in firing(database)  # it is not over while the next one is at work
    a_run(instance, f"{NAME}__assess", dg.DagsterRunStatus.SUCCESS)
    watch(declared, database, instance, names=names, now=NOW)
    assert firing(database) == {"job_failed": "ingest"}


def test_the_error_of_a_crashed_step_is_told_and_a_killed_run_says_that(declared, instance):
    @dg.op
    def breaks() -> None:
        raise ValueError("no reference to compare with")

    @dg.job(name=f"{NAME}__monitor")
    def monitor() -> None:
        breaks()

    monitor.execute_in_process(instance=instance, raise_on_error=False)
    a_run(instance, f"{NAME}__rollback", dg.DagsterRunStatus.FAILURE)
    found = {r.job: r for r in newest_runs(instance, declared, job_names(declared))}
    assert "ValueError: no reference to compare with" in found["monitor"].error
    assert "killed" in found["rollback"].error
    assert all(r.watches for r in found.values())


def test_a_tick_without_news_says_so_and_starts_nothing(declared, instance, database_url):
    answer = tick(declared, instance, database_url)
    assert not answer.run_requests
    assert "0 fired, 0 over" in answer.skip_message


def test_what_happened_is_shown_by_one_run_and_not_by_another(declared, instance, database_url):
    a_run(instance, f"{NAME}__assess", dg.DagsterRunStatus.FAILURE)
    first = tick(declared, instance, database_url)
    assert [r.run_key for r in first.run_requests] == [f"alerts:{first.cursor}:once"]
    assert not tick(declared, instance, database_url, first.cursor).run_requests


def test_a_look_that_fails_skips_and_says_why(declared, instance):
    answer = tick(declared, instance, "postgresql://nobody@127.0.0.1:9/none")
    assert "the look failed" in answer.skip_message


def test_the_history_is_shown_once_something_happened():
    assert show_alerts(0, shown=0) == []
    assert show_alerts(7, shown=7) == []
    assert show_alerts(8, shown=7)[0].run_key == "alerts:8"


def test_every_job_is_work_or_a_monitor(declared):
    jobs = {name.removeprefix(f"{NAME}__") for name in job_names(declared)}
    assert {"ingest", "score"} < jobs - {"monitor"}
    assert jobs - set(stage.WORK) >= {"monitor", "assess", "rollback", "repair"}


def test_the_asset_shows_what_fires_with_a_small_picture(declared, instance, database_url, database):
    a_run(instance, f"{NAME}__assess", dg.DagsterRunStatus.FAILURE)
    (asset,) = stage.build(declared)
    resources = {"database": DatabaseResource(url=database_url)}
    done = dg.materialize([asset], instance=instance, resources=resources)
    (event,) = done.get_asset_materialization_events()
    metadata = event.materialization.metadata
    assert metadata["firing"].value == 1
    assert "monitor_failed (assess)" in metadata["newest"].value
    assert len(metadata["by_day"].value) < 60_000
