"""Alerts in Postgres: what stands, its timeline, who was told, and what is hidden.

What belongs here: acknowledging, silencing, and reading it all back. What does not: looking (`alert_look.py`), sending
(`alert_deliveries.py`), and what fires (`aios_core/alerting/`).
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import datetime
from typing import Any

from psycopg import Connection
from psycopg.rows import class_row

from aios_core.alerting.notices import Alert, Silence
from aios_core.alerting.signals import EVERYTHING, Reading
from aios_core.errors import PermanentError
from resources.database import Database

LOCK = "aios.alerts"  # looks and silences of one automation take turns


class UnknownAlert(PermanentError):
    """There is no alert, or no standing silence, with this id."""

    code = "alert.unknown"


class AlertRefused(PermanentError):
    """What was asked makes no sense: an alert that is over, a silence without an end or a reason."""

    code = "alert.refused"


@dataclass(frozen=True, slots=True, kw_only=True)
class Event:
    """One line of an alert's timeline."""

    alert_id: int
    kind: str
    actor: str
    detail: str
    at: datetime


class AlertStore:
    """The alerts of all automations."""

    def __init__(self, database: Database) -> None:
        self._database = database

    def alerts(
        self, automation: str | None = None, *, states: Sequence[str] = ("firing",), limit: int = 200
    ) -> list[Alert]:
        """Alerts in these states, newest first."""
        with self._database.connection() as conn:
            return read_alerts(
                conn,
                "(%(automation)s::text is null or automation = %(automation)s) and state = any(%(states)s)"
                " order by coalesce(fired_at, since) desc, alert_id desc limit %(limit)s",
                {"automation": automation, "states": list(states), "limit": limit},
            )

    def get(self, alert_id: int) -> Alert:
        """One alert. Raises UnknownAlert."""
        with self._database.connection() as conn:
            return get_alert(conn, alert_id)

    def timeline(self, alert_id: int) -> list[Event]:
        """All that happened to one alert, oldest first."""
        with self._database.connection() as conn, conn.cursor(row_factory=class_row(Event)) as cursor:
            return cursor.execute(
                "select alert_id, kind, actor, detail, at from alert_events where alert_id = %s order by event_id",
                (alert_id,),
            ).fetchall()

    def newest_event(self, automation: str) -> int:
        """The id of the newest line of any timeline of this automation; 0 where there is none."""
        with self._database.connection() as conn:
            row = conn.execute(
                "select max(event_id) from alert_events e join alerts a using (alert_id) where a.automation = %s",
                (automation,),
            ).fetchone()
        return int(row[0]) if row and row[0] is not None else 0

    def looked_at(self, automation: str) -> tuple[datetime, dict[str, list[Reading]]] | None:
        """When the newest look was, and what it read by rule."""
        with self._database.connection() as conn:
            row = conn.execute(
                "select looked_at, readings from alert_looks where automation = %s", (automation,)
            ).fetchone()
        return None if row is None else (row[0], {r: [Reading(**x) for x in c["readings"]] for r, c in row[1].items()})

    def looks(self) -> dict[str, datetime]:
        """Automation -> when it was looked at last."""
        with self._database.connection() as conn:
            return dict(conn.execute("select automation, looked_at from alert_looks order by automation").fetchall())

    def acknowledge(self, alert_id: int, *, actor: str, now: datetime, note: str = "") -> bool:
        """Somebody looks after it: no more reminders. False where somebody did before. Raises UnknownAlert, AlertRefused."""
        with self._database.connection() as conn:
            alert = get_alert(conn, alert_id, lock=True)
            if alert.state != "firing":
                raise AlertRefused(
                    f"alert {alert_id} is not firing (it is {alert.state}): there is nothing to acknowledge"
                )
            if alert.acknowledged_at is not None:
                return False
            conn.execute(
                "update alerts set acknowledged_by = %s, acknowledged_at = %s, acknowledged_note = %s where alert_id = %s",
                (actor, now, note, alert_id),
            )
            write_event(conn, alert_id, "acknowledged", actor, note, now)
            return True

    def silence(
        self,
        *,
        automation: str,
        reason: str,
        actor: str,
        until: datetime,
        now: datetime,
        rule: str = EVERYTHING,
        subject: str = EVERYTHING,
    ) -> int:
        """Hide what a rule says until a moment; returns the silence's id, that of an equal one where it stands already.

        Raises AlertRefused.
        """
        if not reason.strip():
            raise AlertRefused("a silence needs a reason: whoever reads it later was not there")
        if until <= now:
            raise AlertRefused(
                f"a silence until {until:%Y-%m-%d %H:%M} UTC is over before it begins; name a later time"
            )
        with self._database.connection() as conn:
            conn.execute("select pg_advisory_xact_lock(hashtextextended(%s, 0))", (f"{LOCK}.{automation}",))
            known = conn.execute(
                "select silence_id from alert_silences where automation = %s and rule = %s and subject = %s and reason = %s"
                " and actor = %s and until = %s and ended_at is null",
                (automation, rule, subject, reason, actor, until),
            ).fetchone()
            if known is not None:
                return int(known[0])
            row = conn.execute(
                "insert into alert_silences (automation, rule, subject, reason, actor, created_at, until)"
                " values (%s, %s, %s, %s, %s, %s, %s) returning silence_id",
                (automation, rule, subject, reason, actor, now, until),
            ).fetchone()
            assert row is not None  # an insert returns its row
            silence = Silence(silence_id=int(row[0]), automation=automation, rule=rule, subject=subject, reason=reason,
                              actor=actor, created_at=now, until=until)  # fmt: skip
            for alert in read_alerts(
                conn, "automation = %(automation)s and state = 'firing'", {"automation": automation}
            ):
                if silence.covers(alert, now=now):
                    write_event(
                        conn, alert.alert_id, "silenced", actor, f"until {until:%Y-%m-%d %H:%M} UTC: {reason}", now
                    )
            return silence.silence_id

    def end_silence(self, silence_id: int, *, actor: str, now: datetime) -> bool:
        """Let it be heard again; False where it was over already. Raises UnknownAlert."""
        with self._database.connection() as conn:
            if conn.execute("select 1 from alert_silences where silence_id = %s", (silence_id,)).fetchone() is None:
                raise UnknownAlert(f"there is no silence {silence_id}; `aios alert silences` lists them")
            ended = conn.execute(
                "update alert_silences set ended_at = %s, ended_by = %s where silence_id = %s and ended_at is null and until > %s",
                (now, actor, silence_id, now),
            )
            return ended.rowcount == 1

    def silences(self, automation: str | None = None, *, now: datetime) -> list[Silence]:
        """Those that stand, newest first."""
        with self._database.connection() as conn:
            return standing_silences(conn, automation, now)


_COLUMNS = (
    "alert_id, automation, rule, signal, subject, severity, owner, costs, todo as do, channels, condition, state, since,"
    " well_since, fired_at, resolved_at, value, note, incident_id, acknowledged_by, acknowledged_at, acknowledged_note,"
    " told_at, end_told_at"
)


def read_alerts(conn: Connection[Any], where: str, values: Mapping[str, Any], *, lock: bool = False) -> list[Alert]:
    with conn.cursor(row_factory=class_row(Alert)) as cursor:
        rows = cursor.execute(
            f"select {_COLUMNS} from alerts where {where}{' for update' if lock else ''}", values
        ).fetchall()
    return [replace(alert, channels=tuple(alert.channels)) for alert in rows]


def get_alert(conn: Connection[Any], alert_id: int, *, lock: bool = False) -> Alert:
    found = read_alerts(conn, "alert_id = %(id)s", {"id": alert_id}, lock=lock)
    if not found:
        raise UnknownAlert(f"there is no alert {alert_id}; `aios alert list --all` shows the ones there are")
    return found[0]


def standing_silences(conn: Connection[Any], automation: str | None, now: datetime) -> list[Silence]:
    with conn.cursor(row_factory=class_row(Silence)) as cursor:
        return cursor.execute(
            "select silence_id, automation, rule, subject, reason, actor, created_at, until, ended_at, ended_by"
            " from alert_silences where (%(automation)s::text is null or automation = %(automation)s) and ended_at is null"
            " and until > %(now)s order by silence_id desc",
            {"automation": automation, "now": now},
        ).fetchall()


def write_event(conn: Connection[Any], alert_id: int, kind: str, actor: str, detail: str, now: datetime) -> None:
    conn.execute(
        "insert into alert_events (alert_id, kind, actor, detail, at) values (%s, %s, %s, %s, %s)",
        (alert_id, kind, actor, detail, now),
    )
