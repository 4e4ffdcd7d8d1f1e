"""The guards of the promotion gate, each at its limit."""

from datetime import UTC, datetime, timedelta

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from aios_core.lifecycle.comparison import Group
from aios_core.lifecycle.gate import (
    Gate,
    OpenIncident,
    fairness,
    incidents,
    latency,
    parity,
    percentile_95,
    quality,
    returning,
)
from aios_core.lifecycle.page import gate_rows
from aios_core.training.parity import Parity

NOW = datetime(2026, 11, 20, tzinfo=UTC)


@pytest.mark.parametrize(
    ("new", "old", "state"),
    [
        (0.8, None, "passed"),
        (0.49, None, "failed"),
        (float("nan"), None, "failed"),
        (0.8, 0.81, "passed"),
        (0.8, 0.9, "failed"),
        (0.9, 0.7, "passed"),
        (0.49, 0.3, "failed"),
        (None, 0.3, "unknown"),
    ],
)
def test_quality_is_good_enough_and_not_clearly_worse_than_the_champion(new, old, state):
    found = quality(new, old, min_macro_f1=0.5)
    assert found.state == state
    assert "macro-F1" in found.told or state == "unknown"


@pytest.mark.parametrize(
    ("mismatches", "error", "state"), [(0, 1e-6, "passed"), (1, 1e-6, "failed"), (0, 2e-4, "failed"), (0, float("nan"), "failed")]
)  # fmt: skip
def test_parity_is_every_label_and_a_ten_thousandth(mismatches, error, state):
    assert parity(Parity(rows=600, label_mismatches=mismatches, max_probability_error=error)).state == state


def test_parity_that_nobody_measured_is_unknown_and_holds_the_version_back():
    found = parity(None)
    assert (found.state, found.holds) == ("unknown", False)


def group(name, rows, wrong, old=None):
    return Group(name=name, rows=rows, new_wrong=wrong, old_wrong=old)


def test_a_queue_that_bears_far_more_error_than_the_rest_is_named():
    found = fairness("queues", [group("billing", 400, 20, old=20), group("fraud", 60, 48, old=5)], gap=0.3)
    assert (found.state, found.limit) == ("failed", 0.3)
    assert "fraud" in found.told
    assert "billing" not in found.told
    assert found.value == pytest.approx(48 / 60 - 68 / 460)


def test_an_unfairness_that_the_champion_shares_is_no_reason_to_keep_the_champion():
    shared = [group("billing", 400, 20, old=20), group("fraud", 60, 48, old=48)]
    worse = [group("billing", 400, 20, old=20), group("fraud", 60, 48, old=47)]
    assert fairness("queues", shared, gap=0.3).state == "passed"
    assert fairness("queues", worse, gap=0.3).state == "failed"


def test_a_first_versions_queues_are_told_and_its_tiers_are_asked():
    groups = [group("gold", 400, 20), group("basic", 60, 48)]
    queues, tiers = (fairness(kind, groups, gap=0.3) for kind in ("queues", "tiers"))
    assert (queues.state, tiers.state) == ("skipped", "failed")
    assert "80.0% in basic" in queues.told
    assert queues.value == tiers.value


def test_a_handful_of_rows_proves_nothing():
    assert fairness("tiers", [group("gold", 400, 20), group("basic", 20, 10)], gap=0.3).state == "passed"
    few = fairness("tiers", [group("gold", 400, 20), group("basic", 19, 19)], gap=0.3)
    assert few.state == "skipped"
    assert "nothing is known" in few.told


def test_tiers_that_are_not_declared_are_skipped_and_that_is_said():
    found = fairness("tiers", None, gap=0.3, absent="no `lifecycle.tier` is declared")
    assert (found.state, found.holds, found.told) == ("skipped", True, "no `lifecycle.tier` is declared")


def test_latency_has_a_limit_and_unknown_is_not_fast():
    assert [latency(ms, limit_ms=50).state for ms in (49.9, 50.0, 50.1)] == ["passed", "passed", "failed"]
    assert latency(None, limit_ms=50).state == "unknown"


@settings(deadline=None)
@given(st.lists(st.floats(0, 1e6), min_size=1, max_size=400))
def test_at_most_one_of_twenty_took_longer_than_the_95th_percentile(taken):
    found = percentile_95(taken)
    assert found in taken
    assert sum(t > found for t in taken) <= len(taken) * 0.05
    assert sum(t <= found for t in taken) >= len(taken) * 0.95


@pytest.mark.parametrize(
    ("kind", "opened", "state"),
    [("narrow", -1, "passed"), ("narrow", 1, "failed"), ("rollback", -1, "passed"), ("rollback", 0, "failed"), ("stop", -1, "failed")],
)  # fmt: skip
def test_a_version_made_after_an_incident_may_answer_it_but_a_stop_is_a_persons_to_lift(kind, opened, state):
    found = incidents([OpenIncident(kind=kind, opened_at=NOW + timedelta(hours=opened))], registered_at=NOW)
    assert found.state == state


def test_the_reason_names_all_that_holds_a_version_back_and_the_evidence_every_number():
    gate = Gate(
        version=4,
        beside=3,
        guards=(quality(0.4, None, min_macro_f1=0.5), latency(90, limit_ms=50), incidents([], registered_at=NOW)),
    )
    assert not gate.passed
    assert "macro-F1 0.400" in gate.reason
    assert "90 ms" in gate.reason
    assert gate.as_json()["guards"]["latency"]["limit"] == 50
    assert [row["state"] for row in gate_rows(gate)] == ["failed", "failed", "passed"]


def test_a_shadow_decides_nothing_so_neither_incidents_nor_its_past_keep_it_out():
    stop = incidents([OpenIncident(kind="stop", opened_at=NOW)], registered_at=NOW)
    gate = Gate(version=4, beside=3, guards=(stop, returning(True, version=4)))
    assert gate.against("shadow") == ()
    assert [g.name for g in gate.against("canary")] == ["incidents", "history"]
