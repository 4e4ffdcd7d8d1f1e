"""Estimated and realised quality by day and group: the rows of `estimates` and `estimate_groups`.

What belongs here: keeping them. What does not: estimating (`aios_core/monitoring/estimate.py`), and finding out what turned out
(`settled.py`).
"""

from collections.abc import Sequence
from dataclasses import asdict, dataclass, field
from datetime import date, datetime

from psycopg.rows import class_row
from psycopg.types.json import Jsonb

from aios_core.monitoring.estimate import Estimate, Promise
from aios_core.monitoring.estimator_error import SettledDay
from resources.database import Database
from resources.settled import SettledSum


@dataclass(frozen=True, slots=True, kw_only=True)
class EstimatedDay:
    """One day under one model version; `realised` is the accuracy over the `settled` tickets, None without any."""

    day: date
    model_version: int
    estimate: Estimate
    realised: float | None
    settled: int


@dataclass(frozen=True, slots=True, kw_only=True)
class GroupDay:
    """A group of one day's tickets: the `name` of a `dimension` (queue, tier, channel, language)."""

    dimension: str
    name: str
    promise: Promise
    settled: int = 0
    right: int = 0


@dataclass(frozen=True, slots=True, kw_only=True)
class NewDay:
    """What is kept of a day: its promise and estimate, the mean confidence as scored, what was taken off it, and its groups."""

    day: date
    model_version: int
    promise: Promise
    estimate: Estimate
    confidence: float
    overstated: float = 0.0
    groups: Sequence[GroupDay] = field(default=())


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

    def save(self, found: NewDay, *, automation: str, model_name: str, now: datetime) -> None:
        """Keep a day and its groups; estimated again, the later one holds, and what is known to have turned out stays."""
        key = (automation, found.day, model_name, found.model_version)
        with self._database.connection() as conn:
            kept = conn.execute(
                _SAVE,
                (*key, Jsonb(found.promise.as_json()), Jsonb(asdict(found.estimate)), found.confidence, found.overstated,
                 now),
            )  # fmt: skip
            if not kept.rowcount:
                return  # a later estimate stands
            conn.execute(_FORGET_GROUPS, key)
            with conn.cursor() as cursor:
                cursor.executemany(
                    _SAVE_GROUP,
                    [
                        (*key, g.dimension, g.name, Jsonb(g.promise.as_json()), g.settled, g.right, now)
                        for g in found.groups
                    ],
                )

    def settle(self, days: Sequence[SettledSum], *, automation: str, model_name: str) -> int:
        """What has turned out of days that are estimated already; returns how many days it changed."""
        with self._database.connection() as conn:
            changed = 0
            for d in days:
                changed += conn.execute(
                    _SETTLE,
                    (d.settled, d.right, d.right / d.settled, d.expected, d.variance, automation, d.day, model_name,
                     d.model_version, d.settled, d.right, d.expected),
                ).rowcount  # fmt: skip
            return changed

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

    def groups(self, *, automation: str, since: date, until: date, model_version: int) -> list[GroupDay]:
        """The groups of the days in [since, until) under one version, by dimension, name and day: those of a name add up."""
        with self._database.connection() as conn:
            rows = conn.execute(
                "select dimension, name, promise, settled, right_count from estimate_groups where automation = %s"
                " and day >= %s and day < %s and model_version = %s order by dimension, name, day",
                (automation, since, until, model_version),
            ).fetchall()
        return [
            GroupDay(dimension=dimension, name=name, promise=Promise.from_json(promise), settled=settled, right=right)
            for dimension, name, promise, settled, right in rows
        ]

    def errors(self, *, automation: str, since: date, until: date, model_version: int) -> list[SettledDay]:
        """The days in [since, until) with settled tickets under one version, oldest first: what was expected of them and what came.

        `expected` is moved from the tickets' own confidence to what the estimate made of the day's.
        """
        with self._database.connection() as conn:
            rows = conn.execute(
                "select day, settled, expected, variance, right_count, confidence, overstated, promise from estimates"
                " where automation = %s and day >= %s and day < %s and model_version = %s and settled > 0"
                " and confidence is not null order by day",
                (automation, since, until, model_version),
            ).fetchall()
        return [
            SettledDay(
                day=day,
                model_version=model_version,
                settled=settled,
                expected=expected + settled * (_mean(promise) - confidence - overstated),
                variance=variance,
                right=right,
            )
            for day, settled, expected, variance, right, confidence, overstated, promise in rows
        ]


def _mean(content: dict[str, list[float]]) -> float:
    promise = Promise.from_json(content)
    return promise.expected / promise.rows


_SAVE = """
insert into estimates (automation, day, model_name, model_version, promise, estimate, confidence, overstated, settled,
                       computed_at)
values (%s, %s, %s, %s, %s, %s, %s, %s, 0, %s)
on conflict (automation, day, model_name, model_version) do update set promise = excluded.promise,
    estimate = excluded.estimate, confidence = excluded.confidence, overstated = excluded.overstated,
    computed_at = excluded.computed_at
where estimates.computed_at <= excluded.computed_at
"""

_FORGET_GROUPS = """
delete from estimate_groups where automation = %s and day = %s and model_name = %s and model_version = %s
"""

_SAVE_GROUP = """
insert into estimate_groups (automation, day, model_name, model_version, dimension, name, promise, settled, right_count,
                             computed_at)
values (%s, %s, %s, %s, %s, %s, %s, %s, %s, %s)
"""

_SETTLE = """
update estimates set settled = %s, right_count = %s, realised = %s, expected = %s, variance = %s
where automation = %s and day = %s and model_name = %s and model_version = %s
  and (settled, right_count, expected) is distinct from (%s, %s, %s)
"""
