"""The rows of a training set that are older than a changed rule are found where a pause shows the change."""

from datetime import timedelta

import pyarrow as pa
import pytest

from resources.changed_rules import ChangedRules
from resources.doubts import GONE
from resources.monitoring import MonitorStore
from tests.resources.gatekeeping import NOW, Triage, triage
from tests.resources.pausing import CHANGED, LEARNT, ROWS, paused, rows_of

KIND = "crm_plan plus"


@pytest.fixture
def world(database, tmp_path) -> Triage:
    found = triage(database, tmp_path)
    found.add(rows=LEARNT)
    return found


def rules(world: Triage) -> ChangedRules:
    return ChangedRules(world.declared.automation, database=world.database, lake=world.lake, registry=world.registry)


def test_older_labels_of_the_kind_that_changed_are_found_and_no_others(world):
    labelled, features, old = rows_of()
    incident = paused(world)
    (found,) = rules(world).of(labelled, features, now=NOW + timedelta(hours=1))
    assert found.incident_id == incident
    assert set(found.places) == old
    assert found.told.startswith(f"{KIND} since {CHANGED.date()}: ")


def test_what_a_reviewer_has_said_since_is_learnt(world):
    _, _, old = rows_of()
    settled_anew = sorted(old)[:4]
    labelled, features, _ = rows_of(reviewed=settled_anew)
    paused(world)
    (found,) = rules(world).of(labelled, features, now=NOW + timedelta(hours=1))
    assert set(found.places) == old - set(settled_anew)


def test_a_pause_whose_outcomes_show_no_change_leaves_all_labels_in(world):
    labelled, features, _ = rows_of(rule=False)
    paused(world)
    assert rules(world).of(labelled, features, now=NOW) == []


def test_neither_one_queue_alone_nor_an_estimate_outdates_labels(world):
    labelled, features, _ = rows_of()
    paused(world, queue="billing")
    paused(world, rows=3)
    assert rules(world).of(labelled, features, now=NOW) == []


def test_a_second_pause_does_not_move_the_day_of_a_kind_that_an_earlier_one_has_named(world):
    labelled, features, old = rows_of()
    first = paused(world)
    MonitorStore(world.database).close_incidents(
        automation="triage", remedy="narrow", queues=["*"], actor="run:1", now=NOW + timedelta(hours=1)
    )
    paused(world, after=timedelta(days=2))
    found = rules(world).of(labelled, features, now=NOW + timedelta(days=3))
    assert [(d.incident_id, set(d.places)) for d in found] == [(first, old)]


def test_a_pause_is_forgotten_when_the_training_window_holds_nothing_older(world):
    labelled, features, _ = rows_of()
    paused(world)
    later = world.declared.automation.model.training.window_days + 1
    assert rules(world).of(labelled, features, now=NOW + timedelta(days=later)) == []


def test_where_nobody_knows_what_the_version_had_learnt_it_is_said_and_nothing_is_left_out(world, tmp_path):
    labelled, features, _ = rows_of()
    paused(world)
    for snapshot in (tmp_path / "lake").rglob("training_sets/*.parquet"):
        snapshot.unlink()
    (found,) = rules(world).of(labelled, features, now=NOW)
    assert (found.places, found.why_not) == ((), GONE)


def test_with_too_few_labels_left_to_learn_from_the_older_ones_stay(world):
    labelled, features, old = rows_of()
    some = pa.array([*sorted(old), *range(ROWS - 150, ROWS)], pa.int64())
    training = world.declared.automation.model.training
    strict = world.declared.automation.model_copy(
        update={
            "model": world.declared.automation.model.model_copy(
                update={"training": training.model_copy(update={"min_rows": 151})}
            )
        }
    )
    paused(world)
    asked = ChangedRules(strict, database=world.database, lake=world.lake, registry=world.registry)
    (found,) = asked.of(labelled.take(some), features.take(some), now=NOW)
    assert found.places == ()
    assert "151 are needed; older ones stay in for now" in found.why_not
