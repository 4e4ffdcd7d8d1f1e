"""The platform under the drill: `aios up` as a user starts it, in a folder of its own, and its processes killed on purpose.

What belongs here: starting and stopping it, asking Dagster for runs, finding and killing processes. What does not: what is done
with it (`rollback.py`). What was killed is started again by the platform itself, not by us.
"""

import os
import re
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import httpx
import psycopg

from aios_core.errors import PermanentError
from benchmarks.serve.servers import free_port, tail
from benchmarks.workspace import PROJECT

UP_SECONDS = 400.0
STOP_SECONDS = 90.0
FINISHED = ("SUCCESS", "FAILURE", "CANCELED")
_STARTED = re.compile(r"Started process for run \(pid: (\d+)\)")


class DrillBroken(PermanentError):
    """The platform under the drill did not do what the drill needs before it can begin."""

    code = "drill.broken"


@dataclass(frozen=True, slots=True, kw_only=True)
class Run:
    """One Dagster run as its row says."""

    run_id: str
    job: str
    status: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Platform:
    """One `aios up`, and how to reach what it started."""

    home: Path
    process: subprocess.Popen[bytes]
    log: Path
    variables: Mapping[str, str]
    dagster: str
    gateway_port: int
    sandbox: str

    @property
    def database_url(self) -> str:
        return self.variables["AIOS_DATABASE_URL"]

    def require_up(self) -> None:
        """Raises DrillBroken with the end of its log where `aios up` has ended."""
        if self.process.poll() is not None:
            raise DrillBroken(f"the platform ended with code {self.process.returncode}:\n{tail(self.log)}")

    # --- Dagster

    def launch(self, job: str, *, tags: Mapping[str, str]) -> str:
        """Ask for a run of a job, as the Launchpad does; returns its id. Asked again while Postgres is away."""
        location, repository = self._repository()
        selector = {"repositoryLocationName": location, "repositoryName": repository, "pipelineName": job}
        metadata = {"tags": [{"key": key, "value": value} for key, value in tags.items()]}
        parameters = {"selector": selector, "runConfigData": {}, "mode": "default", "executionMetadata": metadata}
        told = self._patiently(_LAUNCH, p=parameters)["launchRun"]
        if told["__typename"] != "LaunchRunSuccess":
            raise DrillBroken(f"{job} was not launched: {told.get('message') or told}")
        run_id: str = told["run"]["runId"]
        return run_id

    def runs(self, job: str) -> list[Run]:
        """The job's runs, newest first."""
        with self.connection() as connection:
            rows = connection.execute(
                "select run_id, pipeline_name, status from public.runs where pipeline_name = %s order by id desc limit 50",
                (job,),
            ).fetchall()
        return [Run(run_id=row[0], job=row[1], status=row[2]) for row in rows]

    def finish(self, run_id: str, *, seconds: float) -> None:
        """Wait until a run has succeeded. Raises DrillBroken where it failed or takes too long."""

        def ended() -> str | None:
            with self.connection() as connection:
                row = connection.execute(
                    "select status, pipeline_name from public.runs where run_id = %s", (run_id,)
                ).fetchone()
            if row is not None and row[0] in FINISHED and row[0] != "SUCCESS":
                raise DrillBroken(f"{row[1]} ended with {row[0]} (run {run_id}); logs are in {self.home / 'logs'}")
            return None if row is None or row[0] != "SUCCESS" else row[0]

        self.wait_for(f"run {run_id} to succeed", ended, seconds=seconds)

    def stop_automation(self, *, but: str) -> None:
        """Switch off the schedules and sensors of every other automation, as a person does in the UI."""
        told = self._patiently(_INSTIGATORS)["repositoriesOrError"]
        for node in told["nodes"]:
            for schedule in node["schedules"]:
                if not schedule["name"].startswith(f"{but}__"):
                    self._patiently(_STOP_SCHEDULE, id=schedule["scheduleState"]["id"])
            for sensor in node["sensors"]:
                if not sensor["name"].startswith(f"{but}__"):
                    self._patiently(_STOP_SENSOR, id=sensor["sensorState"]["id"])

    def _repository(self) -> tuple[str, str]:
        nodes = self._patiently(_REPOSITORIES)["repositoriesOrError"]["nodes"]
        return nodes[0]["location"]["name"], nodes[0]["name"]

    def _patiently(self, query: str, **variables: Any) -> Any:
        """GraphQL, asked again while the webserver or its database is coming back."""
        said = ""
        for _ in range(120):
            self.require_up()
            try:
                answer = httpx.post(
                    f"{self.dagster}/graphql",
                    json={"query": query, "variables": variables},
                    timeout=60,
                    trust_env=False,
                ).json()
            except (httpx.HTTPError, ValueError) as error:
                said = f"{type(error).__name__}: {error}"
            else:
                if "errors" not in answer and not _failed(answer["data"]):
                    return answer["data"]
                said = str(answer)[:500]
            time.sleep(0.5)
        raise DrillBroken(f"{self.dagster} answers no question: {said}")

    # --- state

    @contextmanager
    def connection(self) -> Iterator[psycopg.Connection]:
        """A connection of our own to the platform's Postgres. Raises psycopg.Error while it is away."""
        with psycopg.connect(
            self.database_url, autocommit=True, connect_timeout=5, options="-c search_path=aios"
        ) as connection:
            yield connection

    def wait_for(self, what: str, ready: Callable[[], Any], *, seconds: float, every: float = 0.2) -> Any:
        """The first answer that is not None. A database that is away is asked again. Raises DrillBroken after `seconds`."""
        end = time.monotonic() + seconds
        while time.monotonic() < end:
            self.require_up()
            with suppress(psycopg.Error):
                if (found := ready()) is not None:
                    return found
            time.sleep(every)
        raise DrillBroken(f"waited {seconds:g} s in vain for {what}; logs are in {self.home / 'logs'}")

    def advance(self, hours: float, *, new_tickets: int) -> None:
        """Move the helpdesk's clock on: agents act, tickets arrive."""
        body = {"advance_hours": hours, "new_tickets": new_tickets}
        httpx.post(f"{self.sandbox}/sandbox/clock", json=body, timeout=60, trust_env=False).raise_for_status()

    # --- killing

    def daemon_pid(self) -> int | None:
        """The daemon that runs now."""
        return self._child("dagster._daemon")

    def postmaster_pid(self) -> int | None:
        """The server process of the embedded Postgres."""
        try:
            return int((self.home / "postgres" / "data" / "postmaster.pid").read_text().split()[0])
        except (OSError, ValueError, IndexError):
            return None

    def worker_pid(self, run_id: str) -> int | None:
        """The process that carries out a run; None before there is one."""
        with self.connection() as connection:
            row = connection.execute(
                "select event from public.event_logs where run_id = %s and event like %s order by id desc limit 1",
                (run_id, "%Started process for run (pid:%"),
            ).fetchone()
        found = _STARTED.search(row[0]) if row else None
        return int(found[1]) if found else None

    def kill(self, pid: int) -> bool:
        """SIGKILL to a process of this platform; False where it is gone, or its number has become another's."""
        import psutil

        try:
            process = psutil.Process(pid)
            if not any(str(self.home) in word for word in (*process.cmdline(), *process.environ().values())):
                return False
            process.kill()
        except psutil.Error:
            return False
        return True

    def _child(self, word: str) -> int | None:
        import psutil  # for development, as the drills are: not where the platform is installed to work

        with suppress(psutil.Error):
            for child in psutil.Process(self.process.pid).children():
                with suppress(psutil.Error):
                    if word in child.cmdline():
                        return int(child.pid)
        return None


@contextmanager
def running(home: Path, *, automations: Path) -> Iterator[Platform]:
    """`aios up --no-run` with everything it starts, stopped on the way out. Raises DrillBroken with the end of its log."""
    ports = {name: free_port() for name in ("dagster", "console", "sandbox")}
    log = home.parent / "up.log"
    environ = {k: v for k, v in os.environ.items() if not k.startswith(("AIOS_", "DAGSTER"))}
    environ |= {"AIOS_HOME": str(home), "AIOS_AUTOMATIONS": str(automations)}
    command = [sys.executable, "-m", "cli.main", "up", "--no-run", "--live", "0"]
    command += [f"--port-{name}={port}" for name, port in ports.items()]
    with log.open("wb") as output:
        process = subprocess.Popen(
            command, cwd=PROJECT, env=environ, stdin=subprocess.DEVNULL, stdout=output, stderr=output,
            start_new_session=True,
        )  # fmt: skip
    try:
        _await_up(process, log)
        yield Platform(
            home=home,
            process=process,
            log=log,
            variables=_variables(environ),
            dagster=f"http://127.0.0.1:{ports['dagster']}",
            gateway_port=ports["console"],
            sandbox=f"http://127.0.0.1:{ports['sandbox']}",
        )
    finally:
        _stop(process)


def _await_up(process: subprocess.Popen[bytes], log: Path) -> None:
    end = time.monotonic() + UP_SECONDS
    while time.monotonic() < end:
        if process.poll() is not None:
            raise DrillBroken(f"`aios up` ended with code {process.returncode}:\n{tail(log)}")
        if "Ctrl-C stops it" in log.read_text(errors="replace"):
            return
        time.sleep(0.2)
    raise DrillBroken(f"`aios up` was not up after {UP_SECONDS:g} s:\n{tail(log)}")


def _variables(environ: Mapping[str, str]) -> dict[str, str]:
    """What `aios env` tells a shell about the platform that runs."""
    said = subprocess.run(
        [sys.executable, "-m", "cli.main", "env"], cwd=PROJECT, env=dict(environ), capture_output=True, text=True,
        timeout=60,
    )  # fmt: skip
    if said.returncode:
        raise DrillBroken(f"`aios env` failed: {said.stderr.strip()}")
    return dict(re.findall(r"^export (\w+)='?([^'\n]*)'?$", said.stdout, re.MULTILINE))


def _stop(process: subprocess.Popen[bytes]) -> None:
    """Asked first; its children end with it even where it does not listen."""
    if process.poll() is None:
        process.send_signal(signal.SIGINT)
        with suppress(subprocess.TimeoutExpired):
            process.wait(STOP_SECONDS)
    if process.poll() is None:
        process.kill()
        process.wait()


def _failed(data: Mapping[str, Any]) -> bool:
    return any(isinstance(v, dict) and v.get("__typename") == "PythonError" for v in data.values())


_REPOSITORIES = """{repositoriesOrError {__typename ... on RepositoryConnection {nodes {name location {name}}}}}"""
_INSTIGATORS = """{repositoriesOrError {__typename ... on RepositoryConnection {nodes {
    schedules {name scheduleState {id}} sensors {name sensorState {id}}}}}}"""
_STOP_SCHEDULE = """mutation($id: String!) {stopRunningSchedule(id: $id) {__typename}}"""
_STOP_SENSOR = """mutation($id: String!) {stopSensor(id: $id) {__typename}}"""
_LAUNCH = """mutation($p: ExecutionParams!) {launchRun(executionParams: $p) {__typename
    ... on LaunchRunSuccess {run {runId}} ... on PythonError {message} ... on RunConfigValidationInvalid {errors {message}}
    ... on PipelineNotFoundError {message}}}"""
