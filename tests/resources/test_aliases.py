"""The history of aliases: withdrawn, asked for at a time, announced, and never moved to a version that can't be loaded."""

import json
from datetime import timedelta

import psycopg
import pytest

from aios_core.errors import ModelError
from aios_core.lifecycle.states import ForbiddenMove
from aios_core.scoring.model import MODEL_FILE
from resources.aliases import CHANNEL
from resources.lake import Lake
from resources.ledger import Ledger
from resources.registry import DamagedModel, Registry
from tests.resources.test_registry import NOW, move, register, rollback, variant


@pytest.fixture
def lake(tmp_path):
    return Lake(tmp_path / "lake")


@pytest.fixture
def registry(database, lake):
    return Registry(database, lake=lake, ledger=Ledger(database))


@pytest.fixture
def three(registry):
    for number in (1, 2, 3):
        register(registry, variant(number))
    move(registry, 1)
    return registry


def withdraw(registry, version, alias="canary", minutes=0):
    return registry.withdraw(
        name="triage", alias=alias, version=version, actor="ana", reason="worse on fraud", evidence={"settled": 40},
        now=NOW + timedelta(minutes=minutes),
    )  # fmt: skip


def test_a_canary_that_is_withdrawn_points_to_nothing_and_its_rows_stay(three):
    move(three, 2, alias="canary", minutes=1)
    assert withdraw(three, 2, minutes=2)
    assert three.current(name="triage", alias="canary") is None
    newest = three.history("triage")[0]
    assert (newest.alias, newest.version, newest.previous_version, newest.reason) == (
        "canary",
        None,
        2,
        "worse on fraud",
    )
    assert newest.evidence == {"settled": 40}
    assert not withdraw(three, 2, minutes=3)
    assert len(three.history("triage")) == 3


def test_a_version_that_is_not_there_any_more_is_not_withdrawn(three):
    move(three, 3, alias="canary")
    assert not withdraw(three, 2)
    assert three.current(name="triage", alias="canary") == 3


@pytest.mark.parametrize("alias", ["champion", "last_good"])
def test_champion_and_last_good_never_point_to_nothing(three, database, alias):
    with pytest.raises(ForbiddenMove, match="can't point to nothing"):
        withdraw(three, 1, alias=alias)
    with pytest.raises(psycopg.errors.CheckViolation), database.connection() as conn:
        conn.execute(
            "insert into alias_moves (name, alias, actor, reason, moved_at) values ('triage', %s, 'x', 'y', now())",
            (alias,),
        )


def test_where_every_alias_pointed_at_a_time_can_be_asked(three):
    move(three, 2, alias="canary", minutes=10)
    withdraw(three, 2, minutes=20)
    move(three, 3, minutes=30)

    def at(minutes):
        return three.as_of(name="triage", at=NOW + timedelta(minutes=minutes))

    assert at(-1) == {}
    assert at(9.9) == {"champion": 1}
    assert at(10) == {"champion": 1, "canary": 2}
    assert at(25) == {"champion": 1, "canary": None}
    assert at(30) == three.standing(name="triage") == {"champion": 3, "canary": None, "last_good": 1}


def test_a_rollback_ends_a_canary_in_the_same_transaction(three):
    move(three, 2)
    move(three, 3, alias="canary", minutes=1)
    assert rollback(three) == 1
    assert three.standing(name="triage") == {"champion": 1, "last_good": 1, "canary": None}
    assert "became champion beside it" in three.history("triage")[0].reason


@pytest.mark.parametrize("alias", ["champion", "canary"])
def test_a_damaged_version_can_not_become_what_decides_even_where_it_was_loaded_before(three, lake, alias):
    three.load(name="triage", version=2, accelerator="cpu")
    path = f"models/triage/2/{MODEL_FILE}"
    lake.put(path, lake.get(path)[:-10])
    with pytest.raises(DamagedModel, match="not the file that was registered"):
        move(three, 2, alias=alias)
    assert three.standing(name="triage") == {"champion": 1}


def test_a_move_that_was_judged_beside_another_champion_is_refused(three):
    def judged_beside(champion):
        three.move(name="triage", alias="canary", version=3, actor="ana", reason="r", evidence={}, now=NOW,
                   expecting={"champion": champion, "shadow": None})  # fmt: skip

    with pytest.raises(ForbiddenMove, match="champion was moved at this moment"):
        judged_beside(2)
    assert three.standing(name="triage") == {"champion": 1}
    judged_beside(1)
    assert three.current(name="triage", alias="canary") == 3


def test_a_rollback_to_a_damaged_version_moves_nothing(three, lake):
    move(three, 2)
    lake.delete(f"models/triage/1/{MODEL_FILE}")
    with pytest.raises(ModelError, match="is missing"):
        rollback(three)
    assert three.current(name="triage") == 2


def test_a_shadow_is_only_a_name_until_it_decides(three, lake):
    lake.delete(f"models/triage/2/{MODEL_FILE}")
    move(three, 2, alias="shadow")
    assert three.current(name="triage", alias="shadow") == 2


def test_each_row_is_announced_by_the_transaction_that_writes_it(three, database):
    with psycopg.connect(database.url, autocommit=True) as listener:
        listener.execute(f"listen {CHANNEL}")
        move(three, 2, alias="canary")
        move(three, 2)
        move(three, 2)
        heard = [json.loads(n.payload) for n in listener.notifies(timeout=1, stop_after=4)]
        with pytest.raises(ForbiddenMove):
            move(three, 2, alias="shadow")
        assert list(listener.notifies(timeout=0.2)) == []
    assert heard == [
        {"name": "triage", "alias": "canary", "version": 2},
        {"name": "triage", "alias": "champion", "version": 2},
        {"name": "triage", "alias": "last_good", "version": 1},
        {"name": "triage", "alias": "canary", "version": None},
    ]


def test_withdrawals_are_in_the_ledger_like_every_move(three, database):
    move(three, 2, alias="canary")
    withdraw(three, 2)
    ledger = Ledger(database)
    assert [e.subject for e in ledger.entries()] == ["triage@champion", "triage@canary", "triage@canary"]
    assert ledger.verify().ok
