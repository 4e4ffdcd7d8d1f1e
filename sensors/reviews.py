"""Reviews: a finished review batch starts the run that turns its verdicts into outcomes."""

import dagster as dg

from aios_assets import jobs, partitions
from resources import clock
from resources.database import Database
from resources.declarations import Declared
from resources.reviews import ReviewStore
from sensors.requests import Request, collect_finished
from sensors.shell import sensor


def build(declared: Declared) -> list[dg.SensorDefinition]:
    name = declared.automation.name

    def decide(database: Database) -> list[Request]:
        return collect_finished(ReviewStore(database).finished_batches(automation=name, now=clock.now()))

    return [
        sensor(
            declared,
            name="reviews",
            job=jobs.COLLECT,
            description="Collects a review batch when its last case is decided and can no longer be undone.",
            decide=decide,
            idle="no batch is finished",
            # a batch made on demand may be finished before the schedule has made a partition of it
            dynamic=partitions.review_batches(declared).name,
        )
    ]
