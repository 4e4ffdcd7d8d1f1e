"""Salesforce: customers by SOQL, incremental by SystemModstamp; a large first read by a job of their Bulk API.

What belongs here: sign-in, SOQL and paging. What does not: what a record means (`aios_core/canonical/salesforce.py`).

Rows are ordered by (SystemModstamp, Id), and each read starts a little before where the last one ended: a row committed
late by a long transaction carries an older stamp. What comes twice by that is ignored at landing.
"""

import time
from collections.abc import Callable, Generator, Iterator, Mapping, Sequence
from dataclasses import replace
from datetime import UTC, timedelta
from typing import TYPE_CHECKING, Any

import httpx

from aios_core.canonical import salesforce
from aios_core.canonical.values import to_time
from aios_core.declaration.sources import SalesforceSource
from aios_core.errors import PermanentError, RecordError
from resources.connectors.base import Page, Record, Reject, WriteResult, ahead, read_only
from resources.connectors.http import HttpClient, SourceDenied, SourceMalformed
from resources.connectors.items import content_version, item_reject, to_json_bytes
from resources.connectors.salesforce_bulk import BulkQuery
from resources.connectors.traffic import Traffic

if TYPE_CHECKING:
    from aios_core.decisions.actions import OutboxAction

PAGE = 2000
OVERLAP = timedelta(minutes=5)


class SalesforceConnector:
    """One Salesforce org and one object of it."""

    objects: tuple[str, ...] = ("customers",)

    def __init__(
        self,
        source: SalesforceSource,
        *,
        url: str,
        client_id: str,
        client_secret: str,
        page_size: int = PAGE,
        traffic: Traffic | None = None,
        transport: httpx.BaseTransport | None = None,
        sleep: Callable[[float], None] = time.sleep,
    ) -> None:
        self._source = source
        self._credentials = {"client_id": client_id, "client_secret": client_secret}
        self._page_size = page_size
        self._traffic = traffic
        self._transport = transport
        self._sleep = sleep
        self._login = self._client(url)
        self._instance = self._login
        self._token: str | None = None

    def read(self, *, object: str, cursor: str | None) -> Iterator[Page]:
        """Pages of up to 2,000; the cursor is the newest SystemModstamp that was read."""
        if object not in self.objects:
            raise PermanentError(f"salesforce: no object `{object}`; there are: {', '.join(self.objects)}")
        return ahead(self._pages(cursor))

    def write(self, actions: "Sequence[OutboxAction]") -> list[WriteResult]:
        return read_only("salesforce", actions)

    def check(self) -> str:
        """Where we are signed in, and that the object can be read."""
        self._get(self._query_path, q=f"SELECT Id FROM {self._source.object} LIMIT 1")
        return f"client {self._credentials['client_id']} at {self._instance.base_url}, reads {self._source.object}"

    def close(self) -> None:
        self._login.close()
        self._instance.close()

    @property
    def _query_path(self) -> str:
        # queryAll also gives deleted records, while they are in the recycle bin: a deletion is a change too
        return f"/services/data/{self._source.api_version}/queryAll"

    def _pages(self, cursor: str | None) -> Generator[Page, None, None]:
        if cursor is None and self._is_large():
            yield from self._bulk_pages()
            return
        body = self._get(self._query_path, q=soql(self._source, cursor))
        while True:
            following = body.get("nextRecordsUrl")
            page = _page(body, cursor, done=bool(body.get("done", True)) or not following)
            yield page
            if page.done:
                return
            cursor = page.cursor
            body = self._get(str(following))

    def _is_large(self) -> bool:
        """Whether all of it is better read by a job on their side: it costs ten requests, where a query costs one for 2,000 rows."""
        if self._source.bulk != "auto":
            return self._source.bulk == "always"
        told = self._get(self._query_path, q=f"SELECT COUNT() FROM {self._source.object}").get("totalSize")
        return isinstance(told, int) and told >= self._source.bulk_from

    def _bulk_pages(self) -> Generator[Page, None, None]:
        """Rows of a job come in no order: the cursor moves with the last of them, and a read that is cut off begins anew."""
        newest, held = "", None
        query = BulkQuery(
            base=f"/services/data/{self._source.api_version}",
            object=self._source.object,
            soql=soql(self._source, None, ordered=False),
            ask=self._asked,
            sleep=self._sleep,
        )
        for rows in query.rows():
            if held is not None:
                yield replace(held, cursor="", done=False)
            held = _page({"records": rows}, newest, done=True)
            newest = held.cursor
        yield held or Page(object="customers", records=(), rejects=(), cursor="", done=True)

    def _get(self, path: str, **params: str) -> dict[str, Any]:
        body: dict[str, Any] = self._asked("GET", path, params=params)[0]
        return body

    def _asked(
        self, method: str, path: str, *, params: Mapping[str, str] | None = None, json: Any = None, text: bool = False
    ) -> tuple[Any, Mapping[str, str]]:
        """A signed-in request; a session that ended is renewed once."""
        try:
            return self._signed_in(method, path, params, json, text=text)
        except SourceDenied:
            if self._token is None:
                raise
            self._token = None
            return self._signed_in(method, path, params, json, text=text)

    def _signed_in(
        self, method: str, path: str, params: Mapping[str, str] | None, json: Any, *, text: bool
    ) -> tuple[Any, Mapping[str, str]]:
        if self._token is None:
            self._sign_in()
        headers = {"Authorization": f"Bearer {self._token}", "Sforce-Query-Options": f"batchSize={self._page_size}"}
        answer = self._instance.exchange(
            method, path, params=params or None, json=json, headers=headers, top="text" if text else "object"
        )
        return answer.body, answer.headers

    def _sign_in(self) -> None:
        form = {"grant_type": "client_credentials", **self._credentials}
        answer = self._login.request("POST", "/services/oauth2/token", form=form)
        token = answer.get("access_token")
        if not isinstance(token, str):
            raise SourceMalformed(f"salesforce: {self._login.base_url} gave no access token; try again later")
        instance = str(answer.get("instance_url") or self._login.base_url).rstrip("/")
        if instance != self._instance.base_url:
            self._instance = self._client(instance)
        self._token = token

    def _client(self, url: str) -> HttpClient:
        return HttpClient(
            name="salesforce", base_url=url, traffic=self._traffic, transport=self._transport, sleep=self._sleep
        )


def soql(source: SalesforceSource, cursor: str | None, *, ordered: bool = True) -> str:
    """The query for everything that changed since the cursor, less the overlap. A job is faster without an order."""
    fields = ", ".join(salesforce.selected_fields(source))
    where = ""
    if cursor:
        since = to_time(cursor, field="cursor").astimezone(UTC) - OVERLAP
        where = f" WHERE SystemModstamp >= {since.strftime('%Y-%m-%dT%H:%M:%S.%f')[:-3]}Z"
    order = " ORDER BY SystemModstamp, Id" if ordered else ""
    return f"SELECT {fields} FROM {source.object}{where}{order}"


def _page(body: Mapping[str, Any], cursor: str | None, *, done: bool) -> Page:
    items = body.get("records")
    if not isinstance(items, list):
        raise SourceMalformed("salesforce: a query's answer without a list of records; try again later")
    records: list[Record] = []
    rejects: list[Reject] = []
    newest = cursor or ""
    for item in items:
        try:
            record = _record(item)
        except RecordError as error:
            rejects.append(item_reject("customers", item, error))
            continue
        records.append(record)
        newest = _later(newest, item.get("SystemModstamp"))
    return Page(object="customers", records=tuple(records), rejects=tuple(rejects), cursor=newest, done=done)


def _record(item: Any) -> Record:
    if not isinstance(item, dict):
        raise RecordError("record.not_an_object", "a record is not an object with fields")
    external_id, version = salesforce.identify(item)
    json = to_json_bytes(item)
    return Record(object="customers", external_id=external_id, version=version or content_version(json), json=json)


def _later(cursor: str, stamp: Any) -> str:
    """The later of the two; a stamp that is none changes nothing."""
    if not isinstance(stamp, str):
        return cursor
    try:
        moment = to_time(stamp, field="SystemModstamp")
    except RecordError:
        return cursor
    return stamp if not cursor or moment > to_time(cursor, field="cursor") else cursor
