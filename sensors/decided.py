"""Decided: days with decisions that were not measured yet start one monitoring run."""

import dagster as dg

from aios_assets import jobs
from resources.database import Database
from resources.declarations import Declared
from resources.monitoring import MonitorStore
from sensors.requests import Request, monitor_decided
from sensors.shell import sensor


def build(declared: Declared) -> list[dg.SensorDefinition]:
    name = declared.automation.name

    def decide(database: Database) -> list[Request]:
        return monitor_decided(MonitorStore(database).unmeasured_days(automation=name))

    return [
        sensor(
            declared,
            name="decided",
            job=jobs.MONITOR,
            description="Measures drift, quality and value of days whose decisions changed.",
            decide=decide,
            idle="every decided day is measured",
            seconds=60,
        )
    ]
