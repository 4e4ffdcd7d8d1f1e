"""Requesters: which customer of the CRM each user of a helpdesk is.

What belongs here: the asset and its check. What does not: the join (`aios_core/identity/`) and keeping it (`resources/requesters.py`).
"""

from collections.abc import Iterator

import dagster as dg

from aios_assets import naming
from aios_core.automation import Automation
from aios_core.canonical.mapper import objects_of
from resources import clock
from resources.dagster_resources import DatabaseResource
from resources.declarations import Declared
from resources.requesters import RequesterStore, Resolved

REQUESTERS = "requesters"
TOLD_APART = "requesters_told_apart"


def declared_by(declared: Declared) -> bool:
    """Whether there is anybody to join by an address: a helpdesk that lists its users, and a source of customers."""
    automation = declared.automation
    if not automation.identity.by:
        return False
    users = any("users" in objects_of(automation.sources[name]) for name in automation.sources_of("tickets"))
    return users and bool(automation.sources_of("customers"))


def build(declared: Declared) -> list[dg.AssetsDefinition]:
    if not declared_by(declared):
        return []
    automation = declared.automation
    spec = naming.spec(
        declared,
        REQUESTERS,
        plane="ingest",
        kinds=["postgres"],
        deps=["tickets", "customers"],
        description=(
            "Which customer each requester is. One row is one user of a helpdesk: joined by the customer's id that the helpdesk has, "
            "else by e-mail, else by phone; where an address could mean two customers, nobody is joined."
        ),
        columns={
            "source": "text",
            "contact_id": "text",
            "joined_by": "text",
            "customer_source": "text",
            "customer_id": "text",
        },
    )
    check = dg.AssetCheckSpec(
        TOLD_APART,
        asset=spec.key,
        description="Few enough requesters have an address that more than one customer has (`identity.max_ambiguous`).",
    )

    @dg.multi_asset(specs=[spec], check_specs=[check], name=naming.job_name(declared, REQUESTERS))
    def requesters(database: DatabaseResource) -> Iterator[dg.MaterializeResult | dg.AssetCheckResult]:
        found = RequesterStore(database.open()).catch_up(automation, now=clock.now())
        yield dg.MaterializeResult(asset_key=spec.key, metadata=shown(found))
        yield _verdict(automation, check, found)

    return [requesters]


def shown(found: Resolved) -> dict[str, int]:
    """Counts by how requesters are joined, and what this look changed."""
    ways = {f"joined_by_{way}" if way in ("key", "email", "phone") else way: n for way, n in found.requesters.items()}
    return {"requesters": found.total, **ways, "read": found.read, "resolved": found.resolved, "moved": found.moved}


def _verdict(automation: Automation, check: dg.AssetCheckSpec, found: Resolved) -> dg.AssetCheckResult:
    limit, share = automation.identity.max_ambiguous, found.ambiguous / found.total if found.total else 0.0
    return dg.AssetCheckResult(
        asset_key=check.asset_key,
        check_name=check.name,
        passed=share <= limit,
        severity=dg.AssetCheckSeverity.WARN,
        description=(
            f"{found.ambiguous} of {found.total} requesters could be two customers and are left unjoined; the limit is {limit:.0%}. "
            "Merge the doubles in the CRM, or give the helpdesk's users the customer's id."
        ),
        metadata={"ambiguous_share": share, "ambiguous": found.ambiguous, "requesters": found.total},
    )
