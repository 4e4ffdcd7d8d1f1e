"""Arrivals: undecided tickets start one scoring run over their days."""

import dagster as dg

from aios_assets import jobs
from aios_assets.canonical import blocked
from aios_assets.synthetic import declared_by
from aios_core.synthetic import twin
from resources.canonical import CanonicalStore
from resources.database import Database
from resources.declarations import Declared
from sensors.requests import Request, score_undecided
from sensors.shell import sensor


def build(declared: Declared) -> list[dg.SensorDefinition]:
    automation = declared.automation

    def decide(database: Database) -> list[Request]:
        store = CanonicalStore(database)
        marked = store.undecided_days(automation=twin(automation)) if declared_by(declared) else []
        return score_undecided([*store.undecided_days(automation=automation), *marked])

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
