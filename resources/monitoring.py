"""Monitored days, incidents and requests for retraining, in Postgres.

What belongs here: their rows. What does not: measuring and judging (`aios_core/monitoring/`), an incident's story and its end
(`resources/incidents.py`), modes (`resources/modes.py`) and aliases (`resources/registry.py`).

Every method that writes may be called again with the same arguments and then changes nothing: Dagster runs steps twice.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import date, datetime
from typing import Any, Literal

from psycopg import Connection
from psycopg.rows import class_row
from psycopg.types.json import Jsonb

from aios_core.errors import PermanentError
from aios_core.monitoring.changed import queues_of
from aios_core.monitoring.drift import Drift
from aios_core.monitoring.evidence import DriftDay
from aios_core.monitoring.reference import Window
from aios_core.monitoring.settled import Settled
from aios_core.monitoring.sketch import Cuts, Sketch, empty, merge
from resources.database import Database

RemedyKind = Literal["rollback", "narrow", "stop"]
ROLLBACK, STOP = "rollback", "stop"


class UnknownIncident(PermanentError):
    """There is no incident with this id."""

    code = "incident.unknown"


@dataclass(frozen=True, slots=True, kw_only=True)
class MonitorDay:
    """One day under one model version, as measured last. `columns` maps each to psi, drifted, kind and more.

    `explained` is `Drift.explained()`: kinds, causes, and outcomes against promises; None of days measured before it was kept.
    """

    day: date
    model_name: str
    model_version: int
    rows: int
    reference_rows: int
    columns: dict[str, dict[str, Any]]
    share: float | None
    flagged: bool
    reason: str
    report: str | None
    computed_at: datetime
    explained: dict[str, Any] | None = None

    @property
    def psi(self) -> dict[str, float]:
        """Column -> PSI beyond chance: what a plot over days shows."""
        return {name: float(column["psi"]) for name, column in self.columns.items()}

    def as_drift_day(self) -> DriftDay:
        """What the judge reads of it."""
        queues = queues_of((self.explained or {}).get("changed", ())) if self.flagged else ()
        return DriftDay(day=self.day, share=self.share, flagged=self.flagged, queues=queues)


@dataclass(frozen=True, slots=True, kw_only=True)
class Incident:
    """Something degraded, and what was done about it; `queue` is None or `*` for the whole automation. Its story: `incidents.py`."""

    incident_id: int
    automation: str
    remedy: RemedyKind
    queue: str | None
    reason: str
    evidence: dict[str, Any]
    actor: str
    opened_at: datetime
    closed_at: datetime | None
    closed_by: str | None
    closed_why: str | None = None
    assessment_id: int | None = None


_DAYS = "day, model_name, model_version, rows, reference_rows, columns, share, flagged, reason, report, computed_at, explained"
INCIDENTS = "incident_id, automation, remedy, queue, reason, evidence, actor, opened_at, closed_at, closed_by, closed_why, assessment_id"


class MonitorStore:
    """What monitoring keeps, for all automations."""

    def __init__(self, database: Database) -> None:
        self._database = database

    # --- days

    def save_day(
        self,
        *,
        automation: str,
        day: date,
        model_name: str,
        model_version: int,
        drift: Drift,
        sketch: Sketch,
        report: str | None,
        now: datetime,
        settled: Settled | None = None,
    ) -> None:
        """Keep a day's measurement; measured again, the later one holds.

        `now` is when the day's decisions were read: what is decided after it counts as not measured. `report` is the lake path
        of Evidently's page.
        """
        with self._database.connection() as conn:
            conn.execute(
                "insert into monitor_days (automation, day, model_name, model_version, rows, reference_rows, columns, share,"
                " flagged, reason, report, sketch, explained, settled, computed_at)"
                " values (%s, %s, %s, %s, %s, %s, %s, %s, %s, %s, %s, %s, %s, %s, %s)"
                " on conflict (automation, day, model_name, model_version) do update set rows = excluded.rows,"
                " reference_rows = excluded.reference_rows, columns = excluded.columns, share = excluded.share,"
                " flagged = excluded.flagged, reason = excluded.reason, report = excluded.report, sketch = excluded.sketch,"
                " explained = excluded.explained, settled = excluded.settled,"
                " computed_at = excluded.computed_at where monitor_days.computed_at <= excluded.computed_at",
                (automation, day, model_name, model_version, drift.rows, drift.reference_rows, Jsonb(drift.as_json()),
                 drift.share, drift.flagged, drift.reason, report, Jsonb(sketch.as_json()), Jsonb(drift.explained()),
                 None if settled is None else Jsonb(settled.as_json()), now),
            )  # fmt: skip

    def save_settled(
        self, *, automation: str, day: date, model_name: str, model_version: int, settled: Settled
    ) -> None:
        """What turned out of a measured day's tickets by now; nothing where the day was not measured under this version."""
        with self._database.connection() as conn:
            conn.execute(
                "update monitor_days set settled = %s"
                " where automation = %s and day = %s and model_name = %s and model_version = %s",
                (Jsonb(settled.as_json()), automation, day, model_name, model_version),
            )

    def days(
        self, *, automation: str, since: date, until: date | None = None, model_version: int | None = None
    ) -> list[MonitorDay]:
        """Measured days in [since, until), oldest first; of one version, or else of each day's latest measured one."""
        with self._database.connection() as conn, conn.cursor(row_factory=class_row(MonitorDay)) as cursor:
            return cursor.execute(
                f"select distinct on (day) {_DAYS} from monitor_days where automation = %(automation)s and day >= %(since)s"
                " and (%(until)s::date is null or day < %(until)s)"
                " and (%(version)s::integer is null or model_version = %(version)s)"
                " order by day, computed_at desc, model_version desc",
                {"automation": automation, "since": since, "until": until, "version": model_version},
            ).fetchall()

    def window(self, cuts: Cuts, *, automation: str, since: date, until: date, model_version: int) -> Sketch:
        """The days in [since, until) under one version, added up; days that were sketched under other cuts are left out."""
        with self._database.connection() as conn:
            rows = conn.execute(
                "select sketch from monitor_days where automation = %s and day >= %s and day < %s and model_version = %s"
                " and sketch ->> 'cuts' = %s",
                (automation, since, until, model_version, cuts.fingerprint),
            ).fetchall()
        return merge([empty(cuts), *(Sketch.from_json(row[0]) for row in rows)])

    def parts(self, cuts: Cuts, *, automation: str, since: date, until: date, model_version: int) -> dict[date, Window]:
        """Like `window`, day by day, each with what was settled of it when it was measured last."""
        with self._database.connection() as conn:
            rows = conn.execute(
                "select day, sketch, settled from monitor_days where automation = %s and day >= %s and day < %s"
                " and model_version = %s and sketch ->> 'cuts' = %s order by day",
                (automation, since, until, model_version, cuts.fingerprint),
            ).fetchall()
        return {
            day: Window(
                sketch=Sketch.from_json(content), settled=None if settled is None else Settled.from_json(settled)
            )
            for day, content, settled in rows
        }

    def unmeasured_days(self, *, automation: str) -> list[tuple[date, int]]:
        """(day, decisions) of the days on which a model decided something since they were measured last, oldest first.

        Days without a model have no reference to be compared with, and are left out.
        """
        with self._database.connection() as conn:
            return conn.execute(
                "select d.day, count(*) from decisions d where d.automation = %(automation)s and d.model_version > 0"
                " group by d.day having max(d.decided_at) > coalesce((select max(m.computed_at) from monitor_days m"
                " where m.automation = %(automation)s and m.day = d.day), '-infinity') order by d.day",
                {"automation": automation},
            ).fetchall()

    # --- incidents

    def open_incident(
        self,
        *,
        automation: str,
        remedy: RemedyKind,
        queue: str | None,
        reason: str,
        evidence: Mapping[str, Any],
        actor: str,
        now: datetime,
        identity: str | None = None,
        assessment_id: int | None = None,
    ) -> int:
        """The id of a new incident, or of the one that stands for this already.

        That is the open one of the same remedy and queue for narrowing and stopping. Of a rollback it is the one with the same
        `identity`, which names the promotion that is undone: a job that was killed and runs again under another id is no second
        rollback. Without an identity each is an incident of its own, unless the same actor (a run) reports the same evidence again.
        """
        with self._database.connection() as conn:
            conn.execute("select pg_advisory_xact_lock(hashtextextended(%s, 0))", (f"aios.incidents.{automation}",))
            found = _same_incident(conn, automation, remedy, queue, evidence, actor, identity)
            if found is not None:
                return found
            row = conn.execute(
                "insert into incidents (automation, remedy, queue, reason, evidence, actor, opened_at, identity, assessment_id)"
                " values (%s, %s, %s, %s, %s, %s, %s, %s, %s) returning incident_id",
                (automation, remedy, queue, reason, Jsonb(dict(evidence)), actor, now, identity, assessment_id),
            ).fetchone()
            assert row is not None  # an insert returns its row
            return int(row[0])

    def close_incident(self, incident_id: int, *, actor: str, now: datetime) -> bool:
        """Close one incident; False where it was closed before. Raises UnknownIncident."""
        with self._database.connection() as conn:
            row = conn.execute("select 1 from incidents where incident_id = %s", (incident_id,)).fetchone()
            if row is None:
                raise UnknownIncident(
                    f"there is no incident {incident_id}; list them in the console, then close by its number"
                )
            closed = conn.execute(
                "update incidents set closed_at = %s, closed_by = %s where incident_id = %s and closed_at is null",
                (now, actor, incident_id),
            )
            return closed.rowcount == 1

    def close_incidents(
        self, *, automation: str, remedy: RemedyKind, queues: Sequence[str], actor: str, now: datetime
    ) -> list[str]:
        """Close the open incidents of one remedy that hold these queues (`*`: all); returns those that there were.

        A newly promoted version closes `narrow` in this way; `stop` is a person's to close.
        """
        with self._database.connection() as conn:
            rows = conn.execute(
                "update incidents set closed_at = %s, closed_by = %s where automation = %s and remedy = %s and closed_at is null"
                " and coalesce(queue, '*') = any(%s) returning coalesce(queue, '*')",
                (now, actor, automation, remedy, list(queues)),
            ).fetchall()
        return sorted({row[0] for row in rows})

    def incidents(self, *, automation: str, open_only: bool = False, limit: int = 200) -> list[Incident]:
        """Incidents, newest first."""
        with self._database.connection() as conn, conn.cursor(row_factory=class_row(Incident)) as cursor:
            return cursor.execute(
                f"select {INCIDENTS} from incidents where automation = %s and (not %s or closed_at is null)"
                " order by opened_at desc, incident_id desc limit %s",
                (automation, open_only, limit),
            ).fetchall()

    def rollbacks_since(self, *, automation: str, since: datetime) -> int:
        """Rollbacks from `since` on, but not before the last stop was lifted: a person who lifts it starts the count anew.

        An incident whose rollback has not moved anything yet is none.
        """
        with self._database.connection() as conn:
            row = conn.execute(
                f"select count(*) from incidents i where automation = %(automation)s and remedy = %(rollback)s and {_MOVED}"
                " and opened_at >= greatest(%(since)s, coalesce((select max(closed_at) from incidents"
                " where automation = %(automation)s and remedy = %(stop)s), '-infinity'))",
                {"automation": automation, "rollback": ROLLBACK, "stop": STOP, "since": since},
            ).fetchone()
        return int(row[0]) if row else 0

    def last_rollback_at(self, *, automation: str) -> datetime | None:
        """When the champion was rolled back last."""
        with self._database.connection() as conn:
            row = conn.execute(
                f"select max(opened_at) from incidents i where automation = %s and remedy = %s and {_MOVED}",
                (automation, ROLLBACK),
            ).fetchone()
        return row[0] if row else None

    # --- retraining

    def request_retraining(self, *, automation: str, reason: str, now: datetime) -> int:
        """The id of the open request; asking while one is open adds nothing."""
        with self._database.connection() as conn:
            conn.execute(
                "insert into retraining_requests (automation, reason, requested_at) values (%s, %s, %s) on conflict do nothing",
                (automation, reason, now),
            )
            row = conn.execute(_OPEN_REQUEST, (automation,)).fetchone()
            if row is None:  # another process finished the request that was in our way, between our two statements
                row = conn.execute(
                    "insert into retraining_requests (automation, reason, requested_at) values (%s, %s, %s)"
                    " returning request_id",
                    (automation, reason, now),
                ).fetchone()
            assert row is not None
            return int(row[0])

    def pending_retraining(self, *, automation: str) -> int | None:
        """The id of the open request."""
        with self._database.connection() as conn:
            row = conn.execute(_OPEN_REQUEST, (automation,)).fetchone()
        return int(row[0]) if row else None

    def retraining_done(self, *, automation: str, started_at: datetime, now: datetime) -> bool:
        """Close the open request if it came before this training started; a later one asks for outcomes this one lacked."""
        with self._database.connection() as conn:
            done = conn.execute(
                "update retraining_requests set done_at = %s where automation = %s and done_at is null and requested_at <= %s",
                (now, automation, started_at),
            )
            return done.rowcount > 0


_MOVED = (
    "(i.identity is null or exists (select from alias_moves m where m.alias = 'champion'"
    " and m.evidence ->> 'incident_id' = i.incident_id::text))"
)
_OPEN_REQUEST = "select request_id from retraining_requests where automation = %s and done_at is null"


def _same_incident(
    conn: Connection, automation: str, remedy: str, queue: str | None, evidence: Mapping[str, Any], actor: str,
    identity: str | None,
) -> int | None:  # fmt: skip
    if identity is not None:
        known = conn.execute(
            "select incident_id from incidents where automation = %s and identity = %s", (automation, identity)
        ).fetchone()
        return int(known[0]) if known else None
    same = "actor = %s and evidence = %s" if remedy == ROLLBACK else "closed_at is null"
    values = (actor, Jsonb(dict(evidence))) if remedy == ROLLBACK else ()
    row = conn.execute(
        f"select incident_id from incidents where automation = %s and remedy = %s and coalesce(queue, '*') = %s and {same}"
        " order by incident_id desc limit 1",
        (automation, remedy, queue or "*", *values),
    ).fetchone()
    return int(row[0]) if row else None
