"""Fixtures of the tests that run whole automations."""

from collections.abc import Iterator
from pathlib import Path

import dagster as dg
import pytest

from resources.database import Database
from resources.lake import Lake
from tests.whole_platform import Platform


@pytest.fixture
def platform(
    database: Database, database_url: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> Iterator[Platform]:
    lake = tmp_path / "lake"
    monkeypatch.setenv("AIOS_DATABASE_URL", database_url)
    monkeypatch.setenv("AIOS_LAKE_URL", str(lake))
    monkeypatch.setenv("AIOS_HOME", str(tmp_path / "home"))
    with dg.DagsterInstance.ephemeral() as instance:
        yield Platform(database, Lake(lake), tmp_path / "automations", instance)


@pytest.fixture
def policy() -> str:
    """The policy that a new automation is scaffolded with."""
    from resources.declarations import TEMPLATES

    return (TEMPLATES / "policy.rego").read_text(encoding="utf-8")
