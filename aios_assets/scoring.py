"""Scoring: one day's features under the champion, in streaming batches through ONNX Runtime.

What belongs here: which version scores which tickets, and what a run says of itself. What does not: the engine
(`aios_core/scoring`), a day's way through it (`resources/day_scores.py`), workers and sessions (`resources/`).
"""

import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import ExitStack, contextmanager
from datetime import date
from functools import partial
from typing import Any

import dagster as dg
import pyarrow as pa

from aios_assets import naming, partitions, pods
from aios_core.lifecycle.routing import route
from aios_core.lifecycle.states import CANARY, CHAMPION
from aios_core.scoring.model import ScoringModel
from resources.chunks import CHUNK_ROWS
from resources.dagster_resources import LakeResource, RegistryResource
from resources.day_scores import DayScores, Progress, Scorer
from resources.declarations import Declared
from resources.lake import Lake
from resources.placement import listed, summary
from resources.registry import Registry
from resources.workers import PoolReport, open_workers

TOLD_EVERY_SECONDS = 10.0

COLUMNS = {
    "source": "string",
    "ticket_id": "string",
    "ticket_version": "string",
    "correlation_id": "string",
    "model_name": "string",
    "model_version": "int",
    "probabilities": "list<float32>",
    "queue": "string",
    "confidence": "float64",
    "unseen_share": "float64",
    "text_length": "int",
    "novelty": "float64",
    "stage": "string",
}


class ScoresConfig(dg.Config):
    """A large day may be shared by `shards` runs, `shard` counting from 0: the one that ends last makes the day readable."""

    shard: int = 0
    shards: int = 1


def build(declared: Declared) -> list[dg.AssetsDefinition]:
    automation = declared.automation
    spec = naming.spec(
        declared,
        "scores",
        plane="model",
        kinds=["onnx", "parquet"],
        deps=["features", "champion", *partitions.shard_deps()],
        description=(
            "Calibrated class probabilities of one day's tickets. One row is one ticket under one model version. While a canary is out, it scores its share of the tickets. "
            "Which version and execution provider really ran is in the metadata. Without a champion there are no scores, and "
            "every ticket goes to people."
        ),
        columns=COLUMNS,
        partitions_def=partitions.days(declared),
    )

    @dg.multi_asset(
        specs=[spec],
        name=naming.job_name(declared, "scores"),
        backfill_policy=partitions.backfill_policy(),
        op_tags=pods.scoring_tags(),
    )
    def scores(
        context: dg.AssetExecutionContext, config: ScoresConfig, lake: LakeResource, models: RegistryResource
    ) -> dg.MaterializeResult:
        store, days, shard = lake.open(), partitions.days_of(context), (config.shard, config.shards)
        found = score_days(declared, context, store, models, days, shard=shard)
        if found is None:
            context.log.warning("no champion: nothing is scored; run the train job of %s", automation.name)
            for day in days:
                store.write_partition([], automation=automation.name, dataset="scores", day=day)
        return dg.MaterializeResult(asset_key=spec.key, metadata=found or {"rows": 0, "model_version": 0})

    return [scores]


def score_days(
    declared: Declared,
    context: dg.AssetExecutionContext,
    store: Lake,
    models: RegistryResource,
    days: Sequence[date],
    *,
    shard: tuple[int, int],
) -> dict[str, Any] | None:
    """Score these days, or a shard of each, and say how it went; None, with nothing done, without a champion."""
    automation, registry, before = declared.automation, models.open(), time.monotonic()
    standing = registry.standing(name=automation.model_name)
    version, canary = standing.get(CHAMPION), standing.get(CANARY)
    if version is None:
        return None
    chosen = [version] if canary in (None, version) else [version, canary]
    deciding = [models.load(name=automation.model_name, version=v) for v in chosen]
    expected = sum(store.rows_of(automation=automation.name, dataset="features", day=day) for day in days)
    progress = Progress(told=_teller(context, expected))
    with ExitStack() as opened:
        scorers = [opened.enter_context(_scorer(declared, registry, model, chosen, expected)) for model in deciding]
        scoring = _day_scores(declared, store, scorers, columns=sorted({c for model in deciding for c in model.reads}))
        written = [scoring.write(day, progress, shard=shard) for day in days]
        report = scorers[0].pool.report()
    return {
        "rows": sum(written),
        "model": automation.model_name,
        "model_version": version,
        "placement": summary(deciding[0]),
        "nodes": listed(deciding[0]),
        **({"canary": canary, "canary_rows": progress.versions[canary]} if canary is not None else {}),
        "predicted": dict(progress.queues.most_common()),
        **_speed(progress, time.monotonic() - before, report),
    }


@contextmanager
def _scorer(
    declared: Declared, registry: Registry, model: ScoringModel, chosen: Sequence[int], rows: int
) -> Iterator[Scorer]:
    """A version's workers, and the rows that it decides: all of them where it is alone."""
    with open_workers(model, rows=rows, files=lambda: registry.files(name=model.name, version=model.version)) as pool:
        routed = None if len(chosen) == 1 else partial(_routed, declared, chosen, model.version)
        yield Scorer(version=model.version, pool=pool, route=routed)


def _routed(declared: Declared, chosen: Sequence[int], version: int, batch: pa.RecordBatch) -> pa.RecordBatch:
    """The rows of a batch that a version decides while a canary is out."""
    automation, (champion, canary) = declared.automation, chosen
    tickets = batch.column("ticket_id").to_pylist()
    versions = route(
        automation.name, tickets, champion=champion, canary=canary, share=automation.lifecycle.canary_share
    )
    return batch.filter(pa.array([v == version for v in versions], pa.bool_()))


def _day_scores(declared: Declared, lake: Lake, scorers: Sequence[Scorer], *, columns: Sequence[str]) -> DayScores:
    automation = declared.automation
    return DayScores(
        lake=lake,
        automation=automation.name,
        model=automation.model_name,
        scorers=scorers,
        batch_size=automation.model.batch_size,
        chunk_rows=CHUNK_ROWS,
        columns=columns,
        depends_on=f"canary {automation.lifecycle.canary_share}" if len(scorers) > 1 else "",
    )


def _teller(context: dg.AssetExecutionContext, expected: int) -> Callable[[Progress], None]:
    """Says in the log how far a long run is."""
    begun = told = time.monotonic()

    def tell(progress: Progress) -> None:
        nonlocal told
        now = time.monotonic()
        if now - told >= TOLD_EVERY_SECONDS:
            told = now
            speed = progress.rows / (now - begun)
            context.log.info("scored %d of %d rows, %d rows/s", progress.rows, expected, speed)

    return tell


def _speed(progress: Progress, seconds: float, report: PoolReport) -> dict[str, Any]:
    """How fast it was and what it took. A run that went on after another counts its own rows only."""
    return {
        "scored_now": progress.rows,
        "rows_per_second": round(progress.rows / max(seconds, 1e-9), 1),
        "batches": progress.batches,
        "workers": f"{report.workers} {report.kind}",
        "workers_lost": report.deaths,
        "peak_memory_mb": round(report.peak_mb),
        **({"padding_waste": report.padding} if report.padding is not None else {}),
    }
