"""What follows for a version in shadow or canary."""

from dataclasses import replace
from datetime import UTC, datetime, timedelta

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from aios_core.automation import Lifecycle, Monitoring
from aios_core.lifecycle.advance import Progress, advance, due
from aios_core.lifecycle.gate import OpenIncident, incidents, latency
from aios_core.monitoring.evidence import Tally

SINCE = datetime(2026, 11, 1, tzinfo=UTC)
STAGED = Lifecycle(path="staged", shadow_min_rows=500, canary_min_outcomes=50)
SHADOW = Progress(stage="shadow", version=4, champion=3, since=SINCE, tickets=600)
CANARY = Progress(
    stage="canary", version=4, champion=3, since=SINCE, tickets=200, settled=100, version_only=4, champion_only=3
)


def verdict(progress, *, hours=48.0, lifecycle=STAGED):
    return advance(progress, lifecycle=lifecycle, monitoring=Monitoring(), now=SINCE + timedelta(hours=hours))


def test_a_shadow_with_its_evidence_becomes_the_canary_and_a_canary_the_champion():
    assert (verdict(SHADOW).kind, verdict(SHADOW).to) == ("advance", "canary")
    assert (verdict(CANARY).kind, verdict(CANARY).to) == ("advance", "champion")
    assert "decided 200 tickets as canary" in verdict(CANARY).reason


@pytest.mark.parametrize(
    ("progress", "hours", "why"),
    [
        (replace(SHADOW, tickets=499), 48, "499 of 500 tickets are scored"),
        (SHADOW, 23.5, "23.5 of 24 hours"),
        (replace(CANARY, settled=49), 48, "49 of 50 tickets are settled"),
        (CANARY, 1, "1.0 of 24 hours"),
        (replace(CANARY, champion_only=8), 48, "may be chance"),
        (replace(SHADOW, next_taken_by=3), 48, "one at a time"),
    ],
)
def test_what_is_missing_is_waited_for_and_said(progress, hours, why):
    found = verdict(progress, hours=hours)
    assert found.kind == "wait"
    assert why in found.reason


def test_what_is_proven_worse_is_withdrawn_at_once():
    found = verdict(replace(CANARY, settled=40, version_only=1, champion_only=12), hours=0.1)
    assert found.kind == "withdraw"
    assert "worse than the champion 3" in found.reason
    assert verdict(replace(SHADOW, settled=40, version_only=1, champion_only=12), hours=0.1).kind == "withdraw"


def test_a_canary_whose_own_automated_decisions_are_wrong_is_withdrawn():
    found = verdict(replace(CANARY, automated=Tally(rows=30, correct=15)), hours=0.1)
    assert found.kind == "withdraw"
    assert "proven below 80%" in found.reason
    assert verdict(replace(CANARY, automated=Tally(rows=30, correct=28))).kind == "advance"


def test_an_open_incident_makes_it_wait_and_a_guard_that_fails_for_good_withdraws_it():
    stop = incidents([OpenIncident(kind="stop", opened_at=SINCE)], registered_at=SINCE)
    assert verdict(replace(CANARY, guards=(stop,))).kind == "wait"
    slow = verdict(replace(CANARY, guards=(stop, latency(400, limit_ms=100))))
    assert slow.kind == "withdraw"
    assert "400 ms" in slow.reason


def test_a_version_that_never_gets_its_evidence_makes_room_for_the_next():
    found = verdict(replace(SHADOW, tickets=3), hours=24 * 14)
    assert found.kind == "withdraw"
    assert "after 14 days 3 of 500" in found.reason


def test_on_the_direct_path_a_person_moves_it_on_but_what_is_worse_still_goes():
    by_hand = STAGED.model_copy(update={"path": "direct"})
    assert verdict(CANARY, lifecycle=by_hand).kind == "wait"
    assert verdict(replace(SHADOW, tickets=3), hours=24 * 30, lifecycle=by_hand).kind == "wait"
    worse = replace(CANARY, version_only=1, champion_only=12)
    assert verdict(worse, lifecycle=by_hand).kind == "withdraw"


counts = st.integers(0, 300)


@settings(deadline=None)
@given(
    stage=st.sampled_from(["shadow", "canary"]),
    tickets=counts,
    alone=st.tuples(counts, counts),
    both=counts,
    hours=counts,
)
def test_nothing_moves_on_that_is_behind_beyond_noise_or_lacks_its_evidence(stage, tickets, alone, both, hours):
    settled = sum(alone) + both
    progress = Progress(stage=stage, version=2, champion=1, since=SINCE, tickets=tickets * 4, settled=settled,
                        version_only=alone[0], champion_only=alone[1])  # fmt: skip
    found = verdict(progress, hours=hours)
    assert (found.to is not None) == (found.kind == "advance")
    if found.kind == "advance":
        assert hours >= 24
        assert (progress.tickets >= 500) if stage == "shadow" else (settled >= 50)
        assert alone[1] - alone[0] <= 0.02 * settled or settled < 50


def test_a_stage_is_looked_at_once_there_is_something_to_judge_it_by_or_its_patience_is_over():
    def asked(tickets, days):
        return due(stage="canary", tickets=tickets, since=SINCE, lifecycle=STAGED, now=SINCE + timedelta(days=days))

    assert not asked(0, 1)
    assert asked(1, 1)
    assert asked(0, 14)
