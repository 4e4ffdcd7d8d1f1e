"""The alias `champion` as an asset of its own: what scoring follows, moved by promotion and rollback.

What belongs here: its spec and the one way to tell Dagster of a move. What does not: the move itself, which is a row in
the registry (`resources/gatekeeper.py`) and true whether or not Dagster hears of it.

Nothing in the graph is upstream of it: outcomes -> training -> scoring -> outcomes is a loop, broken at this alias.
"""

import dagster as dg

from aios_assets import naming
from resources.declarations import Declared


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


def report(declared: Declared, instance: dg.DagsterInstance, *, version: int, reason: str) -> None:
    """Show a move on the asset: the sensor on model changes and the lineage read it there."""
    instance.report_runless_asset_event(
        dg.AssetMaterialization(
            naming.key(declared, "champion"),
            description=reason,
            metadata={"model": declared.automation.model_name, "version": version, "reason": reason},
        )
    )


def reported(declared: Declared, instance: dg.DagsterInstance) -> int | None:
    """The version that the asset's newest event tells of."""
    event = instance.get_latest_materialization_event(naming.key(declared, "champion"))
    if event is None or event.asset_materialization is None:
        return None
    version = event.asset_materialization.metadata.get("version")
    return version.value if isinstance(version, dg.IntMetadataValue) else None
