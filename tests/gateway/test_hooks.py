"""Deliveries over HTTP, into a real database."""

import hashlib
import hmac
from datetime import timedelta
from pathlib import Path

import orjson
import pytest
from fastapi.testclient import TestClient

from gateway.app import create_app
from resources.database import Database
from resources.lake import Lake
from resources.webhooks import WebhookStore
from tests.gateway.deciding import DECLARATION, declare
from tests.gateway.serving import settings_for

SECRET = "s3cret of the desk"
HOOKED = DECLARATION.replace(
    "path: tickets.csv}",
    'path: tickets.csv, webhook: {scheme: github, secret: "${DESK_SECRET}", previous_secret: "${DESK_OLD_SECRET}"}}',
)


@pytest.fixture
def caller(tmp_path: Path, database: Database, lake: Lake, clock, monkeypatch: pytest.MonkeyPatch) -> TestClient:
    monkeypatch.setenv("DESK_SECRET", SECRET)
    folder = declare(tmp_path, HOOKED)
    settings = settings_for(tmp_path, database.url, environ={"AIOS_AUTOMATIONS": str(folder)})
    return TestClient(create_app(settings, database=database, lake=lake, clock=clock))


def deliver(
    caller: TestClient, body: bytes, *, own: str = "d-1", secret: str = SECRET, path: str = "/hooks/triage/desk"
):
    mac = hmac.new(secret.encode(), body, hashlib.sha256).hexdigest()
    return caller.post(path, content=body, headers={"X-Hub-Signature-256": f"sha256={mac}", "X-GitHub-Delivery": own})


def test_a_delivery_is_kept_before_it_is_acknowledged_and_once_however_often_it_comes(
    caller: TestClient, database: Database, clock
) -> None:
    assert deliver(caller, b'{"id": 7}').json() == {"status": "taken"}
    assert deliver(caller, b'{"id": 7}').json() == {"status": "known"}
    assert deliver(caller, b'{"id": 8}', own="d-2").status_code == 200
    (waiting,) = WebhookStore(database).waiting("triage")
    assert (waiting.source, waiting.count, waiting.last_at) == ("desk", 2, clock.now)
    with database.connection() as connection:
        payloads = connection.execute("select payload from webhook_deliveries order by delivery").fetchall()
    assert [orjson.loads(p) for (p,) in payloads] == [{"id": 7}, {"id": 8}]


def test_what_its_sender_did_not_sign_is_refused_and_leaves_nothing(caller: TestClient, database: Database) -> None:
    refused = deliver(caller, b'{"id": 7}', secret="guessed")
    assert (refused.status_code, refused.json()["code"]) == (401, "webhook.bad_signature")
    assert deliver(caller, b"").json()["code"] == "webhook.empty"
    assert deliver(caller, b"{").json()["code"] == "webhook.malformed"
    assert deliver(caller, b"{}", path="/hooks/triage/crm").status_code == 404
    assert deliver(caller, b"{}", path="/hooks/other/desk").status_code == 404
    assert WebhookStore(database).waiting("triage") == []


def test_the_secret_before_this_one_is_taken_while_it_is_set(
    caller: TestClient, monkeypatch: pytest.MonkeyPatch
) -> None:
    assert deliver(caller, b"{}", secret="the old one").status_code == 401
    monkeypatch.setenv("DESK_OLD_SECRET", "the old one")
    assert deliver(caller, b"{}", secret="the old one").status_code == 200


def test_without_a_secret_nothing_is_believed(caller: TestClient, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("DESK_SECRET")
    refused = deliver(caller, b"{}", secret="")
    assert (refused.status_code, refused.json()["code"]) == (503, "webhook.no_secret")


def test_a_body_over_a_megabyte_is_refused_before_it_is_read(caller: TestClient) -> None:
    assert deliver(caller, b'"' + b"x" * (1024 * 1024) + b'"').status_code == 413
    assert deliver(caller, b'"' + b"x" * (1024 * 1024 - 2) + b'"').status_code == 200


def test_a_read_answers_what_came_before_it_and_not_what_came_while_it_ran(
    caller: TestClient, database: Database, clock
) -> None:
    store = WebhookStore(database)
    deliver(caller, b"{}", own="before")
    told = store.newest(automation="triage", source="desk")
    deliver(caller, b"{}", own="meanwhile")
    assert store.answered(automation="triage", source="desk", up_to=told, now=clock.now + timedelta(seconds=9)) == 1
    (waiting,) = store.waiting("triage")
    assert waiting.count == 1
