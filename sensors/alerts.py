"""Alerts: a look at every signal each half minute, in the sensor's own process; what happened is then shown by one run.

What belongs here: when to look. What does not: looking and sending (`aios_assets/alerts.py`).

A look is a few small queries. A run for each would cost a process of 500 MB, wait behind the automation's other runs, and write more
about itself than about the alerts.
"""

from collections.abc import Iterator

import dagster as dg

from aios_assets import jobs, naming
from aios_assets.alerts import Told, job_names, watch
from resources import clock
from resources.alerts import AlertStore
from resources.dagster_resources import DatabaseResource
from resources.declarations import Declared
from sensors.requests import show_alerts
from sensors.shell import run_request

SECONDS = 30


def build(declared: Declared) -> list[dg.SensorDefinition]:
    automation, names = declared.automation, job_names(declared)

    @dg.sensor(
        name=naming.job_name(declared, "alerts_sensor"),
        job_name=naming.job_name(declared, jobs.ALERTS),
        description="Looks at every signal, fires and ends alerts, and sends what is due.",
        minimum_interval_seconds=SECONDS,
        default_status=dg.DefaultSensorStatus.RUNNING,
        tags=naming.run_tags(declared),
    )
    def evaluate(
        context: dg.SensorEvaluationContext, database: DatabaseResource
    ) -> Iterator[dg.RunRequest | dg.SkipReason]:
        now = clock.now()
        try:
            opened = database.open()
            told = watch(declared, opened, context.instance, names=names, now=now)
            newest = AlertStore(opened).newest_event(automation.name)
        except Exception as error:
            context.log.exception("the look failed")
            yield dg.SkipReason(f"the look failed, trying again at the next tick: {error}")
            return
        requests = show_alerts(newest, shown=int(context.cursor or 0))
        context.update_cursor(str(newest))
        if not requests:
            yield dg.SkipReason(said(told))
        yield from (
            run_request(declared, request, attempt="once", tags=naming.run_tags(declared)) for request in requests
        )

    return [evaluate]


def said(told: Told) -> str:
    """One look in a line."""
    looked, sent = told.looked, told.delivered
    return (
        f"{len(looked.fired)} fired, {len(looked.resolved)} over; {sent.sent} messages sent, {sent.retried} to be tried again,"
        f" {sent.dead} given up, {sent.nowhere} without an address"
    )
