"""Landing: one asset a source, raw records exactly as they came, each once.

What belongs here: the assets, their checks, and that the sources of a run are read side by side. What does not: one read
(`resources/ingestion.py`) and understanding a payload (`canonical.py`).
"""

from collections.abc import Iterator
from functools import partial

import dagster as dg

from aios_assets import naming
from aios_core.errors import AiosError
from resources.bulkhead import Bulkheads, Moved
from resources.dagster_resources import ConnectorsResource, DatabaseResource
from resources.declarations import Declared
from resources.deployments import deployment
from resources.ingestion import Landed, land_source
from resources.landing import LandingStore

PATIENCE_SECONDS = 45.0  # longer than one request may take
COLUMNS = {
    "source": "text",
    "object": "text",
    "external_id": "text",
    "version": "text",
    "payload": "json",
    "correlation_id": "text",
    "landed_at": "timestamp",
}


READS: Bulkheads[Landed] = Bulkheads()


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

    contract = dg.AssetCheckSpec(
        "contract",
        asset=spec.key,
        description=(
            "Its records have the fields that they had, with the same kinds of values. What changed follows the declared mode: "
            f"`{declaration.contract}`."
        ),
    )
    check = dg.AssetCheckSpec(
        "whole",
        asset=spec.key,
        description="It could be read to its end. What could not is read again by the next run; the other sources go on without it.",
    )

    @dg.multi_asset(
        specs=[spec],
        check_specs=[check, contract],
        name=naming.job_name(declared, asset_name(source)),
        can_subset=False,
    )
    def landing(
        context: dg.AssetExecutionContext, database: DatabaseResource, connectors: ConnectorsResource
    ) -> Iterator[dg.MaterializeResult | dg.AssetCheckResult]:
        jobs = {
            name: partial(_read, declared, name, run_id=context.run.run_id, database=database, connectors=connectors)
            for name in _side_by_side(context, declared, source)
        }
        try:
            read = READS.result(context.run.run_id, source, jobs, patience=PATIENCE_SECONDS)
        except AiosError as error:
            if not LandingStore(database.open()).count(automation=automation.name, source=source):
                raise  # nothing was ever read of it: that is no hitch, it is declared wrongly
            read = Landed(problem=str(error))
        problem, changed = read.problem, read.changes
        yield dg.MaterializeResult(
            asset_key=spec.key,
            metadata={
                "landed": read.pulled.landed,
                "duplicates_ignored": read.pulled.duplicates,
                "rejected": read.pulled.rejected,
                "pages": read.pulled.pages,
                **({"problem": problem} if problem else {}),
            },
        )
        yield dg.AssetCheckResult(
            asset_key=spec.key,
            check_name=check.name,
            passed=not problem,
            description=problem[:1000] or "everything was read",
        )
        yield dg.AssetCheckResult(
            asset_key=spec.key,
            check_name=contract.name,
            passed=not changed,
            severity=dg.AssetCheckSeverity.WARN,
            description="; ".join(changed[:10]) or "as before",
            metadata={"changes": list(changed)},
        )

    return landing


def _side_by_side(context: dg.AssetExecutionContext, declared: Declared, source: str) -> list[str]:
    """Sources that this process reads in this run. A step with a pod of its own reads its source alone."""
    if deployment().executor != "in_process":
        return [source]
    asked = context.run.asset_selection
    keys = {name: naming.key(declared, asset_name(name)) for name in declared.automation.sources}
    return [name for name, key in keys.items() if asked is None or key in asked] or [source]


def _read(
    declared: Declared,
    source: str,
    moved: Moved,
    *,
    run_id: str,
    database: DatabaseResource,
    connectors: ConnectorsResource,
) -> Landed:
    automation = declared.automation
    connect = partial(connectors.open, automation.sources[source], automation=automation, folder=declared.folder)
    return land_source(
        automation,
        source,
        database=database.open(),
        connect=lambda made: connect(made=made),
        moved=moved,
        run_id=run_id,
    )
