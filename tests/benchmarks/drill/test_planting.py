"""A bad version comes the real way: trained, proven, registered; and only force makes it champion."""

from collections import Counter
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from benchmarks.drill.planting import ACTOR, REASON, Planter, mixed_up
from resources.database import Database
from tests.aios_core.training.making import FACTS, table, tickets
from tests.resources.gatekeeping import Triage, triage

QUEUES = [f"queue_{n}" for n in range(10)]


@given(st.lists(st.sampled_from(QUEUES), min_size=2, max_size=80), st.integers(0, 10_000))
def test_whole_queues_change_places_and_the_rest_stay(labels: list[str], seed: int) -> None:
    if len(set(labels)) < 2:
        with pytest.raises(ValueError, match="nothing to mix up"):
            mixed_up(labels, seed=seed)
        return
    found = mixed_up(labels, seed=seed)
    became = dict(zip(labels, found, strict=True))
    assert found == [became[label] for label in labels]  # a queue goes as a whole
    assert sorted(Counter(found).values()) == sorted(Counter(labels).values())
    assert sum(a != b for a, b in became.items()) == max(2, len(set(labels)) // 2)
    assert found == mixed_up(labels, seed=seed)


def test_a_bad_version_is_whole_wrong_and_champion_with_who_and_why(database: Database, tmp_path: Path) -> None:
    world = triage(database, tmp_path)
    good = world.add()
    world.move(good)
    planter = Planter(world.declared, database=database, lake=world.lake)

    bad = planter.make(beside=good, seed=1)
    assert _accuracy(world, good) > 0.8
    assert _accuracy(world, bad) < 0.6  # loaded as any version is: verified, its golden rows scored
    planter.promote(bad)

    assert world.standing() == {"champion": bad, "last_good": good}
    move = next(m for m in world.registry.history(name="triage") if m.alias == "champion")
    assert (move.version, move.actor, move.reason) == (bad, ACTOR, REASON)
    assert move.evidence["agreement"]["label_mismatches"] == 0


def test_what_the_gate_has_against_it_is_forced_past_and_recorded(database: Database, tmp_path: Path) -> None:
    world = triage(database, tmp_path)
    world.move(world.add())
    blind = world.add(blind=0.9)

    against = Planter(world.declared, database=database, lake=world.lake).promote(blind)

    assert world.standing()["champion"] == blind
    move = next(m for m in world.registry.history(name="triage") if m.alias == "champion")
    assert "quality" in move.evidence["forced"]
    assert move.evidence["forced_past"] == list(against) != []


def _accuracy(world: Triage, version: int) -> float:
    texts, labels, facts = tickets(200, seed=9)
    model = world.registry.load(name="triage", version=version, accelerator="cpu")
    queues = model.score_batch(table(texts, facts=facts, spec=FACTS).to_batches()[0]).column("queue").to_pylist()
    return sum(a == b for a, b in zip(queues, labels, strict=True)) / len(labels)
