"""Features: point-in-time correct model inputs, one partition a day.

What belongs here: reading a month of tickets, one pure call, writing its days. What does not: the join itself
(`aios_core/features/build.py`).
"""

from collections.abc import Iterator, Sequence
from datetime import date

import dagster as dg
import pyarrow as pa
import pyarrow.compute as pc

from aios_assets import naming, partitions, requesters
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
SHOWN = ["ticket_id", "created_at", "text"]


def columns(automation: Automation) -> dict[str, str]:
    """The fixed columns and one for each declared CRM feature."""
    kinds = {"numeric": "float64", "categorical": "string"}
    return COLUMNS | {f"crm_{f.name}": kinds[f.kind] for f in automation.features.customer}


def build(declared: Declared) -> list[dg.AssetsDefinition]:
    automation = declared.automation
    upstream = ["tickets", *(["customers"] if automation.sources_of("customers") else [])]
    upstream += [requesters.REQUESTERS] if requesters.declared_by(declared) else []
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

    @dg.multi_asset(
        specs=[spec], name=naming.job_name(declared, "features"), backfill_policy=partitions.backfill_policy()
    )
    def features(
        context: dg.AssetExecutionContext, database: DatabaseResource, lake: LakeResource
    ) -> dg.MaterializeResult:
        store, target = CanonicalStore(database.open()), lake.open()
        contacts, customers = store.contacts(automation=automation.name), store.customers(automation=automation.name)
        rows, shown = 0, None
        for month in partitions.months_of(context):
            tickets = store.tickets_for_days(
                automation=automation.name,
                start=month[0],
                end=partitions.day_after(month[-1]),
                include_resolved=automation.decisions.tickets == "all",
            )
            table = build_features(tickets, contacts=contacts, customers=customers, features=automation.features)
            for day, of_day in by_day(table, month):
                # a day without tickets has no file: of a sparse year's files and their syncs most would be empty
                rows_of_day = of_day if of_day.num_rows else []
                target.write_partition(rows_of_day, automation=automation.name, dataset="features", day=day)
            rows, shown = rows + table.num_rows, table if table.num_rows else shown
        return dg.MaterializeResult(
            asset_key=spec.key,
            metadata={"rows": rows, "sample": sample(shown, SHOWN + _crm(automation))},
        )

    return [features]


def _crm(automation: Automation) -> list[str]:
    return [f"crm_{f.name}" for f in automation.features.customer]


def by_day(table: pa.Table, days: Sequence[date]) -> Iterator[tuple[date, pa.Table]]:
    """The rows of each of `days` by UTC creation, in their order; a day without tickets has a table without rows."""
    created = table.column("created_at").cast(pa.date32())
    for day in days:
        yield day, table.filter(pc.equal(created, pa.scalar(day, pa.date32())))
