"""Every parser of what others send, with the law that it must keep whatever comes: for hypothesis in the tests and for atheris in the soak.

What belongs here: one target a parser, which takes bytes and raises Broken where the law is broken, and real bytes to begin from. What does not: making
other bytes of them (`fuzzing.py`, `tests/benchmarks/soak/test_parsers.py`).

The law: nothing but our own errors is raised; each item of a page is either a record or a reject; each reject and each refusal
has a stable code; a record becomes an entity or a refusal; what comes out can be stored as JSON and as Postgres' text.
"""

import json
import re
import tempfile
from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from functools import cache
from pathlib import Path
from typing import Any

import httpx
import orjson

from aios_core.automation import Automation
from aios_core.canonical.mapper import map_record
from aios_core.canonical.values import lookup, to_id
from aios_core.declaration.source_base import ApiSource
from aios_core.declaration.sources import KafkaSource, Source
from aios_core.errors import AiosError, RecordError
from aios_core.webhooks.schemes import WebhookRefused, prove
from benchmarks.soak.living import SECRET, signed
from benchmarks.soak.vendors import FILE, VENDORS, attributes
from resources.connectors.base import Connector, Page, Record
from resources.connectors.files.connector import FileConnector
from resources.connectors.http import HttpClient, RetryPolicy
from resources.connectors.json_api.asking import Place, request_for
from resources.connectors.json_api.auth import opened
from resources.connectors.json_api.connector import JsonApiConnector
from resources.connectors.kafka import KafkaConnector
from resources.connectors.salesforce import SalesforceConnector
from resources.connectors.zendesk import ZendeskConnector

Target = Callable[[bytes], None]
CODE = re.compile(r"^[a-z_]+\.[a-z_]+$")
NOW = datetime(2026, 3, 10, 12, tzinfo=UTC)
MOST_PAGES = 4
SCHEMES = ("zendesk", "intercom", "hubspot", "jira", "github", "standard", "token")
URL = "http://vendor.invalid"


class Broken(AssertionError):
    """A parser did what none may do."""


def targets() -> dict[str, Target]:
    """By name: `VENDOR.OBJECT`, `hook.SCHEME`, `file.FORMAT`, `topic.ID` (a message known by its key, or by a field)."""
    automation = _automation()
    found: dict[str, Target] = {}
    for name in VENDORS:
        for kind in _objects(name):
            found[f"{name}.{kind}"] = _page_target(automation, name, kind)
    for scheme in SCHEMES:
        found[f"hook.{scheme}"] = _hook_target(scheme)
    for suffix in ("csv", "jsonl"):
        found[f"file.{suffix}"] = _file_target(automation, suffix)
    for known_by in ("key", "ticket_id"):
        found[f"topic.{known_by}"] = _topic_target(known_by)
    return found


@cache
def seeds() -> Mapping[str, bytes]:
    """A real answer, delivery or file for each target."""
    found = dict(_pages())
    ticket = orjson.loads(found["zendesk.tickets"])["tickets"][0]
    delivery = orjson.dumps(
        {"id": "evt", "created_at": 1773144000, "detail": {"id": str(ticket["id"])}, "ticket": ticket}
    )
    found |= {f"hook.{scheme}": delivery for scheme in SCHEMES}
    events = [{"eventId": n, "subscriptionType": "ticket.propertyChange", "objectId": 7} for n in (1, 2)]
    found["hook.hubspot"] = orjson.dumps(events)
    rows = [{"ticket_id": f"P{n}", "created_at": "2026-03-01T00:00:00Z", "updated_at": "2026-03-02T00:00:00Z", "queue": "billing",
             "subject": "Bill", "body": 'It says "twice",\nand more'} for n in range(3)]  # fmt: skip
    found |= {f"topic.{known_by}": orjson.dumps(rows[0]) for known_by in ("key", "ticket_id")}
    found["file.jsonl"] = b"".join(orjson.dumps(row) + b"\n" for row in rows)
    lines = [",".join(rows[0]), *(",".join('"' + v.replace('"', '""') + '"' for v in row.values()) for row in rows)]
    found["file.csv"] = ("\n".join(lines) + "\n").encode()
    return found


def items_of(name: str, body: Any) -> list[Any] | None:
    """The list of items in the answer of a page's target; None where there is none."""
    vendor, _, kind = name.partition(".")
    source = _automation().sources[vendor]
    if isinstance(source, ApiSource):
        path = source.lists[kind][0].items
        found = body if not path else lookup(body, path) if isinstance(body, Mapping) else None
    else:
        found = body.get("records" if vendor == "salesforce" else kind) if isinstance(body, Mapping) else None
    return found if isinstance(found, list) else None


def declared(name: str) -> Source:
    """A source as the soak declares it."""
    return _automation().sources[name]


def pages_of(name: str, body: bytes) -> list[Page]:
    """What a vendor's reader makes of this answer, given to every question. Raises what it raises."""
    vendor, _, kind = name.partition(".")
    return _read(_automation(), vendor, kind, body)


@cache
def _automation() -> Automation:
    return Automation.model_validate(attributes())


def _objects(name: str) -> tuple[str, ...]:
    source = _automation().sources[name]
    if isinstance(source, ApiSource):
        return tuple(source.lists)
    return ("customers",) if name == "salesforce" else ("users", "tickets")


def _page_target(automation: Automation, name: str, kind: str) -> Target:
    def target(body: bytes) -> None:
        try:
            pages = _read(automation, name, kind, body)
        except AiosError:
            return
        items = items_of(f"{name}.{kind}", _loaded(body))
        if items is None or len(items) != len(pages[0].records) + len(pages[0].rejects):
            raise Broken(f"{name}.{kind}: a page of {items and len(items)} items gave {len(pages[0].records)} records")
        check_pages(automation.sources[name], name, kind, pages)

    return target


def _loaded(body: bytes) -> Any:
    try:
        return orjson.loads(body)
    except orjson.JSONDecodeError:  # a number past all doubles, where only some fields of each item are read
        return json.loads(body)


def _read(automation: Automation, name: str, kind: str, body: bytes) -> list[Page]:
    connector = _connector(automation, name, body)
    try:
        pages: list[Page] = []
        for page in connector.read(object=kind, cursor=None):
            pages.append(page)
            if len(pages) == MOST_PAGES:  # the same answer to every question may never end
                break
    finally:
        connector.close()
    return pages


def _connector(automation: Automation, name: str, body: bytes) -> Connector:
    source, transport = automation.sources[name], httpx.MockTransport(lambda request: _answered(request, body))
    if name == "zendesk":
        return ZendeskConnector(source, url=URL, email="e", token="t", transport=transport, sleep=_at_once)  # type: ignore[arg-type]
    if name == "salesforce":
        return SalesforceConnector(
            source, url=URL, client_id="c", client_secret="s", transport=transport, sleep=_at_once
        )  # type: ignore[arg-type]
    assert isinstance(source, ApiSource)
    http = HttpClient(name=name, base_url=URL, transport=transport, policy=RetryPolicy(attempts=1), sleep=_at_once)
    return JsonApiConnector(name=name, http=http, listings=source.lists, source=source)


def _answered(request: httpx.Request, body: bytes) -> httpx.Response:
    if request.url.path.endswith("/oauth2/token"):
        return httpx.Response(200, json={"access_token": "t"})
    return httpx.Response(200, content=body, headers={"content-type": "application/json"})


def _at_once(_: float) -> None:
    """Nobody waits here."""


def check_pages(source: Source, name: str, kind: str, pages: Iterable[Page]) -> None:
    """The law, of what a reader gave. Raises Broken."""
    for page in pages:
        if not isinstance(page.cursor, str):
            raise Broken(f"{name}.{kind}: a cursor that is no text: {page.cursor!r}")
        for reject in page.rejects:
            _check_code(reject.code)
            _check_text(reject.payload, reject.external_id, reject.message)
        for record in page.records:
            _check_record(source, name, kind, record)


def _check_record(source: Source, name: str, kind: str, record: Record) -> None:
    if not record.external_id or not record.version:
        raise Broken(f"{name}.{kind}: a record without id or version")
    try:
        map_record(
            source,
            source_name=name,
            object=kind,
            payload=record.payload,
            correlation_id="c",
            landed_at=NOW,
            external_id=record.external_id,
            version=record.version,
        )
    except RecordError as error:
        _check_code(error.code)


def _check_code(code: str) -> None:
    if not CODE.match(code):
        raise Broken(f"`{code}` is no stable code")


def _check_text(*texts: str) -> None:
    for text in texts:
        text.encode("utf-8", "surrogatepass")


def _hook_target(scheme: str) -> Target:
    def target(body: bytes) -> None:
        headers = {name.lower(): value for name, value in signed_for(scheme, body).items()}
        try:
            delivery = prove(
                scheme,  # type: ignore[arg-type]  # one of the schemes
                headers=headers,
                body=body,
                secrets=[SECRET],
                now=NOW,
                tolerance=timedelta(minutes=5),
                url=URL,
            )
        except WebhookRefused as refused:
            _check_code(refused.code)
            return
        if not delivery.delivery_id or len(delivery.delivery_id) > 1_000:
            raise Broken(f"{scheme}: a delivery without an id that can be a key")
        if isinstance(delivery.payload, dict):
            try:
                to_id(lookup(delivery.payload, "detail.id"), field="detail.id")
            except RecordError as error:
                _check_code(error.code)

    return target


def signed_for(scheme: str, body: bytes) -> dict[str, str]:
    """Headers that prove this body, so that what is behind the proof is reached."""
    import base64
    import hashlib
    import hmac

    def mac(content: bytes) -> str:
        return base64.b64encode(hmac.new(SECRET.encode(), content, hashlib.sha256).digest()).decode()

    if scheme == "zendesk":
        stamp = NOW.isoformat()
        return {
            "X-Zendesk-Webhook-Signature": mac(stamp.encode() + body),
            "X-Zendesk-Webhook-Signature-Timestamp": stamp,
        }
    if scheme == "hubspot":
        stamp = str(int(NOW.timestamp() * 1000))
        content = f"POST{URL}".encode() + body + stamp.encode()
        return {"X-HubSpot-Signature-v3": mac(content), "X-HubSpot-Request-Timestamp": stamp}
    if scheme == "standard":
        stamp = str(int(NOW.timestamp()))
        content = f"m.{stamp}.".encode() + body
        return {"webhook-id": "m", "webhook-timestamp": stamp, "webhook-signature": f"v1,{mac(content)}"}
    return signed(scheme, "d", body, secret=SECRET)


def _file_target(automation: Automation, suffix: str) -> Target:
    source = automation.sources[FILE]

    def target(body: bytes) -> None:
        with tempfile.TemporaryDirectory(prefix="aios-fuzz-") as folder:
            (Path(folder) / f"desk.{suffix}").write_bytes(body)
            connector = FileConnector(source, pattern=f"*.{suffix}", folder=Path(folder))  # type: ignore[arg-type]
            pages: list[Page] = []
            try:
                pages += connector.read(object="tickets", cursor=None)
            except AiosError as error:
                _check_code(error.code)
        check_pages(source, FILE, "tickets", pages)

    return target


@dataclass(frozen=True, slots=True)
class _Message:
    """What Kafka's client gives of a message."""

    content: bytes

    def value(self) -> bytes:
        return self.content

    def key(self) -> bytes:
        return self.content[:40]

    def timestamp(self) -> tuple[int, int]:
        return (1, int(NOW.timestamp() * 1000))

    def partition(self) -> int:
        return 0

    def offset(self) -> int:
        return 7


class _Topic(KafkaConnector):
    """The connector without a broker: it only has to understand."""

    def __init__(self, source: KafkaSource) -> None:
        self.objects = (source.provides,)
        self._source = source

    def page(self, content: bytes) -> Page:
        records, rejects = self._understood([_Message(content)])  # type: ignore[list-item]  # as much of one as is asked for
        return Page(object=self.objects[0], records=records, rejects=rejects, cursor="", done=True)


def _topic_target(known_by: str) -> Target:
    mapping = {"created_at": "created_at", "updated_at": "updated_at", "queue": "queue"}
    declared = {"connector": "kafka", "provides": "tickets", "brokers": "b", "topic": "t", "id": known_by}
    source = KafkaSource.model_validate({**declared, "mapping": mapping})
    topic = _Topic(source)

    def target(body: bytes) -> None:
        page = topic.page(body)
        if len(page.records) + len(page.rejects) != 1:
            raise Broken("a message gave neither a record nor a reject")
        check_pages(source, "topic", "tickets", [page])

    return target


def _pages() -> Iterator[tuple[str, bytes]]:
    """The sandbox's own answers, a few items each."""
    from fastapi.testclient import TestClient

    from sandbox.app import create_app
    from sandbox.service import Sandbox
    from sandbox.settings import Settings
    from sandbox.world.spec import WorldSpec

    until = int(NOW.timestamp())
    settings = Settings(until=until, world=WorldSpec(seed=7, tickets=20, history=20), clock_runs=False)
    with TestClient(create_app(Sandbox(settings)), base_url=URL) as client:
        for name, vendor in VENDORS.items():
            for kind in _objects(name):
                yield f"{name}.{kind}", _few(f"{name}.{kind}", _asked(client, name, vendor.path, kind))


def _asked(client: Any, name: str, path: str, kind: str) -> Any:
    source = _automation().sources[name]
    if isinstance(source, ApiSource):
        asked = request_for(source.lists[kind][0], since=datetime(2026, 1, 1, tzinfo=UTC), place=Place())
        auth, _ = opened(
            source.signs_in, url=f"{URL}{path}", expand=lambda t: t.replace("${SOAK_TOKEN}", "sandbox-token")
        )
        request = httpx.Request(asked.method, f"{URL}{path}{asked.path}", params=asked.params, json=asked.body)
        assert auth is not None
        return _through(client, request, auth)
    if name == "zendesk":
        auth = ("agent@example.com/token", "sandbox-token")
        return client.get(f"/api/v2/incremental/{kind}/cursor", params={"start_time": 0}, auth=auth).json()
    form = {"grant_type": "client_credentials", "client_id": "sandbox", "client_secret": "sandbox-secret"}
    token = client.post("/services/oauth2/token", data=form).json()["access_token"]
    query = "SELECT Id, SystemModstamp, IsDeleted, Plan__c FROM Account ORDER BY SystemModstamp, Id"
    headers = {"Authorization": f"Bearer {token}"}
    return client.get("/services/data/v62.0/queryAll", params={"q": query}, headers=headers).json()


def _through(client: Any, request: httpx.Request, auth: httpx.Auth) -> Any:
    """The answer of the app behind the test client, which has an HTTP library of its own."""
    flow = auth.auth_flow(request)
    asked = next(flow)
    while True:
        asked.read()
        told = client.request(asked.method, str(asked.url), content=asked.content, headers=dict(asked.headers))
        answer = httpx.Response(told.status_code, content=told.content, request=asked)
        try:
            asked = flow.send(answer)
        except StopIteration:
            return answer.json()


def _few(name: str, body: Any, most: int = 3) -> bytes:
    items = items_of(name, body)
    if not items:
        raise Broken(f"{name}: the sandbox gave no items: {str(body)[:200]}")
    del items[most:]
    return orjson.dumps(body)
