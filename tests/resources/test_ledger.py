"""The ledger: appended in the transaction of what it attests; every way of tampering names its entry."""

import threading
from collections.abc import Callable
from dataclasses import dataclass
from datetime import timedelta
from typing import Any

import pytest

from resources.database import Database
from resources.decisions import DecisionStore
from resources.ledger import Ledger
from tests.resources.deciding import NOW, POLICY, automation, decisions, ticket


@pytest.fixture
def filled(database: Database) -> Database:
    """Three entries: decisions, a review, decisions."""
    store = DecisionStore(database)
    store.record(decisions([ticket(i) for i in range(5)]), automation=automation(), policy_text=POLICY, now=NOW)
    with database.connection() as conn:
        Ledger(database).append(conn, automation="care", kind="review", subject="b", items=[b"x", b"y"])
    later = decisions([ticket(i) for i in range(5, 8)])
    store.record(later, automation=automation(), policy_text=POLICY, now=NOW + timedelta(minutes=1))
    return database


def test_what_nobody_touched_holds(filled: Database) -> None:
    checked = Ledger(filled).verify()
    assert (checked.ok, checked.entries, checked.decisions, checked.broken, checked.problem) == (True, 3, 8, None, None)
    assert [(e.sequence, e.kind, e.items) for e in Ledger(filled).entries()] == [
        (1, "decisions", 5),
        (2, "review", 2),
        (3, "decisions", 3),
    ]
    assert [e.sequence for e in Ledger(filled).entries(after=1, limit=1)] == [2]


def test_an_empty_ledger_holds(database: Database) -> None:
    checked = Ledger(database).verify()
    assert (checked.ok, checked.entries) == (True, 0)


@dataclass(frozen=True)
class Tampering:
    statement: str
    broken: int | None
    says: str


FIRST = "(select subject from ledger where sequence = 1)"
ONE = f"(select min(decision_id) from decisions where ledger_subject = {FIRST})"


@pytest.mark.parametrize(
    "tampering",
    [
        Tampering(f"update decisions set verdict = 'automate', queue = 'fraud' where decision_id = {ONE}", 1, "no longer says"),
        Tampering(f"update decisions set reason = 'because' where decision_id = {ONE}", 1, "no longer says"),
        Tampering(f"update decisions set day = day + 1 where decision_id = {ONE}", 1, "no longer says"),
        Tampering(f"update decisions set record = '\\x00' where decision_id = {ONE}", 1, "no longer says"),
        Tampering(
            "update decisions set record = convert_to(replace(convert_from(record, 'UTF8'), 'my bill', 'My bill'), 'UTF8')"
            f" where decision_id = {ONE}", 1, "record was changed"),
        Tampering(f"update decisions set ledger_subject = 'x' where decision_id = {ONE}", 1, "stands for 5 decisions, but 4"),
        Tampering(f"update decisions set ledger_subject = null where decision_id = {ONE}", 1, "stands for 5 decisions, but 4"),
        Tampering("update ledger set items = 3 where sequence = 2", 2, "entry 2 was changed"),
        Tampering("update ledger set content_hash = repeat('0', 64) where sequence = 2", 2, "entry 2 was changed"),
        Tampering("update ledger set at = at + interval '1 second' where sequence = 2", 2, "entry 2 was changed"),
        Tampering("update ledger set previous_hash = repeat('0', 64) where sequence = 3", 3, "does not follow"),
        Tampering("delete from ledger where sequence = 2", 3, "entry 2 is missing"),
        Tampering("delete from ledger where sequence = 1", 2, "entry 1 is missing"),
        Tampering("delete from ledger where sequence = 3", 3, "have no ledger entry any more"),
        Tampering("update ledger set sequence = sequence + 10 where sequence = 3", 13, "entry 3 is missing"),
    ],
    ids=lambda t: t.statement[:60],
)  # fmt: skip
def test_tampering_is_seen_and_its_entry_named(filled: Database, tampering: Tampering) -> None:
    with filled.connection() as conn:
        assert conn.execute(tampering.statement).rowcount == 1
    checked = Ledger(filled).verify()
    assert not checked.ok
    assert checked.broken == tampering.broken
    assert tampering.says in str(checked.problem)


def test_a_deleted_decision_is_missed(filled: Database) -> None:
    with filled.connection() as conn:
        conn.execute(f"delete from outbox where decision_id = {ONE}")
        conn.execute(f"delete from review_cases where decision_id = {ONE}")
        conn.execute(f"delete from decisions where decision_id = {ONE}")
    checked = Ledger(filled).verify()
    assert (checked.broken, checked.problem) == (1, "entry 1 stands for 5 decisions, but 4 are stored")


def test_a_changed_decision_is_named(filled: Database) -> None:
    with filled.connection() as conn:
        row = conn.execute(
            f"update decisions set rule = 'x' where decision_id = {ONE} returning decision_id"
        ).fetchone()
    assert row is not None
    assert Ledger(filled).verify().decision_id == row[0]


def test_a_decision_slipped_in_is_seen(filled: Database) -> None:
    [made] = decisions([ticket(99)])
    with filled.connection() as conn:
        conn.execute(
            "insert into decisions (decision_id, automation, source, ticket_id, ticket_version, correlation_id, day,"
            " model_name, model_version, policy_revision, declaration, verdict, rule, reason, record)"
            " values (%s, 'care', 'helpdesk', '99', 'v1', 'c', now(), 'm', 1, 'p', 'd', 'automate', 'r', 'r', %s)",
            (made.decision_id, made.record),
        )
    checked = Ledger(filled).verify()
    assert (checked.ok, checked.unattested, checked.problem) == (
        False,
        1,
        "1 decisions were stored without a ledger entry",
    )


def test_entries_of_many_writers_form_one_chain(database: Database) -> None:
    ledger = Ledger(database)

    def write(number: int) -> None:
        for i in range(10):
            with database.connection() as conn:
                ledger.append(conn, automation="care", kind="alias", subject=f"{number}:{i}", items=[b"x"])

    threads = [threading.Thread(target=write, args=(n,)) for n in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    checked = ledger.verify()
    assert (checked.ok, checked.entries) == (True, 40)


def test_an_entry_of_a_transaction_that_failed_never_was(database: Database) -> None:
    def fail(conn: Any) -> None:
        Ledger(database).append(conn, automation="care", kind="alias", subject="s", items=[b"x"])
        raise RuntimeError("half way")

    _refused(database, fail)
    with database.connection() as conn:
        assert Ledger(database).append(conn, automation="care", kind="alias", subject="s", items=[b"x"]) == 1


def _refused(database: Database, work: Callable[[Any], None]) -> None:
    with pytest.raises(RuntimeError, match="half way"), database.connection() as conn:
        work(conn)
