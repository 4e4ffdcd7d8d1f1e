"""Monitoring: drift of each day against the model version's reference, computed and shown by Evidently.

What belongs here: reading a day and its reference, one pure call, keeping the report. What does not: what counts as drift
(`aios_core/monitoring/drift.py`), and quality against outcomes (`quality.py`).
"""

import io
from collections.abc import Callable, Iterator, Mapping
from datetime import date, timedelta
from functools import cache

import dagster as dg
import pyarrow as pa
import pyarrow.compute as pc

from aios_assets import naming, partitions
from aios_assets.metadata import markdown_table, plot
from aios_core.monitoring.columns import monitor_columns
from aios_core.monitoring.drift import Drift, measure_sketches
from aios_core.monitoring.plots import drift_over_time
from aios_core.monitoring.sketch import Cuts, Sketch, cuts_of, sketch
from resources import clock
from resources.dagster_resources import DatabaseResource, LakeResource, RegistryResource
from resources.declarations import Declared
from resources.deployments import deployment
from resources.lake import Lake
from resources.monitoring import MonitorStore
from resources.registry import Registry

CHECK = "no_drift"
PAGES = 7  # Evidently's page is 4 MB: a backfill of a year gets those of its last week
REFERENCE = "reference.parquet"


def build(declared: Declared) -> list[dg.AssetsDefinition]:
    automation = declared.automation
    spec = naming.spec(
        declared,
        "drift",
        plane="observe",
        kinds=["evidently"],
        deps=["scores", "decisions"],
        description=(
            "How far a day's features, scores and predicted queues are from the model version's reference. Evidently "
            "computes it; a column counts as drifted where its PSI passes the limit beyond what chance brings."
        ),
        partitions_def=partitions.days(declared),
    )
    check = dg.AssetCheckSpec(
        CHECK,
        asset=spec.key,
        description="No day of this run is flagged. It warns and blocks nothing: drift says that inputs changed, not that answers got worse.",
    )

    @dg.multi_asset(
        specs=[spec],
        check_specs=[check],
        name=naming.job_name(declared, "drift"),
        backfill_policy=partitions.backfill_policy(),
    )
    def drift(
        context: dg.AssetExecutionContext, database: DatabaseResource, lake: LakeResource, models: RegistryResource
    ) -> Iterator[dg.MaterializeResult | dg.AssetCheckResult]:
        store, source, registry = MonitorStore(database.open()), lake.open(), models.open()
        reference_of = cache(lambda version: _reference(registry, automation.model_name, version))
        days = partitions.days_of(context)
        measured: dict[date, Drift] = {}
        links: dict[date, str] = {}
        versions: dict[date, int] = {}
        for day in days:
            now = clock.now()
            if (found := _day(source, automation.name, day)) is None:
                continue
            version, rows = found
            cuts, reference = reference_of(version)
            current = sketch(cuts, rows)
            result = measure_sketches(cuts, reference, current, limits=automation.monitoring, page=day in days[-PAGES:])
            measured[day], versions[day], report = result, version, None
            if result.html is not None:
                report = f"{automation.name}/reports/drift/{day}-version-{version}.html"
                source.put(report, result.html)
                links[day] = f"{deployment().gateway_url}/reports/{report}"
            store.save_day(
                automation=automation.name,
                day=day,
                model_name=automation.model_name,
                model_version=version,
                drift=result,
                sketch=current,
                report=report,
                now=now,
            )
        flagged = [day for day, result in measured.items() if result.flagged]
        shares = [r.share for r in measured.values() if r.share is not None]
        over_time = [(d, {name: c.psi for name, c in r.columns.items()}) for d, r in measured.items() if r.columns]
        if over_time:
            psi = drift_over_time(over_time, limit=automation.monitoring.psi_limit, flagged=flagged)
            # with the last day only: Dagster repeats other metadata for every partition, 40 kB for each day of a year
            context.add_asset_metadata(
                {"psi": plot(psi, "PSI")}, asset_key=spec.key, partition_key=days[-1].isoformat()
            )
        yield dg.MaterializeResult(
            asset_key=spec.key,
            metadata={
                "days": len(measured),
                "flagged": len(flagged),
                "by_day": markdown_table(
                    [_told(day, result, links.get(day)) for day, result in measured.items()][-31:]
                ),
                **({"window": _window(store, declared, reference_of, measured, versions)} if measured else {}),
                **({"share": max(shares)} if shares else {}),
                **({"report": dg.MetadataValue.url(links[max(links)])} if links else {}),
            },
        )
        yield dg.AssetCheckResult(
            asset_key=spec.key,
            check_name=CHECK,
            passed=not flagged,
            severity=dg.AssetCheckSeverity.WARN,
            description=" ".join(f"{day}: {measured[day].reason}" for day in flagged[-3:]) or "no day is flagged",
        )

    return [drift]


def _day(lake: Lake, automation: str, day: date) -> tuple[int, pa.Table] | None:
    """The model version that scored the day and the watched columns of its rows; None where nothing was scored.

    A canary scores a share of the tickets: the day is measured by the version that scored most of it.
    """
    if not lake.has_partition(automation=automation, dataset="scores", day=day):
        return None
    scores = lake.read_partition(automation=automation, dataset="scores", day=day)
    if not scores.num_rows:
        return None
    features = lake.read_partition(automation=automation, dataset="features", day=day)
    version = pc.mode(scores.column("model_version"))[0]["mode"].as_py()
    own = scores.filter(pc.equal(scores.column("model_version"), version))
    return version, monitor_columns(features, own)


def _reference(registry: Registry, name: str, version: int) -> tuple[Cuts, Sketch]:
    import pyarrow.parquet as pq

    rows = pq.read_table(io.BytesIO(registry.file(name=name, version=version, path=REFERENCE)))
    cuts = cuts_of(rows)
    return cuts, sketch(cuts, rows)


def _window(
    store: MonitorStore,
    declared: Declared,
    reference_of: Callable[[int], tuple[Cuts, Sketch]],
    measured: Mapping[date, Drift],
    versions: Mapping[date, int],
) -> str:
    """The last days under the newest version as one window, added up from their sketches: what a single day is too small for."""
    last, limits = max(measured), declared.automation.monitoring
    cuts, reference = reference_of(versions[last])
    days = {"since": last - timedelta(days=limits.window_days - 1), "until": last + timedelta(days=1)}
    current = store.window(cuts, automation=declared.automation.name, **days, model_version=versions[last])
    result = measure_sketches(cuts, reference, current, limits=limits, page=False)
    return f"{limits.window_days} days to {last}, {current.rows:,} tickets: {result.reason}"


def _told(day: date, result: Drift, link: str | None) -> dict[str, object]:
    return {
        "day": f"[{day}]({link})" if link else day,
        "rows": result.rows,
        "share of columns drifted": "" if result.share is None else f"{result.share:.0%}",
        "flagged": "yes" if result.flagged else "",
        "why": result.reason,
    }
