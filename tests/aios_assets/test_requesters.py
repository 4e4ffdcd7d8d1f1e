"""The asset of requesters: counts in its metadata, and a check that warns where too many could be two customers."""

import dagster as dg

from aios_assets import naming, requesters
from resources.dagster_resources import DatabaseResource
from tests.aios_assets.conftest import Platform
from tests.aios_assets.small_desk import DECLARATION
from tests.resources.ingesting import account, advance, land
from tests.resources.test_requesters import user

SOURCES = """
    helpdesk: {connector: zendesk, url: "https://desk.example.com", email: e, token: t}
    crm: {connector: salesforce, url: "https://crm.example.com", client_id: i, client_secret: s}
"""


def test_requesters_are_counted_and_too_many_doubtful_ones_are_told(
    platform: Platform, policy: str, database_url: str
) -> None:
    text = DECLARATION.replace("  queues:", f"{SOURCES.strip(chr(10))}\n  queues:", 1)
    declared = platform.declare("desk", text, policy)
    land(
        platform.database,
        *(user(1, external_id="11"), user(2, email="ann@example.com"), user(3, email="office@example.com")),
        automation="desk",
    )
    shared = [account(n, PersonEmail="office@example.com") for n in (13, 14)]
    land(
        platform.database,
        account(11),
        account(12, PersonEmail="ann@example.com"),
        *shared,
        source="crm",
        automation="desk",
    )
    advance(platform.database, "helpdesk", "crm", declared=declared.automation)

    result = dg.materialize(
        requesters.build(declared),
        instance=platform.instance,
        resources={"database": DatabaseResource(url=database_url)},
    )

    shown = platform.shown(declared, "requesters")
    assert (shown["requesters"], shown["joined_by_key"], shown["joined_by_email"], shown["ambiguous_email"]) == (
        3,
        1,
        1,
        1,
    )
    (check,) = result.get_asset_check_evaluations()
    assert (check.check_name, check.passed, check.severity) == (
        requesters.TOLD_APART,
        False,
        dg.AssetCheckSeverity.WARN,
    )
    assert "1 of 3" in str(check.description)
    assert naming.key(declared, "requesters") in {e.asset_key for e in result.get_asset_materialization_events()}


def test_there_are_no_requesters_where_no_helpdesk_lists_its_users(platform: Platform, policy: str) -> None:
    declared = platform.declare("desk", DECLARATION, policy)
    assert requesters.build(declared) == []
