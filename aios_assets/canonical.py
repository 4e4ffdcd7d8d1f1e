"""Canonical: landed records become tickets, contacts, customers and outcomes, guarded by Great Expectations.

What belongs here: moving each source's records on from landing, and saying what failed. What does not: vendor mappings
(`aios_core/canonical`) and the expectations themselves (`aios_core/checks`).
"""

from collections.abc import Iterator

import dagster as dg

from aios_assets import landing, naming
from aios_assets.metadata import markdown_table
from aios_core.automation import Automation
from resources.canonical import CanonicalStore, Progress
from resources.dagster_resources import DatabaseResource
from resources.declarations import Declared

TICKETS = {
    "source": "text",
    "ticket_id": "text",
    "version": "text",
    "event_time": "timestamp",
    "known_at": "timestamp",
    "created_at": "timestamp",
    "subject": "text",
    "body": "text",
    "status": "text",
    "priority": "text",
    "channel": "text",
    "language": "text",
    "queue": "text",
    "requester_id": "text",
    "customer_id": "text",
    "tags": "text[]",
    "custom": "jsonb",
    "correlation_id": "text",
}
CUSTOMERS = {
    "customer_id": "text",
    "version": "text",
    "event_time": "timestamp",
    "known_at": "timestamp",
    "attributes": "jsonb",
}
OUTCOMES = {"ticket_id": "text", "queue": "text", "origin": "text", "actor": "text", "known_at": "timestamp"}


def build(declared: Declared) -> list[dg.AssetsDefinition]:
    provided = {s.provides for s in declared.automation.sources.values()}
    built = [_tickets(declared)]
    if "customers" in provided:
        built.append(_customers(declared))
    return built


def _sources(automation: Automation, provides: str) -> list[str]:
    return [name for name, source in automation.sources.items() if source.provides == provides]


def _tickets(declared: Declared) -> dg.AssetsDefinition:
    automation = declared.automation
    sources = _sources(automation, "tickets")
    upstream = [landing.asset_name(s) for s in sources]
    tickets = naming.spec(
        declared,
        "tickets",
        plane="ingest",
        kinds=["postgres", "greatexpectations"],
        deps=upstream,
        description=(
            "Canonical tickets, the same for every vendor. One row is one version of one ticket, with event time and "
            "known-at time kept apart. Records that can't be mapped or fail an expectation are in quarantine, with "
            "their payload and a stable code: `aios quarantine list`."
        ),
        columns=TICKETS,
    )
    outcomes = naming.spec(
        declared,
        "outcomes",
        plane="ingest",
        kinds=["postgres"],
        deps=upstream,
        description=(
            "What turned out to be right: the queue in which an agent solved the ticket. One row is one statement; "
            "the latest known one counts, a reviewer's verdict before an agent's."
        ),
        columns=OUTCOMES,
    )
    check = _quality_check(tickets)

    @dg.multi_asset(specs=[tickets, outcomes], check_specs=[check], name=naming.job_name(declared, "tickets"))
    def canonical(
        context: dg.AssetExecutionContext, database: DatabaseResource
    ) -> Iterator[dg.MaterializeResult | dg.AssetCheckResult]:
        store = CanonicalStore(database.open())
        progress = store.catch_up(automation=automation, sources=sources)
        context.log.info("read %d landed records, wrote %d rows", progress.read, progress.written)
        yield dg.MaterializeResult(asset_key=tickets.key, metadata=_counts(progress))
        yield dg.MaterializeResult(asset_key=outcomes.key, metadata={"outcomes": progress.outcomes})
        yield _verdict(check, progress, limit=automation.checks.max_failure_rate)

    return canonical


def _customers(declared: Declared) -> dg.AssetsDefinition:
    automation = declared.automation
    sources = _sources(automation, "customers")
    customers = naming.spec(
        declared,
        "customers",
        plane="ingest",
        kinds=["postgres", "greatexpectations"],
        deps=[landing.asset_name(s) for s in sources],
        description=(
            "Canonical customers. One row is one version of one customer's CRM facts, under the names that the "
            "declaration gives them; features join the version that was known when the ticket came."
        ),
        columns=CUSTOMERS,
    )
    check = _quality_check(customers)

    @dg.multi_asset(specs=[customers], check_specs=[check], name=naming.job_name(declared, "customers"))
    def canonical(database: DatabaseResource) -> Iterator[dg.MaterializeResult | dg.AssetCheckResult]:
        progress = CanonicalStore(database.open()).catch_up(automation=automation, sources=sources)
        yield dg.MaterializeResult(asset_key=customers.key, metadata=_counts(progress))
        yield _verdict(check, progress, limit=automation.checks.max_failure_rate)

    return canonical


def _quality_check(spec: dg.AssetSpec) -> dg.AssetCheckSpec:
    return dg.AssetCheckSpec(
        "quality",
        asset=spec.key,
        blocking=True,
        description=(
            "Great Expectations over every new record. Single failures go to quarantine and the rest goes on; a batch "
            "with more failures than `checks.max_failure_rate` blocks what follows."
        ),
    )


def _counts(progress: Progress) -> dict[str, int]:
    return {"read": progress.read, "written": progress.written, "quarantined": progress.quarantined}


def _verdict(check: dg.AssetCheckSpec, progress: Progress, *, limit: float) -> dg.AssetCheckResult:
    rate = progress.quarantined / progress.read if progress.read else 0.0
    return dg.AssetCheckResult(
        asset_key=check.asset_key,
        check_name=check.name,
        passed=rate <= limit,
        severity=dg.AssetCheckSeverity.ERROR,
        description=(
            f"{progress.quarantined} of {progress.read} records went to quarantine; the limit is {limit:.0%}. "
            "See them with `aios quarantine list`."
        ),
        metadata={
            "failure_rate": rate,
            "expectations": markdown_table(
                [
                    {"expectation": name, "failed": failed}
                    for name, failed in sorted(progress.failed_expectations.items())
                ]
            ),
        },
    )
