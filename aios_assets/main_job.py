"""The main job: one automation's whole loop once, in this process, on the Dagster instance that the UI shows.

What belongs here: the order of the jobs and the summary of what they did. What does not: any stage's work, which the
jobs' assets do, and starting Postgres or the sandbox (`cli/run.py`).
"""

import resource
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from datetime import date
from typing import Any

import dagster as dg

from aios_assets import jobs, naming, partitions
from aios_core.errors import PermanentError
from resources.canonical import CanonicalStore
from resources.database import Database
from resources.declarations import Declared
from resources.reconciliation import Reconciliation
from resources.registry import Registry

Report = Callable[[str], None]


class StageFailed(PermanentError):
    """A job of the loop failed; the message names the step, its error and the run to look at."""

    code = "run.stage_failed"


@dataclass(slots=True)
class Loop:
    """The state of one run through the loop: what each stage counted, and how long it took."""

    declared: Declared
    definitions: dg.Definitions
    instance: dg.DagsterInstance
    report: Report
    seconds: dict[str, float] = field(default_factory=dict)
    counted: dict[str, dict[str, Any]] = field(default_factory=dict)

    def execute(self, stage: str, job: str, *, first: date | None = None, last: date | None = None) -> None:
        """Run one job to its end; its materializations' metadata is added to `counted`, a name an asset."""
        name = naming.job_name(self.declared, job)
        tags = naming.run_tags(self.declared)
        if first and last:
            tags |= partitions.range_tags(first, last)
        with self.timed(stage):
            result = self.definitions.resolve_job_def(name).execute_in_process(
                instance=self.instance, tags=tags, raise_on_error=False
            )
        if not result.success:
            raise StageFailed(failure(name, result))
        # a range of days is one materialization, repeated for each of its partitions
        for asset, made in {m.asset_key.path[-1]: m for m in _materializations(result)}.items():
            self._count(asset, {k: v.value for k, v in made.metadata.items()})

    def _count(self, asset: str, values: dict[str, Any]) -> None:
        before = self.counted.setdefault(asset, {})
        for key, value in values.items():
            both = isinstance(value, int) and isinstance(before.get(key), int)
            before[key] = before[key] + value if both else value

    def total(self, key: str, *assets: str) -> int:
        return sum(int(self.counted.get(a, {}).get(key, 0)) for a in assets)

    @contextmanager
    def timed(self, stage: str) -> Iterator[None]:
        self.report(stage)
        started = time.perf_counter()
        yield
        self.seconds[stage] = round(self.seconds.get(stage, 0.0) + time.perf_counter() - started, 2)


def run(
    declared: Declared,
    *,
    definitions: dg.Definitions,
    instance: dg.DagsterInstance,
    database: Database,
    registry: Registry,
    let_time_pass: Callable[[], None] | None = None,
    report: Report = lambda stage: None,
) -> dict[str, Any]:
    """Ingest, train, score, decide, act, batch for review; then, as time passes, learn outcomes and measure.

    `let_time_pass` lets the world's agents work on what was decided (the sandbox's clock); without it only the outcomes
    that are known already are used. Returns the summary, whose keys are stable. Raises StageFailed.
    """
    loop = Loop(declared, definitions, instance, report)
    loop.execute("ingest", jobs.INGEST)
    loop.execute("train", jobs.TRAIN)
    if declared.automation.drafts is not None:  # replies are made of articles, so they must be there before
        loop.execute("knowledge", jobs.KNOWLEDGE)
    days = [day for day, _, _ in CanonicalStore(database).undecided_days(automation=declared.automation)]
    if days:
        loop.execute("score", jobs.SCORE, first=min(days), last=max(days))
    loop.execute("review", jobs.REVIEW)
    if let_time_pass is not None:
        with loop.timed("time_passes"):
            let_time_pass()
        loop.execute("outcomes", jobs.INGEST)
    if days:
        loop.execute("monitor", jobs.MONITOR, first=min(days), last=max(days))
    return _summary(loop, database=database, registry=registry)


def _summary(loop: Loop, *, database: Database, registry: Registry) -> dict[str, Any]:
    automation = loop.declared.automation
    landings = [f"{source}_landing" for source in automation.sources]
    version = registry.current(name=automation.model_name)
    verdicts = loop.counted.get("decisions", {}).get("verdicts", {})
    quality = loop.counted.get("quality", {})
    drift = loop.counted.get("drift", {})
    missing = Reconciliation(database).of(automation=automation.name)
    return {
        "automation": automation.name,
        "declaration": automation.version,
        "landed": loop.total("landed", *landings),
        "duplicates_ignored": loop.total("duplicates_ignored", *landings),
        "quarantined": loop.total("rejected", *landings) + loop.total("quarantined", "tickets", "customers"),
        "canonical": loop.total("written", "tickets", "customers"),
        "scored": loop.total("rows", "scores"),
        "decisions": {v: int(verdicts.get(v, 0)) for v in ("automate", "draft", "review", "fallback")},
        "drafts": {
            name: loop.total(name, "drafts") for name in ("drafts", "passed", "refused", "without_answer", "left")
        },
        "actions_sent": loop.total("sent", "actions"),
        "review_batches": loop.total("batches", "review_batches"),
        "review_cases": loop.total("cases", "review_batches"),
        "lost": missing.lost,
        "duplicated": missing.duplicated,
        "model": {"name": automation.model_name, "version": version, "alias": "champion" if version else None},
        "metrics": {
            k: quality.get(k) for k in ("macro_f1", "accuracy", "accuracy_automated", "coverage_automated", "ece")
        },
        "drift": {"share": drift.get("share"), "flagged": bool(drift.get("flagged"))},
        "remedy": quality.get("remedy"),
        "problems": [loop.counted[name]["problem"] for name in landings if "problem" in loop.counted.get(name, {})],
        "value": {k: v for k, v in loop.counted.get("value", {}).items() if isinstance(v, int | float)},
        "seconds": loop.seconds | {"total": round(sum(loop.seconds.values()), 2)},
        "peak_rss_mb": _peak_rss_mb(),
    }


def _materializations(result: Any) -> Iterator[dg.AssetMaterialization]:
    return (event.step_materialization_data.materialization for event in result.get_asset_materialization_events())


def _peak_rss_mb() -> int:
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss // 1024


def failure(job: str, result: Any) -> str:
    failed = [e for e in result.all_events if e.is_step_failure]
    if not failed:
        return f"{job} failed; open run {result.run_id} in the Dagster UI"
    error = failed[0].step_failure_data.error
    while error is not None and error.cause is not None:
        error = error.cause
    what = error.message.strip() if error else "unknown error"
    return f"{job}, step {failed[0].step_key}: {what} (run {result.run_id})"
