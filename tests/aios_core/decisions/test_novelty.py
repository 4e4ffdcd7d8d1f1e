"""What is unlike the training data goes to a person, says so, and replays; what was decided before novelty replays as it was."""

import hashlib
import math
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from aios_core.automation import Queue
from aios_core.decisions.decide import decide
from aios_core.decisions.model import Decision
from aios_core.decisions.record import parse
from aios_core.decisions.replay import replay
from tests.aios_core.decisions.making import CLASSES, agree, features, rules, score, scores, ticket

PROBABILITIES = st.lists(st.floats(0.0, 1.0), min_size=3, max_size=3).filter(lambda p: sum(p) > 0.1)
BEFORE = "27344f7f86f99783feaacf1d756979c3b5b2c9f742d5a44f9baf01b384f182a9"
NOVELTIES = st.none() | st.floats(allow_nan=True, allow_infinity=True)


def one(probabilities: list[float], novelty: float | None, *, policy: Any = agree, **changes: Any) -> Decision:
    subject = ticket()
    row = {**score(subject, probabilities), "novelty": novelty, **changes}
    return decide(features([subject]), scores([row]), rules=rules(), policy=policy)[0]


def test_a_novel_ticket_goes_to_a_person_however_sure_its_class() -> None:
    decision = one([0.998, 0.001, 0.001], 2.31, unseen_share=0.64)
    assert (decision.verdict, decision.rule, decision.queue) == ("review", "novel", "billing")
    assert decision.reason == (
        "99.8% sure of billing, at or above the 90.0% needed to automate; unlike the tickets that the model learnt from, so a "
        "person decides (novelty 2.3, above 1.0; 64.0% of its words were never seen)"
    )


def test_the_reason_leaves_out_words_where_all_are_known() -> None:
    assert "words" not in one([0.998, 0.001, 0.001], 2.31, unseen_share=0.0).reason


def test_a_novelty_just_above_the_limit_is_never_told_as_equal_to_it() -> None:
    assert "novelty 1.0004, above 1.0000" in one([0.998, 0.001, 0.001], 1.0004).reason


def test_the_limit_itself_is_known() -> None:
    assert one([0.998, 0.001, 0.001], 1.0).verdict == "automate"


def test_an_unsure_novel_ticket_says_that_it_is_novel_too() -> None:
    decision = one([0.4, 0.3, 0.3], 1.5)
    assert (decision.verdict, decision.rule) == ("review", "novel")
    assert decision.reason.startswith("40.0% sure of billing, below the 60.0% needed to draft; unlike")


@pytest.mark.parametrize("novelty", [math.nan, math.inf])
def test_a_novelty_that_is_no_number_is_not_trusted(novelty: float) -> None:
    decision = one([0.998, 0.001, 0.001], novelty)
    assert (decision.verdict, decision.rule) == ("review", "novel")
    assert replay(decision.record, score=None, policy=agree).identical


def test_the_policy_sees_a_flag_where_novelty_is_known() -> None:
    asked: list[Any] = []

    def policy(facts: Any) -> Any:
        asked.extend(facts)
        return agree(facts)

    for novelty in (None, 0.3, 1.3):
        one([0.998, 0.001, 0.001], novelty, policy=policy)
    assert [facts["flags"].get("novel") for facts in asked] == [None, False, True]
    assert "novel" not in asked[0]["flags"]


def test_a_policy_can_not_automate_what_is_novel() -> None:
    decision = one(
        [0.998, 0.001, 0.001], 1.3, policy=lambda facts: [{"verdict": "automate", "rule": "all"} for _ in facts]
    )
    assert (decision.verdict, decision.rule) == ("review", "novel")


@given(PROBABILITIES, NOVELTIES)
def test_novelty_never_makes_a_verdict_bolder_and_the_record_replays(
    values: list[float], novelty: float | None
) -> None:
    probabilities = [v / sum(values) for v in values]
    plain, decided = one(probabilities, None), one(probabilities, novelty)
    if novelty is None or novelty <= 1.0:
        assert (decided.verdict, decided.rule, decided.reason) == (plain.verdict, plain.rule, plain.reason)
    else:
        assert (decided.verdict, decided.rule) == ("review", "novel")
    assert (decided.queue, decided.confidence, decided.priority) == (plain.queue, plain.confidence, plain.priority)
    assert ("novelty" in parse(decided.record)) == (novelty is not None)
    assert replay(decided.record, score=None, policy=agree).identical


@given(PROBABILITIES)
def test_a_score_without_novelty_leaves_no_trace_of_it(values: list[float]) -> None:
    probabilities = [v / sum(values) for v in values]
    subject = ticket()
    without = decide(features([subject]), scores([score(subject, probabilities)]), rules=rules(), policy=agree)[0]
    assert one(probabilities, None).record == without.record
    assert b"novel" not in without.record


def test_what_was_decided_before_there_was_novelty_is_written_and_replayed_byte_for_byte_as_then() -> None:
    """The digest is that of the records which the code before novelty wrote for the same tickets."""
    given_rules = rules(queues=[Queue(name="billing", wrong_cost=20), Queue(name="fraud", never_automate=True)])
    subjects = [ticket(number) for number in range(4)]
    found = [[0.98, 0.01, 0.01], [0.7, 0.2, 0.1], [0.1, 0.8, 0.1], [0.2, 0.2, 0.6]]
    table = scores([score(s, p) for s, p in zip(subjects, found, strict=True)])
    decisions = decide(features(subjects), table, rules=given_rules, policy=agree)
    records = b"\n".join(decision.record for decision in decisions)
    assert hashlib.sha256(records).hexdigest() == BEFORE
    for decision in decisions:
        assert replay(decision.record, score=None, policy=agree).identical
    assert CLASSES[0] in records.decode()
