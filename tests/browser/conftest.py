"""A real Chromium against a gateway that really listens. Skips loudly where there is no Chromium."""

import os
import shutil
import threading
import time
from collections.abc import Iterator
from contextlib import suppress
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path

import pytest
import uvicorn
from argon2 import PasswordHasher
from psycopg import Connection
from psycopg.errors import DeadlockDetected

from gateway.__main__ import listen
from gateway.app import create_app
from gateway.dependencies import Services
from gateway.security import COOKIE
from gateway.settings import Settings
from resources.database import Database
from resources.deployments import deployment
from resources.embedded_postgres import EmbeddedPostgres
from resources.lake import Lake
from tests.conftest import _fresh as fresh_database

PASSWORD = "correct horse battery"
SERIOUS = ("serious", "critical")
ARGUMENTS = ["--no-sandbox", "--disable-gpu", "--disable-quic", "--no-first-run", "--disable-background-networking",
             "--disable-component-update", "--disable-sync"]  # fmt: skip


@dataclass(frozen=True, kw_only=True)
class Live:
    """A gateway that listens."""

    address: str
    database: Database
    lake: Lake
    home: Path
    services: Services

    def cookie(self, username: str) -> str:
        """What a browser keeps after the sign-in, without the cost of the password's hash."""
        user = self.services.users.get(username)
        assert user is not None
        return self.services.sessions.start(username=username, stamp=user.stamp, now=datetime.now(UTC))


@pytest.fixture(scope="module")
def chromium():
    """Closed at the module's end: until then playwright runs an event loop in this thread, where no other can be started."""
    found = shutil.which("chromium")
    if found is None:
        why = "chromium is not installed, so nothing of the console is tried in a browser"
        (pytest.fail if os.environ.get("AIOS_REQUIRE_BROWSER") == "1" else pytest.skip)(why)
    from playwright.sync_api import sync_playwright

    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=found, args=ARGUMENTS)
        yield browser
        browser.close()


@pytest.fixture(scope="module")
def running(postgres: EmbeddedPostgres, template: str, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Live]:
    """One gateway for the tests of a module: starting it takes longer than most of them."""
    home = tmp_path_factory.mktemp("live")
    for url in fresh_database(postgres, template):
        with Database(url) as database:
            yield from _listening(database, url, home)


def _listening(database: Database, url: str, home: Path) -> Iterator[Live]:
    hashed = PasswordHasher().hash(PASSWORD)
    with database.connection() as conn:
        for name, role in (("ana", "reviewer"), ("ben", "reviewer"), ("lea", "lead")):
            conn.execute("insert into users values (%s, %s, %s)", (name, hashed, role))
    of = deployment({"AIOS_HOME": str(home), "AIOS_DATABASE_URL": url})
    lake = Lake(of.lake_url)
    app = create_app(Settings(deployment=of, secret_key="s" * 40), database=database, lake=lake)
    with listen("127.0.0.1", 0) as listening:
        server = uvicorn.Server(uvicorn.Config(app, log_level="warning", timeout_graceful_shutdown=1))
        thread = threading.Thread(target=server.run, kwargs={"sockets": [listening]}, daemon=True)
        thread.start()
        while not server.started:
            time.sleep(0.01)
        address = f"http://127.0.0.1:{listening.getsockname()[1]}"
        yield Live(address=address, database=database, lake=lake, home=home, services=app.state.services)
        server.should_exit = True
        thread.join(10)


@pytest.fixture
def live(running: Live) -> Live:
    """The gateway over an empty database, but for the people."""
    for _ in range(5):
        # a page that was closed just now may still be giving its case back
        with suppress(DeadlockDetected), running.database.connection() as conn:
            conn.execute(f"truncate {', '.join(_tables(conn))} cascade")
            return running
    raise AssertionError("the database could not be emptied")


def _tables(conn: Connection) -> list[str]:
    found = conn.execute(
        "select tablename from pg_tables where schemaname = 'aios' and tablename not in ('users', 'schema_migrations')"
    )
    return [name for (name,) in found.fetchall()]


@pytest.fixture
def sign_in(chromium, running: Live):
    """Opens a browser of its own for a person who is signed in, as after the form; complains about any script error."""
    contexts, problems = [], []

    def opened(username: str = "ana", *, by_form: bool = False, **options):
        context = chromium.new_context(
            base_url=running.address, **({"viewport": {"width": 1280, "height": 900}} | options)
        )
        contexts.append(context)
        context.set_default_timeout(5_000)
        if not by_form:
            context.add_cookies([{"name": COOKIE, "value": running.cookie(username), "url": running.address}])
        page = context.new_page()
        page.on("pageerror", lambda error: problems.append(str(error)))
        page.on("console", lambda message: problems.append(message.text) if is_fault(message) else None)
        page.goto("/")
        if by_form:
            page.get_by_label("Name").fill(username)
            page.get_by_label("Password").fill(PASSWORD)
            page.get_by_role("button", name="Sign in").click()
            page.wait_for_url("**/")
        return page

    yield opened
    for context in contexts:
        context.close()
    assert problems == []


@pytest.fixture(scope="module")
def axe():
    from axe_playwright_python.sync_playwright import Axe

    return Axe()


def faults(axe, page) -> list[str]:
    """Serious and critical ones, with the elements they are about."""
    found = axe.run(page, options={"resultTypes": ["violations"]}).response["violations"]
    return [f"{v['id']}: {[n['html'][:160] for n in v['nodes'][:3]]}" for v in found if v["impact"] in SERIOUS]


def loaded(page) -> None:
    """Wait for what a page fetches after it stands: it is faint until then."""
    page.wait_for_function(
        "() => ![...document.querySelectorAll('[data-load]:not([data-loaded])')].some((p) => !p.closest('details:not([open])'))"
    )


def is_fault(message) -> bool:
    """Scripts and policies that fail; a status of 4xx is a page's own answer, and a test may pull the plug."""
    own = ("status of 4", "ERR_INTERNET_DISCONNECTED")
    return message.type == "error" and not any(words in message.text for words in own)
