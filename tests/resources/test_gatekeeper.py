"""The way past the gate: what is measured, what holds a version back, and what force leaves behind."""

from dataclasses import asdict
from datetime import timedelta
from itertools import count

import pytest

from aios_core.lifecycle.comparison import ComparisonError
from resources.comparisons import kept_comparison, kept_comparisons, snapshot_path
from resources.gatekeeper import GateClosed
from resources.modes import ModeStore
from resources.monitoring import MonitorStore
from tests.resources.gatekeeping import AGREES, NOW, triage

SAME, BAD = 0.02, 0.7  # shares of tickets whose text was lost on the way to training


@pytest.fixture
def desk(database, tmp_path):
    """Version 1 decides, 2 is as good, 3 is far worse."""
    made = triage(database, tmp_path)
    assert [made.add(blind=share) for share in (0.0, SAME, BAD)] == [1, 2, 3]
    made.move(1)
    return made


def states(gate):
    return {g.name: g.state for g in gate.guards}


def test_a_good_version_passes_and_every_guard_is_kept_with_the_move(desk):
    moved = desk.move(2)
    assert moved.against == ()
    assert set(states(moved.gate).values()) == {"passed"}
    assert desk.standing() == {"champion": 2, "last_good": 1}
    move = next(m for m in desk.registry.history("triage") if m.alias == "champion")
    assert set(move.evidence["gate"]["guards"]) == {
        "parity", "quality", "fairness_queues", "fairness_tiers", "latency", "incidents", "history",
    }  # fmt: skip
    assert move.evidence["gate"]["beside"] == 1
    assert move.evidence["agreement"] == asdict(AGREES)
    assert desk.keeper().agreement(2) == AGREES


def test_a_worse_version_is_held_back_and_nothing_moves(desk):
    before = desk.registry.history("triage")
    with pytest.raises(
        GateClosed, match=r"version 3 does not become champion: macro-F1 0\.\d+ on held-back rows is worse"
    ):
        desk.move(3)
    assert desk.registry.history("triage") == before


def test_force_moves_it_and_says_for_ever_what_stood_against_it(desk):
    moved = desk.move(3, force=True)
    assert any("macro-F1" in line for line in moved.against)
    evidence = next(m for m in desk.registry.history("triage") if m.alias == "champion").evidence
    assert "quality" in evidence["forced"]
    assert evidence["forced_past"] == list(moved.against)


def test_a_version_whose_parity_nobody_measured_is_held_back(desk):
    with pytest.raises(GateClosed, match="never measured"):
        desk.move(2, agreement=None)


def test_a_slow_version_is_held_back_by_what_it_took_here(desk):
    ticks = count()
    gate = desk.keeper(stopwatch=lambda: next(ticks) * 0.12).gate(2, agreement=AGREES)
    found = {g.name: g for g in gate.guards}["latency"]
    assert (found.state, found.limit) == ("failed", 100)
    assert found.value == pytest.approx(120)


def test_a_version_made_before_an_open_incident_waits_and_a_champion_lifts_the_narrowing_it_answers(desk):
    monitor, modes = MonitorStore(desk.database), ModeStore(desk.database)
    at = desk.registry.get("triage", 2).registered_at
    since = {"automation": "triage", "remedy": "narrow", "queue": "outage", "reason": "r", "evidence": {}, "actor": "a"}
    later = monitor.open_incident(**since, now=at + timedelta(hours=1))
    with pytest.raises(GateClosed, match=r"open incidents \(narrow\)"):
        desk.move(2)
    assert desk.move(2, alias="shadow").against == ()
    monitor.close_incident(later, actor="a", now=NOW)

    monitor.open_incident(**since, now=at - timedelta(hours=1))
    modes.set(automation="triage", queue="outage", mode="review_only", reason="r", actor="a", now=NOW)
    assert desk.move(2).freed == ("outage",)
    assert modes.current("triage") == {"outage": "normal"}
    assert monitor.incidents(automation="triage", open_only=True) == []


def test_a_forced_champion_lifts_nothing(desk):
    since = {"automation": "triage", "remedy": "narrow", "queue": "outage", "reason": "r", "evidence": {}, "actor": "a"}
    MonitorStore(desk.database).open_incident(**since, now=NOW - timedelta(days=900))
    assert desk.move(3, force=True).freed == ()


def test_the_staged_path_asks_for_every_step(database, tmp_path):
    desk = triage(database, tmp_path, lifecycle="{path: staged}")
    desk.add(), desk.add(blind=SAME)
    desk.move(1)
    with pytest.raises(GateClosed, match="not the canary"):
        desk.move(2)
    desk.move(2, alias="shadow")
    desk.move(2, alias="canary")
    desk.move(2)
    assert desk.standing() == {"champion": 2, "last_good": 1}


def test_who_was_champion_and_was_left_comes_back_by_force_only(desk):
    desk.move(2)
    with pytest.raises(GateClosed, match="was champion before"):
        desk.move(1)
    desk.move(1, force=True)
    assert desk.standing() == {"champion": 1, "last_good": 1}


def test_two_versions_are_compared_on_what_both_held_back_and_the_answer_is_kept(desk):
    found = desk.keeper().comparer.compare(1, 3)
    assert found.rows == 120
    assert found.old_accuracy > found.new_accuracy + 0.1
    assert found.mcnemar.p_value < 1e-4
    assert {g.name for g in found.by_queue} == {"billing", "outage", "roaming"}
    assert (found.tier, {g.name for g in found.by_tier}) == ("plan", {"basic", "plus", "premium"})
    assert found.requeued > 10
    names = {"automation": "triage", "name": "triage"}
    assert kept_comparison(desk.lake, **names, old=1, new=3) == found
    assert kept_comparison(desk.lake, **names, old=3, new=1) is None
    desk.keeper().comparer.compare(3, 1)
    # the first move asked the gate beside nobody, so no comparison was made of it
    assert kept_comparisons(desk.lake, **names) == [(1, 3), (3, 1)]


def test_what_the_older_version_never_saw_it_is_asked_now(desk):
    number = desk.add(rows=900)
    found = desk.keeper().comparer.compare(1, number)
    # the newest 180 of 900: the older was trained on the first 600, and held back none of them
    assert found.rows == 180


def test_a_comparison_without_its_rows_is_an_error_that_says_which(desk):
    with pytest.raises(ComparisonError, match="with itself"):
        desk.keeper().comparer.compare(2, 2)
    desk.lake.delete(snapshot_path("triage", desk.registry.get("triage", 1).snapshot_id))
    with pytest.raises(ComparisonError, match="of version 1 is gone"):
        desk.keeper().comparer.compare(1, 2)
    # the gate falls back to what each was registered with, and says so by its numbers
    assert states(desk.keeper().gate(2, agreement=AGREES))["quality"] == "passed"
