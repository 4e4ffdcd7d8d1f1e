"""All schedules and sensors of one automation."""

import dagster as dg

from resources.declarations import Declared
from sensors import alerts, arrivals, decided, events, remedies, retraining, reviews, rollout, schedules, webhooks


def build(declared: Declared) -> dg.Definitions:
    return dg.Definitions(
        schedules=schedules.build(declared),
        sensors=[
            s
            for stage in (webhooks, arrivals, reviews, decided, remedies, retraining, rollout, alerts, events)
            for s in stage.build(declared)
        ],
    )
