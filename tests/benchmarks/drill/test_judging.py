"""What answers and decisions prove, counted on cases where the right count is plain."""

from dataclasses import replace

import pytest
from hypothesis import given
from hypothesis import strategies as st

from benchmarks.drill.judging import (
    LOADING_SECONDS,
    SWAP_SECONDS,
    Reign,
    Standing,
    contradicts,
    out_of_reign,
    slowest_swap,
    spread_of,
    still_wrong,
    summed,
    wrong,
    wrong_by_the_bad,
)
from benchmarks.drill.load import Answer

GOOD, BAD = 1, 2
# the good version until second 10, the bad one from 9.9 to 50, then the good one again
REIGNS = (
    Reign(version=GOOD, begun=0.0, ended=10.0),
    Reign(version=BAD, begun=9.9, ended=50.0),
    Reign(version=GOOD, begun=49.9),
)
TRUTH = {"1": "billing", "2": "outage", "3": "fraud"}


def answer(version: int = GOOD, *, sent: float = 5.0, took: float = 0.05, existing: bool = False) -> Answer:
    return Answer(
        ticket_id="1",
        recorded=True,
        existing=existing,
        decision_id="d",
        header_version=version,
        body_version=version,
        record_version=version,
        verdict="automate",
        queue="billing",
        sent_at=sent,
        answered_at=sent + took,
    )


def standing(ticket: str = "1", *, version: int = BAD, queue: str = "billing", **more: object) -> Standing:
    return Standing(**{"ticket_id": ticket, "version": version, "verdict": "automate", "queue": queue, **more})


@pytest.mark.parametrize("part", ["header_version", "body_version", "record_version"])
def test_an_answer_of_which_one_part_names_another_version_contradicts_itself(part: str) -> None:
    assert not contradicts(answer())
    assert contradicts(replace(answer(), **{part: BAD}))


@pytest.mark.parametrize(
    ("version", "sent", "late"),
    [
        (GOOD, 5.0, False),
        (BAD, 5.0, True),  # before it was planted
        (GOOD, 10.0 + LOADING_SECONDS / 2, False),  # the bad version is loaded meanwhile
        (GOOD, 10.1 + LOADING_SECONDS, True),
        (BAD, 30.0, False),
        (BAD, 50.0 + SWAP_SECONDS / 2, False),
        (BAD, 50.1 + SWAP_SECONDS, True),  # the way back is to a version that is loaded still
        (GOOD, 60.0, False),
        (3, 30.0, True),  # was never champion
    ],
)
def test_an_answer_counts_as_mixed_where_its_version_did_not_reign(version: int, sent: float, late: bool) -> None:
    assert out_of_reign(answer(version, sent=sent), REIGNS) is late


def test_a_request_that_was_under_way_while_the_alias_moved_may_be_answered_by_either_version() -> None:
    for version in (GOOD, BAD):
        assert not out_of_reign(answer(version, sent=9.8, took=0.4), REIGNS)


def test_a_repeated_earlier_decision_is_of_its_own_time() -> None:
    assert not out_of_reign(answer(BAD, sent=90.0, existing=True), REIGNS)


def test_the_slowest_swap_is_from_the_move_until_the_last_request_that_still_got_the_old_version() -> None:
    answers = [answer(GOOD, sent=10.2), answer(GOOD, sent=10.3), answer(BAD, sent=10.4), answer(GOOD, sent=60.0)]
    assert slowest_swap(answers, REIGNS) == pytest.approx(0.3)
    assert slowest_swap([answer(BAD, sent=57.0)], REIGNS) == pytest.approx(7.0)
    assert slowest_swap([], REIGNS) == 0.0
    assert slowest_swap([answer()], REIGNS[:0]) is None


def test_only_what_was_automated_into_another_queue_and_is_with_nobody_is_wrong() -> None:
    assert wrong(standing(queue="outage"), TRUTH)
    assert not wrong(standing(queue="billing"), TRUTH)
    assert not wrong(standing(queue="outage", verdict="review"), TRUTH)
    assert not wrong(standing(queue="outage", with_people=True), TRUTH)


def test_the_bad_version_is_blamed_for_what_the_good_one_would_not_have_done_and_for_nothing_else() -> None:
    before = [
        standing("1", queue="outage"),
        standing("2", queue="billing"),
        standing("3", version=GOOD, queue="billing"),
    ]
    good = {
        "1": standing("1", version=GOOD, queue="billing"),
        "2": standing("2", version=GOOD, queue="fraud"),  # wrong as well
        "3": standing("3", version=GOOD, queue="billing"),
    }
    assert wrong_by_the_bad(before, good, TRUTH, bad=BAD) == ["1"]


def test_a_repair_counts_by_what_stands_after_it() -> None:
    for after, left in (
        (standing("1", queue="outage"), 1),
        (standing("1", version=GOOD, queue="billing"), 0),
        (standing("1", queue="outage", with_people=True), 0),
    ):
        assert still_wrong(["1"], {"1": after}, TRUTH) == left


def test_a_repair_that_did_not_come_about_is_not_told_as_none_left() -> None:
    one = {
        "ended_right": True,
        "flagged_to_moved_seconds": 20.0,
        "wrong_before": 4,
        "wrong_after_repair": 0,
        "failed_requests": 0,
        "mixed_version_decisions": 0,
    }
    assert summed([one, one])["wrong_decisions"] == {"before": 8, "after_repair": 0}
    assert summed([one, {**one, "wrong_after_repair": None}])["wrong_decisions"] == {"before": 8, "after_repair": None}


def test_a_drill_that_never_moved_counts_as_not_ended_right_and_has_no_seconds() -> None:
    stuck = {
        "ended_right": False,
        "flagged_to_moved_seconds": None,
        "wrong_before": 4,
        "wrong_after_repair": None,
        "failed_requests": 2,
        "mixed_version_decisions": 1,
    }
    found = summed([stuck])
    assert (found["drills"], found["ended_right"], found["failed_requests"], found["mixed_version_decisions"]) == (
        1,
        0,
        2,
        1,
    )
    assert found["flagged_to_moved_seconds"] == {"p50": None, "max": None}


@given(st.lists(st.floats(0, 1e4), min_size=1))
def test_the_median_is_one_of_the_seconds_and_not_above_the_maximum(seconds: list[float]) -> None:
    found = spread_of(seconds)
    assert found["p50"] in {round(s, 2) for s in seconds}
    assert found["p50"] <= found["max"] == round(max(seconds), 2)
