"""Remedies: what the judge found starts the job that carries it out, within a minute of being found; and a rollback its repair.

The evidence is judged again with what has happened since: a rollback in the meantime, a mode set by hand. What a person has lifted
since is not held again by the same evidence.
"""

from dataclasses import dataclass, replace
from datetime import timedelta

import dagster as dg

from aios_assets import jobs, naming
from aios_assets.remedies import NARROW_OP, ROLLBACK_OP, run_config, verdict
from aios_assets.repair import REPAIR_OP
from aios_core.monitoring.verdict import Remedy
from resources import clock
from resources.assessments import AssessmentStore
from resources.database import Database
from resources.declarations import Declared
from resources.deployments import deployment
from resources.incidents import IncidentStore
from resources.lake import Lake
from resources.modes import ModeStore
from resources.monitoring import MonitorStore
from resources.registry import Registry
from resources.repairs import RepairStore
from sensors.requests import Request, narrow, repair, rollback
from sensors.shell import sensor

SECONDS = 10  # a run takes 10 to 30 s to start and to move the alias; it should be moved within a minute


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
            seconds=SECONDS,
            run_tags=naming.urgent_tags,
        ),
        sensor(
            declared,
            name="narrow",
            job=jobs.NARROW,
            description="Holds queues to review where the judge finds that neither version is good enough.",
            decide=narrow_down,
            idle="the newest assessment asks for no queue to be held",
            seconds=SECONDS,
            run_tags=naming.urgent_tags,
        ),
        sensor(
            declared,
            name="repair",
            job=jobs.REPAIR,
            description="Makes good what a version decided before it was rolled back.",
            decide=lambda database: _configured(
                declared, REPAIR_OP, repair(RepairStore(database).due(declared.automation, now=clock.now()))
            ),
            idle="no rollback leaves anything to make good",
            seconds=30,
        ),
    ]


def judged_again(declared: Declared, database: Database) -> Judged | None:
    """None where nothing was assessed, or the assessment speaks of a version that does not decide any more.

    Nor where a person has lifted a hold since: they have seen what it saw.
    """
    automation = declared.automation
    assessment = AssessmentStore(database).newest(automation=automation.name)
    deciding = Registry(database, lake=Lake(deployment().lake_url)).current(name=automation.model_name)
    if assessment is None or assessment.evidence.champion is None or assessment.evidence.champion.version != deciding:
        return None
    lifted_at = IncidentStore(database).lifted_at(automation.name)
    if lifted_at is not None and assessment.assessed_at <= lifted_at:
        return None
    monitor, now = MonitorStore(database), clock.now()
    since = now - timedelta(days=automation.monitoring.window_days)
    evidence = replace(
        assessment.evidence,
        rollbacks=monitor.rollbacks_since(automation=automation.name, since=since),
        last_rollback_at=monitor.last_rollback_at(automation=automation.name),
        modes=ModeStore(database).current(automation.name),
    )
    found = verdict(declared, evidence, now=now)
    return Judged(remedy=found, assessment=assessment.assessment_id, champion=deciding)


def _configured(declared: Declared, op: str, requests: list[Request]) -> list[Request]:
    return [replace(request, config=run_config(declared, op, request.config)) for request in requests]
