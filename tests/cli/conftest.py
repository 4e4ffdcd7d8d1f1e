"""A command line to call in this process, against a database and a state folder of the test's own."""

from collections.abc import Callable
from pathlib import Path

import pytest
from typer.testing import CliRunner, Result

from cli.main import app

Aios = Callable[..., Result]


@pytest.fixture
def home(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    folder = tmp_path / "state"
    monkeypatch.setenv("AIOS_HOME", str(folder))
    return folder


@pytest.fixture
def aios(home: Path, database_url: str, monkeypatch: pytest.MonkeyPatch) -> Aios:
    monkeypatch.setenv("AIOS_DATABASE_URL", database_url)
    return call


@pytest.fixture
def aios_without_database(home: Path) -> Aios:
    return call


def call(*arguments: str, stdin: str | None = None) -> Result:
    return CliRunner().invoke(app, arguments, input=stdin)
