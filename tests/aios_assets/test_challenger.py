"""Champion and challenger on the same sample: a worse version loses, a better one is told of, and no alias moves."""

import pytest

from aios_assets import jobs
from aios_core.lifecycle.challenge import Challenge, contender, sample
from aios_core.monitoring.estimate import Estimate
from tests.aios_assets import small_desk
from tests.aios_assets.conftest import Desk
from tests.aios_assets.small_desk import MONDAY
from tests.aios_assets.test_remedies import decide_day, plant_version_trained_on_wrong_labels

ROWS = 120


def challenge(desk: Desk) -> bool:
    result = desk.platform.execute(desk.declared, jobs.CHALLENGE)
    (check,) = result.get_asset_check_evaluations()
    return check.passed


def test_a_champion_with_wrong_labels_loses_by_outcomes_and_the_check_says_so(desk: Desk):
    assert challenge(desk)
    assert desk.platform.shown(desk.declared, "challenger")["rows"] == 0  # nobody to hear it beside

    plant_version_trained_on_wrong_labels(desk)
    decide_day(desk, MONDAY, first=1000, rows=ROWS)
    assert challenge(desk)  # before outcomes both are as sure of themselves
    shown = desk.platform.shown(desk.declared, "challenger")
    assert (shown["champion"], shown["challenger"], shown["rows"]) == (2, 1, ROWS)
    assert (shown["by"], shown["settled"]) == ("estimates", 0)
    assert shown["agreement"] < 0.5

    small_desk.settle(desk.folder, MONDAY, rows=ROWS, first=1000)
    desk.platform.execute(desk.declared, jobs.INGEST)
    standing = desk.platform.registry.standing(name="desk")
    assert not challenge(desk)
    shown = desk.platform.shown(desk.declared, "challenger")
    assert (shown["winner"], shown["by"], shown["settled"]) == ("challenger", "outcomes", ROWS)
    assert shown["challenger_realised"] > shown["champion_realised"] + 0.4
    assert desk.platform.registry.standing(name="desk") == standing


def test_the_furthest_version_on_its_way_is_heard_before_the_last_good_one():
    assert contender({"champion": 3, "last_good": 2}) == ("last_good", 2)
    assert contender({"champion": 3, "last_good": 2, "shadow": 4, "canary": 5}) == ("canary", 5)
    assert contender({"champion": 3, "last_good": 3, "shadow": None}) is None
    assert contender({"champion": None, "shadow": 4}) is None


def test_the_sample_is_the_same_whenever_drawn_and_another_day_draws_another():
    keys = [("s", str(n), "1") for n in range(500)]
    first = sample(keys, rows=50, seed="a")
    assert first == sample(keys, rows=50, seed="a")
    assert len(set(first)) == 50
    assert first == [key for key in keys if key in set(first)]
    assert first != sample(keys, rows=50, seed="b")
    assert sample(keys[:3], rows=50, seed="a") == keys[:3]


@pytest.mark.parametrize(
    ("theirs", "winner"), [((0.95, 0.99), "challenger"), ((0.5, 0.6), "champion"), ((0.8, 0.99), "even")]
)
def test_without_outcomes_only_estimates_that_do_not_meet_name_a_winner(theirs, winner):
    def estimated(low, high):
        return Estimate(rows=100, audited_rows=0, accuracy=(low + high) / 2, low=low, high=high)

    found = Challenge(
        champion=1,
        challenger=2,
        alias="shadow",
        rows=100,
        agreed=90,
        estimated=(estimated(0.8, 0.9), estimated(*theirs)),
    )
    assert (found.winner, found.by) == (winner, "estimates")
