"""Bulk API 2.0 at the sandbox, over HTTP: the same records as by queries, whatever happens to the job."""

from collections.abc import Iterator
from typing import Any

import httpx
import pytest

from aios_core.declaration.sources import SalesforceSource
from resources.connectors import salesforce_bulk
from resources.connectors.base import Page
from resources.connectors.failures import SourceMalformed, SourceUnavailable
from resources.connectors.salesforce import SalesforceConnector
from resources.connectors.salesforce_bulk import BulkQuery, spelled
from resources.database import Database
from resources.landing import LandingStore, pull
from tests.sandbox_process import sandbox_process


@pytest.fixture(scope="module")
def sandbox() -> Iterator[str]:
    with sandbox_process(
        "--tickets 100 --history 400 --until 2026-03-10T12:00:00Z --frozen-clock --no-recent-guard"
    ) as url:
        yield url


def connector(sandbox: str, **told: Any) -> SalesforceConnector:
    mapping = {"plan": "Plan__c", "tenure": "Tenure_Months__c", "autopay": "Autopay__c", "spend": "Monthly_Spend__c"}
    source = SalesforceSource.model_validate(
        {"connector": "salesforce", "url": "${U}", "client_id": "i", "client_secret": "s", "mapping": mapping} | told
    )
    return SalesforceConnector(
        source, url=sandbox, client_id="sandbox", client_secret="sandbox-secret", sleep=lambda _: None
    )


def read(sandbox: str, **told: Any) -> list[Page]:
    opened = connector(sandbox, **told)
    try:
        return list(opened.read(object="customers", cursor=None))
    finally:
        opened.close()


def records(pages: list[Page]) -> dict[tuple[str, str], dict[str, Any]]:
    return {(r.external_id, r.version): r.payload for page in pages for r in page.records}


@pytest.fixture
def small_parts(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(salesforce_bulk, "ROWS", 40)


@pytest.mark.usefixtures("small_parts")
def test_a_job_brings_what_queries_bring_value_by_value(sandbox: str) -> None:
    by_job, by_query = read(sandbox, bulk="always"), read(sandbox, bulk="never")
    assert records(by_job) == records(by_query)
    assert len(by_job) > 2
    assert [page.cursor for page in by_job[:-1]] == [""] * (len(by_job) - 1), "rows come in no order"
    assert by_job[-1].cursor == by_query[-1].cursor


@pytest.mark.usefixtures("small_parts")
def test_the_next_read_goes_on_by_queries_and_finds_nothing_new(sandbox: str, database: Database) -> None:
    store = LandingStore(database)
    first = pull(connector(sandbox, bulk="always"), store, automation="care", source="crm")
    second = pull(connector(sandbox, bulk="always"), store, automation="care", source="crm")
    assert first.landed > 100
    assert (second.landed, second.rejected) == (0, 0)


def test_the_size_of_the_object_says_whether_it_is_worth_a_job(sandbox: str) -> None:
    made = int(httpx.post(f"{sandbox}/sandbox/bulk", json={}).json()["jobs"])
    assert len(read(sandbox, bulk="auto", bulk_from=10_000)[0].records) > 100
    assert int(httpx.post(f"{sandbox}/sandbox/bulk", json={}).json()["jobs"]) == made == 0
    (page,) = read(sandbox, bulk="auto", bulk_from=10)
    assert page.done
    assert int(httpx.post(f"{sandbox}/sandbox/bulk", json={}).json()["jobs"]) == 0, "a job is taken away in the end"


def test_a_job_that_fails_there_is_worth_a_retry_and_says_why(sandbox: str) -> None:
    httpx.post(f"{sandbox}/sandbox/bulk", json={"fail": 1})
    with pytest.raises(SourceUnavailable, match="the query timed out"):
        read(sandbox, bulk="always")
    assert read(sandbox, bulk="always")[-1].done


@pytest.mark.usefixtures("small_parts")
@pytest.mark.parametrize(
    "faults",
    [
        {"next": ["expired_token"], "only": "results"},
        {"rates": {"5xx": 0.3}},
        {"rates": {"truncated": 0.3}},
        {"rates": {"429": 0.2}},
    ],
)
def test_a_bad_day_costs_time_and_no_record(sandbox: str, faults: dict[str, Any]) -> None:
    assert httpx.post(f"{sandbox}/sandbox/faults", json={"retry_after": 0} | faults).status_code == 200
    try:
        found = read(sandbox, bulk="always")
    finally:
        httpx.post(f"{sandbox}/sandbox/faults", json={"rates": {}})
    assert records(found) == records(read(sandbox, bulk="never"))


@pytest.mark.parametrize(
    ("value", "kind", "as_rest"),
    [
        ("", "string", None),
        ("true", "boolean", True),
        ("12.5", "currency", 12.5),
        ("12", "int", 12),
        ("2026-03-01T10:00:00.000Z", "datetime", "2026-03-01T10:00:00.000+0000"),
        ("2026-03-01", "date", "2026-03-01"),
        ("n/a", "double", "n/a"),
    ],
)
def test_values_are_spelled_as_a_query_spells_them(value: str, kind: str, as_rest: Any) -> None:
    assert spelled(value, kind) == as_rest


@pytest.mark.parametrize("body", ['Id,Name\n"1"\n', 'Id,Name\n"1","a","b"\n', 'Id,Name\n"1","a\n', "Id,Name\n"])
def test_a_part_that_is_not_whole_is_refused(body: str) -> None:
    def ask(method: str, path: str, **_: Any) -> tuple[Any, dict[str, str]]:
        if path.endswith("describe"):
            return {"fields": [{"name": "Id", "type": "id"}]}, {}
        if path.endswith("results"):
            return body, {"Sforce-NumberOfRecords": "1", "Sforce-Locator": "null"}
        return {"id": "750", "state": "JobComplete"}, {}

    query = BulkQuery(
        base="/services/data/v62.0", object="Account", soql="SELECT Id FROM Account", ask=ask, sleep=lambda _: None
    )
    with pytest.raises(SourceMalformed):
        list(query.rows())
