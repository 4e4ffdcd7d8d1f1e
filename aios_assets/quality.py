"""Quality: recent decisions against what turned out, and the judge's verdict on the champion.

What belongs here: gathering one recent window of settled tickets, and keeping what the judge says of it. What does not:
metrics and verdict (`aios_core/monitoring`), and acting on it (`sensors/remedies.py` starts the jobs of `remedies.py`).
"""

import io
from collections.abc import Sequence
from dataclasses import replace
from datetime import date, datetime, timedelta
from typing import TYPE_CHECKING

import dagster as dg
import pyarrow as pa
import pyarrow.parquet as pq

from aios_assets import naming
from aios_assets.evidence import estimated, failures
from aios_assets.metadata import markdown_table, plot
from aios_assets.remedies import verdict
from aios_core.automation import Automation
from aios_core.monitoring import plots
from aios_core.monitoring.evidence import Estimated, Evidence, Failures, evidence_of
from aios_core.monitoring.performance import Performance, evaluate
from aios_core.scoring.schema import SCORE_SCHEMA
from aios_core.scoring.stream import score_stream
from resources import clock
from resources.assessments import AssessmentStore
from resources.dagster_resources import DatabaseResource, LakeResource, RegistryResource
from resources.database import Database
from resources.decisions import DecisionStore
from resources.declarations import Declared
from resources.incidents import IncidentStore
from resources.lake import Lake
from resources.modes import ModeStore
from resources.monitoring import MonitorStore
from resources.settled import SettledStore

if TYPE_CHECKING:
    import pandas as pd

KEY = ["source", "ticket_id"]
ROWS_TO_COMPARE = 20_000
ROWS_TO_ESTIMATE = 5_000


def build(declared: Declared) -> list[dg.AssetsDefinition]:
    automation = declared.automation
    spec = naming.spec(
        declared,
        "quality",
        plane="observe",
        kinds=["postgres"],
        deps=["decisions", "outcomes"],
        description=(
            "How often the model, and what it automated, was right on the tickets of the last `monitoring.window_days` "
            "whose outcome is known. Champion and last good are compared on the same tickets, none of which either was "
            "trained on; the judge says which remedy the evidence supports."
        ),
    )

    @dg.multi_asset(specs=[spec], name=naming.job_name(declared, "quality"))
    def quality(
        context: dg.AssetExecutionContext, database: DatabaseResource, lake: LakeResource, models: RegistryResource
    ) -> dg.MaterializeResult:
        now = clock.now()
        settled = settled_window(automation, database.open(), now=now)
        performance = _performance(settled)
        evidence = _evidence(automation, settled, database.open(), lake.open(), models, now=now)
        evidence = _and_failures(declared, context.instance, evidence, database.open(), models, now=now)
        remedy = verdict(declared, evidence, now=now)
        AssessmentStore(database.open()).save(automation=automation.name, evidence=evidence, remedy=remedy, now=now)
        return dg.MaterializeResult(
            asset_key=spec.key,
            metadata={
                "settled": performance.rows,
                **_figures(performance),
                "remedy": remedy.kind,
                "reason": remedy.reason,
                "evidence": dg.JsonMetadataValue(remedy.evidence),
                **_pictures(performance),
            },
        )

    return [quality]


def settled_window(automation: Automation, database: Database, *, now: datetime) -> "pd.DataFrame":
    """The newest decision of each ticket of the window, with `label`: the outcome known by now.

    The window ends at the newest decided day, not at the wall clock's: files and backfills are judged like live tickets.
    """
    last = DecisionStore(database).newest_day(automation.name) or now.date()
    return settled(automation, database, last - timedelta(days=automation.monitoring.window_days - 1), last, now=now)


def settled(automation: Automation, database: Database, first: date, last: date, *, now: datetime) -> "pd.DataFrame":
    """The newest decision of each ticket of the days from `first` to `last`, with `label`: the outcome known by now."""
    return SettledStore(database).rows(
        automation=automation.name, first=first, last=last, until=now + timedelta(days=1)
    )


def _performance(settled: "pd.DataFrame") -> Performance:
    predicted = [
        None if version == 0 else queue
        for queue, version in zip(settled["queue"], settled["model_version"], strict=True)
    ]
    return evaluate(
        settled["label"].tolist(),
        predicted,
        confidence=settled["confidence"].tolist(),
        verdicts=settled["verdict"].tolist(),
    )


def _evidence(
    automation: Automation,
    settled: "pd.DataFrame",
    database: Database,
    lake: Lake,
    models: RegistryResource,
    *,
    now: datetime,
) -> Evidence:
    registry, monitor = models.open(), MonitorStore(database)
    name, since = automation.model_name, now - timedelta(days=automation.monitoring.window_days)
    champion, last_good = (registry.current(name=name, alias=a) for a in ("champion", "last_good"))
    versions = [v for v in dict.fromkeys((champion, last_good)) if v is not None]
    # what a person has seen when they lifted a hold is no reason to hold again
    if (lifted := IncidentStore(database).lifted_at(automation.name)) is not None:
        settled = settled[settled["settled_at"] > lifted]
    unseen = _unseen(settled, [registry.get(name, v).snapshot_id for v in versions], lake, automation.name)
    rows, features = _features(unseen, lake, automation.name)
    predictions = {v: _predict(automation, models, v, features) for v in versions}
    automated = settled[(settled["model_version"] == champion) & (settled["verdict"] == "automate")]
    days = settled["day"]
    estimates: dict[int, Estimated | None] = {}
    if champion is not None and len(rows) < automation.monitoring.min_outcomes:
        estimates = _estimates(automation, settled, versions, database, lake, models)
    found = evidence_of(
        rows["label"].tolist(),
        champion=None if champion is None else (champion, predictions[champion]),
        last_good=None if last_good is None else (last_good, predictions[last_good]),
        automated=list(zip(automated["queue"], automated["label"], strict=True)),
        drift=[d.as_drift_day() for d in monitor.days(automation=automation.name, since=min(days, default=now.date()))],
        rollbacks=monitor.rollbacks_since(automation=automation.name, since=since),
        last_rollback_at=monitor.last_rollback_at(automation=automation.name),
        modes=ModeStore(database).current(automation.name),
        open_incidents=len(monitor.incidents(automation=automation.name, open_only=True)),
    )
    ours, theirs = estimates.get(champion or 0), estimates.get(last_good or 0)
    return replace(found, champion_estimate=ours, last_good_estimate=None if last_good == champion else theirs)


def _estimates(
    automation: Automation,
    settled: "pd.DataFrame",
    versions: Sequence[int],
    database: Database,
    lake: Lake,
    models: RegistryResource,
) -> dict[int, Estimated | None]:
    """Each version on the newest decided tickets, whether settled or not, with what the audit slice says of it."""
    last = DecisionStore(database).newest_day(automation.name)
    if last is None:
        return {}
    first = last - timedelta(days=automation.monitoring.window_days - 1)
    recent = DecisionStore(database).table(automation.name, first, last + timedelta(days=1)).to_pandas()
    recent = recent[recent["model_version"] == versions[0]].drop_duplicates(KEY, keep="last").tail(ROWS_TO_ESTIMATE)
    _, features = _features(recent, lake, automation.name)
    audited, audited_features = _features(settled[settled["audit"]], lake, automation.name)
    found: dict[int, Estimated | None] = {}
    for version in versions:
        row = models.open().get(automation.model_name, version)
        slice_of = _scores(automation, models, version, audited_features)
        right = [queue == label for queue, label in zip(slice_of["queue"].to_pylist(), audited["label"], strict=True)]
        found[version] = estimated(
            _scores(automation, models, version, features),
            classes=row.classes,
            calibration_error=float(row.metrics.get("ece", 0.0)),
            audit=list(zip(slice_of["confidence"].to_pylist(), right, strict=True)),
        )
    return found


def _and_failures(
    declared: Declared,
    instance: dg.DagsterInstance,
    evidence: Evidence,
    database: Database,
    models: RegistryResource,
    *,
    now: datetime,
) -> Evidence:
    if evidence.champion is None:
        return evidence
    last = DecisionStore(database).newest_day(declared.automation.name) or now.date()
    first = last - timedelta(days=declared.automation.monitoring.window_days - 1)
    found = failures(declared, instance, database, models.open(), first=first, last=last)
    theirs = Failures() if evidence.last_good is None else found.get(evidence.last_good.version, Failures())
    return replace(
        evidence, champion_failures=found.get(evidence.champion.version, Failures()), last_good_failures=theirs
    )


def _unseen(settled: "pd.DataFrame", snapshots: Sequence[str], lake: Lake, automation: str) -> "pd.DataFrame":
    """Tickets that no version was trained on: each looks best on what it has learnt by heart."""
    for snapshot in dict.fromkeys(snapshots):
        path = f"{automation}/training_sets/{snapshot}.parquet"
        if lake.exists(path):
            learnt = pq.read_table(io.BytesIO(lake.get(path)), columns=KEY).to_pandas().drop_duplicates()
            marked = settled.merge(learnt, on=KEY, how="left", indicator=True)
            settled = marked[marked["_merge"] == "left_only"].drop(columns="_merge")
    return settled.tail(ROWS_TO_COMPARE)


def _features(settled: "pd.DataFrame", lake: Lake, automation: str) -> "tuple[pd.DataFrame, pa.Table | None]":
    """The settled rows whose features are in the lake, and these features in the same order."""
    wanted = {(r.source, r.ticket_id, r.ticket_version): i for i, r in enumerate(settled.itertuples(index=False))}
    tables, order = [], []
    for day in sorted(set(settled["day"])):
        if not lake.has_partition(automation=automation, dataset="features", day=day):
            continue
        table = lake.read_partition(automation=automation, dataset="features", day=day)
        keys = zip(*(table.column(c).to_pylist() for c in (*KEY, "ticket_version")), strict=True)
        places = [wanted.get(key) for key in keys]
        tables.append(table.filter(pa.array([p is not None for p in places])))
        order += [p for p in places if p is not None]
    return settled.iloc[order], pa.concat_tables(tables) if order else None


def _predict(
    automation: Automation, models: RegistryResource, version: int, features: pa.Table | None
) -> list[str | None]:
    return [] if features is None else _scores(automation, models, version, features)["queue"].to_pylist()


def _scores(automation: Automation, models: RegistryResource, version: int, features: pa.Table | None) -> pa.Table:
    if features is None:
        return SCORE_SCHEMA.empty_table()
    model = models.load(name=automation.model_name, version=version)
    batches = list(score_stream(features.to_batches(), model=model, batch_size=automation.model.batch_size))
    return pa.Table.from_batches(batches)


def _figures(performance: Performance) -> dict[str, float]:
    names = ("accuracy", "macro_f1", "accuracy_automated", "coverage_automated", "ece")
    return {n: value for n in names if (value := getattr(performance, n)) is not None}


def _pictures(performance: Performance) -> dict[str, dg.MetadataValue]:
    if not performance.rows:
        return {}
    by_queue = [
        {
            "queue": queue,
            "tickets": q.rows,
            "f1": f"{q.f1:.3f}",
            "automated": q.automated,
            "right when automated": "" if q.accuracy_automated is None else f"{q.accuracy_automated:.1%}",
        }
        for queue, q in performance.by_queue.items()
    ]
    pictures = {
        "by_queue": markdown_table(by_queue),
        "reliability": plot(plots.reliability(performance.reliability), "reliability"),
    }
    if len(performance.queues) <= 20:  # more cells than that are not legible
        pictures["confusion"] = plot(plots.confusion(performance.queues, performance.confusion), "confusion by queue")
    return pictures
