"""The alias `champion` as an asset of its own: what scoring follows, moved by promotion and rollback.

What belongs here: its spec and the one way to tell Dagster of a move. What does not: the move itself, which is a row in
the registry (`resources/registry.py`) and true whether or not Dagster hears of it.

Nothing in the graph is upstream of it: outcomes -> training -> scoring -> outcomes is a loop, broken at this alias.
"""

from datetime import UTC, datetime

import dagster as dg

from aios_assets import naming
from resources.declarations import Declared
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
    declared: Declared, registry: Registry, *, version: int, actor: str, reason: str, evidence: dict[str, object]
) -> None:
    """Move `champion` to `version`; `last_good` keeps the one before."""
    registry.move(
        name=declared.automation.model_name,
        alias="champion",
        version=version,
        actor=actor,
        reason=reason,
        evidence=evidence,
        now=datetime.now(UTC),
    )


def report(declared: Declared, instance: dg.DagsterInstance, *, version: int, reason: str) -> None:
    """Show a move on the asset: the sensor on model changes and the lineage read it there."""
    instance.report_runless_asset_event(
        dg.AssetMaterialization(
            naming.key(declared, "champion"),
            description=reason,
            metadata={"model": declared.automation.model_name, "version": version, "reason": reason},
        )
    )
