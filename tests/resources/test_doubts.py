"""The rows of a training set that a rollback has contradicted are found, and those that it has not stay."""

from dataclasses import asdict
from datetime import timedelta

import pyarrow as pa
import pytest

from aios_core.monitoring.evidence import Disagreement
from resources.doubts import GONE, Doubts
from resources.monitoring import MonitorStore
from tests.aios_core.training.making import FACTS, table, tickets
from tests.resources.gatekeeping import NOW, Triage, triage

LEARNT, ROWS = 600, 690
MISFILED = "outage"
PAIR = Disagreement(champion=MISFILED, last_good="billing", champion_right=0, last_good_right=9)


@pytest.fixture
def world(database, tmp_path) -> Triage:
    found = triage(database, tmp_path)
    found.add(rows=LEARNT)
    return found


def doubts(world: Triage) -> Doubts:
    return Doubts(world.declared.automation, database=world.database, lake=world.lake, registry=world.registry)


def rows_of(*, settled_anew=(), reviewed=()):
    """The tickets that the good version learnt, and newer ones whose billing was filed as outage; with the truth."""
    texts, truth, facts = (part[:ROWS] for part in tickets(900))
    features = table(texts, facts=facts, spec=FACTS)
    wrong = [n >= LEARNT and queue == "billing" for n, queue in enumerate(truth)]
    labels = [MISFILED if bad else queue for bad, queue in zip(wrong, truth, strict=True)]
    known = [NOW + timedelta(days=8 if n in settled_anew else -1 if n >= LEARNT else -30) for n in range(ROWS)]
    labelled = features.select(["source", "ticket_id"])
    labelled = labelled.append_column("label", pa.array(labels))
    labelled = labelled.append_column("label_known_at", pa.array(known, pa.timestamp("us", tz="UTC")))
    origins = ["review" if n in reviewed else "agent" for n in range(ROWS)]
    return labelled.append_column("label_origin", pa.array(origins)), features, wrong


def rolled_back(world: Triage, *, pair: Disagreement = PAIR, good: int = 1, automation: str = "triage") -> int:
    return MonitorStore(world.database).open_incident(
        automation=automation,
        remedy="rollback",
        queue=None,
        reason="worse",
        evidence={"last_good": {"version": good}, "disagreements": [asdict(pair)]},
        actor="judge",
        now=NOW,
    )


def test_the_misfiled_tickets_are_found_and_what_was_learnt_before_stays(world):
    labelled, features, wrong = rows_of()
    incident = rolled_back(world)
    (found,) = doubts(world).of(labelled, features, now=NOW + timedelta(days=1))
    assert found.incident_id == incident
    assert not [place for place in found.places if place < LEARNT]
    misfiled = {n for n, bad in enumerate(wrong) if bad}
    # a tenth of these texts has the words of another queue, and a right outage of that day may be among those left out
    assert len(misfiled & set(found.places)) >= 0.85 * len(misfiled)
    labels = labelled.column("label").to_pylist()
    assert {labels[place] for place in found.places} == {MISFILED}


def test_what_was_settled_anew_or_by_a_reviewer_is_learnt(world):
    _, _, wrong = rows_of()
    misfiled = [n for n, bad in enumerate(wrong) if bad]
    anew, reviewed = misfiled[:5], misfiled[5:10]
    labelled, features, _ = rows_of(settled_anew=anew, reviewed=reviewed)
    rolled_back(world)
    (found,) = doubts(world).of(labelled, features, now=NOW + timedelta(days=9))
    assert found.places
    assert not set(found.places) & {*anew, *reviewed}


def test_a_rollback_that_proves_nothing_about_labels_doubts_none(world):
    labelled, features, _ = rows_of()
    rolled_back(world, pair=Disagreement(champion=MISFILED, last_good="billing", champion_right=2, last_good_right=3))
    rolled_back(world, automation="another")
    assert doubts(world).of(labelled, features, now=NOW) == []


def test_a_rollback_is_forgotten_when_no_label_of_its_time_can_be_learnt_any_more(world):
    labelled, features, _ = rows_of()
    rolled_back(world)
    long_ago = world.declared.automation.model.training.window_days + 30
    assert doubts(world).of(labelled, features, now=NOW + timedelta(days=long_ago)) == []


def test_where_the_good_versions_snapshot_is_gone_it_is_said_and_nothing_is_left_out(world, tmp_path):
    labelled, features, _ = rows_of()
    rolled_back(world)
    for snapshot in (tmp_path / "lake").rglob("training_sets/*.parquet"):
        snapshot.unlink()
    (found,) = doubts(world).of(labelled, features, now=NOW)
    assert (found.places, found.why_not) == ((), GONE)
