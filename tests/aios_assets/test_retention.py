"""Retention on a Dagster instance that keeps its events in a real Postgres, as the platform's does."""

import json
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path
from uuid import uuid4

import dagster as dg
import psycopg
import pytest
from dagster._core.events.log import EventLogEntry

from aios_assets import retention
from aios_assets.definitions import build_defs
from aios_core.retention import keep_runs
from resources import clock
from resources.database import Database

NOW = datetime(2026, 5, 1, tzinfo=UTC)
KEEP = keep_runs(30, frequent_jobs=["ingest"])
DAYS = dg.StaticPartitionsDefinition([f"day-{n}" for n in range(4)])


@dg.asset(partitions_def=DAYS)
def scores(context: dg.AssetExecutionContext) -> dg.MaterializeResult[None]:
    return dg.MaterializeResult(metadata={"picture": dg.MetadataValue.md("." * 2_000)})


@dg.asset
def quality() -> dg.MaterializeResult[None]:
    return dg.MaterializeResult(metadata={"accuracy": 0.9})


@dg.op
def look() -> None: ...


@dg.job(name="desk__ingest")
def ingest() -> None:
    look()


class Past:
    """Runs as Dagster recorded them, told again as of other days: executing hundreds would take minutes."""

    def __init__(self, instance: dg.DagsterInstance) -> None:
        self.instance = instance
        score = dg.define_asset_job("desk__score", [scores])
        assess = dg.define_asset_job("desk__quality", [quality])
        self._jobs = dg.Definitions(assets=[scores, quality], jobs=[score, assess, ingest])
        self._recorded: dict[tuple[str, str | None], str] = {}

    def run(self, job: str, *, days: float, day: str | None = None, status: str = "SUCCESS") -> str:
        first = self._recorded.get((job, day))
        if first is None:
            result = self._jobs.resolve_job_def(job).execute_in_process(instance=self.instance, partition_key=day)
            first = self._recorded[job, day] = result.run_id
        return self._told_again(first, at=NOW - timedelta(days=days), status=status)

    def forget_the_recorded(self) -> None:
        for run_id in self._recorded.values():
            self.instance.delete_run(run_id)

    def _told_again(self, first: str, *, at: datetime, status: str) -> str:
        told = self.instance.get_run_by_id(first)
        assert told is not None
        run_id = str(uuid4())
        self.instance.add_run(told._replace(run_id=run_id, status=dg.DagsterRunStatus.NOT_STARTED))
        for entry in self.instance.all_logs(first):
            event = entry.dagster_event
            if event is not None and event.event_type_value == "PIPELINE_SUCCESS" and status != "SUCCESS":
                if status == "STARTED":
                    continue
                event = dg.DagsterEvent(event_type_value="PIPELINE_FAILURE", job_name=told.job_name)
            self.instance.handle_new_event(
                EventLogEntry(
                    error_info=None,
                    level=entry.level,
                    user_message=entry.user_message,
                    run_id=run_id,
                    timestamp=at.timestamp(),
                    step_key=entry.step_key,
                    job_name=entry.job_name,
                    dagster_event=event,
                )
            )
        return run_id


@pytest.fixture
def past(empty_database_url: str, tmp_path: Path) -> Iterator[Past]:
    url = empty_database_url.replace("postgresql://", "postgresql+psycopg2://")
    (tmp_path / "dagster.yaml").write_text(
        json.dumps({"storage": {"postgres": {"postgres_url": url}}, "telemetry": {"enabled": False}})
    )
    with dg.DagsterInstance.from_config(str(tmp_path)) as instance:
        yield Past(instance)


def runs(instance: dg.DagsterInstance) -> set[str]:
    return {r.run_id for r in instance.get_runs()}


def bytes_of_events(url: str) -> int:
    with psycopg.connect(url) as conn:
        row = conn.execute("select coalesce(sum(pg_column_size(e.*)), 0) from event_logs e").fetchone()
        assert row is not None
        return int(row[0])


def test_a_year_of_runs_shrinks_to_what_is_young_failed_or_shown(past: Past, empty_database_url: str) -> None:
    instance = past.instance
    gone = {past.run("desk__ingest", days=9 + 3 * n) for n in range(12)}
    gone |= {past.run("desk__quality", days=31 + n) for n in range(4)}
    gone |= {past.run("desk__score", day="day-0", days=200 - n) for n in range(3)}
    shown = {past.run("desk__score", day="day-0", days=100), past.run("desk__score", day="day-1", days=300)}
    young = {past.run("desk__ingest", days=6), past.run("desk__quality", days=29)}
    failed = past.run("desk__quality", days=50, status="FAILURE")
    under_way = past.run("desk__ingest", days=90, status="STARTED")
    past.forget_the_recorded()
    before = bytes_of_events(empty_database_url)

    assert retention.delete_expired(instance, keep=KEEP, now=NOW) == len(gone)

    assert runs(instance) == shown | young | {failed, under_way}
    assert bytes_of_events(empty_database_url) < before / 2
    assert instance.get_materialized_partitions(dg.AssetKey("scores")) == {"day-0", "day-1"}
    newest = instance.fetch_materializations(
        dg.AssetRecordsFilter(dg.AssetKey("scores"), asset_partitions=["day-1"]), limit=1
    )
    assert newest.records[0].run_id in shown
    assert len(str(newest.records[0].asset_materialization.metadata["picture"].value)) == 2_000
    assert retention.delete_expired(instance, keep=KEEP, now=NOW) == 0


def test_the_newest_run_of_a_job_stays_for_alerts_ask_whether_it_failed(past: Past) -> None:
    older, newest = past.run("desk__ingest", days=400), past.run("desk__ingest", days=300)
    past.forget_the_recorded()
    assert retention.delete_expired(past.instance, keep=KEEP, now=NOW) == 1
    assert runs(past.instance) == {newest} != {older}


def test_a_pass_killed_between_a_runs_events_and_the_run_leaves_it_to_be_found_again(
    past: Past, empty_database_url: str
) -> None:
    half_gone, _ = past.run("desk__ingest", days=400), past.run("desk__ingest", days=1)
    past.forget_the_recorded()
    past.instance.event_log_storage.delete_events(half_gone)
    assert retention.delete_expired(past.instance, keep=KEEP, now=NOW) == 1
    with psycopg.connect(empty_database_url) as conn:
        assert conn.execute("select count(*) from event_logs where run_id = %s", (half_gone,)).fetchone() == (0,)


def test_a_runs_output_and_files_go_with_it(past: Past) -> None:
    instance = past.instance
    old, _ = past.run("desk__ingest", days=400), past.run("desk__ingest", days=1)
    past.forget_the_recorded()
    folder = Path(instance.storage_directory()) / old
    (folder / "compute_logs").mkdir(parents=True)
    (folder / "compute_logs" / "step.out").write_text("printed")
    retention.delete_expired(instance, keep=KEEP, now=NOW)
    assert not folder.exists()


def test_the_job_runs_on_the_platforms_own_clock_and_says_what_it_deleted(past: Past, database: Database) -> None:
    old, _ = past.run("desk__ingest", days=400), past.run("desk__ingest", days=1)
    past.forget_the_recorded()

    class Opened(dg.ConfigurableResource):
        def open(self) -> Database:
            return database

    with clock.running_on(lambda: NOW):
        result = retention.retention_job().execute_in_process(instance=past.instance, resources={"database": Opened()})
    assert result.success
    assert old not in runs(past.instance)


def test_the_platform_runs_it_every_night_whatever_is_automated() -> None:
    definitions = build_defs(folders=[])
    schedule = definitions.resolve_schedule_def("platform__retention_schedule")
    assert schedule.job_name == definitions.resolve_job_def("platform__retention").name
    assert schedule.default_status is dg.DefaultScheduleStatus.RUNNING
    assert {job.rpartition("__")[2] for job in (j.name for j in definitions.resolve_all_job_defs())} >= set(
        retention.FREQUENT_JOBS
    ) - {"knowledge", "synthetic"}
