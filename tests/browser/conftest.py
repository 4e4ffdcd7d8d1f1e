"""A real Chromium against a gateway that really listens. Skips loudly where there is no Chromium."""

import os
import shutil
import threading
import time
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import pytest
import uvicorn
from argon2 import PasswordHasher

from gateway.__main__ import listen
from gateway.app import create_app
from gateway.settings import Settings
from resources.database import Database
from resources.deployments import deployment
from resources.lake import Lake

PASSWORD = "correct horse battery"
ARGUMENTS = ["--no-sandbox", "--disable-gpu", "--disable-quic", "--no-first-run", "--disable-background-networking",
             "--disable-component-update", "--disable-sync"]  # fmt: skip


@dataclass(frozen=True, kw_only=True)
class Live:
    """A gateway that listens."""

    address: str
    database: Database
    lake: Lake


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


@pytest.fixture
def live(database: Database, database_url: str, tmp_path: Path) -> Iterator[Live]:
    hashed = PasswordHasher().hash(PASSWORD)
    with database.connection() as conn:
        for name in ("ana", "ben"):
            conn.execute("insert into users values (%s, %s, 'reviewer')", (name, hashed))
    of = deployment({"AIOS_HOME": str(tmp_path), "AIOS_DATABASE_URL": database_url})
    lake = Lake(of.lake_url)
    app = create_app(Settings(deployment=of, secret_key="s" * 40), database=database, lake=lake)
    with listen("127.0.0.1", 0) as listening:
        server = uvicorn.Server(uvicorn.Config(app, log_level="warning", timeout_graceful_shutdown=1))
        thread = threading.Thread(target=server.run, kwargs={"sockets": [listening]}, daemon=True)
        thread.start()
        while not server.started:
            time.sleep(0.01)
        yield Live(address=f"http://127.0.0.1:{listening.getsockname()[1]}", database=database, lake=lake)
        server.should_exit = True
        thread.join(10)


@pytest.fixture
def sign_in(chromium, live: Live):
    """Opens a browser of its own for a person and signs them in by the form; complains about any script error."""
    contexts, problems = [], []

    def opened(username: str = "ana", **options):
        context = chromium.new_context(
            base_url=live.address, **({"viewport": {"width": 1280, "height": 900}} | options)
        )
        contexts.append(context)
        context.set_default_timeout(5_000)
        page = context.new_page()
        page.on("pageerror", lambda error: problems.append(str(error)))
        page.on("console", lambda message: problems.append(message.text) if is_fault(message) else None)
        page.goto("/")
        page.get_by_label("Name").fill(username)
        page.get_by_label("Password").fill(PASSWORD)
        page.get_by_role("button", name="Sign in").click()
        page.wait_for_url("**/")
        return page

    yield opened
    for context in contexts:
        context.close()
    assert problems == []


def is_fault(message) -> bool:
    """Scripts and policies that fail; a status of 4xx is a page's own answer."""
    return message.type == "error" and "status of 4" not in message.text
