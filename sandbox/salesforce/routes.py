"""Salesforce's endpoints: OAuth token, SOQL queries with their further pages, and single records.

What belongs here: HTTP in, HTTP out. What does not: records (`records.py`) and the query language (`soql.py`).
"""

import re
import secrets
import time
from collections import OrderedDict
from collections.abc import Callable
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any, Final
from urllib.parse import parse_qs

import orjson
from fastapi import APIRouter, Request, Response

from sandbox.clock import SECOND
from sandbox.faults import TOKEN_PATH
from sandbox.salesforce.bulk import BulkApi
from sandbox.salesforce.ids import record_id
from sandbox.salesforce.records import FIELDS, Row
from sandbox.salesforce.soql import SoqlError, parse
from sandbox.service import Sandbox

LARGEST_BATCH: Final = 2_000
SMALLEST_BATCH: Final = 200
KEPT_QUERIES: Final = 20
"""Further pages are kept for this many queries; older locators are gone, as with the vendor."""
DAILY_LIMIT: Final = 100_000
VERSIONS: Final = ("59.0", "60.0", "61.0", "62.0", "63.0", "64.0")


class SalesforceError(Exception):
    """A refusal, as the vendor words it."""

    def __init__(self, status: int, code: str, message: str) -> None:
        super().__init__(f"{status} {code} {message}")
        self.status = status
        self.body: object = [{"message": message, "errorCode": code}]


@dataclass(frozen=True, slots=True)
class _Result:
    """The rest of a query whose first page was served: later pages come from what was found then."""

    kind: str
    fields: tuple[str, ...]
    rows: list[Row]
    batch: int


def answer(body: object, *, status: int = 200, headers: dict[str, str] | None = None) -> Response:
    """A JSON response."""
    return Response(orjson.dumps(body), status, headers, media_type="application/json;charset=UTF-8")


def spell(value: Any, kind: str) -> Any:
    """A value as the vendor writes it: `2026-11-22T20:35:00.000+0000`."""
    if kind == "datetime" and value is not None:
        return datetime.fromtimestamp(value, UTC).strftime("%Y-%m-%dT%H:%M:%S.000+0000")
    return value


class SalesforceApi:
    """The endpoints over one sandbox."""

    def __init__(self, sandbox: Sandbox) -> None:
        self._sandbox = sandbox
        self._results: OrderedDict[str, _Result] = OrderedDict()
        self._served = 0
        self._calls = 0

    async def token(self, request: Request) -> Response:
        """Client credentials or password for an access token."""
        form = {
            name: values[-1] for name, values in parse_qs((await request.body()).decode("utf-8", "replace")).items()
        }
        problem = self._token_problem({**request.query_params, **form})
        if problem is not None:
            return answer({"error": problem[0], "error_description": problem[1]}, status=400)
        token = f"00D5g!{secrets.token_urlsafe(48)}"
        now = self._sandbox.monotonic()
        live = {known: expiry for known, expiry in self._sandbox.tokens.items() if expiry > now}
        self._sandbox.tokens = {**live, token: now + self._sandbox.settings.token_seconds}
        url = str(request.base_url).rstrip("/")
        body = {
            "access_token": token,
            "instance_url": url,
            "id": f"{url}/id/00D5g000000000AEAQ/{record_id('User', 1)}",
            "token_type": "Bearer",
            "issued_at": str(int(time.time() * 1_000)),
            "signature": secrets.token_urlsafe(32),
            "scope": "api",
        }
        return answer(body)

    def _token_problem(self, form: dict[str, str]) -> tuple[str, str] | None:
        known = self._sandbox.settings.credentials
        if form.get("grant_type") not in ("client_credentials", "password"):
            return "unsupported_grant_type", "grant type not supported"
        if form.get("client_id") != known.salesforce_client_id:
            return "invalid_client_id", "client identifier invalid"
        if not secrets.compare_digest(form.get("client_secret", "").encode(), known.salesforce_client_secret.encode()):
            return "invalid_client", "invalid client credentials"
        user = (form.get("username"), form.get("password"))
        if form["grant_type"] == "password" and user != (known.salesforce_username, known.salesforce_password):
            return "invalid_grant", "authentication failure"
        return None

    def admit(self, request: Request) -> dict[str, str]:
        """Check the session and the quota."""
        scheme, _, token = request.headers.get("authorization", "").partition(" ")
        expiry = self._sandbox.tokens.get(token.strip(), 0.0)
        if scheme.lower() not in ("bearer", "oauth") or expiry <= self._sandbox.monotonic():
            raise SalesforceError(401, "INVALID_SESSION_ID", "Session expired or invalid")
        if self._sandbox.quota.take("account").retry_after:
            raise SalesforceError(403, "REQUEST_LIMIT_EXCEEDED", "TotalRequests Limit exceeded.")
        self._calls += 1
        return {"Sforce-Limit-Info": f"api-usage={self._calls}/{DAILY_LIMIT}"}

    async def versions(self, _: Request) -> Response:
        """The API's versions; asks for no session, as with the vendor."""
        return answer([{"label": number, "url": f"/services/data/v{number}", "version": number} for number in VERSIONS])

    async def query(self, request: Request) -> Response:
        """The first page of a query over what is not deleted."""
        return self._query(request, deleted_too=False)

    async def query_all(self, request: Request) -> Response:
        """The first page of a query, deleted records included."""
        return self._query(request, deleted_too=True)

    def _query(self, request: Request, *, deleted_too: bool) -> Response:
        headers = self.admit(request)
        text = request.query_params.get("q")
        if not text:
            raise SalesforceError(400, "MALFORMED_QUERY", "A query string has to be specified")
        try:
            query = parse(text)
        except SoqlError as error:
            raise SalesforceError(400, error.code, error.message) from error
        rows = self._sandbox.crm.rows(query.kind, now=self._sandbox.tick() // SECOND)
        found = query.run(row for row in rows if deleted_too or not row["IsDeleted"])
        if not query.fields:
            return answer({"totalSize": len(found), "done": True, "records": []}, headers=headers)
        locator = record_id("Query", self._served)[:15]
        self._served += 1
        result = _Result(query.kind, query.fields, found, batch_size(request.headers.get("sforce-query-options", "")))
        self._results[locator] = result
        while len(self._results) > KEPT_QUERIES:
            self._results.popitem(last=False)
        return answer(self._page(request, locator, result, 0), headers=headers)

    async def more(self, request: Request) -> Response:
        """A further page of a query."""
        headers = self.admit(request)
        locator, _, start = request.path_params["locator"].rpartition("-")
        result = self._results.get(locator)
        if result is None or not start.isdigit() or int(start) > len(result.rows):
            raise SalesforceError(400, "INVALID_QUERY_LOCATOR", "invalid query locator")
        return answer(self._page(request, locator, result, int(start)), headers=headers)

    def _page(self, request: Request, locator: str, result: _Result, start: int) -> dict[str, Any]:
        version = request.path_params["version"]
        end = start + result.batch
        page: dict[str, Any] = {
            "totalSize": len(result.rows),
            "done": end >= len(result.rows),
            "records": [self._record(version, result.kind, result.fields, row) for row in result.rows[start:end]],
        }
        if not page["done"]:
            page["nextRecordsUrl"] = f"/services/data/v{version}/query/{locator}-{end}"
        return page

    def _record(self, version: str, kind: str, fields: tuple[str, ...], row: Row) -> dict[str, Any]:
        types = FIELDS[kind]
        attributes = {"type": kind, "url": f"/services/data/v{version}/sobjects/{kind}/{row['Id']}"}
        return {"attributes": attributes, **{field: spell(row[field], types[field]) for field in fields}}

    async def show(self, request: Request) -> Response:
        """One record, all fields."""
        headers = self.admit(request)
        kind, wanted = request.path_params["kind"], request.path_params["record_id"]
        if kind not in FIELDS:
            raise SalesforceError(404, "NOT_FOUND", "The requested resource does not exist")
        for row in self._sandbox.crm.rows(kind, now=self._sandbox.tick() // SECOND):
            if row["Id"][:15] == wanted[:15]:
                if row["IsDeleted"]:
                    raise SalesforceError(404, "ENTITY_IS_DELETED", "entity is deleted")
                return answer(
                    self._record(request.path_params["version"], kind, tuple(FIELDS[kind]), row), headers=headers
                )
        raise SalesforceError(
            404, "NOT_FOUND", "Provided external ID field does not exist or is not accessible: " + wanted[:40]
        )


def batch_size(header: str) -> int:
    """Rows a page: `Sforce-Query-Options: batchSize=500`, within the vendor's bounds."""
    match = re.search(r"batchsize\s*=\s*(\d{1,6})", header, re.IGNORECASE)
    return min(LARGEST_BATCH, max(SMALLEST_BATCH, int(match.group(1)))) if match else LARGEST_BATCH


def salesforce_router(sandbox: Sandbox) -> APIRouter:
    """All of Salesforce's paths over one sandbox."""
    api, router = SalesforceApi(sandbox), APIRouter()
    bulk = BulkApi(sandbox, admit=api.admit, refuse=SalesforceError)
    routes: tuple[tuple[str, str, Callable[[Request], Any]], ...] = (
        ("POST", TOKEN_PATH, api.token),
        ("GET", "/services/data", api.versions),
        ("GET", "/services/data/v{version}/query", api.query),
        ("GET", "/services/data/v{version}/queryAll", api.query_all),
        ("GET", "/services/data/v{version}/query/{locator}", api.more),
        ("GET", "/services/data/v{version}/queryAll/{locator}", api.more),
        ("GET", "/services/data/v{version}/sobjects/{kind}/describe", bulk.describe),
        ("GET", "/services/data/v{version}/sobjects/{kind}/{record_id}", api.show),
        ("POST", "/services/data/v{version}/jobs/query", bulk.create),
        ("GET", "/services/data/v{version}/jobs/query/{job}", bulk.state),
        ("GET", "/services/data/v{version}/jobs/query/{job}/results", bulk.results),
        ("DELETE", "/services/data/v{version}/jobs/query/{job}", bulk.delete),
        ("POST", "/sandbox/bulk", bulk.control),
    )
    for method, path, endpoint in routes:
        router.add_api_route(path, endpoint, methods=[method], response_model=None)
    return router
