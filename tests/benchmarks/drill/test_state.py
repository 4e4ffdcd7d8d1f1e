"""What is read of a drill from a real Postgres, also while it comes and goes."""

import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from datetime import UTC, datetime, timedelta
from typing import Any

import psycopg
import pytest
from psycopg.types.json import Jsonb

from benchmarks.drill.platform import DrillBroken, Run
from benchmarks.drill.state import State
from benchmarks.drill.watch import Watch
from resources.database import Database
from tests.review_world import NOW, Wanted, record

AUTOMATION = MODEL = "escalations"


class FakePlatform:
    """A platform of which only the database is there; `away` questions fail before one is answered."""

    def __init__(self, url: str) -> None:
        self._url, self.away, self.asked = url, 0, [Run(run_id="r", job=f"{AUTOMATION}__assess", status="SUCCESS")]

    @contextmanager
    def connection(self) -> Iterator[psycopg.Connection]:
        if self.away > 0:
            self.away -= 1
            raise psycopg.OperationalError("the server is away")
        with psycopg.connect(self._url, autocommit=True, options="-c search_path=aios") as connection:
            yield connection

    def wait_for(self, what: str, ready: Callable[[], Any], *, seconds: float) -> Any:
        for _ in range(20):
            try:
                if (found := ready()) is not None:
                    return found
            except psycopg.Error:
                continue
        raise DrillBroken(what)

    def runs(self, job: str) -> list[Run]:
        return [run for run in self.asked if run.job == job]


@pytest.fixture
def platform(database_url: str) -> FakePlatform:
    return FakePlatform(database_url)


@pytest.fixture
def state(platform: FakePlatform) -> State:
    return State(platform, automation=AUTOMATION, model=MODEL)


def champion(url: str, version: int) -> None:
    """One row of the alias' history; the version's own row where it has none."""
    with psycopg.connect(url, options="-c search_path=aios") as connection:
        connection.execute(
            "insert into model_versions (name, version, automation, kind, files, content_hash, snapshot_id, classes, metrics, card)"
            " values (%s, %s, %s, 'linear_text', '{}', %s, 's', '{}', '{}', '{}') on conflict do nothing",
            (MODEL, version, AUTOMATION, f"hash {version}"),
        )
        connection.execute(
            "insert into alias_moves (name, alias, version, actor, reason) values (%s, 'champion', %s, 'ana', 'because')",
            (MODEL, version),
        )


def assessed(url: str, remedy: str, *, version: int, at: datetime) -> None:
    with psycopg.connect(url, options="-c search_path=aios") as connection:
        connection.execute(
            "insert into assessments (automation, champion, evidence, remedy, reason, assessed_at)"
            " values (%s, %s, %s, %s, 'because', %s)",
            (AUTOMATION, version, Jsonb({}), remedy, at),
        )


def test_flagged_is_the_first_assessment_that_asks_for_a_rollback_from_the_bad_version(
    database_url: str, state: State
) -> None:
    for minutes, remedy, version in (
        (-5, "rollback", 2),
        (1, "none", 2),
        (2, "rollback", 3),
        (3, "rollback", 2),
        (4, "rollback", 2),
    ):
        assessed(database_url, remedy, version=version, at=NOW + timedelta(minutes=minutes))
    assert state.assessed(2, since=NOW) == NOW + timedelta(minutes=3)
    assert state.assessed(4, since=NOW) is None


def test_how_a_drill_ended_is_the_champion_what_is_held_and_the_incidents_since(
    database: Database, database_url: str, state: State
) -> None:
    champion(database_url, 2)
    champion(database_url, 1)
    with database.connection() as connection:
        for remedy in ("rollback", "rollback", "narrow"):
            connection.execute(
                "insert into incidents (automation, remedy, reason, evidence, actor) values (%s, %s, 'r', '{}', 'a')",
                (AUTOMATION, remedy),
            )
        for queue, mode in (("billing", "review_only"), ("outage", "review_only"), ("billing", "normal")):
            connection.execute(
                "insert into modes (automation, queue, mode, reason, actor) values (%s, %s, %s, 'r', 'a')",
                (AUTOMATION, queue, mode),
            )
    assert state.newest_incident() == 3
    found = state.ended(after_incident=1)
    assert (found.champion, found.held) == (1, ("outage",))
    assert found.incidents == ((2, "rollback"), (3, "narrow"))
    assert found.rollbacks == [2]


def test_a_question_is_asked_again_while_the_database_is_away(
    database: Database, database_url: str, platform: FakePlatform, state: State
) -> None:
    record(database, [Wanted(ticket_id="1", p=0.95), Wanted(ticket_id="2", p=0.5)])
    platform.away = 3
    found = state.standing(["1", "2", "not decided"])
    assert platform.away == 0
    assert {ticket: (one.verdict, one.with_people) for ticket, one in found.items()} == {
        "1": ("automate", False),
        "2": ("review", True),
    }
    version = found["1"].version
    assert state.decided_by(version) == 2
    assert [one.ticket_id for one in state.made_by(version, ["1", "2"])] == ["1", "2"]
    assert state.made_by(version + 1, ["1", "2"]) == []
    assert len(state.decisions(["1"])) == 1


def test_a_run_that_waits_is_unfinished(platform: FakePlatform, state: State) -> None:
    assert not state.has_unfinished("assess")
    platform.asked.append(Run(run_id="q", job=f"{AUTOMATION}__assess", status="QUEUED"))
    assert state.has_unfinished("assess")
    assert not state.has_unfinished("rollback")


def test_a_repair_counts_from_its_incidents_opening_and_only_once_it_is_finished(
    database: Database, state: State
) -> None:
    opened = datetime(2026, 11, 20, tzinfo=UTC)
    with database.connection() as connection:
        row = connection.execute(
            "insert into incidents (automation, remedy, reason, evidence, actor, opened_at)"
            " values (%s, 'rollback', 'r', '{}', 'a', %s) returning incident_id",
            (AUTOMATION, opened),
        ).fetchone()
        assert row is not None
        connection.execute(
            "insert into repairs (incident_id, good_version, onset, why, started_at) values (%s, 1, %s, 'w', %s)",
            (row[0], opened, opened),
        )
    with pytest.raises(DrillBroken, match="repair of incident"):
        state.repaired(row[0], seconds=1)
    with database.connection() as connection:
        connection.execute("update repairs set finished_at = %s", (opened + timedelta(seconds=42.5),))
    assert state.repaired(row[0], seconds=1) == 42.5


def test_each_reign_is_noted_and_its_bounds_hold_the_moment_of_the_move(
    database_url: str, platform: FakePlatform
) -> None:
    champion(database_url, 1)
    with Watch(platform, model=MODEL, champion=1) as watch:
        time.sleep(0.4)
        platform.away = 1
        before = time.time()
        champion(database_url, 2)
        after = time.time()
        until(lambda: len(watch.reigns()) == 2)
        assert watch.since(1, before) is None
        seen = watch.since(2, before)
        assert watch.since(2, time.time()) is None
    first, second = watch.reigns()
    assert (first.version, second.version, second.ended) == (1, 2, None)
    assert seen == first.ended
    assert second.begun <= after
    assert before <= first.ended


def until(condition: Callable[[], bool]) -> None:
    end = time.monotonic() + 10
    while not condition():
        assert time.monotonic() < end
        time.sleep(0.02)
