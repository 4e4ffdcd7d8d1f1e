"""What people are told: which alerts are due to be told, which belong together, and in what words.

What belongs here: pure decisions over alerts as they stand. What does not: sending (`resources/channels.py`).

An alert is told when it fires, once a `repeat_hours` while nobody acknowledges it, and when it is over, if it was told at all. A silence
hides and forgets nothing: what still stands when it ends is told then. Alerts of one incident are one message; what joins an incident
that was told a moment ago waits until `group_minutes` have passed, unless it is critical.
"""

import hashlib
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Literal

from aios_core.alerting.rules import channels_for, rank
from aios_core.alerting.signals import CONSEQUENCES, EVERYTHING
from aios_core.automation import Alerts

Kind = Literal["fired", "reminded", "resolved"]
HEADINGS: dict[Kind, str] = {"fired": "firing", "reminded": "still firing", "resolved": "over"}
LATE = timedelta(days=1)  # an end that could not be told for so long is told no more
LONGEST_NOTE = 400


@dataclass(frozen=True, slots=True, kw_only=True)
class Alert:
    """One rule over one subject, from firing to its end. What the rule said is kept as it was when it fired."""

    alert_id: int
    automation: str
    rule: str
    signal: str
    subject: str
    severity: str
    owner: str
    costs: str
    do: str
    channels: tuple[str, ...]
    condition: str
    state: Literal["pending", "firing", "resolved"]
    since: datetime
    well_since: datetime | None = None
    fired_at: datetime | None = None
    resolved_at: datetime | None = None
    value: float | None = None
    note: str = ""
    incident_id: int | None = None
    acknowledged_by: str | None = None
    acknowledged_at: datetime | None = None
    acknowledged_note: str = ""
    told_at: datetime | None = None
    end_told_at: datetime | None = None

    @property
    def group(self) -> str:
        """What it is told together with."""
        return f"incident:{self.incident_id}" if self.incident_id is not None else f"rule:{self.rule}"


@dataclass(frozen=True, slots=True, kw_only=True)
class Silence:
    """Hides alerts of a rule, or of all (`*`), over a subject, or over all, until a moment."""

    silence_id: int
    automation: str
    rule: str
    subject: str
    reason: str
    actor: str
    created_at: datetime
    until: datetime
    ended_at: datetime | None = None
    ended_by: str | None = None

    def covers(self, alert: Alert, *, now: datetime) -> bool:
        """Whether it hides this alert at this moment."""
        return (
            self.ended_at is None
            and self.created_at <= now < self.until
            and self.rule in (EVERYTHING, alert.rule)
            and self.subject in (EVERYTHING, alert.subject)
        )


@dataclass(frozen=True, slots=True, kw_only=True)
class Notice:
    """One alert that is to be told, and why now."""

    alert: Alert
    kind: Kind


@dataclass(frozen=True, slots=True, kw_only=True)
class Message:
    """What goes out once to one channel. `key` is made of what it tells, so that telling it twice is one message."""

    channel: str
    group: str
    key: str
    kind: Kind
    severity: str
    title: str
    body: str
    alert_ids: tuple[int, ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class OpenIncident:
    """An incident that alerts may belong to; `queue` is None or `*` for the whole automation."""

    incident_id: int
    queue: str | None


def incident_of(signal: str, subject: str, incidents: Sequence[OpenIncident]) -> int | None:
    """The newest open incident whose consequence this may be: of its own queue before one of the whole automation."""
    if signal not in CONSEQUENCES:
        return None
    whole = [i for i in incidents if i.queue in (None, EVERYTHING)]
    fitting = incidents if subject == EVERYTHING else [i for i in incidents if i.queue == subject] or whole
    return max((i.incident_id for i in fitting), default=None)


def due(alert: Alert, *, silences: Iterable[Silence], alerts: Alerts, now: datetime) -> Kind | None:
    """What is to be told of an alert now, or None."""
    if alert.state == "pending" or any(s.covers(alert, now=now) for s in silences):
        return None
    if alert.state == "resolved":
        told = alert.told_at is not None and alert.end_told_at is None
        return "resolved" if told and alert.resolved_at is not None and now - alert.resolved_at < LATE else None
    if alert.acknowledged_at is not None:
        return None
    if alert.told_at is None:
        return "fired"
    return "reminded" if now - alert.told_at >= timedelta(hours=alerts.repeat_hours) else None


def held(notices: Sequence[Notice], *, told_at: datetime | None, alerts: Alerts, now: datetime) -> bool:
    """Whether news of a group wait for more of it: it was told a moment ago, and nothing new is critical."""
    if told_at is None or now - told_at >= timedelta(minutes=alerts.group_minutes):
        return False
    return not any(n.kind == "fired" and n.alert.severity == "critical" for n in notices)


def messages(notices: Sequence[Notice], *, alerts: Alerts, link: str) -> list[Message]:
    """One message a channel, group and kind; those that go nowhere make none."""
    sorted_out: dict[tuple[str, str, Kind], list[Alert]] = {}
    for notice in notices:
        for channel in channels_for(notice.alert.severity, notice.alert.channels, alerts):
            sorted_out.setdefault((channel, notice.alert.group, notice.kind), []).append(notice.alert)
    return [_message(channel, group, kind, found, link) for (channel, group, kind), found in sorted_out.items()]


def name_of(alert: Alert) -> str:
    """How an alert is called in a line: its rule, and the subject where it has one."""
    return alert.rule if alert.subject == EVERYTHING else f"{alert.rule} ({alert.subject})"


def _message(channel: str, group: str, kind: Kind, alerts: Sequence[Alert], link: str) -> Message:
    ordered = sorted(alerts, key=lambda a: (-rank(a.severity), a.rule, a.subject))
    worst, key = ordered[0], _key(channel, kind, ordered)
    names = ", ".join(name_of(a) for a in ordered[:3]) + (f" and {len(ordered) - 3} more" if len(ordered) > 3 else "")
    title = f"[{worst.severity}] {worst.automation}: {names} {HEADINGS[kind]}"
    incident = f"Incident {worst.incident_id}\n\n" if worst.incident_id is not None else ""
    told = "\n\n".join(_told(a, kind) for a in ordered)
    return Message(
        channel=channel,
        group=group,
        key=key,
        kind=kind,
        severity=worst.severity,
        title=title,
        body=f"{incident}{told}\n\n{link}\nMessage {key[:12]}",
        alert_ids=tuple(a.alert_id for a in ordered),
    )


def _told(alert: Alert, kind: Kind) -> str:
    head = f"{name_of(alert)}: {alert.condition}{_now_at(alert, kind)}"
    if kind == "resolved":
        return f"{head}\nIt fired at {_when(alert.fired_at)} and was over at {_when(alert.resolved_at)}."
    lines = [
        head,
        f"Since {_when(alert.since)}. {alert.note[:LONGEST_NOTE]}".strip(),
        f"Costs: {alert.costs}",
        f"Do: {alert.do}",
    ]
    return "\n".join([*lines, f"Owner: {alert.owner}"] if alert.owner else lines)


def _now_at(alert: Alert, kind: Kind) -> str:
    return "" if alert.value is None or kind == "resolved" else f"; it is {alert.value:.4g}"


def _when(at: datetime | None) -> str:
    return "an unknown time" if at is None else at.strftime("%Y-%m-%d %H:%M UTC")


def _key(channel: str, kind: Kind, alerts: Sequence[Alert]) -> str:
    """The same alerts at the same point of their lives give the same key; a reminder counts from when they were told last."""
    parts = [f"{a.alert_id}:{a.told_at.isoformat() if a.told_at else ''}" for a in alerts]
    return hashlib.sha256("|".join([channel, kind, *parts]).encode()).hexdigest()[:32]
