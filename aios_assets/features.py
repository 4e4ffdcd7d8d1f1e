"""Features: point-in-time correct model inputs, one partition a day."""

import dagster as dg

from aios_assets import naming, partitions
from aios_assets.metadata import sample
from aios_core.automation import Automation
from aios_core.features.build import build_features
from resources.canonical import CanonicalStore
from resources.dagster_resources import DatabaseResource, LakeResource
from resources.declarations import Declared

COLUMNS = {
    "source": "string",
    "ticket_id": "string",
    "ticket_version": "string",
    "correlation_id": "string",
    "created_at": "timestamp",
    "known_at": "timestamp",
    "text": "string",
    "priority": "string",
    "channel": "string",
    "language": "string",
    "customer_id": "string",
}


def columns(automation: Automation) -> dict[str, str]:
    """The fixed columns and one for each declared CRM feature."""
    kinds = {"numeric": "float64", "categorical": "string"}
    return COLUMNS | {f"crm_{f.name}": kinds[f.kind] for f in automation.features.customer}


def build(declared: Declared) -> list[dg.AssetsDefinition]:
    automation = declared.automation
    upstream = ["tickets"] + (["customers"] if any(s.provides == "customers" for s in automation.sources.values()) else [])
    spec = naming.spec(
        declared,
        "features",
        plane="model",
        kinds=["parquet"],
        deps=upstream,
        description=(
            "Model inputs of one day's tickets. One row is one ticket as it first read, joined with the customer facts "
            "that were known at that moment: nothing learnt later can leak in."
        ),
        columns=columns(automation),
        partitions_def=partitions.days(declared),
    )

    @dg.multi_asset(specs=[spec], name=naming.job_name(declared, "features"), backfill_policy=partitions.SINGLE_RUN)
    def features(
        context: dg.AssetExecutionContext, database: DatabaseResource, lake: LakeResource
    ) -> dg.MaterializeResult:
        store, target = CanonicalStore(database.open()), lake.open()
        contacts, customers = store.contacts(automation=automation.name), store.customers(automation=automation.name)
        rows, shown = 0, None
        for day in partitions.days_of(context):
            tickets = store.tickets_for_days(
                automation=automation.name,
                start=day,
                end=partitions.day_after(day),
                include_resolved=automation.decisions.tickets == "all",
            )
            table = build_features(tickets, contacts=contacts, customers=customers, features=automation.features)
            target.write_partition(table, automation=automation.name, dataset="features", day=day)
            rows, shown = rows + table.num_rows, table
        return dg.MaterializeResult(
            asset_key=spec.key,
            metadata={"rows": rows, "sample": sample(shown, ["ticket_id", "created_at", "text", *_crm(automation)])},
        )

    return [features]


def _crm(automation: Automation) -> list[str]:
    return [f"crm_{f.name}" for f in automation.features.customer]
