"""The thin shell around every sensor: what it does with a failed read, a run at work, and a request."""

import uuid
from collections.abc import Callable, Iterator
from datetime import date
from typing import Any

import dagster as dg
import pytest
from dagster._core.remote_origin import RegisteredCodeLocationOrigin, RemoteJobOrigin, RemoteRepositoryOrigin

from resources.dagster_resources import DatabaseResource
from resources.database import Database
from resources.declarations import Declared, load_declaration
from resources.deployments import OWN_AUTOMATIONS
from sensors.requests import Request
from sensors.shell import UNFINISHED, run_request, sensor

JOB = "customer_escalations__score"
MONDAY, FRIDAY = date(2026, 11, 16), date(2026, 11, 20)
Decide = Callable[[Database], list[Request]]


@pytest.fixture(scope="module")
def declared() -> Declared:
    return load_declaration(OWN_AUTOMATIONS / "customer_escalations" / "defs.yaml")


@pytest.fixture
def instance() -> Iterator[dg.DagsterInstance]:
    with dg.DagsterInstance.ephemeral() as instance:
        yield instance


def tick(
    declared: Declared, instance: dg.DagsterInstance, url: str, decide: Decide, **more: Any
) -> tuple[list[dg.RunRequest], str | None]:
    made = sensor(declared, name="arrivals", job="score", description="", decide=decide, idle="all is done", **more)
    with dg.build_sensor_context(instance=instance, resources={"database": DatabaseResource(url=url)}) as context:
        answer = made.evaluate_tick(context)
    return list(answer.run_requests or []), answer.skip_message


def a_run(instance: dg.DagsterInstance, job: str, status: dg.DagsterRunStatus) -> None:
    # without it Dagster lets no run be queued
    origin = RemoteJobOrigin(RemoteRepositoryOrigin(RegisteredCodeLocationOrigin("aios"), "__repository__"), job)
    run = dg.DagsterRun(job_name=job, run_id=str(uuid.uuid4()), status=status, remote_job_origin=origin)
    instance.run_storage.add_run(run)


def never(database: Database) -> list[Request]:
    raise AssertionError("the state must not be read")


def test_a_failed_read_skips_and_says_why_and_is_no_empty_answer(
    declared: Declared, instance: dg.DagsterInstance, database_url: str
) -> None:
    def fails(database: Database) -> list[Request]:
        with database.connection() as connection:
            connection.execute("select * from a_table_that_is_not_there")
        return []

    requests, why = tick(declared, instance, database_url, fails)

    assert requests == []
    assert "could not be read" in why
    assert "a_table_that_is_not_there" in why


def test_a_database_of_another_schema_skips_and_names_the_way_out(
    declared: Declared, instance: dg.DagsterInstance, empty_database_url: str
) -> None:
    requests, why = tick(declared, instance, empty_database_url, lambda _: [Request(run_key="never")])
    assert requests == []
    assert "aios migrate" in why


def test_nothing_to_do_is_said_in_the_sensors_own_words(
    declared: Declared, instance: dg.DagsterInstance, database_url: str
) -> None:
    assert tick(declared, instance, database_url, lambda _: []) == ([], "all is done")


@pytest.mark.parametrize("status", UNFINISHED)
def test_while_a_run_of_the_same_job_waits_or_works_nothing_is_added(
    declared: Declared, instance: dg.DagsterInstance, database_url: str, status: dg.DagsterRunStatus
) -> None:
    a_run(instance, JOB, status)
    requests, why = tick(declared, instance, database_url, never)
    assert requests == []
    assert JOB in why


def test_a_finished_or_foreign_run_is_in_nobodys_way(
    declared: Declared, instance: dg.DagsterInstance, database_url: str
) -> None:
    a_run(instance, JOB, dg.DagsterRunStatus.FAILURE)
    a_run(instance, "other__score", dg.DagsterRunStatus.STARTED)
    requests, _ = tick(declared, instance, database_url, lambda _: [Request(run_key="score:1")])
    assert len(requests) == 1


def test_what_blocks_is_said_and_the_state_is_not_read(
    declared: Declared, instance: dg.DagsterInstance, database_url: str
) -> None:
    told = tick(declared, instance, database_url, never, unless=lambda *_: "tickets are blocked: 12 of 30")
    assert told == ([], "tickets are blocked: 12 of 30")


def test_a_range_of_days_is_one_run_that_carries_its_automation(
    declared: Declared, instance: dg.DagsterInstance, database_url: str
) -> None:
    [request], _ = tick(
        declared, instance, database_url, lambda _: [Request(run_key="score:x", first_day=MONDAY, last_day=FRIDAY)]
    )
    assert request.run_key.startswith("score:x:")
    assert request.partition_key is None
    assert request.tags["aios/automation"] == "customer_escalations"
    assert request.tags["dagster/asset_partition_range_start"] == "2026-11-16"
    assert request.tags["dagster/asset_partition_range_end"] == "2026-11-20"


def test_a_request_is_tried_again_in_the_next_hour_and_not_before(declared: Declared) -> None:
    wanted = Request(run_key="retrain:3")
    first, same, next_hour = (run_request(declared, wanted, attempt=hour).run_key for hour in ("08", "08", "09"))
    assert first == same != next_hour


def test_a_batch_is_a_run_of_its_partition_and_a_remedy_brings_its_config(declared: Declared) -> None:
    batch = Request(run_key="collect:2026-11-20/billing", partition="2026-11-20/billing")
    remedy = Request(run_key="rollback:7", config={"ops": {"x": {"config": {"from_version": 2}}}})
    collect, rollback = (run_request(declared, wanted, attempt="08") for wanted in (batch, remedy))
    assert (collect.partition_key, collect.run_config) == ("2026-11-20/billing", {})
    assert (rollback.partition_key, rollback.run_config) == (None, remedy.config)
