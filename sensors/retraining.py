"""Retraining: an open request, left by the judge or a person, starts a training run; and a hold starts one a day until it is lifted."""

import dagster as dg

from aios_assets import jobs
from resources import clock
from resources.database import Database
from resources.declarations import Declared
from resources.monitoring import MonitorStore
from sensors.requests import Request, retrain
from sensors.shell import sensor


def build(declared: Declared) -> list[dg.SensorDefinition]:
    name = declared.automation.name

    def decide(database: Database) -> list[Request]:
        monitor = MonitorStore(database)
        opened = monitor.incidents(automation=name, open_only=True)
        held = {i.incident_id: i.opened_at for i in opened if i.remedy == "narrow"}
        return retrain(monitor.pending_retraining(automation=name), held=held, now=clock.now())

    return [
        sensor(
            declared,
            name="retraining",
            job=jobs.TRAIN,
            description="Trains when it was asked for: because the world changed, or by hand; and daily while queues are held.",
            decide=decide,
            idle="no retraining is asked for",
            seconds=30,
        )
    ]
