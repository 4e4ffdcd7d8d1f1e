"""Remedies: the jobs that the judge starts, and that a person may start by hand from the Launchpad.

What belongs here: the verdict as the policy leaves it, rolling the champion back, and narrowing automation to review. What does not:
which remedy the evidence supports (`aios_core/monitoring/verdict.py`), when it is asked (`sensors/remedies.py`), and making good what
was decided (`repair.py`).

Both may run twice: a champion that has moved on already is left where it is, a mode that is set already stays. Neither waits for the
automation's other runs.
"""

import json
from datetime import datetime
from typing import Any

import dagster as dg

from aios_assets import champion, naming
from aios_core.errors import PolicyError
from aios_core.monitoring.careful import careful, facts_of
from aios_core.monitoring.evidence import Evidence
from aios_core.monitoring.verdict import Remedy, judge
from resources import clock
from resources.dagster_resources import DatabaseResource, RegistryResource
from resources.declarations import Declared
from resources.deployments import deployment
from resources.incidents import roll_back
from resources.modes import ModeStore
from resources.monitoring import MonitorStore
from resources.policy import RegoPolicy


class RollbackConfig(dg.Config):
    """What the judge found; by hand, give the version to leave and why."""

    from_version: int
    reason: str
    evidence: str = "{}"
    assessment_id: int | None = None


class NarrowConfig(dg.Config):
    """`queues` go to people only; `*` is the whole automation."""

    queues: list[str]
    reason: str
    remedy: str = "narrow"
    retrain: bool = True
    evidence: str = "{}"
    assessment_id: int | None = None


ROLLBACK_OP, NARROW_OP = "move_champion_back", "hold_queues_to_review"


def run_config(declared: Declared, op: str, config: dict[str, Any]) -> dict[str, Any]:
    """Run config of a remedy's one op."""
    return {"ops": {naming.job_name(declared, op): {"config": config}}}


def verdict(declared: Declared, evidence: Evidence, *, now: datetime) -> Remedy:
    """The remedy that the evidence supports, as the automation's policy leaves it."""
    automation = declared.automation
    found = judge(evidence, limits=automation.monitoring, now=now)
    try:
        answer = RegoPolicy(declared.policy_text).remedy(facts_of(found, evidence, automation=automation.name))
    except PolicyError as error:
        answer = {"error": str(error)}
    return careful(found, answer, evidence=evidence)


def rollback_job(declared: Declared) -> dg.JobDefinition:
    automation = declared.automation

    @dg.op(
        name=naming.job_name(declared, ROLLBACK_OP),
        description="Moves the alias `champion` to `last_good`, ends a canary, and opens an incident that says why.",
    )
    def move_champion_back(
        context: dg.OpExecutionContext, config: RollbackConfig, database: DatabaseResource, models: RegistryResource
    ) -> None:
        registry = models.open()
        version = roll_back(
            database.open(),
            registry,
            automation=automation.name,
            name=automation.model_name,
            reason=config.reason,
            evidence=json.loads(config.evidence),
            actor=f"run:{context.run_id}",
            now=clock.now(),
            accelerator=deployment().accelerator,
            from_version=config.from_version,
            assessment_id=config.assessment_id,
        )
        if version is None:
            context.log.info("version %d does not decide any more: nothing to roll back", config.from_version)
            version = registry.current(name=automation.model_name)
        # also where nothing was moved: a run that was killed after its move has told nobody
        if version is not None and version != champion.reported(declared, context.instance):
            champion.report(declared, context.instance, version=version, reason=config.reason)
        context.log.info("champion: version %d -> %s: %s", config.from_version, version, config.reason)

    @dg.job(
        name=naming.job_name(declared, "rollback"),
        description="Point `champion` back at the last good version; the next scoring follows it.",
        executor_def=dg.in_process_executor,
        tags=naming.urgent_tags(declared),
    )
    def rollback() -> None:
        move_champion_back()

    return rollback


def narrow_job(declared: Declared) -> dg.JobDefinition:
    automation = declared.automation

    @dg.op(
        name=naming.job_name(declared, NARROW_OP),
        description="Sends whole queues to people, opens an incident, and asks for a retraining.",
    )
    def hold_queues_to_review(context: dg.OpExecutionContext, config: NarrowConfig, database: DatabaseResource) -> None:
        monitor, modes = MonitorStore(database.open()), ModeStore(database.open())
        now, actor = clock.now(), f"run:{context.run_id}"
        current = modes.current(automation.name)
        for queue in (q for q in config.queues if current.get(q) != "review_only"):
            incident = monitor.open_incident(
                automation=automation.name,
                remedy=config.remedy,
                queue=queue,
                reason=config.reason,
                evidence=json.loads(config.evidence),
                actor=actor,
                now=now,
                assessment_id=config.assessment_id,
            )
            modes.set(
                automation=automation.name,
                queue=queue,
                mode="review_only",
                reason=config.reason,
                actor=actor,
                incident_id=incident,
                now=now,
            )
        if config.retrain:
            monitor.request_retraining(automation=automation.name, reason=config.reason, now=now)

    @dg.job(
        name=naming.job_name(declared, "narrow"),
        description="Hold queues to review because the world changed, and train on what people decide.",
        executor_def=dg.in_process_executor,
        tags=naming.urgent_tags(declared),
    )
    def narrow() -> None:
        hold_queues_to_review()

    return narrow
