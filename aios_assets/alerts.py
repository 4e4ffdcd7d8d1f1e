"""Alerts: one look at the signals with its messages, and the history of alerts as an asset.

What belongs here: asking Dagster how each job ended, one look, sending, showing. What does not: what fires and who is told
(`aios_core/alerting/`), rows (`resources/alerts.py`), and when it happens (`sensors/alerts.py`).
"""

from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import Any

import dagster as dg

from aios_assets import jobs, naming
from aios_assets.metadata import markdown_table, plot
from aios_core.alerting.notices import Alert, name_of
from aios_core.monitoring.plots import alerts_by_day
from resources import clock
from resources.alert_deliveries import Delivered, DeliveryStore
from resources.alert_look import Looked, look
from resources.alerts import AlertStore
from resources.dagster_resources import DatabaseResource
from resources.database import Database
from resources.declarations import Declared
from resources.deployments import deployment
from resources.job_failures import JobFailureStore, NewestRun

# what these do is work; every other job watches or remedies
WORK = (jobs.INGEST, jobs.TRAIN, jobs.SCORE, jobs.REVIEW, jobs.COLLECT, jobs.KNOWLEDGE, jobs.GAPS)
FINISHED = [dg.DagsterRunStatus.SUCCESS, dg.DagsterRunStatus.FAILURE]
SHOWN_DAYS = 30
LONGEST_ERROR = 500


@dataclass(frozen=True, slots=True, kw_only=True)
class Told:
    """What one look changed, and what became of the messages that were due."""

    looked: Looked
    delivered: Delivered


def build(declared: Declared) -> list[dg.AssetsDefinition]:
    automation = declared.automation
    spec = naming.spec(
        declared,
        "alerts",
        plane="observe",
        kinds=["postgres"],
        deps=["decisions", "outcomes", "drift", "estimated_quality", "quality"],
        description=(
            "Every alert of the automation, firing and over: which rule, since when, what it costs, who looks after it and who was "
            "told. A sensor looks every half minute; this is made anew when something changed. The rules are the declaration's "
            "`alerts`."
        ),
    )

    @dg.multi_asset(specs=[spec], name=naming.job_name(declared, "alert_history"))
    def alerts(context: dg.AssetExecutionContext, database: DatabaseResource) -> dg.MaterializeResult:
        now = clock.now()
        watch(declared, database.open(), context.instance, names=job_names(declared), now=now)
        since = now - timedelta(days=SHOWN_DAYS)
        found = AlertStore(database.open()).alerts(automation.name, states=("firing", "resolved"), limit=500)
        recent = [a for a in found if a.state == "firing" or (a.fired_at or a.since) >= since]
        undelivered = DeliveryStore(database.open()).newest(automation.name, states=("pending", "dead"), limit=100)
        return dg.MaterializeResult(
            asset_key=spec.key, metadata=_shown(recent, now=now) | {"undelivered": len(undelivered)}
        )

    return [alerts]


def job_names(declared: Declared) -> list[str]:
    """Every job of the automation, those that other stages may still add included."""
    return [job.name for job in jobs.build(declared)]


def watch(
    declared: Declared, database: Database, instance: dg.DagsterInstance, *, names: Sequence[str], now: datetime
) -> Told:
    """Look once, and send what is due; `names` are the jobs that are watched. Safe to repeat: what was told is not told again."""
    automation = declared.automation
    JobFailureStore(database).keep(newest_runs(instance, declared, names), automation=automation.name)
    looked = look(database, automation=automation, now=now, link=f"{deployment().gateway_url}/alerts")
    return Told(looked=looked, delivered=DeliveryStore(database).deliver(automation=automation, now=now))


def newest_runs(instance: dg.DagsterInstance, declared: Declared, names: Sequence[str]) -> list[NewestRun]:
    """How each of these jobs ended when it ended last; those that never did are left out."""
    found = []
    prefix = naming.job_name(declared, "")
    for name in names:
        records = instance.get_run_records(dg.RunsFilter(job_name=name, statuses=FINISHED), limit=1)
        for record in records:
            job, run = name.removeprefix(prefix), record.dagster_run
            failed = run.status == dg.DagsterRunStatus.FAILURE
            ended = record.end_time or record.update_timestamp.replace(tzinfo=UTC).timestamp()
            found.append(
                NewestRun(
                    job=job,
                    watches=job not in WORK,
                    run_id=run.run_id,
                    ended_at=datetime.fromtimestamp(ended, UTC),
                    error=_error(instance, run.run_id) if failed else None,
                )
            )
    return found


def _error(instance: dg.DagsterInstance, run_id: str) -> str:
    """The first step's error in a line; without one the process was killed, or never started."""
    for entry in instance.all_logs(run_id, of_type=dg.DagsterEventType.STEP_FAILURE):
        event = entry.dagster_event
        data = event.step_failure_data if event is not None else None
        if data is not None and data.error is not None:
            cause = data.error.cause or data.error
            return " ".join(cause.message.split())[:LONGEST_ERROR]
    return "the run failed outside of its steps: its process was killed or could not start"


def _shown(found: Sequence[Alert], *, now: datetime) -> dict[str, Any]:
    firing = [a for a in found if a.state == "firing"]
    by_rule = Counter(a.rule for a in found)
    rows = [
        {
            "alert": name_of(a),
            "severity": a.severity,
            "fired": f"{a.fired_at:%Y-%m-%d %H:%M}" if a.fired_at else "",
            "over": f"{a.resolved_at:%Y-%m-%d %H:%M}" if a.resolved_at else "",
            "owner": a.owner,
            "acknowledged by": a.acknowledged_by or "",
            "what": a.note,
        }
        for a in found[:25]
    ]
    last = now.date()
    days = [last - timedelta(days=i) for i in reversed(range(SHOWN_DAYS))]
    counts = {
        severity: [sum(a.severity == severity and (a.fired_at or a.since).date() == day for a in found) for day in days]
        for severity in ("critical", "warning", "info")
    }
    picture = {"by_day": plot(alerts_by_day(days, counts), "alerts by day and severity")} if found else {}
    return {
        "firing": len(firing),
        "fired_in_30_days": sum((a.fired_at or a.since) > now - timedelta(days=SHOWN_DAYS) for a in found),
        "newest": markdown_table(rows),
        "by_rule": markdown_table([{"rule": rule, "alerts": n} for rule, n in by_rule.most_common()]),
        **picture,
    }
