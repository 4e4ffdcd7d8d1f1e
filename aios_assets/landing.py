"""Landing: one asset a source, raw records exactly as they came, each once.

What belongs here: reading pages from a connector into the landing table. What does not: understanding a payload
(`canonical.py`).
"""

import dagster as dg

from aios_assets import naming
from resources.dagster_resources import ConnectorsResource, DatabaseResource
from resources.declarations import Declared
from resources.landing import LandingStore, pull

COLUMNS = {
    "source": "text",
    "object": "text",
    "external_id": "text",
    "version": "text",
    "payload": "json",
    "correlation_id": "text",
    "landed_at": "timestamp",
}


def asset_name(source: str) -> str:
    return f"{source}_landing"


def build(declared: Declared) -> list[dg.AssetsDefinition]:
    return [_landing(declared, source) for source in declared.automation.sources]


def _landing(declared: Declared, source: str) -> dg.AssetsDefinition:
    automation = declared.automation
    declaration = automation.sources[source]
    spec = naming.spec(
        declared,
        asset_name(source),
        plane="ingest",
        kinds=[declaration.connector, "postgres"],
        description=(
            f"Raw records of source `{source}` ({declaration.connector}), untouched. One row is one version of one "
            "object, unique by (source, object, id, version); a page is committed together with its cursor, so "
            "that nothing is lost and nothing lands twice. Read by every ingest run, from where the last one stopped."
        ),
        columns=COLUMNS,
    )

    @dg.multi_asset(specs=[spec], name=naming.job_name(declared, asset_name(source)), can_subset=False)
    def landing(
        context: dg.AssetExecutionContext, database: DatabaseResource, connectors: ConnectorsResource
    ) -> dg.MaterializeResult:
        store = LandingStore(database.open())
        with connectors.open(declaration, automation=automation, folder=declared.folder) as connector:
            landed = pull(connector, store, automation=automation.name, source=source, run_id=context.run_id)
        return dg.MaterializeResult(
            asset_key=spec.key,
            metadata={
                "landed": landed.landed,
                "duplicates_ignored": landed.duplicates,
                "rejected": landed.rejected,
                "pages": landed.pages,
            },
        )

    return landing
