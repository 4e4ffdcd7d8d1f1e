"""Synthetic transactions: a marked ticket through the full path from helpdesk to decision and back.

What belongs here: the two assets, one that sends probes and judges them, one that takes marked tickets through the ordinary stages.
What does not: the verdict and the namespace that keeps them out of every statistic (`aios_core/synthetic.py`), and the stages.

A marked ticket is ingested by the ordinary job and decided in the ordinary scoring run, by the same functions: only the name that its
rows are kept under is another. Without `synthetic.every_minutes` in the declaration none of this is built.
"""

from collections.abc import Iterator, Sequence
from dataclasses import replace
from datetime import date
from functools import cache
from typing import Any

import dagster as dg

from aios_assets import decisions, naming, partitions, scoring
from aios_assets.metadata import markdown_table
from aios_core.decisions.decide import decide
from aios_core.features.build import build_features
from aios_core.synthetic import twin
from resources import clock
from resources.canonical import CanonicalStore
from resources.dagster_resources import ConnectorsResource, DatabaseResource, LakeResource, RegistryResource
from resources.database import Database
from resources.decisions import DecisionStore
from resources.declarations import Declared
from resources.lake import Lake
from resources.modes import ModeStore
from resources.outbox import Outbox
from resources.policy import RegoPolicy
from resources.probes import ProbeStore, round_trip
from resources.registry import Registry

DECISIONS, PROBES = "synthetic_decisions", "synthetic"
CHECK = "path_is_whole"


def declared_by(declared: Declared) -> bool:
    """Whether the automation sends any."""
    return declared.automation.synthetic.every_minutes is not None


def twin_of(declared: Declared) -> Declared:
    """The declaration under which marked tickets are decided."""
    return replace(declared, automation=twin(declared.automation))


def build(declared: Declared) -> list[dg.AssetsDefinition]:
    return [_decisions(declared), _probes(declared)] if declared_by(declared) else []


def _decisions(declared: Declared) -> dg.AssetsDefinition:
    spec = naming.spec(
        declared,
        DECISIONS,
        plane="decide",
        kinds=["onnx", "postgres"],
        deps=["tickets", "champion"],
        description=(
            "Decisions on marked tickets, made in the same run and by the same stages as all others, and written back to the "
            "helpdesk. They live under a name of their own, so no statistic, review batch or training set finds them."
        ),
        partitions_def=partitions.days(declared),
    )

    @dg.multi_asset(
        specs=[spec], name=naming.job_name(declared, DECISIONS), backfill_policy=partitions.backfill_policy()
    )
    def synthetic_decisions(
        context: dg.AssetExecutionContext,
        database: DatabaseResource,
        lake: LakeResource,
        models: RegistryResource,
        connectors: ConnectorsResource,
    ) -> dg.MaterializeResult:
        marked, target = twin_of(declared), declared.automation.actions.source
        waiting = {d for d, _, _ in CanonicalStore(database.open()).undecided_days(automation=marked.automation)}
        days = [day for day in partitions.days_of(context) if day in waiting]
        for day in days:
            _features(declared, marked, database.open(), lake.open(), day)
        if days and scoring.score_days(marked, context, lake.open(), models, days, shard=(0, 1)) is None:
            for day in days:
                lake.open().write_partition([], automation=marked.automation.name, dataset="scores", day=day)
        made = _decide(declared, marked, database.open(), lake.open(), models.open(), days) if days else 0
        assert target is not None  # the declaration asks for it where marked tickets are sent
        source = declared.automation.sources[target]
        with connectors.open(source, automation=declared.automation, folder=declared.folder) as connector:
            sent = Outbox(database.open()).deliver(
                automation=marked.automation, target=target, connector=connector, now=clock.now()
            )
        return dg.MaterializeResult(asset_key=spec.key, metadata={"decisions": made, "sent": sent.sent})

    return synthetic_decisions


def _features(declared: Declared, marked: Declared, database: Database, lake: Lake, day: date) -> None:
    """A day's marked tickets, joined with the automation's own customers."""
    store, automation = CanonicalStore(database), declared.automation
    tickets = store.tickets_for_days(
        automation=marked.automation.name,
        start=day,
        end=partitions.day_after(day),
        include_resolved=automation.decisions.tickets == "all",
    )
    table = build_features(
        tickets,
        contacts=store.contacts(automation=automation.name),
        customers=store.customers(automation=automation.name),
        features=automation.features,
    )
    lake.write_partition(table, automation=marked.automation.name, dataset="features", day=day)


def _decide(
    declared: Declared, marked: Declared, database: Database, lake: Lake, registry: Registry, days: Sequence[date]
) -> int:
    """Decide and record what is undecided, under the modes of the automation itself; returns how many are new."""
    store, policy = DecisionStore(database), RegoPolicy(declared.policy_text)
    settled = store.settled(marked.automation.name, days[0], days[-1])
    modes = ModeStore(database).current(declared.automation.name)
    rules_of = cache(lambda version: decisions.rules_of_version(marked, registry, policy, modes, version=version))
    new = 0
    for version, features, scores in decisions.pieces(lake, marked.automation.name, days):
        made = decide(decisions.without(features, settled), scores, rules=rules_of(version), policy=policy.ask)
        new += store.record(made, automation=marked.automation, policy_text=declared.policy_text, now=clock.now()).new
    return new


def _probes(declared: Declared) -> dg.AssetsDefinition:
    automation = declared.automation
    spec = naming.spec(
        declared,
        PROBES,
        plane="observe",
        kinds=["zendesk", "postgres"],
        description=(
            "One row is one synthetic transaction: a marked ticket made in the helpdesk, with the time at which it was landed, "
            "decided, written back and seen again in the helpdesk, after which it is deleted. Every "
            f"{automation.synthetic.every_minutes} minutes; kept for 30 days."
        ),
    )
    check = dg.AssetCheckSpec(
        CHECK,
        asset=spec.key,
        description=(
            "The newest transaction that was judged came back in time and as expected. Where it did not, the description says "
            "which station it did not reach: customers' tickets do not reach it either."
        ),
    )

    @dg.multi_asset(specs=[spec], check_specs=[check], name=naming.job_name(declared, PROBES))
    def synthetic(
        database: DatabaseResource, connectors: ConnectorsResource
    ) -> Iterator[dg.MaterializeResult | dg.AssetCheckResult]:
        store, now = ProbeStore(database.open()), clock.now()
        modes = ModeStore(database.open()).current(automation.name)
        held_back = frozenset(queue for queue, mode in modes.items() if mode == "review_only")
        target = automation.actions.source
        assert target is not None  # the declaration asks for it where marked tickets are sent
        with connectors.open(automation.sources[target], automation=automation, folder=declared.folder) as connector:
            closed = round_trip(store, connector, automation=automation, now=now, held_back=held_back)
        newest = store.newest(automation.name)
        yield dg.MaterializeResult(
            asset_key=spec.key,
            metadata={
                "judged": len(closed),
                "under_way": sum(row["state"] == "open" for row in newest),
                "probes": markdown_table([_shown(row) for row in newest]),
                **_seconds(newest),
            },
        )
        yield _check(spec.key, newest)

    return synthetic


def _check(key: dg.AssetKey, newest: Sequence[dict[str, Any]]) -> dg.AssetCheckResult:
    last = next((row for row in newest if row["state"] != "open"), None)
    passed = last is None or last["state"] == "passed"
    said = "none has come to its end yet" if last is None else last["problem"] or "it came back as expected"
    return dg.AssetCheckResult(
        asset_key=key, check_name=CHECK, passed=passed, severity=dg.AssetCheckSeverity.ERROR, description=said
    )


def _seconds(newest: Sequence[dict[str, Any]]) -> dict[str, float]:
    """How long the last one that passed was on its way."""
    row = next((r for r in newest if r["state"] == "passed" and r["seen_at"] is not None), None)
    return {} if row is None else {"seconds_there_and_back": (row["seen_at"] - row["asked_at"]).total_seconds()}


def _shown(row: dict[str, Any]) -> dict[str, Any]:
    def after(station: str) -> str:
        return "" if row[station] is None else f"+{(row[station] - row['asked_at']).total_seconds():.0f} s"

    stations = {s: after(f"{s}_at") for s in ("created", "landed", "decided", "sent", "seen")}
    asked = {"asked": f"{row['asked_at']:%d %b %H:%M:%S}", "ticket": row["ticket_id"] or "", "state": row["state"]}
    return {**asked, **stations, "verdict": row["verdict"] or "", "problem": row["problem"]}
