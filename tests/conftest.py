"""Fixtures that any test may use: a real Postgres, and the folder of real data where it is there.

One embedded server a test session (a worker of pytest-xdist has its own), one template that is migrated once, and a copy of
it for each test: about 50 ms.
"""

import itertools
import os
import shutil
import signal
import tempfile
from collections.abc import Generator, Iterator
from pathlib import Path

import psycopg
import pytest

from resources.database import Database
from resources.embedded_postgres import EmbeddedPostgres

PROJECT = Path(__file__).resolve().parent.parent
SHARED_DATA = PROJECT.parent / "shared" / "data"

# durability is what these tests do not test, and it costs a third of their time
FAST = {"fsync": "off", "synchronous_commit": "off", "full_page_writes": "off", "shared_buffers": "64MB"}

_numbers = itertools.count(1)


def pytest_configure(config: pytest.Config) -> None:
    """A build server may start us with SIGINT ignored; Dagster then has SIGTERM ignored too, for all that tests start."""
    if signal.getsignal(signal.SIGINT) is signal.SIG_IGN:
        signal.signal(signal.SIGINT, signal.default_int_handler)
    if hasattr(config.option, "loadscopereorder"):
        config.option.loadscopereorder = False  # xdist would put the group of most tests first, not the longest


@pytest.hookimpl(tryfirst=True)  # before xdist reads the groups
def pytest_collection_modifyitems(config: pytest.Config, items: list[pytest.Item]) -> None:
    """How the workers of xdist share the tests; a run in one process keeps its order.

    Tests that share a fixture of their module go to one worker: each of them would otherwise make it anew. The longest come
    first, so that no worker is left alone with them at the end.
    """
    if not hasattr(config, "workerinput"):
        return
    first: dict[Path, int] = {}
    for item in items:
        if shares_a_fixture(item) and item.get_closest_marker("xdist_group") is None:
            item.add_marker(pytest.mark.xdist_group(item.nodeid.partition("::")[0]))
        rank = 0 if item.get_closest_marker("end_to_end") else 1 if item.get_closest_marker("slow") else 2
        first[item.path] = min(rank, first.get(item.path, rank))
    items.sort(key=lambda item: first[item.path])


def shares_a_fixture(item: pytest.Item) -> bool:
    """Whether the test uses a fixture that is made once a module or class."""
    known = getattr(item, "_fixtureinfo", None)
    return known is not None and any(
        fixture.scope in ("module", "class") for found in known.name2fixturedefs.values() for fixture in found
    )


@pytest.hookimpl(wrapper=True)
def pytest_runtest_makereport(item: pytest.Item) -> Generator[None, pytest.TestReport, pytest.TestReport]:
    """With AIOS_REQUIRE_BROWSER=1 a browser test that skips has failed: a build server must not pass without a browser."""
    report = yield
    if report.skipped and os.environ.get("AIOS_REQUIRE_BROWSER") == "1" and item.get_closest_marker("browser"):
        report.outcome = "failed"
        report.longrepr = f"{item.nodeid} must not skip with AIOS_REQUIRE_BROWSER=1: {report.longrepr}"
    return report


@pytest.fixture(scope="session")
def postgres() -> Iterator[EmbeddedPostgres]:
    """A running server of this session's own; it ends with the session, even when that is killed."""
    home = Path(tempfile.mkdtemp(prefix="aios-test-"))
    home.chmod(0o755)  # as root the server runs under another account, which must pass here
    server = EmbeddedPostgres(home=home, settings=FAST, tied=True)
    try:
        server.start()
        yield server
    finally:
        server.stop()
        shutil.rmtree(home, ignore_errors=True)


@pytest.fixture(scope="session")
def template(postgres: EmbeddedPostgres) -> str:
    """The name of a migrated, empty database to copy from."""
    with psycopg.connect(postgres.url("postgres"), autocommit=True) as connection:
        connection.execute("create database template_migrated")
    with Database(postgres.url("template_migrated")) as database:
        database.migrate()
    return "template_migrated"


@pytest.fixture
def empty_database_url(postgres: EmbeddedPostgres) -> Iterator[str]:
    """A database with nothing in it, for tests of migrations."""
    yield from _fresh(postgres, "template0")


@pytest.fixture
def database_url(postgres: EmbeddedPostgres, template: str) -> Iterator[str]:
    """A migrated database of the test's own, by URL: for tests that start other processes."""
    yield from _fresh(postgres, template)


@pytest.fixture
def database(database_url: str) -> Iterator[Database]:
    """A migrated database of the test's own."""
    with Database(database_url) as database:
        yield database


@pytest.fixture
def shared_data() -> Path:
    """The folder of real data; tests that need it skip where it is absent."""
    if not SHARED_DATA.is_dir():
        pytest.skip(f"real data is not there: {SHARED_DATA}")
    return SHARED_DATA


@pytest.fixture(autouse=True)
def _own_environment(monkeypatch: pytest.MonkeyPatch) -> None:
    """A developer's own AIOS_* variables must not reach the tests."""
    for name in [n for n in os.environ if n.startswith("AIOS_") and n != "AIOS_REQUIRE_BROWSER"]:
        monkeypatch.delenv(name)


def _fresh(server: EmbeddedPostgres, template: str) -> Iterator[str]:
    name = f"test_{os.getpid()}_{next(_numbers)}"
    with psycopg.connect(server.url("postgres"), autocommit=True) as connection:
        # copying files instead of writing every page to the log costs about half; the checkpoints that it asks for are cheap without fsync
        connection.execute(f'create database "{name}" template "{template}" strategy file_copy')
    yield server.url(name)
    with psycopg.connect(server.url("postgres"), autocommit=True) as connection:
        connection.execute(f'drop database "{name}" with (force)')
