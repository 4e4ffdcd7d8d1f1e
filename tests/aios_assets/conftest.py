"""Fixtures of the tests that run whole automations."""

import os
import shutil
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

import dagster as dg
import psycopg
import pytest

from aios_assets import jobs
from resources.database import Database
from resources.declarations import TEMPLATES, Declared, load_declaration
from resources.embedded_postgres import EmbeddedPostgres
from resources.lake import Lake
from tests.aios_assets import small_desk
from tests.aios_assets.small_desk import BEFORE, DECLARATION
from tests.conftest import SHARED_DATA
from tests.whole_platform import Platform

TRAINED = "template_trained_desk"
TRAINED_ROWS = 150


@dataclass(frozen=True)
class Desk:
    """The small desk on a platform of its own."""

    platform: Platform
    declared: Declared

    @property
    def folder(self) -> Path:
        return self.declared.folder


@contextmanager
def standing(database_url: str, folder: Path) -> Iterator[Platform]:
    """A platform over `folder`, with the environment that its resources read."""
    with pytest.MonkeyPatch.context() as patch, Database(database_url) as database:
        patch.setenv("AIOS_DATABASE_URL", database_url)
        patch.setenv("AIOS_LAKE_URL", str(folder / "lake"))
        patch.setenv("AIOS_HOME", str(folder / "home"))
        patch.setenv("AIOS_DATA", str(SHARED_DATA))
        with dg.DagsterInstance.ephemeral() as instance:
            yield Platform(database, Lake(folder / "lake"), folder / "automations", instance)


@pytest.fixture
def platform(database_url: str, tmp_path: Path) -> Iterator[Platform]:
    """With nothing on it."""
    with standing(database_url, tmp_path) as platform:
        yield platform


@pytest.fixture
def policy() -> str:
    """The policy that a new automation is scaffolded with."""
    return policy_text()


def policy_text() -> str:
    return (TEMPLATES / "policy.rego").read_text(encoding="utf-8")


@pytest.fixture
def untrained(platform: Platform, policy: str) -> Desk:
    """The small desk with an empty inbox and no model."""
    declared = platform.declare("desk", DECLARATION, policy)
    (declared.folder / "inbox").mkdir()
    return Desk(platform, declared)


@pytest.fixture(scope="session")
def trained_once(postgres: EmbeddedPostgres, template: str, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The folder of a small desk whose first version is trained; its database is `TRAINED`. Tests work on copies of both."""
    folder = tmp_path_factory.mktemp("trained")
    with psycopg.connect(postgres.url("postgres"), autocommit=True) as connection:
        connection.execute(f'create database "{TRAINED}" template "{template}"')
    with standing(postgres.url(TRAINED), folder) as platform:
        declared = platform.declare("desk", DECLARATION, policy_text())
        small_desk.settle(declared.folder, BEFORE, rows=TRAINED_ROWS, first=0)
        platform.execute(declared, jobs.INGEST)
        platform.execute(declared, jobs.TRAIN)
        assert platform.registry.current(name="desk") == 1
    return folder


@pytest.fixture
def desk(trained_once: Path, postgres: EmbeddedPostgres, tmp_path: Path) -> Iterator[Desk]:
    """A small desk where version 1 decides, and nothing has come since."""
    name = f"desk_{os.getpid()}_{tmp_path.name[-40:]}".lower().replace("-", "_")[:60]
    shutil.copytree(trained_once, tmp_path, dirs_exist_ok=True)
    with psycopg.connect(postgres.url("postgres"), autocommit=True) as connection:
        connection.execute(f'create database "{name}" template "{TRAINED}" strategy file_copy')
        with standing(postgres.url(name), tmp_path) as platform:
            yield Desk(platform, load_declaration(platform.folder / "desk" / "defs.yaml"))
        connection.execute(f'drop database "{name}" with (force)')
