"""Events: every few seconds what happened is sent to whoever is declared, in the sensor's own process.

What belongs here: when to send. What does not: sending (`resources/events.py`).

A run for each would cost a process of 500 MB and write more about itself than about the events. Each receiver has its own turn, so that a dead
one delays no other, and a turn ends long before a tick may.
"""

from collections.abc import Iterator, Mapping

import dagster as dg

from aios_assets import naming
from resources import clock
from resources.dagster_resources import DatabaseResource
from resources.declarations import Declared
from resources.deployments import deployment
from resources.event_sinks.opening import send_all
from resources.events import Sent

SECONDS = 5


def build(declared: Declared) -> list[dg.SensorDefinition]:
    if not declared.automation.events.sinks:
        return []

    @dg.sensor(
        name=naming.job_name(declared, "events_sensor"),
        target=None,
        description="Sends decisions, actions, reviews, incidents and alias moves to the declared receivers. It starts no runs.",
        minimum_interval_seconds=SECONDS,
        default_status=dg.DefaultSensorStatus.RUNNING,
        tags=naming.run_tags(declared),
    )
    def evaluate(context: dg.SensorEvaluationContext, database: DatabaseResource) -> Iterator[dg.SkipReason]:
        try:
            console = deployment().gateway_url
            told = send_all(declared.automation, database.open(), console=console, now=clock.now())
        except Exception as error:
            context.log.exception("sending failed")
            yield dg.SkipReason(f"sending failed, trying again at the next tick: {error}")
            return
        yield dg.SkipReason(said(told))

    return [evaluate]


def said(told: Mapping[str, Sent]) -> str:
    """One turn in a line."""
    return "; ".join(f"{sink}: {_of(sent)}" for sink, sent in told.items())


def _of(sent: Sent) -> str:
    if sent.busy:
        return "another process is at it"
    counts = {"taken": sent.taken, "to come again": sent.retried, "given up": sent.dead}
    parts = [f"{count} {name}" for name, count in counts.items() if count]
    return ", ".join(parts + ([f"stopped: {sent.error}"] if sent.error else [])) or "nothing new"
