"""`aios migrate`, `aios env`, `aios reset`: the state folder's life."""

import json
import shlex
from pathlib import Path

import pytest

from resources.database import Database
from resources.deployments import PROJECT
from resources.embedded_postgres import EmbeddedPostgres
from resources.supervisor import only_one
from tests.cli.conftest import Aios, call


def test_migrate_says_what_it_applied_and_then_that_all_is_current(
    home: Path, empty_database_url: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("AIOS_DATABASE_URL", empty_database_url)
    assert "0001_initial.sql" in json.loads(call("migrate", "--json").stdout)["applied"]
    assert call("migrate").stdout == "the schema is current\n"


def test_other_commands_ask_for_a_migration(
    home: Path, empty_database_url: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("AIOS_DATABASE_URL", empty_database_url)
    done = call("user", "list")
    assert done.exit_code == 1
    assert "run `aios migrate`" in done.stderr


def test_env_prints_what_plain_dagster_commands_need(aios_without_database: Aios, home: Path) -> None:
    done = aios_without_database("env")
    words = shlex.split(done.stdout.replace("export ", ""))
    exports = dict(word.split("=", 1) for word in words)
    assert exports["DAGSTER_HOME"] == str(PROJECT)
    assert exports["DAGSTER_PG_URL"].startswith("postgresql+psycopg2://")
    assert exports["AIOS_HOME"] == str(home)
    assert "does not run now" in done.stderr


def test_reset_asks_and_deletes_the_state_folder(aios_without_database: Aios, home: Path) -> None:
    (home / "lake").mkdir(parents=True)
    (home / "lake" / "file").touch()
    assert aios_without_database("reset", stdin="n\n").exit_code == 1
    assert (home / "lake" / "file").exists()
    assert aios_without_database("reset", stdin="y\n").exit_code == 0
    assert not home.exists()
    assert "nothing there" in aios_without_database("reset", "--yes").stdout


def test_reset_refuses_while_the_platform_runs(aios_without_database: Aios, home: Path) -> None:
    (home / "lake").mkdir(parents=True)
    with only_one(home / "up.lock", what="AIOS is up", about={}):
        done = aios_without_database("reset", "--yes")
    assert done.exit_code == 1
    assert "the platform runs (process " in done.stderr
    assert home.exists()


def test_reset_refuses_a_folder_that_is_not_a_state_folder(aios_without_database: Aios, home: Path) -> None:
    home.mkdir()
    (home / "thesis.txt").touch()
    assert "does not look like a state folder" in aios_without_database("reset", "--yes").stderr
    assert (home / "thesis.txt").exists()


def test_reset_refuses_the_project_itself(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("AIOS_HOME", str(PROJECT))
    assert "holds this project" in call("reset", "--yes").stderr


def test_a_home_that_can_not_be_written_is_one_line(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "file").touch()
    monkeypatch.setenv("AIOS_HOME", str(tmp_path / "file"))
    for arguments in (["migrate"], ["up", "--no-run"], ["user", "list"]):
        done = call(*arguments)
        assert done.exit_code == 1
        assert "can't write here" in done.stderr and "AIOS_HOME" in done.stderr


@pytest.mark.parametrize("arguments", [["user", "list"], ["review", "list"], ["quarantine", "list"], ["model", "list"]])
def test_lists_of_an_empty_platform_are_empty_and_not_errors(aios: Aios, arguments: list[str]) -> None:
    done = aios(*arguments, "--json")
    assert done.exit_code == 0, done.stderr
    assert isinstance(json.loads(done.stdout), list)


def test_a_command_on_the_embedded_default_leaves_no_server_behind(aios_without_database: Aios, home: Path) -> None:
    import subprocess
    import sys

    done = subprocess.run(
        [sys.executable, "-m", "cli.main", "migrate"], cwd=PROJECT, capture_output=True, text=True, timeout=60
    )
    assert done.returncode == 0, done.stderr
    server = EmbeddedPostgres(home=home)
    assert not server.running()
    with Database(server.start()) as database:
        assert database.schema().kind == "current"
    server.stop()


def test_reset_refuses_while_the_embedded_postgres_is_in_use(aios_without_database: Aios, home: Path) -> None:
    server = EmbeddedPostgres(home=home)
    server.start()
    try:
        assert "in use" in aios_without_database("reset", "--yes").stderr
    finally:
        server.stop()
    assert aios_without_database("reset", "--yes").exit_code == 0
