"""Fixtures that any test may use: a real Postgres, and the folder of real data where it is there.

One embedded server a test session (a worker of pytest-xdist has its own), one template that is migrated once, and a copy of
it for each test: about 50 ms.
"""

import itertools
import os
import re
import shutil
import signal
import tempfile
from collections.abc import Generator, Iterator
from functools import cache
from pathlib import Path
from typing import Any

import psycopg
import pytest
from hypothesis import HealthCheck, settings

from resources.database import Database
from resources.embedded_postgres import EmbeddedPostgres

PROJECT = Path(__file__).resolve().parent.parent
SHARED_DATA = PROJECT.parent / "shared" / "data"

# durability is what these tests do not test, and it costs a third of their time
FAST = {"fsync": "off", "synchronous_commit": "off", "full_page_writes": "off", "shared_buffers": "64MB"}

_numbers = itertools.count(1)

# a slow machine is no failure
settings.register_profile("aios", deadline=None, suppress_health_check=[HealthCheck.too_slow])
settings.load_profile("aios")


def pytest_configure(config: pytest.Config) -> None:
    """A build server may start us with SIGINT ignored; Dagster then has SIGTERM ignored too, for all that tests start."""
    if signal.getsignal(signal.SIGINT) is signal.SIG_IGN:
        signal.signal(signal.SIGINT, signal.default_int_handler)
    if hasattr(config.option, "loadscopereorder"):
        config.option.loadscopereorder = False  # xdist would put the group of most tests first, not the longest


def pytest_collection_modifyitems(config: pytest.Config, items: list[pytest.Item]) -> None:
    """The longest files first, so that no worker of xdist is left alone with one at the end; one process keeps its order."""
    if not hasattr(config, "workerinput"):
        return
    first: dict[Path, int] = {}
    for item in items:
        rank = 0 if item.get_closest_marker("end_to_end") else 1 if item.get_closest_marker("slow") else 2
        first[item.path] = min(rank, first.get(item.path, rank))
    items.sort(key=lambda item: first[item.path])


@pytest.hookimpl(optionalhook=True)
def pytest_xdist_make_scheduler(config: pytest.Config, log: Any) -> Any:
    """`--dist loadgroup` by what the files say: xdist 3.8 hands a group on in a name that pytest 9.2 no longer reads."""
    if config.getvalue("dist") != "loadgroup":
        return None
    from xdist.scheduler import LoadGroupScheduling

    class ByFile(LoadGroupScheduling):
        def _split_scope(self, nodeid: str) -> str:
            file = nodeid.partition("::")[0]
            return goes_with(config.rootpath / file) or nodeid

    return ByFile(config, log)


@cache
def goes_with(file: Path) -> str | None:
    """What one worker must run together with this file's tests: the group it names, or the file where its tests share a fixture."""
    beside = file.with_name("conftest.py")
    text = file.read_text(encoding="utf-8") + (beside.read_text(encoding="utf-8") if beside.is_file() else "")
    if named := re.search(r"""mark\.xdist_group\(["'](\w+)["']\)""", text):
        return named[1]
    return str(file) if re.search(r"""scope=["'](module|class)["']""", text) else None


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
