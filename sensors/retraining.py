"""Retraining: an open request, left by the judge or a person, starts a training run."""

import dagster as dg

from aios_assets import jobs
from resources.database import Database
from resources.declarations import Declared
from resources.monitoring import MonitorStore
from sensors.requests import Request, retrain
from sensors.shell import sensor


def build(declared: Declared) -> list[dg.SensorDefinition]:
    name = declared.automation.name

    def decide(database: Database) -> list[Request]:
        return retrain(MonitorStore(database).pending_retraining(automation=name))

    return [
        sensor(
            declared,
            name="retraining",
            job=jobs.TRAIN,
            description="Trains when it was asked for: because the world changed, or by hand.",
            decide=decide,
            idle="no retraining is asked for",
            seconds=30,
        )
    ]
