"""The measurement of the estimate, small: a drift that calibration can follow, and a changed rule that only the audit slice sees."""

import pytest

from benchmarks import estimate
from benchmarks.estimate import errors_of, judged, other_shares, trained


@pytest.fixture(scope="module")
def version_and_worlds():
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(estimate, "HISTORY", 2_500)
        patch.setattr(estimate, "AFTER", 2_500)
        before, after = estimate._world(7, "no_drift")
        version = trained(before)
        yield version, judged(version, after), judged(version, estimate._world(7, "label_rule")[1])


def test_estimates_follow_other_class_shares_within_two_points_and_more_closely_than_without_correction(
    version_and_worlds,
):
    _, calm, _ = version_and_worlds
    found = errors_of(other_shares([calm], 40, rows=1_500))
    assert found["windows"] == 40
    assert found["mean_error"] < 0.02
    assert found["mean_error"] < found["mean_error_uncorrected"] + 0.002
    assert set(found) >= {"p95_error", "max_error", "within_2_points_share"}


def test_a_changed_rule_is_seen_by_the_audit_slice_and_by_nothing_else(version_and_worlds):
    _, calm, ruled = version_and_worlds
    seen = errors_of([[ruled]] * 20, audited=True)
    assert seen["mean_error"] > 0.03
    assert seen["audit_catches"] >= 0.5
    assert seen["mean_error_with_audit"] < seen["mean_error"]
    assert errors_of([[calm]] * 20, audited=True)["audit_catches"] <= 0.2
