"""A look: read every signal, step every rule, and enter what is to be told.

What belongs here: the one transaction in which what stands, its timeline and the messages about it change together or not at all. What
does not: what fires and who is told (`aios_core/alerting/`), reading signals (`signals.py`), sending (`alert_deliveries.py`).

Looks at one automation take turns. Looking twice at one moment changes nothing more.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from psycopg import Connection
from psycopg.rows import dict_row

from aios_core.alerting.notices import Alert, Message, Notice, OpenIncident, Silence, due, held, incident_of, messages
from aios_core.alerting.rules import rules_of
from aios_core.alerting.signals import Reading
from aios_core.alerting.state import Standing, step
from aios_core.automation import AlertRule, Automation
from resources.alerts import LOCK, get_alert, read_alerts, standing_silences, write_event
from resources.database import Database
from resources.signals import read_all

LOOK = "look"  # the actor of what nobody did by hand
RULE_GONE = "its rule is not declared any more"


@dataclass(frozen=True, slots=True, kw_only=True)
class Looked:
    """What one look changed: ids of alerts, and messages entered for delivery."""

    fired: tuple[int, ...] = ()
    resolved: tuple[int, ...] = ()
    messages: int = 0


def look(database: Database, *, automation: Automation, now: datetime, link: str) -> Looked:
    """One look at one automation. `link` is where people read more."""
    with database.connection() as conn:
        conn.execute("select pg_advisory_xact_lock(hashtextextended(%s, 0))", (f"{LOCK}.{automation.name}",))
        readings = read_all(conn, automation, now=now)
        fired, resolved = _step_all(conn, automation, readings, now)
        sent = _tell(conn, automation, now, link)
    return Looked(fired=tuple(fired), resolved=tuple(resolved), messages=sent)


def _step_all(
    conn: Connection[Any], automation: Automation, readings: Mapping[str, Sequence[Reading]], now: datetime
) -> tuple[list[int], list[int]]:
    incidents = _incidents(conn, automation.name)
    standing = {(a.rule, a.subject): a for a in _open(conn, automation.name)}
    silences = standing_silences(conn, automation.name, now)
    fired, resolved = list[int](), list[int]()
    rules = {rule.name: rule for rule in rules_of(automation)}
    for rule in rules.values():
        seen = {reading.subject: reading for reading in readings.get(rule.name, ())}
        for subject in sorted(seen.keys() | {s for r, s in standing if r == rule.name}):
            alert, reading = standing.get((rule.name, subject)), seen.get(subject)
            before = _standing(alert)
            after, change = step(before, reading, rule=rule, now=now)
            incident = reading.incident_id if reading is not None else None
            if incident is None:
                incident = incident_of(rule.signal or "", subject, incidents)
            alert_id = _write(conn, automation, rule, subject, alert, after, incident, now)
            if change == "fired" and alert_id is not None:
                fired.append(alert_id)
                _fired(conn, alert_id, silences, now)
            elif change == "resolved" and alert is not None:
                resolved.append(alert.alert_id)
                write_event(conn, alert.alert_id, "resolved", LOOK, reading.note if reading else "", now)
    for (name, _), alert in standing.items():
        if name not in rules:
            _close(conn, alert, now)
            if alert.state == "firing":
                resolved.append(alert.alert_id)
                write_event(conn, alert.alert_id, "resolved", LOOK, RULE_GONE, now)
    return fired, resolved


def _standing(alert: Alert | None) -> Standing | None:
    if alert is None or alert.state == "resolved":
        return None
    return Standing(
        state=alert.state, since=alert.since, well_since=alert.well_since, value=alert.value, note=alert.note
    )


def _write(
    conn: Connection[Any],
    automation: Automation,
    rule: AlertRule,
    subject: str,
    alert: Alert | None,
    after: Standing | None,
    incident: int | None,
    now: datetime,
) -> int | None:
    """Bring the row to what stands now; returns its id."""
    if after is None:
        if alert is not None:
            _close(conn, alert, now)
        return alert.alert_id if alert is not None else None
    if alert is None:
        row = conn.execute(
            "insert into alerts (automation, rule, signal, subject, severity, owner, costs, todo, channels, condition, state,"
            " since, fired_at, value, note, incident_id)"
            " values (%s, %s, %s, %s, %s, %s, %s, %s, %s, %s, %s, %s, %s, %s, %s, %s) returning alert_id",
            (automation.name, rule.name, rule.signal, subject, rule.severity, rule.owner, rule.costs, rule.do,
             list(rule.channels), condition(rule), after.state, after.since, now if after.state == "firing" else None,
             after.value, after.note, incident),
        ).fetchone()  # fmt: skip
        assert row is not None  # an insert returns its row
        return int(row[0])
    conn.execute(
        "update alerts set state = %s, since = %s, well_since = %s, value = %s, note = %s,"
        " fired_at = case when %s = 'firing' then coalesce(fired_at, %s) end, incident_id = coalesce(incident_id, %s)"
        " where alert_id = %s",
        (
            after.state,
            after.since,
            after.well_since,
            after.value,
            after.note,
            after.state,
            now,
            incident,
            alert.alert_id,
        ),
    )
    if incident is not None and alert.incident_id is None and alert.state == "firing":
        write_event(conn, alert.alert_id, "joined", LOOK, f"incident {incident}", now)
    return alert.alert_id


def condition(rule: AlertRule) -> str:
    """`backlog_age_hours above 8 for 10 min`: what a rule asks, in a line."""
    limit = f"above {rule.above:g}" if rule.above is not None else f"below {rule.below:g}"
    return f"{rule.signal} {limit}" + (f" for {rule.for_minutes:g} min" if rule.for_minutes else "")


def _close(conn: Connection[Any], alert: Alert, now: datetime) -> None:
    """What fired is kept for good; what only might have fired never was an alert."""
    if alert.state == "pending":
        conn.execute("delete from alerts where alert_id = %s", (alert.alert_id,))
    else:
        conn.execute(
            "update alerts set state = 'resolved', resolved_at = %s where alert_id = %s", (now, alert.alert_id)
        )


def _fired(conn: Connection[Any], alert_id: int, silences: Sequence[Silence], now: datetime) -> None:
    alert = get_alert(conn, alert_id)
    write_event(conn, alert_id, "fired", LOOK, alert.note, now)
    for silence in silences:
        if silence.covers(alert, now=now):
            detail = f"until {silence.until:%Y-%m-%d %H:%M} UTC: {silence.reason}"
            write_event(conn, alert_id, "silenced", silence.actor, detail, now)
            break


def _tell(conn: Connection[Any], automation: Automation, now: datetime, link: str) -> int:
    """Enter the messages that are due; returns how many are new."""
    declared, silences = automation.alerts, standing_silences(conn, automation.name, now)
    groups: dict[str, list[Notice]] = {}
    for alert in _to_tell(conn, automation.name):
        kind = due(alert, silences=silences, alerts=declared, now=now)
        if kind is not None:
            groups.setdefault(alert.group, []).append(Notice(alert=alert, kind=kind))
    entered = 0
    for group, notices in groups.items():
        if group.startswith("incident:") and held(
            notices, told_at=_told_at(conn, automation.name, group), alerts=declared, now=now
        ):
            continue
        found = messages(notices, alerts=declared, link=link)
        entered += sum(_enter(conn, automation.name, message, now) for message in found)
        for notice in notices:
            _told(conn, notice, [m.channel for m in found if notice.alert.alert_id in m.alert_ids], now)
    return entered


def _enter(conn: Connection[Any], automation: str, message: Message, now: datetime) -> int:
    return conn.execute(
        "insert into alert_deliveries (automation, channel, alert_group, dedup_key, kind, severity, title, body, alert_ids,"
        " next_attempt_at, created_at) values (%s, %s, %s, %s, %s, %s, %s, %s, %s, %s, %s) on conflict (dedup_key) do nothing",
        (automation, message.channel, message.group, message.key, message.kind, message.severity, message.title,
         message.body, list(message.alert_ids), now, now),
    ).rowcount  # fmt: skip


def _told(conn: Connection[Any], notice: Notice, channels: Sequence[str], now: datetime) -> None:
    ended = notice.kind == "resolved"
    conn.execute(
        f"update alerts set {'end_told_at' if ended else 'told_at'} = %s where alert_id = %s",
        (now, notice.alert.alert_id),
    )
    if channels:
        kind = "reminded" if notice.kind == "reminded" else "told"
        write_event(conn, notice.alert.alert_id, kind, LOOK, ", ".join(sorted(set(channels))), now)


def _open(conn: Connection[Any], automation: str) -> list[Alert]:
    return read_alerts(
        conn,
        "automation = %(automation)s and state <> 'resolved' order by alert_id",
        {"automation": automation},
        lock=True,
    )


def _to_tell(conn: Connection[Any], automation: str) -> list[Alert]:
    return read_alerts(
        conn,
        "automation = %(automation)s and (state = 'firing' or state = 'resolved' and end_told_at is null"
        " and told_at is not null) order by alert_id",
        {"automation": automation},
    )


def _incidents(conn: Connection[Any], automation: str) -> list[OpenIncident]:
    with conn.cursor(row_factory=dict_row) as cursor:
        rows = cursor.execute(
            "select incident_id, queue from incidents where automation = %s and closed_at is null order by incident_id",
            (automation,),
        ).fetchall()
    return [OpenIncident(**row) for row in rows]


def _told_at(conn: Connection[Any], automation: str, group: str) -> datetime | None:
    row = conn.execute(
        "select max(created_at) from alert_deliveries where automation = %s and alert_group = %s", (automation, group)
    ).fetchone()
    return row[0] if row else None
