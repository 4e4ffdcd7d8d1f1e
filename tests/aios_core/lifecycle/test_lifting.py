"""Which holds a new champion lifts."""

from hypothesis import given
from hypothesis import strategies as st

from aios_core.automation import Monitoring
from aios_core.lifecycle.lifting import lifted

LIMITS = Monitoring(min_outcomes=50, min_accuracy=0.8)
OLD = [("billing", "billing"), ("fraud", "fraud")] * 500
WRONG = [("billing", "fraud")] * 10


def test_a_version_that_is_right_on_its_newest_tickets_lifts_what_was_held():
    assert lifted(["billing", "fraud"], OLD, limits=LIMITS) == ("billing", "fraud")
    assert lifted(["*"], OLD, limits=LIMITS) == ("*",)


def test_being_right_on_the_old_world_is_not_enough():
    assert lifted(["billing", "fraud"], OLD + WRONG, limits=LIMITS) == ("fraud",)
    assert lifted(["*"], OLD + WRONG * 2, limits=LIMITS) == ()


def test_too_few_tickets_prove_nothing():
    assert lifted(["billing"], [("billing", "billing")] * 9, limits=LIMITS) == ()
    assert lifted(["*"], [("billing", "billing")] * 49, limits=LIMITS) == ()
    assert lifted(["billing", "*"], [], limits=LIMITS) == ()


answer = st.tuples(st.sampled_from("abc"), st.sampled_from("abc"))


@given(st.sets(st.sampled_from(["a", "b", "c", "*"])), st.lists(answer, min_size=50, max_size=200))
def test_only_what_was_held_is_lifted_and_another_wrong_answer_lifts_nothing_more(held, answers):
    found = lifted(held, answers, limits=LIMITS)
    assert set(found) <= held
    full = [queue for queue in held if queue == "*" or sum(named == queue for named, _ in answers) >= 10]
    for queue in full:
        named = "a" if queue == "*" else queue
        assert set(lifted([queue], [*answers, (named, "elsewhere")], limits=LIMITS)) <= set(found)
