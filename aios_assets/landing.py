"""Landing: one asset a source, raw records exactly as they came, each once.

What belongs here: reading pages from a connector into the landing table. What does not: understanding a payload
(`canonical.py`).
"""

from collections.abc import Iterator
from dataclasses import dataclass

import dagster as dg

from aios_assets import naming
from resources import clock
from resources.connectors.base import Hinted, Page
from resources.connectors.files.connector import FilesIncomplete
from resources.connectors.traffic import SharedTraffic
from resources.contracts import ContractStore, Kept
from resources.dagster_resources import ConnectorsResource, DatabaseResource
from resources.declarations import Declared
from resources.landing import LandingStore, pull
from resources.source_reads import SourceReads
from resources.webhooks import WebhookStore

COLUMNS = {
    "source": "text",
    "object": "text",
    "external_id": "text",
    "version": "text",
    "payload": "json",
    "correlation_id": "text",
    "landed_at": "timestamp",
}


@dataclass(slots=True)
class _UpToTheBroken:
    """A connector's reading side that keeps the complaint about broken files, so that what was readable goes on."""

    connector: Kept
    problem: FilesIncomplete | None = None

    @property
    def objects(self) -> tuple[str, ...]:
        return self.connector.objects

    def read(self, *, object: str, cursor: str | None) -> Iterator[Page]:
        try:
            yield from self.connector.read(object=object, cursor=cursor)
        except FilesIncomplete as error:
            self.problem = error


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
        description="Every file could be read to its end. One that could not is read again by the next run.",
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
        store, hooks = LandingStore(database.open()), WebhookStore(database.open())
        told = hooks.newest(automation=automation.name, source=source)  # what comes from now on may miss this read
        contracts = ContractStore(database.open())
        known = contracts.known(automation=automation.name, source=source)
        shared: list[SharedTraffic] = []
        with SourceReads(database.open()).reading(
            automation=automation.name, source=source, connector=declaration.connector, contract=declaration.contract,
            clock=clock.now, traffic=shared,
        ) as read:  # fmt: skip
            with connectors.open(declaration, automation=automation, folder=declared.folder, made=shared) as connector:
                if declaration.told_at is not None and isinstance(connector, Hinted):
                    connector.hint(hooks.told_of(automation=automation.name, source=source, path=declaration.told_at))
                kept = Kept(connector=connector, mode=declaration.contract, known=known)
                readable = _UpToTheBroken(kept)
                landed = pull(readable, store, automation=automation.name, source=source, run_id=context.run.run_id)
            if readable.problem and not store.count(automation=automation.name, source=source):
                raise readable.problem  # nothing of this source was ever readable: that is no hitch, it is declared wrongly
            changed = [f"{name}: {c.kind} `{c.path}` ({c.found})" for name, found in kept.found.items() for c in found]
            read.landed, read.rejected, read.changes = landed.landed, landed.rejected, changed[:20]
        kept.save(contracts, automation=automation.name, source=source, now=clock.now())
        hooks.answered(automation=automation.name, source=source, up_to=told, now=clock.now())
        problem = str(readable.problem or "")
        yield dg.MaterializeResult(
            asset_key=spec.key,
            metadata={
                "landed": landed.landed,
                "duplicates_ignored": landed.duplicates,
                "rejected": landed.rejected,
                "pages": landed.pages,
                **({"problem": problem} if problem else {}),
            },
        )
        yield dg.AssetCheckResult(
            asset_key=spec.key,
            check_name=check.name,
            passed=not problem,
            description=problem or "everything was read",
        )
        yield dg.AssetCheckResult(
            asset_key=spec.key,
            check_name=contract.name,
            passed=not changed,
            severity=dg.AssetCheckSeverity.WARN,
            description="; ".join(changed[:10]) or "as before",
            metadata={"changes": changed},
        )

    return landing
