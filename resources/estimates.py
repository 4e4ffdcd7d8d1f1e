"""Estimated and realised quality by day: the rows of `estimates`.

What belongs here: keeping them. What does not: estimating (`aios_core/monitoring/estimate.py`).
"""

from dataclasses import asdict, dataclass
from datetime import date, datetime

from psycopg.rows import class_row
from psycopg.types.json import Jsonb

from aios_core.monitoring.estimate import Estimate, Promise
from resources.database import Database


@dataclass(frozen=True, slots=True, kw_only=True)
class EstimatedDay:
    """One day under one model version; `realised` is the accuracy over the `settled` tickets, None without any."""

    day: date
    model_version: int
    estimate: Estimate
    realised: float | None
    settled: int


@dataclass(frozen=True, slots=True, kw_only=True)
class _Row:
    day: date
    model_version: int
    estimate: dict[str, object]
    realised: float | None
    settled: int


class EstimateStore:
    """The estimates of all automations."""

    def __init__(self, database: Database) -> None:
        self._database = database

    def save(
        self,
        *,
        automation: str,
        day: date,
        model_name: str,
        model_version: int,
        promise: Promise,
        estimate: Estimate,
        realised: float | None,
        settled: int,
        now: datetime,
    ) -> None:
        """Keep a day; estimated again, the later one holds."""
        with self._database.connection() as conn:
            conn.execute(
                "insert into estimates (automation, day, model_name, model_version, promise, estimate, realised, settled,"
                " computed_at) values (%s, %s, %s, %s, %s, %s, %s, %s, %s)"
                " on conflict (automation, day, model_name, model_version) do update set promise = excluded.promise,"
                " estimate = excluded.estimate, realised = excluded.realised, settled = excluded.settled,"
                " computed_at = excluded.computed_at where estimates.computed_at <= excluded.computed_at",
                (automation, day, model_name, model_version, Jsonb(promise.as_json()), Jsonb(asdict(estimate)), realised,
                 settled, now),
            )  # fmt: skip

    def days(self, *, automation: str, since: date, until: date) -> list[EstimatedDay]:
        """The days in [since, until), oldest first."""
        with self._database.connection() as conn, conn.cursor(row_factory=class_row(_Row)) as cursor:
            rows = cursor.execute(
                "select day, model_version, estimate, realised, settled from estimates"
                " where automation = %s and day >= %s and day < %s order by day, model_version",
                (automation, since, until),
            ).fetchall()
        return [
            EstimatedDay(
                day=r.day,
                model_version=r.model_version,
                estimate=Estimate(**r.estimate),  # type: ignore[arg-type]  # as it was written
                realised=r.realised,
                settled=r.settled,
            )
            for r in rows
        ]

    def window(self, *, automation: str, since: date, until: date, model_version: int) -> list[Promise]:
        """The promises of the days in [since, until) under one version."""
        with self._database.connection() as conn:
            rows = conn.execute(
                "select promise from estimates where automation = %s and day >= %s and day < %s and model_version = %s",
                (automation, since, until, model_version),
            ).fetchall()
        return [Promise.from_json(row[0]) for row in rows]
