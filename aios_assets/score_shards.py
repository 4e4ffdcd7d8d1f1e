"""Shards of large days, scored side by side: a backfill of this asset is a run for every day and shard.

What belongs here: the asset, where the deployment fans days out (`AIOS_SHARDS_PER_DAY`). What does not: scoring (`scoring.py`), and
how runs share a day (`resources/chunks.py`).
"""

from datetime import date
from typing import Any

import dagster as dg

from aios_assets import naming, partitions, pods, scoring
from resources.chunks import CHUNK_ROWS
from resources.dagster_resources import LakeResource, RegistryResource
from resources.declarations import Declared


def build(declared: Declared) -> list[dg.AssetsDefinition]:
    shards = partitions.shards_of_days(declared)
    if shards is None:
        return []
    count = len(shards.get_partitions_def_for_dimension("shard").get_partition_keys())
    spec = naming.spec(
        declared,
        partitions.SHARDS,
        plane="model",
        kinds=["onnx", "parquet"],
        deps=["features", "champion"],
        description=(
            f"A part of a large day's scores, one of {count}, made ahead of `scores`, which then finds them done. Backfill both over the "
            f"same days and each part is a run of its own. Days of up to {CHUNK_ROWS:,} rows are left to `scores`."
        ),
        partitions_def=shards,
    )

    @dg.multi_asset(
        specs=[spec],
        name=naming.job_name(declared, partitions.SHARDS),
        backfill_policy=dg.BackfillPolicy.multi_run(max_partitions_per_run=1),
        op_tags=pods.scoring_tags(),
    )
    def score_shards(
        context: dg.AssetExecutionContext, lake: LakeResource, models: RegistryResource
    ) -> dg.MaterializeResult:
        store, found = lake.open(), dict[str, Any]()
        for key in context.partition_keys:  # a backfill gives each run one
            at = key.keys_by_dimension
            day, shard = date.fromisoformat(at["day"]), (int(at["shard"]) - 1, count)
            if store.rows_of(automation=declared.automation.name, dataset="features", day=day) > scoring.CHUNK_ROWS:
                found |= scoring.score_days(declared, context, store, models, [day], shard=shard) or {}
        return dg.MaterializeResult(asset_key=spec.key, metadata={"scored_now": 0} | found)

    return [score_shards]
