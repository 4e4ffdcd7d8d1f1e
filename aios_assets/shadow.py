"""Shadow scores: a day's tickets under the version in shadow, beside the champion's, deciding nothing.

What belongs here: scoring days with the alias `shadow`, and what they say beside the champion's scores. What does not: decisions,
which never read this, and what follows from it (`aios_core/lifecycle/advance.py`).

It has a job of its own, which a sensor starts only while there is a shadow: scoring and deciding never wait for it.
"""

from datetime import date, datetime
from typing import Any

import dagster as dg
import pyarrow as pa

from aios_assets import naming, partitions, pods, rollout
from aios_assets.metadata import markdown_table
from aios_assets.scoring import COLUMNS
from aios_core.lifecycle.comparison import Comparison
from aios_core.lifecycle.evaluation import keys_of, rows_of
from aios_core.lifecycle.page import comparison_markdown
from aios_core.lifecycle.states import CHAMPION, SHADOW
from aios_core.scoring.schema import SCORE_SCHEMA, as_scores
from aios_core.scoring.stream import score_parallel
from resources import clock
from resources.dagster_resources import DatabaseResource, LakeResource, RegistryResource
from resources.declarations import Declared
from resources.gatekeeper import Gatekeeper
from resources.lake import Lake
from resources.stages import SHADOW_SCORES, ShadowDay, ShadowStore, Stages
from resources.workers import open_workers


def build(declared: Declared) -> list[dg.AssetsDefinition]:
    automation = declared.automation
    spec = naming.spec(
        declared,
        SHADOW_SCORES,
        plane="model",
        kinds=["onnx", "parquet"],
        deps=["features", "scores"],
        description=(
            "What the version in shadow says of a day's tickets, in the same columns as `scores`. No decision reads it. Its "
            "agreement with the champion, and who was right where an outcome is known, is in the metadata. Without a shadow nothing "
            "happens here."
        ),
        columns=COLUMNS,
        partitions_def=partitions.days(declared),
    )

    @dg.multi_asset(
        specs=[spec],
        name=naming.job_name(declared, SHADOW_SCORES),
        backfill_policy=partitions.backfill_policy(),
        op_tags=pods.scoring_tags(),
    )
    def shadow_scores(
        context: dg.AssetExecutionContext, database: DatabaseResource, lake: LakeResource, models: RegistryResource
    ) -> dg.MaterializeResult:
        name, store, registry = automation.model_name, lake.open(), models.open()
        standing = registry.standing(name=name)
        shadow, champion = standing.get(SHADOW), standing.get(CHAMPION)
        if shadow is None or champion is None:
            return dg.MaterializeResult(asset_key=spec.key, metadata={"rows": 0, "model_version": 0})
        keeper = rollout.gatekeeper(declared, database, lake, models)
        kept, found = ShadowStore(database.open()), list[ShadowDay]()
        for day in partitions.days_of(context):
            now = clock.now()  # what is decided while we score counts as not scored
            if (features := _score(declared, store, keeper, day, version=shadow)) is not None:
                beside = _beside(store, keeper, automation.name, day, features, (shadow, champion), now)
                kept.save(beside, automation=automation.name, name=name)
                found.append(beside)
        stages = Stages(declared, database=database.open(), lake=store, gatekeeper=keeper)
        return dg.MaterializeResult(
            asset_key=spec.key,
            metadata={
                "model": name,
                "model_version": shadow,
                "champion": champion,
                **_told(found),
                **_settled(stages.shadow_comparison(shadow, champion)),
            },
        )

    return [shadow_scores]


def _score(declared: Declared, lake: Lake, keeper: Gatekeeper, day: date, *, version: int) -> pa.Table | None:
    """The day's features, scored into the lake; None where the day has none."""
    automation = declared.automation
    if not lake.has_partition(automation=automation.name, dataset="features", day=day):
        lake.delete_partition(automation=automation.name, dataset=SHADOW_SCORES, day=day)
        return None
    batches = lake.scan(automation=automation.name, dataset="features", start=day, end=partitions.day_after(day))
    model, rows = keeper.comparer.load(version), lake.rows_of(automation=automation.name, dataset="features", day=day)
    with open_workers(model, rows=rows, files=lambda: keeper.comparer.files(version)) as pool:
        scored = score_parallel(batches, pool=pool, batch_size=automation.model.batch_size)
        lake.write_partition(scored, automation=automation.name, dataset=SHADOW_SCORES, day=day, schema=SCORE_SCHEMA)
    return lake.read_partition(automation=automation.name, dataset="features", day=day)


def _beside(
    lake: Lake,
    keeper: Gatekeeper,
    automation: str,
    day: date,
    features: pa.Table,
    versions: tuple[int, int],
    now: datetime,
) -> ShadowDay:
    """Both versions' verdicts on the tickets that the champion scored."""
    ours, theirs = (
        _of(lake, automation, SHADOW_SCORES, day, versions[0]),
        _of(lake, automation, "scores", day, versions[1]),
    )
    scored = set(keys_of(ours)) & set(keys_of(features))
    both = [key for key in keys_of(theirs) if key in scored]
    rows, ours, theirs = (rows_of(table, both) for table in (features, ours, theirs))
    before = keeper.comparer.answers(versions[1], rows, theirs)
    after = keeper.comparer.answers(versions[0], rows, ours)
    return ShadowDay(
        day=day,
        model_version=versions[0],
        champion=versions[1],
        rows=len(before),
        agreed=sum(a.queue == b.queue for a, b in zip(before, after, strict=True)),
        reverdicted=sum(a.verdict != b.verdict for a, b in zip(before, after, strict=True)),
        scored_at=now,
    )


def _of(lake: Lake, automation: str, dataset: str, day: date, version: int) -> pa.Table:
    """Scores of one version on a day, none where there is no such partition."""
    if not lake.has_partition(automation=automation, dataset=dataset, day=day):
        return SCORE_SCHEMA.empty_table()
    table = as_scores(lake.read_partition(automation=automation, dataset=dataset, day=day))
    return table.filter(pa.array([v == version for v in table.column("model_version").to_pylist()], pa.bool_()))


def _settled(found: Comparison | None) -> dict[str, Any]:
    """Who was right, on all that is settled since the two stand beside each other."""
    if found is None:
        return {"settled": 0}
    return {"settled": found.rows, "comparison": dg.MetadataValue.md(comparison_markdown(found))}


def _told(found: list[ShadowDay]) -> dict[str, Any]:
    rows, agreed = sum(d.rows for d in found), sum(d.agreed for d in found)
    by_day = [
        {"day": d.day, "tickets": d.rows, "same queue": d.agreed, "other verdict": d.reverdicted} for d in found[-31:]
    ]
    shares = {"agreement": agreed / rows, "other_verdict": sum(d.reverdicted for d in found) / rows} if rows else {}
    return {"rows": rows, **shares, "by_day": markdown_table(by_day)}
