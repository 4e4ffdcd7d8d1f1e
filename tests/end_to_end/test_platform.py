"""The platform as a user starts it: real processes, real Postgres, real daemon and webserver, a real browser.

One start serves all tests of this file, in their order: starting costs a minute.
"""

import os
import re
import shutil
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import httpx
import psutil
import psycopg
import pytest

from resources.supervisor import is_held

PROJECT = Path(__file__).resolve().parents[2]
AUTOMATION = "customer_escalations"
ARGUMENTS = ["--no-sandbox", "--disable-gpu", "--disable-quic", "--no-first-run", "--disable-background-networking",
             "--disable-component-update", "--disable-sync"]  # fmt: skip

pytestmark = [pytest.mark.end_to_end, pytest.mark.timeout(600), pytest.mark.xdist_group("platform")]


@dataclass(kw_only=True)
class Running:
    """`aios up` in a process of its own, and how to reach what it started."""

    home: Path
    process: subprocess.Popen[bytes]
    output: Path
    dagster: str
    console: str
    sandbox: str
    answers: dict[str, Any] = field(default_factory=dict)

    @property
    def said(self) -> str:
        return self.output.read_text(errors="replace")

    @property
    def password(self) -> str:
        found = re.search(r"user admin, password (\S+)", self.said)
        assert found, self.said
        return found[1]

    def graphql(self, query: str, **variables: Any) -> Any:
        answer = httpx.post(f"{self.dagster}/graphql", json={"query": query, "variables": variables}, timeout=60).json()
        assert "errors" not in answer, answer["errors"]
        return answer["data"]

    def environment(self) -> dict[str, str]:
        """What `aios env` tells a shell."""
        said = subprocess.run(
            [sys.executable, "-m", "cli.main", "env"],
            cwd=PROJECT,
            env=environ(self.home),
            capture_output=True,
            text=True,
        )
        assert said.returncode == 0, said.stderr
        return dict(re.findall(r"^export (\w+)='?([^'\n]*)'?$", said.stdout, re.MULTILINE))

    def value(self, query: str) -> Any:
        with psycopg.connect(self.environment()["AIOS_DATABASE_URL"]) as connection:
            row = connection.execute(query).fetchone()
        return row[0] if row else None


def environ(home: Path) -> dict[str, str]:
    return {k: v for k, v in os.environ.items() if not k.startswith(("AIOS_", "DAGSTER"))} | {"AIOS_HOME": str(home)}


def free_port() -> int:
    with socket.socket() as listening:
        listening.bind(("127.0.0.1", 0))
        return int(listening.getsockname()[1])


def wait_for(what: str, ready: Callable[[], Any], *, seconds: float) -> Any:
    end = time.monotonic() + seconds
    while time.monotonic() < end:
        if result := ready():
            return result
        time.sleep(1)
    pytest.fail(f"{what} did not happen within {seconds:g} s")


def start(home: Path, *options: str) -> Running:
    ports = {name: free_port() for name in ("dagster", "console", "sandbox")}
    output = home.parent / "up.log"
    with output.open("wb") as log:
        process = subprocess.Popen(
            [sys.executable, "-m", "cli.main", "up", *options]
            + [f"--port-{name}={port}" for name, port in ports.items()],
            cwd=PROJECT, env=environ(home), stdout=log, stderr=subprocess.STDOUT, start_new_session=True,
        )  # fmt: skip
    running = Running(
        home=home, process=process, output=output, **{n: f"http://127.0.0.1:{p}" for n, p in ports.items()}
    )
    wait_for("`aios up`", lambda: "AIOS is up" in running.said or process.poll() is not None, seconds=400)
    assert process.poll() is None, running.said
    return running


def of_platform(home: Path) -> list[str]:
    """Processes that belong to this state folder: by their environment or by what they were called with."""
    found = []
    for process in psutil.process_iter(["pid", "cmdline"]):
        try:
            mine = process.environ().get("AIOS_HOME") == str(home) or any(str(home) in c for c in process.cmdline())
        except (psutil.NoSuchProcess, psutil.AccessDenied, psutil.ZombieProcess):
            continue
        if mine and process.pid != os.getpid():
            found.append(f"{process.pid}: {' '.join(process.info['cmdline'] or [])[:150]}")
    return found


@pytest.fixture(scope="module")
def home(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Path]:
    folder = tmp_path_factory.mktemp("platform")
    for parent in (folder, *folder.parents):  # as root the embedded Postgres runs under another account
        if parent.stat().st_uid == os.getuid() and parent != Path("/"):
            parent.chmod(parent.stat().st_mode | 0o111)
    yield folder / "state"
    shutil.rmtree(folder, ignore_errors=True)


@pytest.fixture(scope="module")
def running(home: Path) -> Iterator[Running]:
    platform = start(home, "--tickets", "400", "--live", "120")
    yield platform
    if platform.process.poll() is None:
        os.killpg(platform.process.pid, signal.SIGKILL)
        platform.process.wait(30)


def test_up_runs_the_main_job_and_says_what_it_did(running: Running) -> None:
    assert "lost 0, duplicated 0" in running.said
    assert running.value("select count(*) from aios.decisions") >= 400
    assert running.value("select count(*) from aios.outbox where state = 'sent'") > 0
    assert running.value("select count(*) from aios.review_cases where batch is not null") > 0


def test_the_dagster_ui_shows_the_assets_checks_and_a_healthy_daemon(running: Running) -> None:
    nodes = running.graphql("{assetNodes {assetKey {path} assetMaterializations(limit: 1) {runId}}}")["assetNodes"]
    done = {n["assetKey"]["path"][-1] for n in nodes if n["assetMaterializations"]}
    assert {
        "helpdesk_landing",
        "tickets",
        "features",
        "model_version",
        "champion",
        "scores",
        "decisions",
        "actions",
    } <= done
    assert {"review_batches", "drift", "quality", "value"} <= done

    def healthy() -> bool:
        health = running.graphql("{instance {daemonHealth {allDaemonStatuses {required healthy}}}}")
        statuses = health["instance"]["daemonHealth"]["allDaemonStatuses"]
        return all(s["healthy"] for s in statuses if s["required"])

    wait_for("a healthy daemon", healthy, seconds=60)


def test_new_tickets_are_ingested_scored_and_decided_by_the_daemon_alone(running: Running) -> None:
    before = running.value("select count(*) from aios.decisions")

    def decided_more() -> bool:
        return running.value("select count(*) from aios.decisions") > before

    wait_for("a decision on a ticket that came after the start", decided_more, seconds=330)

    def started_by() -> set[str]:
        answer = running.graphql(
            "{runsOrError(filter: {statuses: [SUCCESS]}) {... on Runs {results {tags {key value}}}}}"
        )
        tags = [t for run in answer["runsOrError"]["results"] for t in run["tags"]]
        return {t["value"] for t in tags if t["key"] in ("dagster/sensor_name", "dagster/schedule_name")}

    expected = {f"{AUTOMATION}__arrivals_sensor", f"{AUTOMATION}__ingest_schedule"}
    wait_for(f"runs started by {expected} to succeed", lambda: expected <= started_by(), seconds=120)
    lost = """
        select count(*) from aios.landing_records l where object = 'tickets'
        and not exists (select 1 from aios.tickets t where t.landing_id = l.landing_id)
        and not exists (select 1 from aios.quarantine q where q.landing_id = l.landing_id)
    """
    wait_for("every landed ticket to become canonical", lambda: running.value(lost) == 0, seconds=60)


@pytest.mark.browser
def test_a_person_signs_in_and_decides_cases_by_keyboard(running: Running, tmp_path: Path) -> None:
    decided = "select count(*) from aios.review_cases where state = 'decided'"
    before = running.value(decided)
    with browser() as chromium:
        page = chromium.new_page(viewport={"width": 1280, "height": 900})
        page.goto(running.console)
        page.fill("input[name=username]", "admin")
        page.fill("input[name=password]", running.password)
        page.press("input[name=password]", "Enter")
        page.wait_for_url(lambda url: "sign" not in url)
        for _ in range(2):  # from the overview each time: a batch may hold a single case
            page.goto(running.console)
            page.click("text=Start")
            page.wait_for_url("**/cases/**")
            case = page.url
            page.keyboard.press("c")
            page.wait_for_url(lambda url, case=case: url != case, timeout=15_000)
        page.screenshot(path=tmp_path / "case.png")
    assert running.value(decided) >= before + 2


@pytest.mark.browser
def test_the_lineage_of_the_automation_opens_in_a_browser(running: Running) -> None:
    with browser() as chromium:
        page = chromium.new_page(viewport={"width": 1600, "height": 1000})
        page.goto(f"{running.dagster}/assets/{AUTOMATION}/decisions")
        page.wait_for_selector("text=One verdict a ticket", timeout=60_000)


def test_plain_dagster_commands_work_beside_it(running: Running) -> None:
    variables = environ(running.home) | running.environment()
    for command in (["dg", "check", "defs"], ["dg", "list", "defs", "--json"], ["dagster", "instance", "info"]):
        program = Path(sys.executable).parent / command[0]
        done = subprocess.run(
            [program, *command[1:]], cwd=PROJECT, env=variables, capture_output=True, text=True, timeout=180
        )
        assert done.returncode == 0, f"{command}: {done.stdout[-2000:]}{done.stderr[-2000:]}"


def test_ctrl_c_leaves_no_process_and_no_lock_and_the_next_start_goes_on(running: Running, home: Path) -> None:
    decisions = running.value("select count(*) from aios.decisions")
    running.process.send_signal(signal.SIGINT)
    assert running.process.wait(90) == 0, running.said
    wait_for("every process to end", lambda: not of_platform(home), seconds=15)
    assert not is_held(home / "up.lock") and not (home / "up.lock").exists()

    again = start(home, "--no-run")
    try:
        assert again.value("select count(*) from aios.decisions") >= decisions
        assert "password as shown at the first start" in again.said
    finally:
        os.kill(again.process.pid, signal.SIGKILL)  # only the supervisor: its children must notice by themselves
        again.process.wait(30)
    wait_for("every child of a killed supervisor to end", lambda: not of_platform(home), seconds=60)


class browser:
    """Debian's Chromium; without it the test skips loudly, or fails where a browser is required."""

    def __enter__(self) -> Any:
        found = shutil.which("chromium")
        if found is None:
            why = "chromium is not installed, so the running platform is not tried in a browser"
            (pytest.fail if os.environ.get("AIOS_REQUIRE_BROWSER") == "1" else pytest.skip)(why)
        from playwright.sync_api import sync_playwright

        self._playwright = sync_playwright().start()
        self._browser = self._playwright.chromium.launch(executable_path=found, args=ARGUMENTS)
        return self._browser

    def __exit__(self, *_: object) -> None:
        self._browser.close()
        self._playwright.stop()
