"""The alias `champion` as an asset of its own: what scoring follows, moved by promotion and rollback.

What belongs here: its spec and the one way to tell Dagster of a move. What does not: the move itself, which is a row in
the registry (`resources/registry.py`) and true whether or not Dagster hears of it.

Nothing in the graph is upstream of it: outcomes -> training -> scoring -> outcomes is a loop, broken at this alias.
"""

from collections.abc import Mapping
from datetime import UTC, datetime

import dagster as dg

from aios_assets import naming
from resources.database import Database
from resources.declarations import Declared
from resources.modes import ModeStore
from resources.monitoring import MonitorStore
from resources.registry import Registry


def build(declared: Declared) -> list[dg.AssetSpec]:
    return [
        naming.spec(
            declared,
            "champion",
            plane="model",
            kinds=["postgres"],
            description=(
                "The alias `champion`: which model version decides. Moved by promotion and by rollback, never by "
                "materializing; each move is recorded here and in the registry's append-only history."
            ),
        )
    ]


def promote(
    declared: Declared,
    database: Database,
    registry: Registry,
    *,
    version: int,
    actor: str,
    reason: str,
    evidence: Mapping[str, object],
) -> list[str]:
    """Move `champion` to `version`; `last_good` keeps the one before. Returns the queues that were held and are free again.

    Queues are narrowed because the version then deciding failed on them; a new version that passed the gate lifts that. A
    stop stays until a person lifts it.
    """
    name, now = declared.automation.name, datetime.now(UTC)
    registry.move(
        name=declared.automation.model_name,
        alias="champion",
        version=version,
        actor=actor,
        reason=reason,
        evidence=evidence,
        now=now,
    )
    freed = MonitorStore(database).close_incidents(automation=name, remedy="narrow", actor=actor, now=now)
    for queue in freed:
        ModeStore(database).set(
            automation=name, queue=queue, mode="normal", reason=f"version {version} took over", actor=actor, now=now
        )
    return freed


def report(declared: Declared, instance: dg.DagsterInstance, *, version: int, reason: str) -> None:
    """Show a move on the asset: the sensor on model changes and the lineage read it there."""
    instance.report_runless_asset_event(
        dg.AssetMaterialization(
            naming.key(declared, "champion"),
            description=reason,
            metadata={"model": declared.automation.model_name, "version": version, "reason": reason},
        )
    )
