"""The gateway on a database of the test's own, with a clock that the test sets."""

import warnings
from collections.abc import Iterator
from datetime import datetime, timedelta
from functools import cache
from pathlib import Path

import pytest
from argon2 import PasswordHasher

with warnings.catch_warnings():
    warnings.simplefilter(
        "ignore"
    )  # its deprecation of httpx is starlette's affair: nothing else drives an app in process
    from fastapi.testclient import TestClient

from gateway.app import create_app
from gateway.security import COOKIE
from gateway.settings import Settings
from resources.database import Database
from resources.deployments import deployment
from resources.lake import Lake
from tests.review_world import NOW

PASSWORD = "correct horse battery"


class Clock:
    """Stands still until it is told to go on."""

    def __init__(self) -> None:
        self.now = NOW

    def __call__(self) -> datetime:
        return self.now

    def on(self, by: timedelta) -> None:
        self.now += by


class Browser(TestClient):
    """A person's browser: keeps the cookie, and posts forms with the token of the page it last saw."""

    token = ""

    def see(self, path: str, **more: object):
        response = self.get(path, **more)
        marker = 'name="token" value="'
        if marker in response.text:
            self.token = response.text.split(marker, 1)[1].split('"', 1)[0]
        return response

    def submit(self, path: str, follow: bool = True, **fields: str):
        response = self.post(path, data={"token": self.token} | fields, follow_redirects=follow)
        marker = 'name="token" value="'
        if marker in response.text:
            self.token = response.text.split(marker, 1)[1].split('"', 1)[0]
        return response

    def as_person(self, username: str):
        """Signed in, as after the form, without the cost of the password's hash."""
        services = self.app.state.services
        user = services.users.get(username)
        cookie = services.sessions.start(username=username, stamp=user.stamp, now=services.clock())
        self.cookies.set(COOKIE, cookie, domain="testserver.local")
        self.see("/")
        return self


@cache
def hashed_once() -> str:
    """A slow hash is its point; once a session is enough here."""
    return PasswordHasher().hash(PASSWORD)


@pytest.fixture
def clock() -> Clock:
    return Clock()


@pytest.fixture
def settings(tmp_path: Path, database_url: str) -> Settings:
    of = deployment({"AIOS_HOME": str(tmp_path), "AIOS_DATABASE_URL": database_url})
    return Settings(deployment=of, secret_key="s" * 40)


@pytest.fixture
def lake(tmp_path: Path) -> Lake:
    return Lake(str(tmp_path / "lake"))


@pytest.fixture
def app(settings: Settings, database: Database, lake: Lake, clock: Clock):
    with database.connection() as conn:
        for name in ("ana", "ben"):
            conn.execute("insert into users values (%s, %s, 'reviewer')", (name, hashed_once()))
    return create_app(settings, database=database, lake=lake, clock=clock)


@pytest.fixture
def browser(app) -> Iterator[Browser]:
    with Browser(app) as client:
        yield client


@pytest.fixture
def ana(app) -> Browser:
    return Browser(app).as_person("ana")


@pytest.fixture
def ben(app) -> Browser:
    return Browser(app).as_person("ben")
