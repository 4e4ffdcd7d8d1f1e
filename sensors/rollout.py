"""Rollout: the version in shadow scores what the champion decides, and a shadow or canary whose evidence grew is looked at.

While there is neither, each tick is one small query and starts nothing.
"""

from dataclasses import replace
from datetime import datetime, timedelta

import dagster as dg

from aios_assets import jobs
from aios_assets.rollout import run_config
from aios_core.lifecycle.advance import due
from aios_core.lifecycle.states import CANARY, CHAMPION, SHADOW
from resources import clock
from resources.database import Database
from resources.declarations import Declared
from resources.deployments import deployment
from resources.lake import Lake
from resources.registry import Registry
from resources.stages import ShadowStore, began
from sensors.requests import Request, move_on, shadow_undone
from sensors.shell import sensor


def build(declared: Declared) -> list[dg.SensorDefinition]:
    return [
        sensor(
            declared,
            name="shadow",
            job=jobs.SHADOW,
            description="Scores under the version in shadow what the champion has decided.",
            decide=lambda database: shadow_days(declared, database),
            idle="there is no shadow, or it has scored all that was decided",
            seconds=60,
        ),
        sensor(
            declared,
            name="advance",
            job=jobs.ADVANCE,
            description="Looks at the version in shadow or canary when there is more to judge it by.",
            decide=lambda database: stages_due(declared, database, now=clock.now()),
            idle="there is no shadow and no canary, or nothing to judge it by yet",
            seconds=60,
        ),
    ]


def shadow_days(declared: Declared, database: Database) -> list[Request]:
    """One run over the days on which the champion decided something that the shadow has not scored."""
    automation, registry = declared.automation, _registry(database)
    name = automation.model_name
    standing = registry.standing(name=name)
    shadow, champion = standing.get(SHADOW), standing.get(CHAMPION)
    if shadow is None or champion is None:
        return []
    since = began(registry.history(name), stage=SHADOW, version=shadow, champion=champion)
    days = ShadowStore(database).unscored_days(
        automation=automation.name, name=name, version=shadow, champion=champion, since=since
    )
    return shadow_undone(days, version=shadow)


def stages_due(declared: Declared, database: Database, *, now: datetime) -> list[Request]:
    """A look at the canary and at the shadow, each where there is something to judge it by."""
    automation, registry = declared.automation, _registry(database)
    name, store = automation.model_name, ShadowStore(database)
    standing = registry.standing(name=name)
    champion, requests = standing.get(CHAMPION), list[Request]()
    for stage in (CANARY, SHADOW):
        version = standing.get(stage)
        if version is None or champion is None:
            continue
        since = began(registry.history(name), stage=stage, version=version, champion=champion)
        if stage == CANARY:
            tickets, settled = store.canary_tickets(automation=automation.name, name=name, version=version, since=since)
        else:
            days = store.days(automation=automation.name, name=name, version=version, champion=champion)
            # counting outcomes would read the lake at every tick: the hour in the key has them looked at
            tickets, settled = sum(day.rows for day in days), 0
        if due(stage=stage, tickets=tickets, since=since, lifecycle=automation.lifecycle, now=now):
            least = (
                automation.lifecycle.shadow_min_rows if stage == SHADOW else automation.lifecycle.canary_min_outcomes
            )
            seen = tickets if stage == SHADOW else settled
            hours = int((now - since) / timedelta(hours=1))
            requests += move_on(stage, version=version, tenths=seen // max(1, least // 10), hours=hours)
    return [replace(request, config=run_config(declared, request.config)) for request in requests]


def _registry(database: Database) -> Registry:
    return Registry(database, lake=Lake(deployment().lake_url))
