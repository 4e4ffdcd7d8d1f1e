from typing import Any

import pytest

from aios_core.declaration.sources import SalesforceSource
from resources.connectors.http import SourceDenied
from resources.connectors.salesforce import SalesforceConnector, soql
from tests.resources.connectors.fakes import FakeSalesforce, action

SOURCE = SalesforceSource(
    connector="salesforce",
    url="https://login.example.com",
    client_id="id",
    client_secret="secret",
    mapping={"plan": "Plan__c", "city": "BillingAddress.City"},  # type: ignore[dict-item]
)


def connector(org: FakeSalesforce, **options: Any) -> SalesforceConnector:
    return SalesforceConnector(
        SOURCE,
        url="https://login.example.com",
        client_id="id",
        client_secret=options.pop("secret", "secret"),
        transport=org.transport,
        sleep=lambda _: None,
        **options,
    )


def account(number: int, minute: int) -> dict[str, Any]:
    stamp = f"2026-03-01T10:{minute:02d}:00.000+0000"
    return {"Id": f"001{number:03d}", "SystemModstamp": stamp, "Plan__c": "plus"}


@pytest.fixture
def org() -> FakeSalesforce:
    return FakeSalesforce([account(n, n) for n in range(25)])


def test_every_account_is_read_once_over_many_pages(org: FakeSalesforce) -> None:
    pages = list(connector(org, page_size=10).read(object="customers", cursor=None))
    assert [r.external_id for p in pages for r in p.records] == [f"001{n:03d}" for n in range(25)]
    assert [p.done for p in pages] == [False, False, True]
    assert pages[-1].cursor == "2026-03-01T10:24:00.000+0000"


def test_the_next_read_starts_a_little_before_the_last_one_ended(org: FakeSalesforce) -> None:
    source = connector(org)
    (page,) = source.read(object="customers", cursor=None)
    org.accounts.append(account(100, 22))  # committed late, with an older stamp
    (again,) = source.read(object="customers", cursor=page.cursor)
    assert "001100" in [r.external_id for r in again.records]
    assert len(again.records) < 10


def test_the_query_selects_ids_clocks_and_mapped_fields_once() -> None:
    assert soql(SOURCE, "2026-03-01T10:24:00.000+0000") == (
        "SELECT Id, SystemModstamp, LastModifiedDate, CreatedDate, IsDeleted, Plan__c, BillingAddress.City FROM Account"
        " WHERE SystemModstamp >= 2026-03-01T10:19:00.000Z ORDER BY SystemModstamp, Id"
    )


def test_nothing_new_keeps_the_cursor(org: FakeSalesforce) -> None:
    org.accounts = []
    (page,) = connector(org).read(object="customers", cursor="2026-03-01T10:24:00.000+0000")
    assert (page.records, page.cursor, page.done) == ((), "2026-03-01T10:24:00.000+0000", True)


def test_the_cursor_never_goes_back(org: FakeSalesforce) -> None:
    (page,) = connector(org).read(object="customers", cursor="2026-03-01T10:28:00.000+0000")
    assert [r.external_id for r in page.records] == ["001023", "001024"]
    assert page.cursor == "2026-03-01T10:28:00.000+0000"


def test_a_session_that_ends_within_a_read_is_renewed(org: FakeSalesforce) -> None:
    org.token_uses = 2
    pages = list(connector(org, page_size=5).read(object="customers", cursor=None))
    assert sum(len(p.records) for p in pages) == 25
    assert org.sign_ins == 3


def test_wrong_credentials_are_named(org: FakeSalesforce) -> None:
    with pytest.raises(SourceDenied, match="check the credentials"):
        connector(org, secret="wrong").check()


def test_a_record_without_an_id_is_rejected_and_the_others_go_on(org: FakeSalesforce) -> None:
    org.accounts[3] = {"SystemModstamp": org.accounts[3]["SystemModstamp"], "Id": ""}
    (page,) = connector(org).read(object="customers", cursor=None)
    assert len(page.records) == 24
    assert [r.code for r in page.rejects] == ["record.no_id"]


def test_actions_are_refused_with_a_way_out(org: FakeSalesforce) -> None:
    (result,) = connector(org).write([action("001", "k")])
    assert result.status == "failed"
    assert "actions.source" in result.message
