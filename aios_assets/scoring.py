"""Scoring: one day's features under the champion, in streaming batches through ONNX Runtime.

What belongs here: which version scores, and from which files to which. What does not: the engine (`aios_core/scoring`) and
sessions (`resources/runtime.py`).
"""

from collections import Counter
from collections.abc import Iterable, Iterator

import dagster as dg
import pyarrow as pa

from aios_assets import naming, partitions
from aios_core.scoring.schema import SCORE_SCHEMA
from aios_core.scoring.stream import score_stream
from resources.dagster_resources import LakeResource, RegistryResource
from resources.declarations import Declared

COLUMNS = {
    "source": "string",
    "ticket_id": "string",
    "ticket_version": "string",
    "correlation_id": "string",
    "model_name": "string",
    "model_version": "int",
    "probabilities": "list<float64>",
    "queue": "string",
    "confidence": "float64",
    "unseen_share": "float64",
    "text_length": "int",
    "terms": "list<struct<term, weight>>",
}


def build(declared: Declared) -> list[dg.AssetsDefinition]:
    automation = declared.automation
    spec = naming.spec(
        declared,
        "scores",
        plane="model",
        kinds=["onnx", "parquet"],
        deps=["features", "champion"],
        description=(
            "Calibrated class probabilities of one day's tickets. One row is one ticket under one model version, with "
            "the terms that spoke loudest for the chosen queue. Which version and execution provider really ran is in "
            "the metadata. Without a champion there are no scores, and every ticket goes to people."
        ),
        columns=COLUMNS,
        partitions_def=partitions.days(declared),
    )

    @dg.multi_asset(specs=[spec], name=naming.job_name(declared, "scores"), backfill_policy=partitions.SINGLE_RUN)
    def scores(context: dg.AssetExecutionContext, lake: LakeResource, models: RegistryResource) -> dg.MaterializeResult:
        store, registry = lake.open(), models.open()
        version = registry.current(name=automation.model_name)
        if version is None:
            context.log.warning("no champion: nothing is scored; run the train job of %s", automation.name)
            for day in partitions.days_of(context):
                store.write_partition([], automation=automation.name, dataset="scores", day=day)
            return dg.MaterializeResult(asset_key=spec.key, metadata={"rows": 0, "model_version": 0})
        model = models.load(name=automation.model_name, version=version)
        rows, queues = 0, Counter[str]()
        for day in partitions.days_of(context):
            if not store.has_partition(automation=automation.name, dataset="features", day=day):
                store.delete_partition(automation=automation.name, dataset="scores", day=day)
                continue
            batches = store.scan(
                automation=automation.name, dataset="features", start=day, end=partitions.day_after(day)
            )
            scored = score_stream(batches, model=model, batch_size=automation.model.batch_size)
            counted = _counted(scored, queues)
            rows += store.write_partition(
                counted, automation=automation.name, dataset="scores", day=day, schema=SCORE_SCHEMA
            ).rows
        return dg.MaterializeResult(
            asset_key=spec.key,
            metadata={
                "rows": rows,
                "model": automation.model_name,
                "model_version": version,
                "providers": ", ".join(model.providers),
                "predicted": dict(queues.most_common()),
            },
        )

    return [scores]


def _counted(batches: Iterable[pa.RecordBatch], queues: Counter[str]) -> Iterator[pa.RecordBatch]:
    for batch in batches:
        queues.update(batch.column("queue").to_pylist())
        yield batch
