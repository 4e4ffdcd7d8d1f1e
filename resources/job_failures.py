"""Which jobs failed when they ran last: a monitor that crashes must not look like one that found nothing.

What belongs here: the rows of `job_failures`. What does not: asking Dagster (`aios_assets/alerts.py`), and the alert.
"""

from dataclasses import dataclass
from datetime import datetime

from resources.database import Database


@dataclass(frozen=True, slots=True, kw_only=True)
class NewestRun:
    """The newest finished run of one job; `error` is None where it succeeded. `watches`: the job monitors or remedies."""

    job: str
    watches: bool
    run_id: str
    ended_at: datetime
    error: str | None


class JobFailureStore:
    """The jobs of all automations."""

    def __init__(self, database: Database) -> None:
        self._database = database

    def keep(self, runs: list[NewestRun], *, automation: str) -> None:
        """Note the failed ones, and clear those whose newest run succeeded. An older run than the one that is known changes nothing."""
        with self._database.connection() as conn, conn.cursor() as cursor:
            for run in runs:
                if run.error is None:
                    cursor.execute(
                        "update job_failures set cleared_at = %s where automation = %s and job = %s and cleared_at is null"
                        " and failed_at <= %s",
                        (run.ended_at, automation, run.job, run.ended_at),
                    )
                else:
                    cursor.execute(
                        "insert into job_failures (automation, job, watches, run_id, error, failed_at)"
                        " values (%s, %s, %s, %s, %s, %s) on conflict (automation, job) do update set"
                        " watches = excluded.watches, run_id = excluded.run_id, error = excluded.error,"
                        " failed_at = excluded.failed_at, cleared_at = null"
                        " where job_failures.failed_at < excluded.failed_at",
                        (automation, run.job, run.watches, run.run_id, run.error, run.ended_at),
                    )

    def failing(self, automation: str) -> dict[str, str]:
        """Job -> error of those that are not cleared."""
        with self._database.connection() as conn:
            return dict(
                conn.execute(
                    "select job, error from job_failures where automation = %s and cleared_at is null order by job",
                    (automation,),
                ).fetchall()
            )
