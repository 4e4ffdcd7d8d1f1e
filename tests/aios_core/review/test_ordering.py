import math
from collections import Counter

from hypothesis import given
from hypothesis import strategies as st

from aios_core.review.ordering import drawn_priorities, priority

shares = st.floats(0, 1)


@given(shares, shares, st.floats(0, 1e6))
def test_priority_is_a_number_from_zero_to_the_cost(p, second, cost):
    assert 0 <= priority(confidence=p, runner_up=second, wrong_cost=cost) <= cost


@given(shares, shares, shares, st.floats(0.01, 1e3))
def test_the_less_sure_of_two_comes_first(p, q, second, cost):
    low, high = sorted((p, q))
    second = min(second, low)
    assert priority(confidence=low, runner_up=second, wrong_cost=cost) >= priority(
        confidence=high, runner_up=second, wrong_cost=cost
    )


def test_a_coin_flip_comes_before_a_likely_queue_among_many_unlikely_ones():
    flip = priority(confidence=0.5, runner_up=0.5, wrong_cost=10)
    spread = priority(confidence=0.5, runner_up=0.05, wrong_cost=10)
    assert flip > spread


def test_the_dearer_mistake_comes_first():
    assert priority(confidence=0.6, runner_up=0.2, wrong_cost=40) > priority(
        confidence=0.6, runner_up=0.2, wrong_cost=12
    )


def test_without_a_score_a_case_is_as_doubtful_as_can_be():
    for missing in (None, math.nan):
        assert priority(confidence=missing, runner_up=None, wrong_cost=12) == 12


@given(st.lists(st.floats(0, 1e6), max_size=20), st.integers(0, 10**6))
def test_an_audit_case_keeps_the_place_that_it_drew(others, number):
    case_id = f"c{number}"
    (drawn,) = drawn_priorities(others, [case_id]).values()
    assert drawn_priorities(list(reversed(others)), ["another", case_id])[case_id] == drawn
    assert drawn >= 0


def test_where_a_case_stands_does_not_tell_that_it_is_an_audit():
    others = [float(n) for n in range(1, 10)]
    drawn = drawn_priorities(others, [f"c{n}" for n in range(5_000)])
    places = Counter(sum(other > p for other in others) for p in drawn.values())
    assert set(places) == set(range(10))
    assert max(abs(count - 500) for count in places.values()) < 100, "each of the ten places about as often"
