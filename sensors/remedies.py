"""Remedies: what the judge found starts the job that carries it out, within a minute of being found.

The evidence is judged again with what has happened since: a rollback in the meantime, a mode set by hand.
"""

from dataclasses import dataclass, replace
from datetime import timedelta

import dagster as dg

from aios_assets import jobs
from aios_assets.remedies import NARROW_OP, ROLLBACK_OP, run_config
from aios_core.monitoring.verdict import Remedy, judge
from resources import clock
from resources.assessments import AssessmentStore
from resources.database import Database
from resources.declarations import Declared
from resources.deployments import deployment
from resources.lake import Lake
from resources.modes import ModeStore
from resources.monitoring import MonitorStore
from resources.registry import Registry
from sensors.requests import Request, narrow, rollback
from sensors.shell import sensor


@dataclass(frozen=True, slots=True, kw_only=True)
class Judged:
    """The newest assessment, judged with what has happened since."""

    remedy: Remedy
    assessment: int
    champion: int


def build(declared: Declared) -> list[dg.SensorDefinition]:
    def roll_back(database: Database) -> list[Request]:
        if (found := judged_again(declared, database)) is None:
            return []
        requests = rollback(found.remedy, assessment=found.assessment, champion=found.champion)
        return _configured(declared, ROLLBACK_OP, requests)

    def narrow_down(database: Database) -> list[Request]:
        if (found := judged_again(declared, database)) is None:
            return []
        return _configured(declared, NARROW_OP, narrow(found.remedy, assessment=found.assessment))

    return [
        sensor(
            declared,
            name="rollback",
            job=jobs.ROLLBACK,
            description="Rolls the champion back where the judge finds the last good version better.",
            decide=roll_back,
            idle="the newest assessment asks for no rollback",
            seconds=30,
        ),
        sensor(
            declared,
            name="narrow",
            job=jobs.NARROW,
            description="Holds queues to review where the judge finds that neither version is good enough.",
            decide=narrow_down,
            idle="the newest assessment asks for no queue to be held",
            seconds=30,
        ),
    ]


def judged_again(declared: Declared, database: Database) -> Judged | None:
    """None where nothing was assessed, or the assessment speaks of a version that does not decide any more."""
    automation = declared.automation
    assessment = AssessmentStore(database).newest(automation=automation.name)
    deciding = Registry(database, lake=Lake(deployment().lake_url)).current(name=automation.model_name)
    if assessment is None or assessment.evidence.champion is None or assessment.evidence.champion.version != deciding:
        return None
    monitor, now = MonitorStore(database), clock.now()
    since = now - timedelta(days=automation.monitoring.window_days)
    evidence = replace(
        assessment.evidence,
        rollbacks=monitor.rollbacks_since(automation=automation.name, since=since),
        last_rollback_at=monitor.last_rollback_at(automation=automation.name),
        modes=ModeStore(database).current(automation.name),
    )
    found = judge(evidence, limits=automation.monitoring, now=now)
    return Judged(remedy=found, assessment=assessment.assessment_id, champion=deciding)


def _configured(declared: Declared, op: str, requests: list[Request]) -> list[Request]:
    return [replace(request, config=run_config(declared, op, request.config)) for request in requests]
