"""Monitoring: drift of each day against the model version's reference, computed and shown by Evidently.

What belongs here: the asset: one pure call a day, keeping its result and its report, and what is shown of it. What does not: reading
days and references (`watched_days.py`), what counts as drift (`aios_core/monitoring/drift.py`), and the judge (`quality.py`).
"""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import date, timedelta
from typing import Any

import dagster as dg

from aios_assets import naming, partitions
from aios_assets.metadata import markdown_table, plot
from aios_assets.watched_days import Watched, WatchedDays
from aios_core.automation import Automation
from aios_core.monitoring.changed import Cause
from aios_core.monitoring.drift import Drift, measure_window
from aios_core.monitoring.plots import drift_over_time
from resources import clock
from resources.dagster_resources import DatabaseResource, LakeResource, RegistryResource
from resources.declarations import Declared
from resources.deployments import deployment
from resources.lake import Lake
from resources.monitoring import MonitorStore

CHECK = "no_drift"
PAGES = 7  # Evidently's page is 4 MB: a backfill of a year gets those of its last week
SHOWN_DAYS = 31
SHOWN_CAUSES = 25
SUNDAY = 7
HEADLINES = ("queue", "confidence", "unseen_share", "novelty", "label")  # PSI that Dagster draws over time


@dataclass(frozen=True, slots=True, kw_only=True)
class Measured:
    """One window of this run; `page` is the lake path of Evidently's report, where one was written."""

    watched: Watched
    drift: Drift
    page: str | None

    @property
    def link(self) -> str | None:
        return None if self.page is None else f"{deployment().gateway_url}/reports/{self.page}"


def build(declared: Declared) -> list[dg.AssetsDefinition]:
    automation = declared.automation
    spec = naming.spec(
        declared,
        "drift",
        plane="observe",
        kinds=["evidently"],
        deps=["scores", "decisions"],
        description=(
            "How far a day's features, predictions and labels are from the model version's reference, and whether outcomes "
            "keep what its probabilities promised. Evidently computes it; a column counts as drifted where its PSI passes the "
            "limit beyond what chance brings. What changed names the columns, queues, words and customers behind it."
        ),
        partitions_def=partitions.days(declared),
    )
    check = dg.AssetCheckSpec(
        CHECK,
        asset=spec.key,
        description="No day of this run is flagged. It warns and blocks nothing: drift says that the world changed, not who is to act.",
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
        days, store = partitions.days_of(context), MonitorStore(database.open())
        watch = WatchedDays(automation, database.open(), lake.open(), models.open(), days=days, now=clock.now())
        found = list(_measure(automation, watch, store, lake.open(), days))
        week = _week(automation, watch, lake.open(), found[-1]) if found else None
        picture = _over_time(automation, store, found)
        # with the last day only: Dagster repeats other metadata for every partition, 40 kB for each day of a year
        if picture:
            context.add_asset_metadata(picture, asset_key=spec.key, partition_key=days[-1].isoformat())
        yield dg.MaterializeResult(asset_key=spec.key, metadata=_told(found, week))
        flagged = [m for m in found if m.drift.flagged]
        yield dg.AssetCheckResult(
            asset_key=spec.key,
            check_name=CHECK,
            passed=not flagged,
            severity=dg.AssetCheckSeverity.WARN,
            description=" ".join(f"{m.watched.day}: {m.drift.reason}" for m in flagged[-3:]) or "no day is flagged",
        )

    return [drift]


def _measure(
    automation: Automation, watch: WatchedDays, store: MonitorStore, lake: Lake, days: Sequence[date]
) -> Iterator[Measured]:
    """Each day that was scored, oldest first: a day is seen together with those before it."""
    for day in days:
        now = clock.now()
        watched = watch.read(day)
        if watched is None:
            continue
        if day == days[0]:
            watch.count_again(watched)
        result = measure_window(
            watch.reference(watched.version),
            watched.window,
            limits=automation.monitoring,
            recent=watch.until(watched, days=automation.monitoring.persistence_days),
            page=day in days[-PAGES:],
        )
        page = _kept(lake, f"{automation.name}/reports/drift/{day}-version-{watched.version}.html", result)
        store.save_day(
            automation=automation.name,
            day=day,
            model_name=automation.model_name,
            model_version=watched.version,
            drift=result,
            sketch=watched.window.sketch,
            settled=watched.window.settled,
            report=page,
            now=now,
        )
        yield Measured(watched=watched, drift=result, page=page)


def _week(automation: Automation, watch: WatchedDays, lake: Lake, newest: Measured) -> Measured:
    """The last days under the newest version as one window, added up from their sketches: what a single day is too small for.

    Its page is kept once for each calendar week, and made anew on its last day and with a flagged one: it takes a second.
    """
    watched, days = newest.watched, automation.monitoring.window_days
    window = watch.until(watched, days=days)
    year, week, weekday = watched.day.isocalendar()
    page = f"{automation.name}/reports/drift/{year}-week-{week:02d}-version-{watched.version}.html"
    made = newest.drift.flagged or weekday == SUNDAY or not lake.exists(page)
    result = measure_window(watch.reference(watched.version), window, limits=automation.monitoring, page=made)
    kept = _kept(lake, page, result) or (page if lake.exists(page) else None)
    return Measured(watched=Watched(day=watched.day, version=watched.version, window=window), drift=result, page=kept)


def _kept(lake: Lake, path: str, result: Drift) -> str | None:
    if result.html is None:
        return None
    lake.put(path, result.html)
    return path


def _over_time(automation: Automation, store: MonitorStore, found: Sequence[Measured]) -> dict[str, dg.MetadataValue]:
    """PSI by day over the last month, days of other runs among them."""
    if not found:
        return {}
    last = found[-1].watched.day
    stored = store.days(
        automation=automation.name, since=last - timedelta(days=SHOWN_DAYS - 1), until=last + timedelta(days=1)
    )
    drawn = [(day.day, day.psi) for day in stored if day.columns]
    if not drawn:
        return {}
    flagged = [day.day for day in stored if day.flagged]
    return {"psi": plot(drift_over_time(drawn, limit=automation.monitoring.psi_limit, flagged=flagged), "PSI")}


def _told(found: Sequence[Measured], week: Measured | None) -> dict[str, Any]:
    """What the Dagster UI shows of a run: numbers that it draws over time, and small tables."""
    told: dict[str, Any] = {
        "days": len(found),
        "flagged": sum(m.drift.flagged for m in found),
        "by_day": markdown_table([_day(m) for m in found][-SHOWN_DAYS:]),
    }
    if week is None:
        return told
    newest, shares = found[-1], [m.drift.share for m in found if m.drift.share is not None]
    explained = next((m for m in reversed(found) if m.drift.flagged), newest)
    days = f"{week.drift.rows:,} tickets of the days up to {week.watched.day}"
    told |= {
        "kinds": markdown_table([_kind(kind.kind, kind.drifted, kind.told) for kind in newest.drift.kinds]),
        "what_changed": markdown_table([_cause(c) for c in explained.drift.changed[:SHOWN_CAUSES]]),
        "window": f"{days}, as one window: {week.drift.reason}",
        **{f"psi_{name}": c.psi for name, c in newest.drift.columns.items() if name in HEADLINES},
    }
    if shares:
        told["share"] = max(shares)
    outcomes = newest.drift.concept
    if outcomes is not None and outcomes.accuracy is not None and outcomes.promised is not None:
        told["promised_less_turned_out"] = outcomes.promised - outcomes.accuracy
    links = {"report": next((m.link for m in reversed(found) if m.link), None), "window_report": week.link}
    return told | {name: dg.MetadataValue.url(link) for name, link in links.items() if link}


def _day(measured: Measured) -> Mapping[str, object]:
    day, result, link = measured.watched.day, measured.drift, measured.link
    return {
        "day": f"[{day}]({link})" if link else day,
        "rows": result.rows,
        "share of columns drifted": "" if result.share is None else f"{result.share:.0%}",
        "kinds of drift": ", ".join(kind.kind for kind in result.kinds if kind.drifted),
        "flagged": "yes" if result.flagged else "",
        "why": result.reason,
    }


def _kind(kind: str, drifted: bool | None, told: str) -> Mapping[str, object]:
    return {"kind": kind, "drifted": "can't be said" if drifted is None else "yes" if drifted else "no", "what": told}


def _cause(cause: Cause) -> Mapping[str, object]:
    before, now = ("" if share is None else f"{share:.1%}" for share in (cause.reference, cause.current))
    return {"drift": cause.kind, "what": f"{cause.what}: {cause.name}", "before": before, "now": now, "": cause.told}
