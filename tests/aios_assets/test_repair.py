"""After a rollback: what the bad version decided is looked at again, made good where it differs, and only once."""

import os
import signal
import subprocess
import sys
import textwrap
from collections import Counter
from datetime import timedelta
from pathlib import Path

import pytest

from aios_assets import repair
from resources import clock
from resources.database import Database
from resources.decisions import DecisionStore
from resources.incidents import IncidentStore
from resources.ledger import Ledger
from resources.outbox import Outbox
from resources.reviews import ReviewStore
from tests.aios_assets.rolled_back import CARE, DECLARED, LATER, LEFT, SURE, UNSURE, World
from tests.resources.deciding import FakeHelpdesk

PROJECT = Path(__file__).parents[2]


@pytest.fixture
def world(database: Database) -> World:
    """Version 2 called ten tickets billing; five of them are open and belong elsewhere."""
    world = World(database, {str(n): ("billing", True) for n in range(10)})
    sure = {"1": "fraud", "2": "outage", "5": "fraud", "6": "fraud", "7": "fraud"}
    world.truth.update({ticket: (queue, True) for ticket, queue in sure.items()})
    world.truth.update({"3": ("fraud", False), "4": ("outage", False)})
    rows = [world.arrive(n) for n in range(10)]
    said = [SURE["billing"]] * 7 + [UNSURE["billing"]] + [SURE["billing"]] * 2
    world.decided(rows, said)
    world.arrive(5, status="solved", at=LEFT)  # an agent has closed it meanwhile
    newer = world.arrive(6, version="v2", at=LEFT)  # and this one was written to, and decided by the good version
    world.decided([newer | {"known_at": LEFT}], [SURE["fraud"]], version=1, at=LEFT)
    return world


def mend(world: World, at_once: int = 1_000) -> dict[str, int]:
    found = world.roll_back() if not world.rows("select 1 from incidents") else world.store.rolled_back(1, model="care")
    with clock.running_on(lambda: LATER):
        return dict(repair.mend(DECLARED, world.store, world.again(), found, world.since(found), at_once=at_once))


def fates(world: World) -> dict[str, str]:
    rows = world.rows("select d.ticket_id, c.fate from corrections c join decisions d using (decision_id) order by 1")
    return dict(rows)


def test_each_decision_of_the_bad_version_gets_its_fate(world: World) -> None:
    assert mend(world) == {"unchanged": 4, "corrected": 2, "review": 2, "settled": 2}
    assert fates(world) == {
        "0": "unchanged", "1": "corrected", "2": "corrected", "3": "review", "4": "review", "5": "settled", "6": "settled",
        "7": "unchanged", "8": "unchanged", "9": "unchanged",
    }  # fmt: skip


def test_a_correction_reaches_the_helpdesk_under_a_key_of_its_own_and_what_was_right_is_not_sent_again(
    world: World,
) -> None:
    helpdesk = FakeHelpdesk()
    Outbox(world.database).deliver(automation=CARE, target="helpdesk", connector=helpdesk, now=LEFT)
    before = dict(helpdesk.effects)
    mend(world)

    Outbox(world.database).deliver(automation=CARE, target="helpdesk", connector=helpdesk, now=LATER)

    # the good version is sure of 1 and 2; of 4 and 3 it is not, which people are asked about
    assert set(helpdesk.calls[-1]) == {"1", "2"}
    assert sorted(queue for key, queue in helpdesk.effects.items() if key not in before) == ["fraud", "outage"]


def test_what_the_good_version_is_less_sure_of_goes_to_people_as_one_batch_that_says_why(world: World) -> None:
    mend(world)
    [batch] = [b for b in ReviewStore(world.database).batches(automation="care") if b.reason]
    assert (batch.queue, batch.size) == ("incident_1", 2)
    assert batch.reason.startswith("Blast radius of incident 1")
    cases = ReviewStore(world.database).cases(automation="care", batch=batch.batch)
    assert {c.ticket_id for c in cases} == {"3", "4"}
    story = IncidentStore(world.database).story(1)
    assert story.repair is not None
    assert story.repair.batches == (batch.batch,)


def test_a_correction_names_what_it_corrects_and_both_are_told_of_each_other(world: World) -> None:
    mend(world)
    [(old, new)] = world.rows(
        "select c.decision_id, c.corrected_by from corrections c join decisions d using (decision_id) where d.ticket_id = '1'"
    )
    store = DecisionStore(world.database)
    told = store.explain(old)
    assert told["corrected_by"] == {"incident_id": 1, "fate": "corrected", "decision_id": new, "queue": "fraud"}
    assert told["queue"] == "billing"  # as it was: nothing is overwritten
    assert store.explain(new)["corrects"] == {"incident_id": 1, "decision_id": old}
    assert f"corrects decision {old}" in store.explain(new)["reason"]
    assert store.replay(new, registry=None).identical
    assert Ledger(world.database).verify().ok


def test_a_repair_that_runs_again_finds_nothing_left(world: World) -> None:
    mend(world)
    before = world.state()
    assert mend(world) == {}
    assert world.state() == before
    assert world.store.due(CARE, now=LATER) == [(1, 0)]  # until it is said to be through
    world.store.finish(1, run_id="r", new=10, now=LATER)
    assert world.store.due(CARE, now=LATER) == []


def test_a_decision_that_a_late_run_makes_under_the_bad_version_is_due_again(world: World) -> None:
    mend(world)
    world.store.finish(1, run_id="r", new=10, now=LATER)
    world.truth["11"] = ("fraud", True)
    world.decided([world.arrive(11)], [SURE["billing"]], at=LATER)
    assert world.store.due(CARE, now=LATER) == [(1, 1)]
    assert mend(world) == {"corrected": 1}


def test_what_a_version_decides_after_it_was_promoted_again_is_left_alone(world: World) -> None:
    mend(world)
    world.store.finish(1, run_id="r", new=10, now=LATER)
    world.moved(2, 1, LATER, {})
    world.decided([world.arrive(11)], [SURE["billing"]], at=LATER + timedelta(minutes=1))
    assert world.store.due(CARE, now=LATER) == []


def test_a_closed_incident_is_not_repaired_any_more(world: World) -> None:
    found = world.roll_back()
    assert world.store.due(CARE, now=LATER) == [(found.incident_id, 10)]
    IncidentStore(world.database).close(found.incident_id, actor="person:ana", why="they were right", now=LATER)
    assert world.store.due(CARE, now=LATER) == []


def test_a_ticket_that_a_person_has_decided_meanwhile_is_left_alone(world: World) -> None:
    [(decision,)] = world.rows("select decision_id from decisions where ticket_id = '1'")
    with world.database.connection() as conn:
        conn.execute(
            "insert into review_cases (case_id, automation, decision_id, source, ticket_id, correlation_id, queue, state)"
            " values (%s, 'care', %s, 'helpdesk', '1', 'c', 'billing', 'decided')",
            (decision, decision),
        )
    mend(world)
    assert fates(world)["1"] == "settled"


def test_two_repairs_at_once_correct_once(world: World) -> None:
    found = world.roll_back()
    since, again = world.since(found), world.again()
    suspects = world.store.suspects(found, automation=CARE, onset=since)
    mended = repair.fated(suspects, again)
    counts = [
        world.store.record(found, mended, automation=CARE, policy_text=DECLARED.policy_text, reason="r", now=LATER)
        for _ in range(2)
    ]
    assert counts == [10, 0]


def test_what_it_decided_well_before_the_first_drifted_day_is_left(database: Database) -> None:
    world = World(database, {str(n): ("fraud", True) for n in range(100)})
    drifted = (LEFT + timedelta(days=1)).date()
    early = [world.arrive(n) for n in range(30)]
    late = [world.arrive(n, created_at=LEFT + timedelta(days=1)) for n in range(50, 55)]
    world.decided([*early, *late], [SURE["billing"]])
    with database.connection() as conn:
        for number in range(
            25
        ):  # settled where the version put them: it was right then, and the good one would not have been
            conn.execute(
                "insert into outcomes (automation, source, ticket_id, queue, origin, actor, correlation_id, event_time, known_at)"
                " values ('care', 'helpdesk', %s, 'billing', 'helpdesk', 'a', 'c', %s, %s)",
                (str(number), LEFT, LEFT),
            )
        conn.execute(
            "insert into monitor_days (automation, day, model_name, model_version, rows, columns, flagged, computed_at)"
            " values ('care', %s, 'care', 2, 500, '{}', true, %s)",
            (drifted, LEFT),
        )
    found = world.roll_back()
    assert found.drifted == drifted

    since = repair._onset(world.store, world.again(), DECLARED, found)
    world.store.begin(found, onset=since, run_id="r", now=LEFT)

    assert since.since_day == drifted
    assert mend(world) == {"corrected": 5}
    assert set(fates(world)) == {str(n) for n in range(50, 55)}


# Dies in the middle of the transaction of its third piece.
KILLED = textwrap.dedent("""
    import os, signal, sys
    from resources import clock, repairs
    from aios_assets import repair
    from resources.database import Database
    from tests.aios_assets.rolled_back import DECLARED, LATER, World

    pieces, keep = 0, repairs._keep

    def dying(*values):
        global pieces
        pieces += 1
        if pieces == 3:
            os.kill(os.getpid(), signal.SIGKILL)
        keep(*values)

    repairs._keep = dying
    world = World(Database(sys.argv[1], max_size=2), eval(sys.argv[2]))
    found = world.store.rolled_back(1, model="care")
    with clock.running_on(lambda: LATER):
        repair.mend(DECLARED, world.store, world.again(), found, world.since(found), at_once=2)
""")


def test_a_killed_repair_that_runs_again_ends_as_one_that_was_not_killed(world: World, database_url: str) -> None:
    world.since(world.roll_back())
    killed = subprocess.run(
        [sys.executable, "-c", KILLED, database_url, repr(world.truth)], cwd=PROJECT, check=False, env=dict(os.environ)
    )
    assert killed.returncode == -signal.SIGKILL
    assert len(fates(world)) == 4  # two pieces, and nothing of the third

    assert sum(mend(world, at_once=2).values()) == 6

    assert Counter(fates(world).values()) == {"unchanged": 4, "corrected": 2, "review": 2, "settled": 2}
    assert sum(size for (size,) in world.rows("select size from review_batches where reason <> ''")) == 2
    actions = world.rows("select count(*), count(distinct idempotency_key) from outbox o join corrections c"
                         " on c.corrected_by = o.decision_id and c.fate = 'corrected'")  # fmt: skip
    assert actions == [(2, 2)]
    assert Ledger(world.database).verify().ok
