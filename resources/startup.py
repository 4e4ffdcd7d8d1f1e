"""A whole platform on one machine: Postgres, schema, sandbox, gateway, Dagster, in this order, and all of it stopped again.

What belongs here: the order, and what each part needs of those before it. What does not: how a process is called
(`resources/local_platform.py`), kept and stopped (`resources/supervisor.py`), or shown (`cli/up.py`).
"""

import json
import os
import sys
import time
from collections.abc import Callable, Mapping, Sequence
from contextlib import ExitStack
from dataclasses import dataclass, field
from datetime import UTC, datetime
from pathlib import Path
from typing import Any, Protocol, Self

from aios_core.errors import ConfigurationError, PermanentError
from resources import local_platform as parts
from resources.database import Database
from resources.declarations import find_declarations
from resources.deployments import PROJECT, Deployment
from resources.embedded_postgres import EmbeddedPostgres
from resources.supervisor import Service, Supervisor, only_one, require_free_port, run_to_end
from resources.users import UserStore

STAGE_PREFIX = "stage: "
NAMED = 3  # so many migrations are named one by one


class MainJobFailed(PermanentError):
    """The first run of the main job failed; the platform goes on."""

    code = "platform.main_job_failed"


class Progress(Protocol):
    """What is shown while the platform starts."""

    def step(self, name: str) -> None:
        """A step begins."""

    def waiting(self, detail: str) -> None:
        """What the current step waits for."""

    def done(self, detail: str = "") -> None:
        """The current step is done."""


@dataclass(slots=True, kw_only=True)
class Platform:
    """A context manager: inside it the platform runs; however it is left, nothing stays behind."""

    deployment: Deployment
    host: str
    ports: parts.Ports
    world: parts.World
    progress: Progress
    environ: Mapping[str, str] = field(default_factory=lambda: os.environ)
    password: str | None = None  # of `admin`, where it was generated now
    variables: dict[str, str] = field(default_factory=dict)
    _supervisor: Supervisor = field(default_factory=Supervisor)
    _stack: ExitStack = field(default_factory=ExitStack)
    _postgres: EmbeddedPostgres | None = None
    with_sandbox: bool = False

    def __enter__(self) -> Self:
        try:
            self._start()
        except BaseException:
            self._stack.close()
            raise
        return self

    def __exit__(self, *_: object) -> None:
        self._stack.close()

    def run_main_job(self, automation: str) -> dict[str, Any]:
        """Run the automation's whole loop once in a process of its own; returns its summary. Raises MainJobFailed."""
        self.progress.step(f"main job {automation}")
        log = self.deployment.home / "logs" / "main-job.log"

        def line(text: str) -> None:
            if text.startswith(STAGE_PREFIX):
                self.progress.waiting(text.removeprefix(STAGE_PREFIX))

        command = [sys.executable, "-m", "cli.main", "run", automation, "--json"]
        code, output = run_to_end(command, cwd=PROJECT, log=log, line=line, environment=self.variables)
        if code != 0:
            said = [t for t in log.read_text(errors="replace").splitlines() if t.startswith("error: ")]
            raise MainJobFailed(f"{said[-1].removeprefix('error: ') if said else f'exit code {code}'} (see {log})")
        try:
            summary: dict[str, Any] = json.loads(output)
        except ValueError as error:
            raise MainJobFailed(f"its output is not JSON: {output[:200]!r} (see {log})") from error
        self.progress.done(f"{summary.get('seconds', {}).get('total', '?')} s")
        return summary

    def start_daemon(self) -> None:
        """Start schedules and sensors: after the first main job, which would otherwise share its rows with them."""
        self._service(parts.daemon(self.deployment, environ=self.variables, since=time.time()))

    def watch(self, stop: Callable[[], bool], *, restarted: Callable[[str, int | None], None]) -> None:
        """Return when `stop` says so; what ends by itself is started again. Raises ServiceFailed."""

        def revive() -> None:
            if self._postgres is not None and not self._postgres.running():
                self._postgres.start()
                restarted("embedded Postgres", None)
            self._supervisor.revive(restarted=restarted)

        parts.wait_for_end(stop, revive)

    def _start(self) -> None:
        home = self.deployment.home
        about = {"dagster": self.deployment.dagster_url, "console": self.deployment.gateway_url}
        # left in the opposite order: services, Postgres, lock
        self._stack.enter_context(only_one(home / parts.LOCK, what="AIOS is up", about=about))
        declared = find_declarations(self.deployment.automation_folders)
        self.with_sandbox = any(parts.needs_sandbox(d, self.deployment) for d in declared)
        self._require_ports()
        self._prepare_database(self._database_url())
        self._stack.callback(self._supervisor.stop)
        if self.with_sandbox:
            now = datetime.now(UTC)
            self._service(
                parts.sandbox(self.deployment, host=self.host, port=self.ports.sandbox, world=self.world, now=now)
            )
        self._service(parts.gateway(self.deployment, host=self.host, port=self.ports.console, environ=self.variables))
        self._service(parts.webserver(self.deployment, host=self.host, port=self.ports.dagster, environ=self.variables))

    def _require_ports(self) -> None:
        wanted = [
            (self.ports.dagster, "the Dagster UI", "--port-dagster"),
            (self.ports.console, "the console", "--port-console"),
        ]
        if self.with_sandbox:
            wanted.append((self.ports.sandbox, "the sandbox", "--port-sandbox"))
        numbers = [port for port, _, _ in wanted]
        if len(set(numbers)) != len(numbers):
            shown = ", ".join(map(str, numbers))
            raise ConfigurationError(f"two servers can't share a port ({shown}); choose different ones")
        for port, what, option in wanted:
            require_free_port(self.host, port, what=what, option=option)

    def _database_url(self) -> str:
        if self.deployment.database_url is not None:
            return self.deployment.database_url
        self.progress.step("embedded Postgres")
        self._postgres = EmbeddedPostgres(home=self.deployment.home, tied=True)
        url = self._postgres.start()
        self._stack.callback(self._postgres.stop)
        self.progress.done()
        return url

    def _prepare_database(self, url: str) -> None:
        self.progress.step("schema")
        with Database(url) as database:
            applied = database.migrate()
            self.password = UserStore(database).ensure_admin(self.environ.get("AIOS_ADMIN_PASSWORD") or None)
        self.variables = parts.variables(self.deployment, url)
        for name in ("AIOS_DAGSTER_DIR", "AIOS_COMPUTE_LOGS"):
            Path(self.variables[name]).mkdir(parents=True, exist_ok=True)
        self.progress.done(_brought(applied))
        if self.password is not None:
            # shown at once: only its hash is kept, and what comes next may fail
            self.progress.step("account admin")
            self.progress.done(f"password {self.password}")

    def _service(self, service: Service) -> None:
        self.progress.step(service.name)
        self._supervisor.start(service, waiting=self.progress.waiting)
        self.progress.done()


def _brought(applied: Sequence[str]) -> str:
    """What migrations were applied, in few words: of a new database it is all of them."""
    if len(applied) > NAMED:
        return f"{len(applied)} migrations, the last is {applied[-1]}"
    return ", ".join(applied) or "current"
