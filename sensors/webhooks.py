"""Webhooks: deliveries that wait start one read of the sources, for all of them together."""

import dagster as dg

from aios_assets import jobs
from resources import clock
from resources.database import Database
from resources.declarations import Declared
from resources.webhooks import WebhookStore
from sensors.requests import Request, read_told
from sensors.shell import sensor

SECONDS = 5


def build(declared: Declared) -> list[dg.SensorDefinition]:
    automation = declared.automation
    if not any(source.webhook for source in automation.sources.values()):
        return []

    def decide(database: Database) -> list[Request]:
        return read_told(WebhookStore(database).waiting(automation.name), now=clock.now())

    return [
        sensor(
            declared,
            name="webhooks",
            job=jobs.INGEST,
            description="Reads the sources soon after they called: one run for all deliveries that wait, not one each.",
            decide=decide,
            idle="every delivery was answered by a read",
            seconds=SECONDS,
        )
    ]
