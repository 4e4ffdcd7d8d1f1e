"""Several people on one case: whatever they do, no verdict is lost, nobody counts twice, and only a lead goes against the others."""

from datetime import UTC, datetime, timedelta

import pytest
from hypothesis import settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, invariant, rule

from aios_core.review import states
from aios_core.review.states import NotAllowed, ReviewConflict, Standing

NOW = datetime(2026, 11, 20, 14, 0, tzinfo=UTC)
LEASE, UNDO = timedelta(minutes=15), timedelta(minutes=10)
LEAD = "lea"
TWO = Standing(case_id="c", queue="billing", opinions_needed=2)


def say(case: Standing, actor: str, queue: str = "billing", **more: object) -> Standing:
    return states.decide(case, actor=actor, queue=queue, comment=None, now=NOW, **more)


def undo(case: Standing, actor: str) -> Standing:
    return states.undo(case, actor=actor, now=NOW, within=UNDO, lease=LEASE, lead=actor == LEAD)


def override(case: Standing, queue: str, actor: str = LEAD) -> Standing:
    return states.override(case, actor=actor, queue=queue, comment="known customer", now=NOW, lead=actor == LEAD)


def test_two_who_agree_decide_a_case_that_needs_two():
    first = say(TWO, "ana")
    assert (first.state, first.verdict) == ("waiting", None)
    second = say(first, "ben")
    assert (second.state, second.decided_by, second.verdict) == ("decided", "ben", "confirmed")


def test_nobody_gives_the_second_opinion_on_their_own_verdict():
    first = say(TWO, "ana")
    with pytest.raises(ReviewConflict, match="another person"):
        states.claim(first, actor="ana", now=NOW, lease=LEASE)
    assert say(first, "ana") == first
    with pytest.raises(ReviewConflict, match="undo that first"):
        say(first, "ana", "fraud")


def test_after_an_undo_a_person_still_counts_once():
    again = say(undo(say(TWO, "ana"), "ana"), "ana", "fraud")
    assert [(o.actor, o.queue) for o in again.opinions] == [("ana", "fraud")]
    assert again.state == "waiting"


def test_a_second_opinion_asked_for_by_the_verdict_itself_keeps_the_case_open():
    assert say(Standing(case_id="c", queue="billing"), "ana", "fraud", needed=2).state == "waiting"


def test_opinions_that_differ_are_settled_by_a_lead_alone():
    contested = say(say(TWO, "ana"), "ben", "fraud")
    assert contested.contested
    for step in (lambda: say(contested, "eva"), lambda: states.claim(contested, actor="eva", now=NOW, lease=LEASE)):
        with pytest.raises(ReviewConflict, match="a lead settles"):
            step()
    settled = say(contested, LEAD, "fraud", lead=True)
    assert (settled.verdict_queue, settled.overridden, settled.contested) == ("fraud", True, False)
    assert len(settled.opinions) == 2
    assert undo(settled, LEAD).contested


def test_a_lead_overrides_and_taking_it_back_brings_the_others_verdict_back():
    decided = say(Standing(case_id="c", queue="billing"), "ana")
    over = override(decided, "fraud")
    assert (over.verdict_queue, over.decided_by, over.overridden) == ("fraud", LEAD, True)
    back = undo(over, LEAD)
    assert (back.verdict_queue, back.decided_by, back.overridden) == ("billing", "ana", False)
    with pytest.raises(NotAllowed, match="only a lead"):
        override(decided, "fraud", actor="ben")


def test_a_verdict_sent_back_waits_anew_with_the_reason_and_everybody_may_speak():
    back = states.reject(say(TWO, "ana"), actor=LEAD, reason="read the second page", now=NOW, lead=True)
    assert (back.state, back.rework, back.round, back.opinions) == ("waiting", "read the second page", 2, ())
    assert len(say(back, "ana").opinions) == 1
    with pytest.raises(NotAllowed):
        states.reject(say(TWO, "ana"), actor="ben", reason="no", now=NOW, lead=False)


def test_what_is_left_to_one_person_is_theirs_until_they_give_it_back():
    left = states.reassign(TWO, actor="ana", to="ben", now=NOW)
    with pytest.raises(ReviewConflict, match="left to ben"):
        states.claim(left, actor="eva", now=NOW, lease=LEASE)
    held = states.claim(left, actor="ben", now=NOW, lease=LEASE)
    assert states.release(held, actor="ben", keep_assignment=True).assigned_to == "ben"
    assert states.release(held, actor="ben").assigned_to is None
    with pytest.raises(ReviewConflict, match="another person"):
        states.reassign(say(TWO, "ana"), actor="eva", to="ana", now=NOW)


def test_a_heartbeat_keeps_what_one_holds_and_tells_when_it_is_lost():
    held = states.claim(TWO, actor="ana", now=NOW, lease=LEASE)
    later = NOW + timedelta(minutes=20)
    assert states.heartbeat(held, actor="ana", now=later, lease=LEASE).claim_expires == later + LEASE
    taken = states.claim(held, actor="ben", now=later, lease=LEASE)
    with pytest.raises(ReviewConflict, match="ben has it"):
        states.heartbeat(taken, actor="ana", now=later, lease=LEASE)


PEOPLE = st.sampled_from(["ana", "ben", "eva", LEAD, "max"])
LEADS = {LEAD, "max"}
QUEUES = st.sampled_from(["billing", "fraud"])


class ManyHands(RuleBasedStateMachine):
    """Any sequence of steps by any people; `said` is what stands by the steps that were taken, kept beside the case."""

    def __init__(self) -> None:
        super().__init__()
        self.case = Standing(case_id="c", queue="billing", opinions_needed=2)
        self.now, self.said = NOW, dict[str, str]()

    def step(self, take) -> Standing | None:
        before = self.case
        try:
            self.case = take(before)
        except (ReviewConflict, NotAllowed):
            assert self.case is before
            return None
        return before

    @rule(minutes=st.integers(1, 20))
    def wait(self, minutes: int) -> None:
        self.now += timedelta(minutes=minutes)

    @rule(actor=PEOPLE)
    def claim(self, actor: str) -> None:
        if self.step(lambda c: states.claim(c, actor=actor, now=self.now, lease=LEASE, lead=actor in LEADS)):
            assert actor not in self.said

    @rule(actor=PEOPLE, keep=st.booleans())
    def release(self, actor: str, keep: bool) -> None:
        self.step(lambda c: states.release(c, actor=actor, keep_assignment=keep))

    @rule(actor=PEOPLE)
    def beat(self, actor: str) -> None:
        self.step(lambda c: states.heartbeat(c, actor=actor, now=self.now, lease=LEASE))

    @rule(actor=PEOPLE, to=PEOPLE)
    def reassign(self, actor: str, to: str) -> None:
        self.step(
            lambda c: states.reassign(c, actor=actor, to=to, now=self.now, lead=actor in LEADS, to_lead=to in LEADS)
        )

    @rule(actor=PEOPLE, queue=QUEUES, needed=st.sampled_from([1, 3]))
    def decide(self, actor: str, queue: str, needed: int) -> None:
        before = self.step(
            lambda c: states.decide(
                c, actor=actor, queue=queue, comment=None, now=self.now, needed=needed, lead=actor in LEADS
            )
        )
        if before is None or before == self.case:
            return
        assert before.state != "decided"
        assert not before.held_by_other(actor, self.now)
        if not before.contested:
            assert actor not in self.said
            self.said[actor] = queue

    @rule(actor=PEOPLE)
    def undo(self, actor: str) -> None:
        before = self.step(
            lambda c: states.undo(c, actor=actor, now=self.now, within=UNDO, lease=LEASE, lead=actor in LEADS)
        )
        if before is not None and not before.overridden:
            del self.said[actor]

    @rule(actor=PEOPLE)
    def reject(self, actor: str) -> None:
        before = self.step(lambda c: states.reject(c, actor=actor, reason="again", now=self.now, lead=actor in LEADS))
        if before is not None:
            assert actor in LEADS
            self.said.clear()

    @rule(actor=PEOPLE, queue=QUEUES)
    def override(self, actor: str, queue: str) -> None:
        taken = self.step(
            lambda c: states.override(c, actor=actor, queue=queue, comment=None, now=self.now, lead=actor in LEADS)
        )
        assert taken is None or actor in LEADS

    @invariant()
    def what_was_said_is_kept_and_nobody_counts_twice(self) -> None:
        assert {o.actor: o.queue for o in self.case.opinions} == self.said
        assert len(self.case.opinions) == len(self.said)

    @invariant()
    def a_case_is_decided_by_its_quorum_or_by_a_lead(self) -> None:
        enough = len(self.said) >= self.case.opinions_needed and len(set(self.said.values())) == 1
        assert (self.case.state == "decided") == (enough or self.case.overridden)
        if self.case.state == "decided" and not self.case.overridden:
            assert self.case.verdict_queue in self.said.values()
        if self.case.overridden:
            assert self.case.decided_by in LEADS
        if self.case.state != "decided":
            assert self.case.contested == (len(set(self.said.values())) > 1)

    @invariant()
    def whoever_holds_it_may(self) -> None:
        assert (self.case.state == "claimed") == (self.case.claimed_by is not None)
        assert (
            (self.case.state == "decided")
            == (self.case.verdict_queue is not None)
            == (self.case.decided_by is not None)
        )


ManyHands.TestCase.settings = settings(max_examples=60, stateful_step_count=25, deadline=None)
TestManyHands = ManyHands.TestCase
