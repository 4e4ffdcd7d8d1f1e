"""The processes of a platform on one machine, how they are called, and what tells that they are healthy.

What belongs here: commands, ports, environment variables and health of the sandbox, the gateway, the Dagster webserver and
daemon. What does not: starting and stopping them (`resources/supervisor.py`), showing it (`cli/up.py`).
"""

import math
import os
import sys
import time
from collections.abc import Callable, Mapping
from contextlib import suppress
from dataclasses import dataclass, replace
from datetime import UTC, datetime, timedelta
from urllib.parse import urlsplit

import httpx
import psycopg

from aios_core.declaration.sources import SalesforceSource, ZendeskSource
from aios_core.errors import ConfigurationError, PermanentError, RetryableError
from resources.declarations import Declared
from resources.deployments import PROJECT, Deployment, environment, expand
from resources.supervisor import Service

LOCK = "up.lock"
# The world of the sandbox begins this long ago and is then moved to the present: what its agents did meanwhile is known
# to have happened, and no ticket lies in the future.
HEAD_START = timedelta(hours=72)
DAEMON_STALE_SECONDS = 120.0


class CodeBroken(PermanentError):
    """Dagster can't load the assets; the message is the innermost cause."""

    code = "platform.code_broken"


class SandboxUnavailable(RetryableError):
    """The sandbox does not answer, or not as a sandbox."""

    code = "sandbox.unavailable"


@dataclass(frozen=True, slots=True, kw_only=True)
class Ports:
    """Where the web servers listen."""

    dagster: int
    console: int
    sandbox: int


@dataclass(frozen=True, slots=True, kw_only=True)
class World:
    """The size and seed of the sandbox's world; None: its own defaults, or what it was first started with."""

    tickets: int | None = None
    seed: int | None = None
    live_per_minute: float | None = None


def ports_of(deployment: Deployment) -> Ports:
    """The ports in the deployment's URLs."""
    return Ports(
        dagster=_port(deployment.dagster_url),
        console=_port(deployment.gateway_url),
        sandbox=_port(deployment.sandbox_url),
    )


def on(deployment: Deployment, *, host: str, ports: Ports) -> Deployment:
    """The deployment with its web servers on these ports, as its own processes reach them."""
    # a server that listens everywhere is reached by loopback from here
    reached = "127.0.0.1" if host in ("0.0.0.0", "::") else host  # noqa: S104
    if ":" in reached:
        reached = f"[{reached}]"
    return replace(
        deployment,
        dagster_url=f"http://{reached}:{ports.dagster}",
        gateway_url=f"http://{reached}:{ports.console}",
        sandbox_url=f"http://{reached}:{ports.sandbox}",
    )


def variables(deployment: Deployment, database_url: str) -> dict[str, str]:
    """What every process of the platform, and the plain `dagster` commands, need in their environment."""
    home = deployment.home
    return {
        **environment(replace(deployment, database_url=database_url)),
        "DAGSTER_HOME": str(PROJECT),
        "DAGSTER_PG_URL": sqlalchemy_url(database_url),
        "AIOS_DAGSTER_DIR": str(home / "dagster"),
        "AIOS_COMPUTE_LOGS": str(home / "logs" / "runs"),
    }


def sqlalchemy_url(database_url: str) -> str:
    """The URL with the driver named: SQLAlchemy 2.1 reads a bare `postgresql://` as psycopg 3, Dagster has psycopg 2."""
    scheme, _, rest = database_url.partition("://")
    if scheme.partition("+")[0] not in ("postgresql", "postgres") or not rest:
        raise ConfigurationError("AIOS_DATABASE_URL must begin with postgresql:// (a URL, not a list of key=value)")
    return f"postgresql+psycopg2://{rest}"


def sandbox(deployment: Deployment, *, host: str, port: int, world: World, now: datetime) -> Service:
    """The pretend helpdesk and CRM. What was written to it, its clock and its seed are kept in the state folder."""
    command = [sys.executable, "-m", "sandbox", "--host", host, "--port", str(port)]
    state = deployment.home / "sandbox.sqlite"
    command += ["--state", str(state)]
    if not state.exists():  # a kept world knows where it begins
        begin = (now - HEAD_START).replace(minute=0, second=0, microsecond=0)
        command += ["--until", begin.strftime("%Y-%m-%dT%H:%M:%SZ")]
    for flag, value in (
        ("--tickets", world.tickets),
        ("--seed", world.seed),
        ("--live-per-minute", world.live_per_minute),
    ):
        if value is not None:
            command += [flag, str(value)]
    url = f"{deployment.sandbox_url}/sandbox/health"
    return _service(deployment, "sandbox", command, {}, healthy=lambda: answers(url))


def gateway(deployment: Deployment, *, host: str, port: int, environ: Mapping[str, str]) -> Service:
    """The review console and the APIs."""
    command = [sys.executable, "-m", "gateway", "--host", host, "--port", str(port)]
    return _service(deployment, "gateway", command, environ, healthy=lambda: answers(f"{deployment.gateway_url}/ready"))


def webserver(deployment: Deployment, *, host: str, port: int, environ: Mapping[str, str]) -> Service:
    """The Dagster UI, which loads the code location before it answers."""
    command = [
        sys.executable,
        "-m",
        "dagster_webserver",
        "-h",
        host,
        "-p",
        str(port),
        "-w",
        str(PROJECT / "workspace.yaml"),
    ]
    url = deployment.dagster_url
    return _service(
        deployment,
        "dagster-webserver",
        command,
        environ,
        healthy=lambda: answers(f"{url}/server_info") or code_is_loaded(url),
        timeout_seconds=240,
    )


def daemon(deployment: Deployment, *, environ: Mapping[str, str], since: float) -> Service:
    """Schedules, sensors, the run queue and run monitoring."""
    command = [sys.executable, "-m", "dagster._daemon", "run", "-w", str(PROJECT / "workspace.yaml")]
    url = environ["AIOS_DATABASE_URL"]
    return _service(
        deployment,
        "dagster-daemon",
        command,
        environ,
        healthy=lambda: daemon_beats(url, since=since),
        timeout_seconds=240,
    )


def answers(url: str, *, timeout_seconds: float = 2.0) -> str | None:
    """None when `url` answers 200, else what it does instead."""
    try:
        response = httpx.get(url, timeout=timeout_seconds, trust_env=False)
    except httpx.HTTPError as error:
        return f"{url}: {type(error).__name__}"
    return None if response.status_code == httpx.codes.OK else f"{url}: {response.status_code} {response.text[:200]}"


def code_is_loaded(dagster_url: str, *, timeout_seconds: float = 30.0) -> str | None:
    """None when every code location is loaded, else which is not yet. Raises CodeBroken for one that can't be."""
    query = (
        "{ workspaceOrError { ... on PythonError { message } ... on Workspace { locationEntries { name loadStatus"
        " locationOrLoadError { ... on PythonError { message causes { message } } } } } } }"
    )
    try:
        response = httpx.post(
            f"{dagster_url}/graphql", json={"query": query}, timeout=timeout_seconds, trust_env=False
        ).raise_for_status()
        workspace = response.json()["data"]["workspaceOrError"]
    except (httpx.HTTPError, KeyError, TypeError, ValueError) as error:
        return f"{dagster_url}/graphql: {type(error).__name__}"
    for entry in workspace.get("locationEntries") or [{"name": "workspace", "locationOrLoadError": workspace}]:
        broken = entry.get("locationOrLoadError") or {}
        if "message" in broken:
            causes = [c["message"] for c in broken.get("causes") or []]
            raise CodeBroken(
                f"Dagster can't load the code location {entry['name']}: {(causes or [broken['message']])[-1].strip()}"
            )
        if entry.get("loadStatus") != "LOADED":
            return f"code location {entry['name']} is loading"
    return None


def daemon_beats(database_url: str, *, since: float) -> str | None:
    """None when the scheduler, the sensors and the run queue have beaten since then (seconds since the epoch)."""
    needed = {"SCHEDULER", "SENSOR", "QUEUED_RUN_COORDINATOR"}
    try:
        with psycopg.connect(database_url, connect_timeout=5) as connection:
            rows = connection.execute(
                "select daemon_type from public.daemon_heartbeats where timestamp >= to_timestamp(%s) at time zone 'utc'",
                (since,),
            ).fetchall()
    except psycopg.Error as error:
        return f"no heartbeat yet ({type(error).__name__})"
    missing = needed - {row[0] for row in rows}
    return f"no heartbeat of {', '.join(sorted(missing)).lower()}" if missing else None


def needs_sandbox(declared: Declared, deployment: Deployment) -> bool:
    """Whether one of the automation's sources is the sandbox."""
    known = {**os.environ, **environment(deployment)}
    urls = (s.url for s in declared.automation.sources.values() if isinstance(s, ZendeskSource | SalesforceSource))
    return any(expand(url, known).rstrip("/") == deployment.sandbox_url for url in urls)


def let_the_world_catch_up(sandbox_url: str, *, now: Callable[[], datetime] = lambda: datetime.now(UTC)) -> float:
    """Move the sandbox's clock to the present, so that its agents work on what lies there; returns the hours moved."""
    try:
        with httpx.Client(base_url=sandbox_url, timeout=120, trust_env=False) as client:
            state = client.get("/sandbox/state").raise_for_status().json()
            clock = datetime.fromisoformat(str(state["clock"]))
            hours = max(0.0, (now() - clock).total_seconds() / 3600)
            if hours > 0:
                # rounded down: a world a second ahead of us would have tickets from the future
                hours = math.floor(hours * 3600) / 3600
                # none: live arrivals are for the time that somebody looks at, not for the days that are skipped
                skipped = {"advance_hours": hours, "new_tickets": 0}
                client.post("/sandbox/clock", json=skipped).raise_for_status()
            return hours
    except (httpx.HTTPError, KeyError, TypeError, ValueError) as error:
        raise SandboxUnavailable(f"{sandbox_url}: {type(error).__name__}: {error}; is this the sandbox?") from error


def wait_for_end(stop: Callable[[], bool], each: Callable[[], None], *, seconds: float = 1.0) -> None:
    """Call `each` about once a second until `stop` says so."""
    while not stop():
        each()
        with suppress(InterruptedError):
            time.sleep(seconds)


def _service(
    deployment: Deployment,
    name: str,
    command: list[str],
    environ: Mapping[str, str],
    *,
    healthy: Callable[[], str | None],
    timeout_seconds: float = 90.0,
) -> Service:
    return Service(
        name=name,
        command=command,
        healthy=healthy,
        log=deployment.home / "logs" / f"{name}.log",
        cwd=PROJECT,
        environment={**environ, "PYTHONUNBUFFERED": "1"},
        timeout_seconds=timeout_seconds,
    )


def _port(url: str) -> int:
    parts = urlsplit(url)
    try:
        return parts.port or (443 if parts.scheme == "https" else 80)
    except ValueError as error:
        raise ConfigurationError(f"{url}: {error}; correct the port in this URL") from error
