"""Arrivals: undecided tickets start one scoring run over their days."""

import dagster as dg

from aios_assets import jobs
from aios_assets.canonical import blocked
from resources.canonical import CanonicalStore
from resources.database import Database
from resources.declarations import Declared
from sensors.requests import Request, score_undecided
from sensors.shell import sensor


def build(declared: Declared) -> list[dg.SensorDefinition]:
    automation = declared.automation

    def decide(database: Database) -> list[Request]:
        return score_undecided(CanonicalStore(database).undecided_days(automation=automation))

    return [
        sensor(
            declared,
            name="arrivals",
            job=jobs.SCORE,
            description="Scores and decides tickets soon after they arrive: one run for all that wait, not one each.",
            decide=decide,
            idle="every known ticket is decided",
            unless=blocked,
        )
    ]
