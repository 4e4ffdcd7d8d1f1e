"""Retention: what Dagster and the platform's own tables keep of the past. One job for the whole platform.

What belongs here: asking the instance what has ended and what is still shown, and deleting the rest. What does not: the rule
(`aios_core/retention.py`), our tables (`resources/retention.py`) and when it runs (`sensors/schedules.py`). Ticks of schedules and
sensors are purged by Dagster itself (`retention:` in `dagster.yaml`).

It may be killed and run again. A run's events, output and files go before the run itself: a run that is still listed is found
again, while events without a run would stay for ever.
"""

import shutil
from collections.abc import Iterator, Sequence
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import dagster as dg

from aios_assets import jobs
from aios_core.retention import EndedRun, KeepRuns, expired, keep_runs
from resources import clock
from resources.dagster_resources import DatabaseResource
from resources.deployments import deployment
from resources.retention import forget

JOB = "retention"
PAGE = 500
AT_ONCE = 200  # events are read with their metadata, plots too
ENDED = (dg.DagsterRunStatus.SUCCESS, dg.DagsterRunStatus.FAILURE, dg.DagsterRunStatus.CANCELED)
FREQUENT_JOBS = (
    jobs.INGEST,
    jobs.ASSESS,
    jobs.REVIEW,
    jobs.ALERTS,
    jobs.SYNTHETIC,
    jobs.KNOWLEDGE,
    jobs.ADVANCE,
    JOB,
)


def build() -> dg.Definitions:
    return dg.Definitions(jobs=[retention_job()])


def retention_job() -> dg.JobDefinition:
    @dg.op(
        name="forget_the_past",
        description=(
            "Deletes runs past their time (AIOS_KEEP_RUNS_DAYS, 30 when unset; failures twice as long; jobs that run every few minutes at "
            "most a week) with their events, output and files, and rows of our own that nobody reads any more. Kept whatever its age: "
            "the run that made what an asset or a partition shows now, each job's newest run, and every run that has not ended."
        ),
    )
    def forget_the_past(context: dg.OpExecutionContext, database: DatabaseResource) -> None:
        now = clock.now()
        keep = keep_runs(deployment().keep_runs_days, frequent_jobs=FREQUENT_JOBS)
        deleted = delete_expired(context.instance, keep=keep, now=now)
        rows = forget(database.open(), now=now)
        context.log.info("deleted %d runs, and rows: %s", deleted, rows)
        context.add_output_metadata({"runs deleted": deleted, **{f"rows of {t}": n for t, n in rows.items()}})

    @dg.job(
        name=f"platform__{JOB}", description="Keeps Dagster's event log and our own tables from growing without bound."
    )
    def retention() -> None:
        forget_the_past()

    return retention


def delete_expired(instance: dg.DagsterInstance, *, keep: KeepRuns, now: datetime) -> int:
    """Delete the runs past their time; how many. `now` is aware."""
    # all are read before any goes: pages are found by the last run of the page before
    ended = list(_ended(instance, before=now - keep.shortest))
    if not ended:
        return 0
    needed = shown(instance) | _newest_of_jobs(instance, {name for _, name in ended})
    gone = expired((run for run, _ in ended), keep=keep, needed=needed, now=now)
    for run_id in gone:
        delete(instance, run_id)
    return len(gone)


def delete(instance: dg.DagsterInstance, run_id: str) -> None:
    """One run with all that is kept of it, the run itself last."""
    instance.event_log_storage.delete_events(run_id)
    instance.compute_log_manager.delete_logs(prefix=[run_id])
    shutil.rmtree(Path(instance.storage_directory()) / run_id, ignore_errors=True)
    instance.delete_run(run_id)


def shown(instance: dg.DagsterInstance) -> set[str]:
    """Ids of the runs that made what assets show now: the newest materialization of each asset and partition, the newest observation."""
    keys = list(instance.all_asset_keys())
    found = {e.run_id for e in instance.get_latest_materialization_events(keys).values() if e is not None}
    for key in keys:
        newest = instance.get_latest_storage_id_by_partition(key, dg.DagsterEventType.ASSET_MATERIALIZATION)
        for ids in _pieces(list(newest.values()), AT_ONCE):
            wanted = dg.AssetRecordsFilter(asset_key=key, storage_ids=ids)
            found |= {r.run_id for r in instance.fetch_materializations(wanted, limit=len(ids)).records}
        found |= {r.run_id for r in instance.fetch_observations(key, limit=1).records}
    return found


def _ended(instance: dg.DagsterInstance, *, before: datetime) -> Iterator[tuple[EndedRun, str]]:
    """Runs that have ended, oldest first, each with its job's full name."""
    cursor = None
    wanted = dg.RunsFilter(statuses=ENDED, updated_before=before)
    while records := instance.get_run_records(wanted, limit=PAGE, cursor=cursor, ascending=True):
        yield from ((_run_of(r), r.dagster_run.job_name) for r in records)
        cursor = records[-1].dagster_run.run_id


def _run_of(record: Any) -> EndedRun:
    run = record.dagster_run
    # a run that never started has no end of its own
    at = (
        datetime.fromtimestamp(record.end_time, UTC) if record.end_time else record.update_timestamp.replace(tzinfo=UTC)
    )
    return EndedRun(
        run_id=run.run_id,
        job=run.job_name.rpartition("__")[2],
        succeeded=run.status is dg.DagsterRunStatus.SUCCESS,
        ended_at=at,
    )


def _newest_of_jobs(instance: dg.DagsterInstance, names: set[str]) -> set[str]:
    """The newest ended run of each job: alerts ask whether it failed (`alerts.py`)."""
    wanted = (dg.RunsFilter(job_name=name, statuses=ENDED) for name in sorted(names))
    return {r.dagster_run.run_id for w in wanted for r in instance.get_run_records(w, limit=1)}


def _pieces(ids: Sequence[int], size: int) -> Iterator[list[int]]:
    return (list(ids[at : at + size]) for at in range(0, len(ids), size))
