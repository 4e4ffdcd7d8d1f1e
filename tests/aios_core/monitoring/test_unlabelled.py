"""What supports a remedy before enough tickets are settled: estimates, and a model that can't do its work."""

from dataclasses import replace
from datetime import UTC, datetime, timedelta

import pytest
from hypothesis import given
from hypothesis import strategies as st

from aios_core.automation import Monitoring
from aios_core.monitoring.evidence import Estimated, Evidence, Failures, ModelQuality, Tally
from aios_core.monitoring.unlabelled import by_version
from aios_core.monitoring.verdict import judge

NOW = datetime(2026, 11, 20, 12, tzinfo=UTC)
LIMITS = Monitoring()
FEW = Tally(rows=9, correct=5)
SHARE = st.floats(0, 1)


def estimated(accuracy, half=0.02, *, rows=1_000, **by_queue):
    return Estimated(rows=rows, accuracy=accuracy, low=accuracy - half, high=accuracy + half, by_queue=by_queue)


def evidence(champion=None, last_good=None, *, settled=FEW, back=1, **more):
    other = None if back is None else ModelQuality(version=back, overall=settled)
    return Evidence(champion=ModelQuality(version=2, overall=settled), last_good=other, champion_estimate=champion,
                    last_good_estimate=last_good, **more)  # fmt: skip


def verdict(found, limits=LIMITS):
    return judge(found, limits=limits, now=NOW)


def test_without_an_estimate_few_outcomes_are_too_few():
    assert verdict(evidence()).kind == "none"


def test_intervals_that_lie_apart_support_a_rollback_and_the_reason_says_that_they_are_estimates():
    found = verdict(evidence(estimated(0.80), estimated(0.90)))
    assert found.kind == "rollback"
    assert found.reason == (
        "By estimate alone, version 1 is better than version 2 on the same 1000 tickets: 90.0% (88.0% to 92.0%) against 80.0% "
        "(78.0% to 82.0%), and the intervals lie apart. 9 tickets are settled, 50 would decide it."
    )


@given(ours=SHARE, theirs=SHARE, half=st.floats(0.001, 0.2), rows=st.integers(1, 5_000))
def test_overlapping_estimates_never_roll_back(ours, theirs, half, rows):
    found = verdict(evidence(estimated(ours, half, rows=rows), estimated(theirs, half, rows=rows)))
    assert found.kind != "rollback" or theirs - half > ours + half


@given(ours=SHARE, theirs=SHARE, bad=st.integers(0, 50), runs=st.integers(0, 9), settled=st.integers(0, 80))
def test_nothing_rolls_back_without_a_last_good_version(ours, theirs, bad, runs, settled):
    found = evidence(
        estimated(ours), estimated(theirs), settled=Tally(rows=settled, correct=0), back=None, last_good_only=settled,
        champion_failures=Failures(decisions=50, unscored=bad, runs=9, failed_runs=runs),
    )  # fmt: skip
    assert verdict(found).kind != "rollback"


def test_an_estimate_wholly_below_the_limit_narrows_and_asks_for_a_retraining():
    found = verdict(evidence(estimated(0.70)))
    assert (found.kind, found.queues, found.retrain) == ("narrow", ("*",), True)
    assert "by estimate, the champion's accuracy is 70.0%" in found.reason
    assert verdict(evidence(estimated(0.79))).kind == "none"
    assert verdict(evidence(estimated(0.70, rows=100))).kind == "none"  # too few tickets to say


def test_one_queue_that_is_estimated_unfit_is_narrowed_alone():
    found = verdict(evidence(estimated(0.85, fraud=estimated(0.5, rows=250), billing=estimated(0.96, rows=750))))
    assert (found.kind, found.queues) == ("narrow", ("fraud",))


def test_enough_outcomes_take_the_word():
    well = Tally(rows=200, correct=190)
    assert verdict(evidence(estimated(0.5), estimated(0.9), settled=well)).kind == "none"


def test_an_estimate_obeys_the_cooldown_and_says_so():
    found = verdict(evidence(estimated(0.85), estimated(0.95), last_rollback_at=NOW - timedelta(hours=1)))
    assert found.kind == "none"
    assert "too recent" in found.reason


@pytest.mark.parametrize(
    "failures", [Failures(decisions=200, unscored=120), Failures(runs=7, failed_runs=7)], ids=["unscored", "runs"]
)
def test_a_champion_that_can_not_work_is_left_where_the_last_good_version_could(failures):
    well = Failures(decisions=900, unscored=2, runs=20)
    found = verdict(evidence(champion_failures=failures, last_good_failures=well))
    assert found.kind == "rollback"
    assert "under version 2" in found.reason
    # the same under both: it is not the version
    assert verdict(evidence(champion_failures=failures, last_good_failures=failures)).kind == "none"
    # nothing is known of the other
    assert verdict(evidence(champion_failures=failures)).kind == "none"


def test_a_few_failures_prove_nothing():
    few = Failures(decisions=10, unscored=4, runs=3, failed_runs=2)
    assert verdict(evidence(champion_failures=few, last_good_failures=Failures(decisions=900, runs=90))).kind == "none"


def test_runs_count_for_the_version_that_was_champion_when_they_began():
    at = [NOW + timedelta(hours=h) for h in range(6)]
    moves = [(at[1], 1), (at[3], 2), (at[5], 1)]
    runs = [(at[0], True), (at[1], False), (at[2], True), (at[4], True), (at[5], False)]
    assert by_version(runs, moves) == {1: (3, 1), 2: (1, 1)}
    assert by_version(runs, []) == {}


def test_what_is_automated_may_be_held_to_more_than_the_whole():
    automated = Tally(rows=100, correct=90)
    found = replace(
        evidence(settled=Tally(rows=200, correct=180)), automated=automated, automated_by_queue={"billing": automated}
    )
    assert verdict(found).kind == "none"
    strict = verdict(found, Monitoring(max_automated_errors=0.02))
    assert (strict.kind, strict.queues) == ("narrow", ("billing",))
    assert "98% of what is automated" in strict.reason
