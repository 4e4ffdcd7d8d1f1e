from datetime import UTC, datetime, timedelta

import pytest
from hypothesis import given
from hypothesis import strategies as st

from aios_core.review import states
from aios_core.review.states import ReviewConflict, Standing

NOW = datetime(2026, 11, 20, 14, 0, tzinfo=UTC)
LEASE = timedelta(minutes=15)
UNDO = timedelta(minutes=10)
WAITING = Standing(case_id="c", queue="billing")


def claimed(actor: str = "ana", now: datetime = NOW) -> Standing:
    return states.claim(WAITING, actor=actor, now=now, lease=LEASE)


def decided(actor: str = "ana", queue: str = "billing", now: datetime = NOW) -> Standing:
    return states.decide(claimed(actor, now), actor=actor, queue=queue, comment=None, now=now)


def test_a_claim_holds_until_its_lease_ends():
    with pytest.raises(ReviewConflict, match="ana is deciding"):
        states.claim(claimed(), actor="ben", now=NOW + LEASE - timedelta(seconds=1), lease=LEASE)
    assert states.claim(claimed(), actor="ben", now=NOW + LEASE, lease=LEASE).claimed_by == "ben"


def test_claiming_again_prolongs_the_lease():
    later = NOW + timedelta(minutes=5)
    assert states.claim(claimed(), actor="ana", now=later, lease=LEASE).claim_expires == later + LEASE


def test_the_predicted_queue_confirms_and_any_other_corrects():
    assert decided(queue="billing").verdict == "confirmed"
    assert decided(queue="fraud").verdict == "corrected"


def test_a_verdict_after_the_own_lease_ran_out_counts_while_nobody_took_the_case():
    late = NOW + timedelta(hours=2)
    assert states.decide(claimed(), actor="ana", queue="fraud", comment=None, now=late).decided_by == "ana"


def test_a_verdict_on_a_case_that_somebody_else_holds_is_refused():
    with pytest.raises(ReviewConflict, match="your verdict was not taken"):
        states.decide(claimed("ben"), actor="ana", queue="fraud", comment=None, now=NOW)


def test_the_same_verdict_again_is_the_same_standing():
    assert states.decide(decided(), actor="ana", queue="billing", comment="x", now=NOW + LEASE) == decided()


def test_changing_ones_mind_needs_an_undo_first():
    with pytest.raises(ReviewConflict, match="already decided"):
        states.decide(decided(), actor="ana", queue="fraud", comment=None, now=NOW)


def test_undo_gives_the_case_back_to_who_decided_it():
    undone = states.undo(decided(queue="fraud"), actor="ana", now=NOW + UNDO, within=UNDO, lease=LEASE)
    assert undone == states.claim(WAITING, actor="ana", now=NOW + UNDO, lease=LEASE)


@pytest.mark.parametrize(
    ("standing", "actor", "now", "why"),
    [
        (decided(), "ana", NOW + UNDO + timedelta(seconds=1), "too late"),
        (decided(), "ben", NOW, "only they can undo"),
        (claimed(), "ana", NOW, "nothing to undo"),
    ],
)
def test_undo_is_refused_with_the_reason(standing, actor, now, why):
    with pytest.raises(ReviewConflict, match=why):
        states.undo(standing, actor=actor, now=now, within=UNDO, lease=LEASE)


def test_releasing_what_one_does_not_hold_changes_nothing():
    assert states.release(claimed("ben"), actor="ana") == claimed("ben")
    assert states.release(decided(), actor="ana") == decided()


STEPS = st.tuples(
    st.sampled_from(["claim", "release", "decide", "undo"]),
    st.sampled_from(["ana", "ben", "eva"]),
    st.integers(0, 30),
    st.sampled_from(["billing", "fraud"]),
)


@given(st.lists(STEPS, max_size=30))
def test_whatever_people_do_a_verdict_is_only_replaced_by_its_own_author(steps):
    case, now = WAITING, NOW
    for kind, actor, minutes, queue in steps:
        now += timedelta(minutes=minutes)
        before = case
        try:
            if kind == "claim":
                case = states.claim(case, actor=actor, now=now, lease=LEASE)
            elif kind == "release":
                case = states.release(case, actor=actor)
            elif kind == "decide":
                case = states.decide(case, actor=actor, queue=queue, comment=None, now=now)
            else:
                case = states.undo(case, actor=actor, now=now, within=UNDO, lease=LEASE)
        except ReviewConflict:
            assert case == before
        if before.state == "decided" and case != before:
            assert kind == "undo"
            assert before.decided_by == actor
        assert (case.state == "decided") == (case.verdict_queue is not None) == (case.decided_by is not None)
        assert (case.state == "claimed") == (case.claimed_by is not None) == (case.claim_expires is not None)
