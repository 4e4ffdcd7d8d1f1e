"""Estimated quality: what a day's probabilities promise before any outcome is known, beside what turned out.

What belongs here: reading a day's scores and what is settled of it, one pure call, keeping the estimate. What does not: the estimate
itself (`aios_core/monitoring/estimate.py`), and the judge, who goes by outcomes (`quality.py`).
"""

from collections import Counter
from collections.abc import Iterator, Sequence
from datetime import date, timedelta
from typing import TYPE_CHECKING, Any

import dagster as dg
import pyarrow.compute as pc

from aios_assets import naming, partitions
from aios_assets.metadata import markdown_table, plot
from aios_assets.quality import settled
from aios_core.monitoring import plots
from aios_core.monitoring.estimate import Estimate, Promise, add, estimate, kept, promise
from resources import clock
from resources.dagster_resources import DatabaseResource, LakeResource, RegistryResource
from resources.declarations import Declared
from resources.estimates import EstimatedDay, EstimateStore
from resources.lake import Lake
from resources.registry import Registry

if TYPE_CHECKING:
    import pandas as pd

CHECK = "estimate_holds"
SHOWN_DAYS = 60
MIN_SETTLED = 100  # fewer outcomes than these contradict no estimate


def build(declared: Declared) -> list[dg.AssetsDefinition]:
    automation = declared.automation
    spec = naming.spec(
        declared,
        "estimated_quality",
        plane="observe",
        kinds=["postgres"],
        deps=["scores", "decisions", "outcomes"],
        description=(
            "Accuracy and macro-F1 of a day before its outcomes are known: what the calibrated probabilities promise, corrected "
            "by the audit slice where that contradicts them. Beside it what turned out, once tickets are settled."
        ),
        partitions_def=partitions.days(declared),
    )
    check = dg.AssetCheckSpec(
        CHECK,
        asset=spec.key,
        description=(
            "What turned out lies within the estimate's interval, over the window's settled tickets. Where it does not, the "
            "probabilities mean something else than they did: recalibrate or retrain."
        ),
    )

    @dg.multi_asset(
        specs=[spec],
        check_specs=[check],
        name=naming.job_name(declared, "estimated_quality"),
        backfill_policy=partitions.backfill_policy(),
    )
    def estimated_quality(
        context: dg.AssetExecutionContext, database: DatabaseResource, lake: LakeResource, models: RegistryResource
    ) -> Iterator[dg.MaterializeResult | dg.AssetCheckResult]:
        store, source, registry = EstimateStore(database.open()), lake.open(), models.open()
        days = partitions.days_of(context)
        now = clock.now()
        window = timedelta(days=automation.monitoring.window_days)
        known = settled(automation, database.open(), days[0] - window, days[-1], now=now)
        for day in days:
            if (found := _promised(source, registry, automation.model_name, automation.name, day)) is None:
                continue
            version, promised = found
            error = float(registry.get(automation.model_name, version).metrics["ece"])
            of_day = known[(known["day"] == day) & (known["model_version"] == version)]
            store.save(
                automation=automation.name,
                day=day,
                model_name=automation.model_name,
                model_version=version,
                promise=promised,
                estimate=estimate(
                    promised, calibration_error=error, audit=_audit(known, version, last=day, window=window)
                ),
                realised=_accuracy(of_day),
                settled=len(of_day),
                now=now,
            )
        since, until = days[-1] - timedelta(days=SHOWN_DAYS), days[-1] + timedelta(days=1)
        estimated = store.days(automation=automation.name, since=since, until=until)
        yield dg.MaterializeResult(
            asset_key=spec.key,
            metadata=_shown(estimated) | _window(store, declared, models.open(), estimated, known),
        )
        yield _check(spec.key, models.open(), automation.model_name, known[known["day"] > days[-1] - window])

    return [estimated_quality]


def _promised(lake: Lake, registry: Registry, name: str, automation: str, day: date) -> tuple[int, Promise] | None:
    """The version that scored most of a day and what its scores promise; None where nothing was scored."""
    if not lake.has_partition(automation=automation, dataset="scores", day=day):
        return None
    scores = lake.read_partition(
        automation=automation, dataset="scores", day=day, columns=["model_version", "probabilities"]
    )
    if not scores.num_rows:
        return None
    ((version, _),) = Counter(scores.column("model_version").to_pylist()).most_common(1)
    own = scores.filter(pc.equal(scores.column("model_version"), version)).column("probabilities").combine_chunks()
    return version, promise(own.flatten().to_numpy(), classes=len(registry.get(name, version).classes))


def _audit(known: "pd.DataFrame", version: int, *, last: date, window: timedelta) -> list[tuple[float, bool]]:
    """(confidence, right) of the settled audit slice of one version, over the window that ends with this day."""
    rows = known[
        known["audit"] & (known["model_version"] == version) & (known["day"] <= last) & (known["day"] > last - window)
    ]
    rows = rows[rows["confidence"].notna()]
    return list(zip(rows["confidence"], rows["queue"] == rows["label"], strict=True))


def _accuracy(rows: "pd.DataFrame") -> float | None:
    return float((rows["queue"] == rows["label"]).mean()) if len(rows) else None


def _window(
    store: EstimateStore,
    declared: Declared,
    registry: Registry,
    estimated: Sequence[EstimatedDay],
    known: "pd.DataFrame",
) -> dict[str, Any]:
    """The last days under the newest version as one estimate, added up from their promises."""
    if not estimated:
        return {}
    automation, newest = declared.automation, estimated[-1]
    window = timedelta(days=automation.monitoring.window_days)
    parts = store.window(
        automation=automation.name,
        since=newest.day - window + timedelta(days=1),
        until=newest.day + timedelta(days=1),
        model_version=newest.model_version,
    )
    error = float(registry.get(automation.model_name, newest.model_version).metrics["ece"])
    audit = _audit(known, newest.model_version, last=newest.day, window=window)
    found = estimate(add(parts), calibration_error=error, audit=audit)
    return {
        "rows": found.rows,
        "estimated": _interval(found),
        "source": found.source,
        "audited_rows": found.audited_rows,
        "model_version": newest.model_version,
        **{
            name: value
            for name in ("accuracy", "macro_f1", "promised", "audited")
            if (value := getattr(found, name)) is not None
        },
    }


def _shown(estimated: Sequence[EstimatedDay]) -> dict[str, Any]:
    rows = [
        {
            "day": day.day,
            "version": day.model_version,
            "tickets": day.estimate.rows,
            "estimated": _interval(day.estimate),
            "from": day.estimate.source,
            "turned out": "" if day.realised is None else f"{day.realised:.1%} of {day.settled}",
        }
        for day in estimated
    ]
    drawn = [(d.day, d.estimate, d.realised) for d in estimated if d.estimate.accuracy is not None]
    picture = {"over_time": plot(plots.estimated_over_time(drawn), "estimated and realised accuracy")} if drawn else {}
    return {"by_day": markdown_table(rows[-31:]), **picture}


def _check(key: dg.AssetKey, registry: Registry, name: str, recent: "pd.DataFrame") -> dg.AssetCheckResult:
    """Of the newest version's settled tickets: does what turned out lie within what their own confidences promised?"""
    rows = recent[recent["confidence"].notna() & (recent["model_version"] == recent["model_version"].max())]
    if len(rows) < MIN_SETTLED:
        passed, why = True, f"{len(rows)} settled tickets, {MIN_SETTLED} are needed to contradict an estimate"
    else:
        error = float(registry.get(name, int(rows["model_version"].iloc[0])).metrics["ece"])
        sure, right = rows["confidence"].to_numpy(), (rows["queue"] == rows["label"]).to_numpy()
        passed = kept(sure, right, calibration_error=error)
        why = f"promised {sure.mean():.1%}, turned out {right.mean():.1%} on {len(rows)} settled tickets"
    return dg.AssetCheckResult(
        asset_key=key, check_name=CHECK, passed=passed, severity=dg.AssetCheckSeverity.WARN, description=why
    )


def _interval(found: Estimate) -> str:
    return "" if found.accuracy is None else f"{found.accuracy:.1%} ({found.low:.1%} to {found.high:.1%})"
