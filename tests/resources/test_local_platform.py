"""How the platform's processes are called, and what counts as healthy."""

import contextlib
import json
import threading
import time
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from http.server import BaseHTTPRequestHandler, HTTPServer
from pathlib import Path
from typing import Any

import psycopg
import pytest

from aios_core.errors import ConfigurationError
from resources import local_platform as parts
from resources.declarations import load_declaration
from resources.deployments import PROJECT, deployment

NOW = datetime(2026, 11, 22, 20, 35, tzinfo=UTC)


@contextlib.contextmanager
def server(answers: dict[str, Any], received: list[Any] | None = None) -> Iterator[str]:
    """A small HTTP server: path -> (status, JSON)."""

    class Handler(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            length = int(self.headers.get("content-length") or 0)
            if length and received is not None:
                received.append(json.loads(self.rfile.read(length)))
            status, body = answers.get(self.path, (404, {}))
            content = json.dumps(body).encode()
            self.send_response(status)
            self.send_header("content-length", str(len(content)))
            self.end_headers()
            self.wfile.write(content)

        do_POST = do_GET

        def log_message(self, *_: object) -> None:
            return

    httpd = HTTPServer(("127.0.0.1", 0), Handler)
    thread = threading.Thread(target=httpd.serve_forever, kwargs={"poll_interval": 0.01})
    thread.start()
    try:
        yield f"http://127.0.0.1:{httpd.server_port}"
    finally:
        httpd.shutdown()
        thread.join()
        httpd.server_close()


def test_only_a_200_is_healthy() -> None:
    with server({"/good": (200, {}), "/bad": (503, {"why": "no schema"})}) as url:
        assert parts.answers(f"{url}/good") is None
        assert "503" in str(parts.answers(f"{url}/bad")) and "no schema" in str(parts.answers(f"{url}/bad"))
    assert "ConnectError" in str(parts.answers(f"{url}/good"))


def graphql(*entries: dict[str, Any]) -> dict[str, Any]:
    return {"/graphql": (200, {"data": {"workspaceOrError": {"locationEntries": list(entries)}}})}


def test_a_code_location_is_waited_for() -> None:
    loading = {"name": "aios", "loadStatus": "LOADING", "locationOrLoadError": None}
    with server(graphql(loading)) as url:
        assert parts.code_is_loaded(url) == "code location aios is loading"
    with server(graphql({**loading, "loadStatus": "LOADED", "locationOrLoadError": {}})) as url:
        assert parts.code_is_loaded(url) is None


def test_a_code_location_that_does_not_load_is_an_error_with_its_innermost_cause() -> None:
    error = {"message": "import failed", "causes": [{"message": "ImportError\n"}, {"message": "No module named 'x'\n"}]}
    with (
        server(graphql({"name": "aios", "loadStatus": "LOADED", "locationOrLoadError": error})) as url,
        pytest.raises(parts.CodeBroken, match="can't load the code location aios: No module named 'x'$"),
    ):
        parts.code_is_loaded(url)


def test_a_daemon_is_healthy_once_all_its_parts_have_beaten_since_the_start(database_url: str) -> None:
    with psycopg.connect(database_url, autocommit=True) as connection:
        assert "no heartbeat yet" in str(parts.daemon_beats(database_url, since=0))
        connection.execute("create table public.daemon_heartbeats (daemon_type text, timestamp timestamp)")
        for name in ("SCHEDULER", "SENSOR", "QUEUED_RUN_COORDINATOR"):
            assert name.lower() in str(parts.daemon_beats(database_url, since=0))
            connection.execute("insert into public.daemon_heartbeats values (%s, now() at time zone 'utc')", (name,))
        assert parts.daemon_beats(database_url, since=time.time() - 60) is None
        assert parts.daemon_beats(database_url, since=time.time() + 60) is not None


@pytest.mark.parametrize(
    ("url", "result"),
    [
        ("postgresql://me@host/db", "postgresql+psycopg2://me@host/db"),
        ("postgres://me@host/db", "postgresql+psycopg2://me@host/db"),
        ("postgresql+psycopg://me@/db?host=/run", "postgresql+psycopg2://me@/db?host=/run"),
    ],
)
def test_dagster_gets_the_url_with_its_own_driver(url: str, result: str) -> None:
    assert parts.sqlalchemy_url(url) == result


@pytest.mark.parametrize("url", ["host=here dbname=aios", "mysql://here/db", "postgresql://"])
def test_a_url_that_dagster_can_not_use_is_refused(url: str) -> None:
    with pytest.raises(ConfigurationError, match="AIOS_DATABASE_URL must begin with postgresql://"):
        parts.sqlalchemy_url(url)


def test_servers_that_listen_everywhere_are_reached_by_loopback() -> None:
    ports = parts.Ports(dagster=1, console=2, sandbox=3)
    assert parts.on(deployment({}), host="0.0.0.0", ports=ports).dagster_url == "http://127.0.0.1:1"
    assert parts.on(deployment({}), host="::1", ports=ports).gateway_url == "http://[::1]:2"


def test_a_sandbox_is_needed_where_a_source_is_it_even_on_another_port() -> None:
    declared = load_declaration(PROJECT / "aios_assets" / "defs" / "customer_escalations" / "defs.yaml")
    elsewhere = parts.on(deployment({}), host="127.0.0.1", ports=parts.Ports(dagster=1, console=2, sandbox=3))
    assert parts.needs_sandbox(declared, deployment({}))
    assert parts.needs_sandbox(declared, elsewhere)
    files = load_declaration(PROJECT / "examples" / "banking77" / "defs.yaml")
    assert not parts.needs_sandbox(files, deployment({}))


def test_no_sandbox_is_needed_for_ones_own_helpdesk(monkeypatch: pytest.MonkeyPatch) -> None:
    declared = load_declaration(PROJECT / "aios_assets" / "defs" / "customer_escalations" / "defs.yaml")
    monkeypatch.setenv("AIOS_ZENDESK_URL", "https://our.zendesk.com")
    monkeypatch.setenv("AIOS_SALESFORCE_URL", "https://our.salesforce.com")
    assert not parts.needs_sandbox(declared, deployment({}))


def test_a_sandbox_begins_in_the_past_once_and_then_goes_on_from_its_state(tmp_path: Path) -> None:
    home = deployment({"AIOS_HOME": str(tmp_path)})
    world = parts.World(tickets=100, seed=None)
    first = parts.sandbox(home, host="127.0.0.1", port=1, world=world, now=NOW).command
    assert first[-4:] == ["--until", "2026-11-19T20:00:00Z", "--tickets", "100"]
    assert "--seed" not in first
    (tmp_path / "sandbox.sqlite").touch()
    assert "--until" not in parts.sandbox(home, host="127.0.0.1", port=1, world=world, now=NOW).command


@pytest.mark.parametrize(("behind", "moved"), [(timedelta(hours=72), 72.0), (timedelta(seconds=-5), None)])
def test_the_world_is_moved_to_the_present_and_never_past_it(behind: timedelta, moved: float | None) -> None:
    clock = (NOW - behind).strftime("%Y-%m-%dT%H:%M:%SZ")
    received: list[Any] = []
    with server({"/sandbox/state": (200, {"clock": clock}), "/sandbox/clock": (200, {})}, received) as url:
        assert parts.let_the_world_catch_up(url, now=lambda: NOW) == (moved or 0)
    assert received == ([{"advance_hours": moved, "new_tickets": 0}] if moved else [])


def test_something_that_is_no_sandbox_is_said() -> None:
    with (
        server({"/sandbox/state": (200, [])}) as url,
        pytest.raises(parts.SandboxUnavailable, match="is this the sandbox"),
    ):
        parts.let_the_world_catch_up(url, now=lambda: NOW)


def test_a_port_that_is_no_number_is_named() -> None:
    with pytest.raises(ConfigurationError, match="correct the port in this URL"):
        parts.ports_of(deployment({"AIOS_GATEWAY_URL": "http://127.0.0.1:eight"}))
