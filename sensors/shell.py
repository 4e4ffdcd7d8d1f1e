"""The thin shell all sensors share: read the state, ask the pure decision, turn requests into runs.

What belongs here: what is the same for every sensor. A read that fails is a skip that says so, never an empty answer; and
while a run of the same job waits or works, nothing is added to the queue.
"""

from collections.abc import Callable, Iterator

import dagster as dg

from aios_assets import naming, partitions
from resources import clock
from resources.dagster_resources import DatabaseResource
from resources.database import Database
from resources.declarations import Declared
from sensors.requests import Request

UNFINISHED = [
    dg.DagsterRunStatus.QUEUED,
    dg.DagsterRunStatus.NOT_STARTED,
    dg.DagsterRunStatus.STARTING,
    dg.DagsterRunStatus.STARTED,
]


def sensor(
    declared: Declared,
    *,
    name: str,
    job: str,
    description: str,
    decide: Callable[[Database], list[Request]],
    idle: str,
    seconds: int = 15,
    unless: Callable[[Declared, dg.DagsterInstance], str | None] = lambda declared, instance: None,
    run_tags: Callable[[Declared], dict[str, str]] = naming.run_tags,
    dynamic: str | None = None,
) -> dg.SensorDefinition:
    """A running-by-default sensor of one automation; `idle` is what the UI says when there is nothing to do.

    While `unless` gives a reason, nothing is started. `run_tags` are those of the runs. `dynamic` names the partitions that they are
    of, where those come into being as they are needed.
    """
    job_name = naming.job_name(declared, job)

    @dg.sensor(
        name=naming.job_name(declared, f"{name}_sensor"),
        job_name=job_name,
        description=description,
        minimum_interval_seconds=seconds,
        default_status=dg.DefaultSensorStatus.RUNNING,
        tags=naming.run_tags(declared),
    )
    def evaluate(
        context: dg.SensorEvaluationContext, database: DatabaseResource
    ) -> Iterator[dg.RunRequest | dg.SkipReason]:
        if context.instance.get_runs_count(dg.RunsFilter(job_name=job_name, statuses=UNFINISHED)):
            yield dg.SkipReason(f"a run of {job_name} is still queued or at work")
            return
        try:
            if reason := unless(declared, context.instance):
                yield dg.SkipReason(reason)
                return
            requests = decide(database.open())
            # one partition that isn't known would fail the whole tick, and every tick after it
            if dynamic and (named := [request.partition for request in requests if request.partition]):
                context.instance.add_dynamic_partitions(dynamic, named)
        except Exception as error:
            context.log.exception("state could not be read")
            yield dg.SkipReason(f"state could not be read, trying again at the next tick: {error}")
            return
        if not requests:
            yield dg.SkipReason(idle)
        hour = clock.now().strftime("%Y-%m-%dT%H")
        yield from (run_request(declared, request, attempt=hour, tags=run_tags(declared)) for request in requests)

    return evaluate


def run_request(
    declared: Declared, request: Request, *, attempt: str, tags: dict[str, str] | None = None
) -> dg.RunRequest:
    """`request` with its tags, the automation's where none are given, and, for a range of days, those that make it one run.

    `attempt` is part of the run's key: what failed for good is tried again an hour later, though nothing else changed.
    """
    tags = dict(naming.run_tags(declared) if tags is None else tags)
    if request.first_day and request.last_day:
        tags |= partitions.range_tags(request.first_day, request.last_day)
    return dg.RunRequest(
        run_key=f"{request.run_key}:{attempt}",
        partition_key=request.partition,
        tags=tags,
        run_config=request.config or None,
    )
