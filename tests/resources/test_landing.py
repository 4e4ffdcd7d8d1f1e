import itertools
import os
import signal
import subprocess
import sys
import threading
from pathlib import Path
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from resources.connectors.base import Record, Reject
from resources.connectors.items import to_json_bytes
from resources.database import Database
from resources.landing import LandingStore, pull
from resources.quarantine import QuarantineStore
from tests.resources.ingesting import FakeConnector, land, page, rows, ticket

PROJECT = Path(__file__).resolve().parents[2]
A = "desk_a"


def landed(database: Database) -> list[tuple[Any, ...]]:
    return rows(
        database,
        "select source, object, external_id, version, payload::text, correlation_id from landing_records order by 1, 2, 3, 4",
    )


def reject(code: str = "file.column_count", payload: str = "a,b") -> Reject:
    return Reject(object="tickets", external_id="a.csv:7", code=code, message="3 columns", payload=payload)


def test_a_record_lands_once_with_its_payload_as_it_came(database: Database) -> None:
    first = land(database, ticket(1), ticket(2))
    again = land(database, ticket(2), ticket(1), ticket(3))
    assert (first.landed, first.duplicates) == (2, 0)
    assert (again.landed, again.duplicates) == (1, 2)
    assert [r[2] for r in landed(database)] == ["1", "2", "3"]
    assert '"subject":"subject 1"' in landed(database)[0][4]


def test_a_late_update_is_landed_once(database: Database) -> None:
    land(database, ticket(1, version=2))
    late = land(database, ticket(1, version=1))
    assert late.landed == 1
    assert land(database, ticket(1, version=1), ticket(1, version=2)).duplicates == 2


def test_the_same_version_with_another_content_goes_to_quarantine(database: Database) -> None:
    land(database, ticket(1))
    result = land(database, ticket(1, subject="forged"), ticket(2), ticket(2, subject="within the page"))
    assert (result.landed, result.duplicates, result.rejected) == (1, 0, 2)
    waiting = QuarantineStore(database).list(A)
    assert {q.code for q in waiting} == {"landing.version_conflict"}
    assert {q.external_id for q in waiting} == {"1", "2"}
    assert "forged" in "".join(q.payload for q in waiting)
    assert "subject 1" in landed(database)[0][4]


def test_the_order_of_keys_is_no_other_content(database: Database) -> None:
    record = ticket(1)
    land(database, record)
    turned = dict(reversed(list(record.payload.items())))
    again = land(
        database, Record(object="tickets", external_id="1", version=record.version, json=to_json_bytes(turned))
    )
    assert (again.duplicates, again.rejected) == (1, 0)


def test_rejects_go_to_quarantine_with_the_page_and_once(database: Database) -> None:
    for _ in range(2):
        assert land(database, ticket(1), rejects=[reject()]).rejected == 1
    (row,) = QuarantineStore(database).list(A)
    assert (row.stage, row.code, row.external_id, row.payload) == ("landing", "file.column_count", "a.csv:7", "a,b")
    assert row.correlation_id


def test_payloads_that_postgres_can_not_take_as_they_are_still_land(database: Database) -> None:
    odd = ticket(1, subject="nul \0 and 😀 \u202e مرحبا", share=float("nan"))
    odder = ticket(2, subject="half a pair \ud800", big=10**30)
    assert land(database, odd, odder).landed == 2
    records = LandingStore(database).since(automation=A, source="helpdesk", object="tickets")
    assert [r["payload"]["subject"] for r in records] == ["nul \0 and 😀 \u202e مرحبا", "half a pair \ufffd"]


@pytest.mark.parametrize(("external_id", "version"), [("", "v"), ("1\0", "v"), ("x" * 500, "v"), ("1", "\ud800")])
def test_a_record_whose_key_can_not_be_stored_is_quarantined_and_the_others_land(
    database: Database, external_id: str, version: str
) -> None:
    bad = Record(object="tickets", external_id=external_id, version=version, json=to_json_bytes({"a": 1}))
    result = land(database, ticket(1), bad, ticket(2))
    assert (result.landed, result.rejected) == (2, 1)
    assert QuarantineStore(database).counts(A) == {"landing.bad_key": 1}


def test_nul_bytes_in_a_reject_stay_visible(database: Database) -> None:
    land(database, ticket(1), rejects=[reject(payload="a\0b")])
    assert QuarantineStore(database).list(A)[0].payload == "a\\u0000b"


def test_a_million_characters_land(database: Database) -> None:
    assert land(database, ticket(1, description="x" * 1_000_000)).landed == 1


def test_the_cursor_moves_with_the_page_it_passes(database: Database) -> None:
    store = LandingStore(database)
    key = {"automation": A, "source": "helpdesk", "object": "tickets"}
    assert store.cursor(**key) is None
    for previous, cursor in ((None, "c1"), ("c1", "c2")):
        store.land(automation=A, source="helpdesk", page=page([], cursor=cursor), previous_cursor=previous)
        assert store.cursor(**key) == cursor


def test_a_run_that_lags_behind_does_not_move_the_cursor_back(database: Database) -> None:
    store = LandingStore(database)
    for previous, cursor in ((None, "c1"), ("c1", "c2")):
        store.land(automation=A, source="helpdesk", page=page([], cursor=cursor), previous_cursor=previous)
    late = store.land(automation=A, source="helpdesk", page=page([ticket(1)], cursor="c1"), previous_cursor=None)
    assert late.landed == 1
    assert store.cursor(automation=A, source="helpdesk", object="tickets") == "c2"


def test_a_page_that_can_not_be_landed_moves_nothing(database: Database) -> None:
    store = LandingStore(database)

    with database.connection() as connection:
        connection.execute("alter table quarantine add check (code <> 'impossible')")
    with pytest.raises(Exception, match="violates check constraint"):
        store.land(
            automation=A,
            source="helpdesk",
            page=page([ticket(1)], rejects=[reject(code="impossible")], cursor="c1"),
            previous_cursor=None,
        )
    assert landed(database) == []
    assert store.cursor(automation=A, source="helpdesk", object="tickets") is None


def test_automations_do_not_share_records(database: Database) -> None:
    assert land(database, ticket(1), automation="desk_a").landed == 1
    assert land(database, ticket(1), automation="desk_b").landed == 1


def test_a_pull_goes_on_where_the_last_one_ended(database: Database) -> None:
    store = LandingStore(database)
    pages = [page([ticket(n)], cursor=f"c{n}") for n in range(5)]
    with pytest.raises(ConnectionError):
        pull(FakeConnector(pages, fails_after=3), store, automation=A, source="helpdesk")
    assert store.count(automation=A) == 3
    rest = pull(FakeConnector(pages), store, automation=A, source="helpdesk")
    assert (rest.landed, rest.duplicates, rest.pages) == (2, 0, 2)
    assert store.cursor(automation=A, source="helpdesk", object="tickets") == "c4"


@settings(max_examples=20, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(
    deliveries=st.lists(
        st.lists(st.tuples(st.integers(1, 4), st.integers(1, 3)), min_size=1, max_size=6), min_size=1, max_size=6
    ),
    data=st.data(),
)
def test_the_same_pages_in_any_order_and_repetition_give_the_same_table(
    database: Database, deliveries: list[list[tuple[int, int]]], data: st.DataObject
) -> None:
    again = data.draw(st.permutations(deliveries + data.draw(st.lists(st.sampled_from(deliveries), max_size=4))))
    tables = []
    for order in (deliveries, again):
        with database.connection() as connection:
            connection.execute("truncate landing_records, quarantine, cursors")
        for versions in order:
            land(database, *(ticket(number, version) for number, version in versions))
        tables.append(landed(database))
    assert tables[0] == tables[1]
    assert len(tables[0]) == len({pair for versions in deliveries for pair in versions})


def test_two_runs_at_once_land_each_record_once_and_their_ids_become_visible_in_order(database: Database) -> None:
    store = LandingStore(database)
    seen: list[list[int]] = []
    finished = threading.Event()

    def write() -> None:
        for number in range(40):
            store.land(automation=A, source="helpdesk", page=page([ticket(number)]), previous_cursor=None)

    def watch() -> None:
        while not finished.is_set():
            found = store.since(automation=A, source="helpdesk", object="tickets", limit=1000)
            seen.append([r["landing_id"] for r in found])

    writers = [threading.Thread(target=write) for _ in range(2)]
    watcher = threading.Thread(target=watch)
    for thread in (watcher, *writers):
        thread.start()
    for thread in writers:
        thread.join()
    finished.set()
    watcher.join()
    assert store.count(automation=A) == 40
    for earlier, later in itertools.pairwise(seen):
        assert later[: len(earlier)] == earlier


def test_a_run_killed_at_any_moment_loses_and_doubles_nothing(database: Database, database_url: str) -> None:
    code = f"""
import sys
sys.path.insert(0, {str(PROJECT)!r})
from resources.database import Database
from resources.landing import LandingStore, pull
from tests.resources.ingesting import FakeConnector, page, ticket
pages = [page([ticket(n * 10 + k) for k in range(10)], cursor=f"c{{n:03d}}") for n in range(300)]
class Told(FakeConnector):
    def read(self, **key):
        for number, one in enumerate(super().read(**key)):
            print(number, flush=True)
            yield one
pull(Told(pages), LandingStore(Database({database_url!r})), automation="desk_a", source="helpdesk")
"""
    for after in (3, 11, 26):
        child = subprocess.Popen([sys.executable, "-c", code], stdout=subprocess.PIPE, text=True)
        assert child.stdout is not None
        for line in child.stdout:
            if int(line) >= after:
                break
        os.kill(child.pid, signal.SIGKILL)
        child.wait()
        child.stdout.close()
    store = LandingStore(database)
    before = store.count(automation=A)
    assert 0 < before < 3000
    assert before % 10 == 0
    pages = [page([ticket(n * 10 + k) for k in range(10)], cursor=f"c{n:03d}") for n in range(300)]
    rest = pull(FakeConnector(pages), store, automation=A, source="helpdesk")
    assert (before + rest.landed, rest.duplicates) == (3000, 0)


def test_a_number_that_no_double_holds_is_equal_to_itself_however_it_is_written(database: Database) -> None:
    for body in (b'{"id":1,"x":1e999}', b'{"x":1e999,"id":1}'):
        told = land(database, Record(object="tickets", external_id="1", version="v", json=body))
    assert (told.duplicates, told.rejected) == (1, 0)
