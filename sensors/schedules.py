"""Schedules: ingest, train, review batches and the judge, by the declared cron; retention, once a night.

What belongs here: when things happen by the clock. What does not: what the judge says (`aios_core/monitoring/verdict.py`)
and carrying it out (`remedies.py`).
"""

import dagster as dg

from aios_assets import jobs, naming, retention
from resources.declarations import Declared


def build(declared: Declared) -> list[dg.ScheduleDefinition]:
    automation = declared.automation
    return [
        _schedule(declared, jobs.INGEST, automation.schedules.ingest, "Reads every source from its cursor."),
        _schedule(declared, jobs.TRAIN, automation.schedules.train, "Trains on the outcomes known by now."),
        _schedule(declared, jobs.ASSESS, automation.schedules.judge, "Judges the champion by the outcomes known now."),
        _schedule(declared, jobs.REVIEW, automation.review.schedule, "Groups waiting cases into review batches."),
        _schedule(
            declared, jobs.CHALLENGE, automation.schedules.challenge, "Hears champion and challenger, once a day."
        ),
        *_synthetic(declared),
        *_knowledge(declared),
    ]


def platform() -> list[dg.ScheduleDefinition]:
    """Schedules of the platform itself, whatever is automated on it."""
    return [
        dg.ScheduleDefinition(
            name="platform__retention_schedule",
            job_name=f"platform__{retention.JOB}",
            cron_schedule="40 3 * * *",
            execution_timezone="UTC",
            description="Deletes runs past their time and rows that nobody reads any more.",
            default_status=dg.DefaultScheduleStatus.RUNNING,
        )
    ]


def _synthetic(declared: Declared) -> list[dg.ScheduleDefinition]:
    minutes = declared.automation.synthetic.every_minutes
    if minutes is None:
        return []
    return [_schedule(declared, jobs.SYNTHETIC, f"*/{minutes} * * * *", "Sends a marked ticket the whole way.")]


def _knowledge(declared: Declared) -> list[dg.ScheduleDefinition]:
    knowledge = declared.automation.knowledge
    if knowledge is None:
        return []
    return [
        _schedule(
            declared, jobs.KNOWLEDGE, knowledge.read, "Reads articles and makes their index again where they changed."
        ),
        _schedule(declared, jobs.GAPS, knowledge.gaps, "Finds the questions that no article answers, once a day."),
    ]


def _schedule(declared: Declared, job: str, cron: str, description: str) -> dg.ScheduleDefinition:
    return dg.ScheduleDefinition(
        name=naming.job_name(declared, f"{job}_schedule"),
        job_name=naming.job_name(declared, job),
        cron_schedule=cron,
        execution_timezone="UTC",
        description=description,
        default_status=dg.DefaultScheduleStatus.RUNNING,
        tags=naming.run_tags(declared),
    )
