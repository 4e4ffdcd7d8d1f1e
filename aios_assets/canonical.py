"""Canonical: landed records become tickets, contacts, customers and outcomes, guarded by Great Expectations.

What belongs here: moving each source's records on from landing, saying what failed, and whether that blocks what follows.
What does not: vendor mappings (`aios_core/canonical`) and the expectations themselves (`aios_core/checks`).
"""

from collections.abc import Iterator

import dagster as dg
from dagster._core.storage.asset_check_execution_record import AssetCheckExecutionRecordStatus

from aios_assets import landing, naming
from aios_assets.metadata import markdown_table, sample
from aios_core.automation import Automation
from resources.canonical import CanonicalStore, Progress
from resources.dagster_resources import DatabaseResource
from resources.declarations import Declared
from resources.quarantine import QuarantineStore

QUALITY = "quality"
FEW = (
    5  # fewer failures than this block nothing, whatever their share: one of the two records of a poll is half of them
)

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
SHOWN_OF_TICKETS = ["ticket_id", "created_at", "status", "queue", "priority", "subject", "body"]
SHOWN_OF_CUSTOMERS = ["customer_id", "known_at", "attributes"]
OUTCOMES = {"ticket_id": "text", "queue": "text", "origin": "text", "actor": "text", "known_at": "timestamp"}


def build(declared: Declared) -> list[dg.AssetsDefinition]:
    built = [_tickets(declared)]
    if declared.automation.sources_of("customers"):
        built.append(_customers(declared))
    return built


def _tickets(declared: Declared) -> dg.AssetsDefinition:
    automation = declared.automation
    sources = automation.sources_of("tickets")
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
        shown = sample(store.newest("tickets", automation=automation.name), SHOWN_OF_TICKETS)
        yield dg.MaterializeResult(asset_key=tickets.key, metadata=_counts(progress) | {"sample": shown})
        yield dg.MaterializeResult(asset_key=outcomes.key, metadata={"outcomes": progress.outcomes})
        yield _verdict(context, check, progress, automation=automation, store=QuarantineStore(database.open()))

    return canonical


def _customers(declared: Declared) -> dg.AssetsDefinition:
    automation = declared.automation
    sources = automation.sources_of("customers")
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
    def canonical(
        context: dg.AssetExecutionContext, database: DatabaseResource
    ) -> Iterator[dg.MaterializeResult | dg.AssetCheckResult]:
        store = CanonicalStore(database.open())
        progress = store.catch_up(automation=automation, sources=sources)
        shown = sample(store.newest("customers", automation=automation.name), SHOWN_OF_CUSTOMERS)
        yield dg.MaterializeResult(asset_key=customers.key, metadata=_counts(progress) | {"sample": shown})
        yield _verdict(context, check, progress, automation=automation, store=QuarantineStore(database.open()))

    return canonical


def _quality_check(spec: dg.AssetSpec) -> dg.AssetCheckSpec:
    return dg.AssetCheckSpec(
        QUALITY,
        asset=spec.key,
        blocking=True,
        description=(
            "Great Expectations over every new record. Single failures go to quarantine and the rest goes on; a batch "
            "with more failures than `checks.max_failure_rate` blocks what follows, until its records are replayed or dropped."
        ),
    )


def _counts(progress: Progress) -> dict[str, int]:
    return {"read": progress.read, "written": progress.written, "quarantined": progress.quarantined}


def _verdict(
    context: dg.AssetExecutionContext,
    check: dg.AssetCheckSpec,
    progress: Progress,
    *,
    automation: Automation,
    store: QuarantineStore,
) -> dg.AssetCheckResult:
    limit = automation.checks.max_failure_rate
    read, failed = progress.read, progress.quarantined
    open_now = sum(store.counts(automation.name).values())
    before = _last(context.instance, check.key)
    if before is not None and not before.passed and "open" in before.metadata and not _too_many(failed, read, limit):
        # the next poll, which mostly finds nothing, must not let through what this check has stopped
        then = {name: int(before.metadata[name].value) for name in ("read", "quarantined", "open")}
        worked_off = max(0, then["open"] + failed - open_now)
        still = max(0, then["quarantined"] - worked_off)
        if _too_many(still, then["read"], limit):
            read, failed = then["read"], still
    return dg.AssetCheckResult(
        asset_key=check.asset_key,
        check_name=check.name,
        passed=not _too_many(failed, read, limit),
        severity=dg.AssetCheckSeverity.ERROR,
        description=(
            f"{failed} of {read} records went to quarantine; the limit is {limit:.0%}. See them with `aios quarantine list`."
        ),
        metadata={
            "failure_rate": failed / read if read else 0.0,
            "read": read,
            "quarantined": failed,
            "open": open_now,
            "expectations": markdown_table(
                [{"expectation": name, "failed": n} for name, n in sorted(progress.failed_expectations.items())]
            ),
        },
    )


def _too_many(failed: int, read: int, limit: float) -> bool:
    return failed >= FEW and failed > limit * read


def blocked(declared: Declared, instance: dg.DagsterInstance) -> str | None:
    """Why nothing should be decided now: what the failing quality check of tickets or customers says; None where all is well."""
    for asset in ("tickets", "customers"):
        last = _last(instance, dg.AssetCheckKey(naming.key(declared, asset), QUALITY))
        if last is not None and not last.passed:
            return f"{asset} are blocked: {last.description}"
    return None


def _last(instance: dg.DagsterInstance, check: dg.AssetCheckKey) -> dg.AssetCheckEvaluation | None:
    """The last finished evaluation: the run that asks has one planned itself."""
    done = {AssetCheckExecutionRecordStatus.SUCCEEDED, AssetCheckExecutionRecordStatus.FAILED}
    records = instance.event_log_storage.get_asset_check_execution_history(check, limit=1, status=done)
    if not records or records[0].event is None:
        return None
    return records[0].event.get_dagster_event().asset_check_evaluation_data
