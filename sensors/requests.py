"""The pure decisions of all sensors: state in, run requests out.

What belongs here: functions without Dagster, clock and database, which tests call directly. What does not: reading the
state, which the shell beside them does.
"""

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import date, datetime, timedelta
from typing import Any

from aios_core.monitoring.verdict import Remedy
from resources.webhooks import Waiting

ENOUGH, CALM, LONGEST = 100, timedelta(seconds=2), timedelta(seconds=10)  # of webhook deliveries
DAY, EARLY = timedelta(days=1), timedelta(hours=4)  # a day's outcomes are there some hours before the day is over


@dataclass(frozen=True, slots=True, kw_only=True)
class Request:
    """One run to start. The key is made of what the run would do, so that asking twice starts it once."""

    run_key: str
    first_day: date | None = None
    last_day: date | None = None
    partition: str | None = None
    config: dict[str, Any] = field(default_factory=dict)


def score_undecided(days: Sequence[tuple[date, int, int]]) -> list[Request]:
    """Days with undecided tickets (day, how many, newest landing id) become one run over their whole range.

    One run, because a tick that finds a backlog of a month would otherwise start thirty.
    """
    if not days:
        return []
    first, last = min(d for d, _, _ in days), max(d for d, _, _ in days)
    newest = max(n for _, _, n in days)
    undecided = sum(c for _, c, _ in days)
    return [Request(run_key=f"score:{first}:{last}:{newest}:{undecided}", first_day=first, last_day=last)]


def read_told(waiting: Sequence[Waiting], *, now: datetime) -> list[Request]:
    """Deliveries become one read once they pause for a moment, are many, or one of them has waited long enough.

    A helpdesk that changes a hundred tickets at once sends a hundred of them within a second.
    """
    due = [w for w in waiting if w.count >= ENOUGH or now - w.last_at >= CALM or now - w.first_at >= LONGEST]
    return [Request(run_key="webhooks:" + ",".join(f"{w.source}:{w.newest}" for w in waiting))] if due else []


def collect_finished(batches: Sequence[str]) -> list[Request]:
    """A run for each finished batch."""
    return [Request(run_key=f"collect:{batch}", partition=batch) for batch in batches]


def monitor_decided(days: Sequence[tuple[date, int]]) -> list[Request]:
    """Days whose decisions changed since they were measured (day, how many decisions) become one run."""
    if not days:
        return []
    first, last = min(d for d, _ in days), max(d for d, _ in days)
    decided = sum(count for _, count in days)
    return [Request(run_key=f"monitor:{first}:{last}:{decided}", first_day=first, last_day=last)]


def retrain(pending: int | None, *, held: Mapping[int, datetime], now: datetime) -> list[Request]:
    """The id of an open retraining request becomes one training run; so does each day on which queues are still held.

    `held` are the open incidents that hold them, with when each was opened: only a version that has learnt enough of what changed
    lifts them.
    """
    if pending is not None:
        return [Request(run_key=f"retrain:{pending}")]
    days = {incident: int((now - opened + EARLY) / DAY) for incident, opened in held.items()}
    return [Request(run_key=f"retrain:held:{i}:{n}") for i, n in sorted(days.items())[:1] if n > 0]


def rollback(found: Remedy, *, assessment: int, champion: int) -> list[Request]:
    """A rollback from `champion`, where the judge asks for one; an assessment is acted on once."""
    if found.kind != "rollback":
        return []
    config = {
        "from_version": champion,
        "reason": found.reason,
        "evidence": json.dumps(found.evidence),
        "assessment_id": assessment,
    }
    return [Request(run_key=f"rollback:{assessment}", config=config)]


def narrow(found: Remedy, *, assessment: int) -> list[Request]:
    """Queues held to review, or all of them, where the judge asks for it."""
    if found.kind not in ("narrow", "stop"):
        return []
    config = {
        "queues": list(found.queues),
        "reason": found.reason,
        "remedy": found.kind,
        "retrain": found.retrain,
        "evidence": json.dumps(found.evidence),
        "assessment_id": assessment,
    }
    return [Request(run_key=f"{found.kind}:{assessment}", config=config)]


def repair(due: Sequence[tuple[int, int]]) -> list[Request]:
    """Incidents with decisions of the version that was left (incident, how many) become a repair each."""
    return [
        Request(run_key=f"repair:{incident}:{waiting}", config={"incident_id": incident}) for incident, waiting in due
    ]


def shadow_undone(days: Sequence[tuple[date, int]], *, version: int) -> list[Request]:
    """Days that the champion decided and the shadow has not scored (day, how many decisions) become one run."""
    if not days:
        return []
    first, last = min(d for d, _ in days), max(d for d, _ in days)
    decided = sum(count for _, count in days)
    return [Request(run_key=f"shadow:{version}:{first}:{last}:{decided}", first_day=first, last_day=last)]


def move_on(stage: str, *, version: int, tenths: int, hours: int) -> list[Request]:
    """A look at the version in a stage; another one for each tenth of the declared evidence, and each hour.

    A look takes seconds, and a single ticket more tells nothing new.
    """
    config = {"stage": stage, "version": version}
    return [Request(run_key=f"advance:{stage}:{version}:{tenths}:{hours}", config=config)]


def show_alerts(newest: int, *, shown: int) -> list[Request]:
    """The history of alerts is made anew once something happened to one since it was shown; both are ids of timeline entries."""
    return [Request(run_key=f"alerts:{newest}")] if newest > shown else []
