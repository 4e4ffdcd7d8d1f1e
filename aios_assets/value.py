"""Value: hours saved, time to decision, share automated and cost per decision, against triage by hand.

What belongs here: reading decisions and outcomes, one pure call, showing the result. What does not: the arithmetic and its
assumptions (`aios_core/monitoring/value.py`).
"""

from datetime import UTC, datetime, timedelta

import dagster as dg

from aios_assets import naming
from aios_assets.metadata import plot
from aios_core.monitoring.plots import value_over_time
from aios_core.monitoring.value import ValueReport
from aios_core.monitoring.value import value as worth
from resources import clock
from resources.canonical import CanonicalStore
from resources.dagster_resources import DatabaseResource
from resources.decisions import DecisionStore
from resources.declarations import Declared

WINDOW = timedelta(days=90)


def build(declared: Declared) -> list[dg.AssetsDefinition]:
    automation = declared.automation
    spec = naming.spec(
        declared,
        "value",
        plane="observe",
        kinds=["postgres"],
        deps=["decisions", "outcomes"],
        description=(
            "What the automation was worth over the last 90 decided days: minutes of triage saved, money net of review and "
            "errors, time to decision. The declaration's `value` and `decisions.costs` are the assumptions; errors not "
            "yet known count by their calibrated chance."
        ),
    )

    @dg.multi_asset(specs=[spec], name=naming.job_name(declared, "value"))
    def value(database: DatabaseResource) -> dg.MaterializeResult:
        now, store = clock.now(), DecisionStore(database.open())
        last = store.newest_day(automation.name) or now.date()
        decisions = store.table(automation.name, last - WINDOW, last + timedelta(days=1))
        outcomes = CanonicalStore(database.open()).outcomes(
            automation=automation.name, since=datetime.min.replace(tzinfo=UTC), until=now + timedelta(days=1)
        )
        report = worth(decisions, outcomes, value=automation.value, costs=automation.decisions.costs)
        return dg.MaterializeResult(asset_key=spec.key, metadata=_shown(report))

    return [value]


def _shown(report: ValueReport) -> dict[str, object]:
    figures = {
        "tickets": report.tickets,
        "hours_saved": report.hours_saved,
        "net_value": report.net_value,
        "automated_share": report.automated_share,
        "cost_per_decision": report.cost_per_decision,
        "cost_per_decision_by_hand": report.cost_per_decision_by_hand,
        "wrong_automated": report.wrong_automated,
        "settled": report.settled,
        "currency": report.currency,
    }
    times = {f"time_to_decision_{p}_s": s for p, s in (report.time_to_decision_seconds or {}).items()}
    picture = (
        {"by_day": plot(value_over_time(report.by_day, currency=report.currency), "value by day")}
        if report.by_day
        else {}
    )
    return {k: v for k, v in figures.items() if v is not None} | times | picture
