"""The steps of a decision, over decisions that were really made."""

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from aios_core.decisions.decide import decide
from aios_core.decisions.model import rules_for
from aios_core.decisions.proposal import CAUTION
from aios_core.decisions.record import parse
from aios_core.explanation.settled import headline, steps
from tests.aios_core.decisions.making import CLASSES, automation, features, score, scores, ticket


def record(
    p, *, verdict=None, rule="as_asked", broken=False, novelty=None, modes=None, version=3, scored=True, **decisions
):
    declared = automation(decisions={"automate": 0.83, "draft": 0.6, "audit_share": 0.0} | decisions)
    rows = [ticket(ticket_id="7")]
    rules = rules_for(
        declared,
        policy_revision="r1",
        model_version=version,
        manifest={"classes": CLASSES} if version else None,
        modes=modes,
    )
    rest = (1 - p) / (len(CLASSES) - 1)
    given_scores = score(rows[0], [p, *[rest] * (len(CLASSES) - 1)]) | {"model_version": version}
    if novelty is not None:
        given_scores["novelty"] = novelty

    def policy(facts):
        if broken:
            raise ValueError("no policy today")
        return [{"verdict": verdict or f["proposed"], "rule": rule} for f in facts]

    made = decide(features(rows), scores([given_scores]) if scored else None, rules=rules, policy=policy)
    return parse(made[0].record)


def settled(found):
    return [step for step in steps(found) if step.settled]


def test_a_draft_says_its_confidence_both_thresholds_and_its_rule():
    found = record(0.71)
    assert headline(found) == (
        f"71.0% sure of {CLASSES[0]}, below the 83.0% needed to automate, enough for a draft (60.0%): draft, by rule `threshold`"
    )


@pytest.mark.parametrize(
    ("asked", "rule", "verdict"),
    [
        ({"p": 0.95}, "threshold", "automate"),
        ({"p": 0.5}, "threshold", "review"),
        ({"p": 0.9, "costs": {"wrong_automation": 500.0}}, "expected_cost", "draft"),
        ({"p": 0.7, "costs": {"wrong_draft": 50.0}}, "expected_cost", "review"),
        ({"p": 0.95, "novelty": 1.7}, "novel", "review"),
        ({"p": 0.95, "audit_share": 1.0}, "audit", "review"),
        ({"p": 0.95, "modes": {"*": "review_only"}}, "mode", "review"),
        ({"p": 0.95, "verdict": "review", "rule": "vip"}, "policy:vip", "review"),
        ({"p": 0.95, "broken": True}, "policy_error", "review"),
        ({"p": 0.95, "scored": False}, "no_score", "review"),
        ({"p": 0.95, "scored": False, "version": 0}, "no_model", "review"),
        ({"p": float("nan")}, "unusable_score", "review"),
    ],
)
def test_exactly_one_step_settled_it_and_asked_for_the_verdict(asked, rule, verdict):
    found = record(**asked)
    assert [(step.rule, step.asks) for step in settled(found)] == [(rule, verdict)]
    assert found["verdict"] == verdict


@settings(max_examples=60, deadline=None)
@given(
    p=st.floats(0.2, 1.0), verdict=st.sampled_from([None, "automate", "draft", "review"]), wrong=st.floats(0, 300),
    draft=st.floats(0, 30), novelty=st.sampled_from([None, 0.2, 1.0, 3.0]), audit=st.sampled_from([0.0, 1.0]),
    mode=st.sampled_from([{}, {"*": "review_only"}]),
)  # fmt: skip
def test_the_steps_lead_to_the_recorded_verdict_whatever_the_numbers(p, verdict, wrong, draft, novelty, audit, mode):
    costs = {"wrong_automation": wrong, "wrong_draft": draft}
    found = record(p, verdict=verdict, costs=costs, novelty=novelty, audit_share=audit, modes=mode)
    told = steps(found)
    assert max((step.asks for step in told if step.asks), key=CAUTION.__getitem__) == found["verdict"]
    assert [step.asks for step in told if step.settled] == [found["verdict"]]
