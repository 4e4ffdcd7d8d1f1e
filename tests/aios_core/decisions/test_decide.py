"""Verdicts: bands, costs, modes, the audit slice, the policy, and what can't be relied on."""

import math
from collections.abc import Mapping, Sequence
from typing import Any

import pyarrow as pa
import pytest
from hypothesis import given
from hypothesis import strategies as st

from aios_core.automation import Costs, Queue
from aios_core.decisions.decide import decide
from aios_core.decisions.model import Decision, DecisionError, Rules, in_audit_slice
from aios_core.decisions.proposal import CAUTION
from aios_core.decisions.record import parse
from aios_core.decisions.thresholds import Thresholds
from tests.aios_core.decisions.making import CLASSES, agree, features, rules, score, scores, ticket


def one(
    probabilities: Sequence[float] | None, *, given: Rules | None = None, policy: Any = agree, **row: Any
) -> Decision:
    subject = ticket(**row)
    table = None if probabilities is None else scores([score(subject, probabilities)])
    return decide(features([subject]), table, rules=given or rules(), policy=policy)[0]


def test_a_sure_score_is_automated_with_a_readable_reason() -> None:
    decision = one([0.921, 0.05, 0.029])
    assert (decision.verdict, decision.queue, decision.rule) == ("automate", "billing", "threshold")
    assert decision.reason == "92.1% sure of billing, at or above the 90.0% needed to automate"
    assert decision.confidence == 0.921


def test_the_middle_band_drafts_and_the_low_band_goes_to_people() -> None:
    assert one([0.7, 0.2, 0.1]).verdict == "draft"
    low = one([0.5, 0.3, 0.2])
    assert (low.verdict, low.queue) == ("review", "billing")
    assert low.reason == "50.0% sure of billing, below the 60.0% needed to draft"


def test_a_score_exactly_at_a_threshold_is_in_its_band() -> None:
    assert one([0.9, 0.1, 0.0]).verdict == "automate"
    assert one([0.6, 0.4, 0.0]).verdict == "draft"


def test_a_reason_never_shows_two_equal_numbers_as_different() -> None:
    decision = one([0.89996, 0.1, 0.00004])
    assert decision.verdict == "draft"
    assert "90.0% sure" not in decision.reason
    assert "89.996% sure of billing, enough for a draft but below the 90.000%" in decision.reason


def test_an_expensive_queue_needs_more_certainty() -> None:
    dear = rules(queues=[Queue(name="billing", wrong_cost=60), Queue(name="fraud"), Queue(name="outage")])
    decision = one([0.92, 0.05, 0.03], given=dear)
    assert (decision.verdict, decision.rule) == ("draft", "expected_cost")
    assert "an automated mistake would cost 4.80 on average, more than the 2.00 of a review" in decision.reason
    assert one([0.97, 0.02, 0.01], given=dear).verdict == "automate"


def test_a_draft_that_would_cost_more_than_a_review_is_a_review() -> None:
    assert one([0.7, 0.2, 0.1], given=rules(costs=Costs(wrong_draft=10))).rule == "expected_cost"
    assert one([0.7, 0.2, 0.1], given=rules(costs=Costs(wrong_draft=10))).verdict == "review"


def test_review_only_holds_one_queue_or_all() -> None:
    billing = rules(modes={"billing": "review_only", "*": "normal"})
    assert one([0.95, 0.03, 0.02], given=billing).rule == "mode"
    assert one([0.03, 0.02, 0.95], given=billing).verdict == "automate"
    every = one([0.03, 0.02, 0.95], given=rules(modes={"*": "review_only"}))
    assert (every.verdict, every.queue) == ("review", "outage")
    assert every.reason.endswith("the automation is set to review only")


def test_a_queue_declared_as_never_automated_always_goes_to_people() -> None:
    careful = rules(queues=[Queue(name="billing"), Queue(name="fraud", never_automate=True), Queue(name="outage")])
    decision = one([0.005, 0.99, 0.005], given=careful)
    assert (decision.verdict, decision.rule) == ("review", "never_automate")


def test_the_audit_slice_goes_to_people_and_is_marked_whatever_the_score() -> None:
    everyone = rules(audit_share=1.0)
    assert one([0.99, 0.005, 0.005], given=everyone).rule == "audit"
    unsure = one([0.4, 0.3, 0.3], given=everyone)
    assert (unsure.rule, unsure.audit) == ("threshold", True)


def test_the_audit_slice_is_near_its_share_and_the_same_each_time() -> None:
    drawn = [i for i in range(20_000) if in_audit_slice("care", str(i), 0.05)]
    assert 850 < len(drawn) < 1150  # 1000 expected, five standard deviations
    assert drawn == [i for i in range(20_000) if in_audit_slice("care", str(i), 0.05)]
    assert drawn != [i for i in range(20_000) if in_audit_slice("other", str(i), 0.05)]


def test_a_policy_rule_can_make_a_verdict_more_careful() -> None:
    def careful(facts: Sequence[Mapping[str, Any]]) -> list[dict[str, Any]]:
        return [{"verdict": "review", "rule": "enterprise_fraud_to_people"} for _ in facts]

    decision = one([0.921, 0.05, 0.029], policy=careful)
    assert (decision.verdict, decision.rule) == ("review", "policy:enterprise_fraud_to_people")
    assert decision.reason == (
        "92.1% sure of billing, at or above the 90.0% needed to automate; "
        "policy rule `enterprise_fraud_to_people` asks for review"
    )


def test_a_policy_can_not_make_a_verdict_bolder() -> None:
    def bold(facts: Sequence[Mapping[str, Any]]) -> list[dict[str, Any]]:
        return [{"verdict": "automate", "rule": "go"} for _ in facts]

    decision = one([0.5, 0.3, 0.2], policy=bold)
    assert (decision.verdict, decision.rule) == ("review", "threshold")


@pytest.mark.parametrize(
    "answer",
    [
        None,
        [],
        "review",
        {},
        {"verdict": "automate"},
        {"verdict": "Automate", "rule": "x"},
        {"verdict": "fallback", "rule": "x"},
        {"verdict": ["automate"], "rule": "x"},
        {"verdict": "automate", "rule": None},
        {"verdict": None, "rule": "x"},
        {"error": "broken\0\ud800"},
    ],
)
def test_an_unusable_answer_goes_to_people_and_says_so(answer: Any) -> None:
    decision = one([0.95, 0.03, 0.02], policy=lambda facts: [answer for _ in facts])
    assert (decision.verdict, decision.rule) == ("review", "policy_error")
    assert "the policy gave no usable answer" in decision.reason
    assert "\0" not in decision.reason


def test_one_input_that_breaks_the_policy_harms_no_other() -> None:
    def brittle(facts: Sequence[Mapping[str, Any]]) -> list[dict[str, Any]]:
        if any(f["priority"] == "urgent" for f in facts):
            raise RuntimeError("no rule for urgent")
        return agree(facts)

    rows = [ticket(1), ticket(2, priority="urgent"), ticket(3)]
    made = decide(features(rows), scores([score(r, [0.95, 0.03, 0.02]) for r in rows]), rules=rules(), policy=brittle)
    assert [d.verdict for d in made] == ["automate", "review", "automate"]
    assert "RuntimeError: no rule for urgent" in made[1].reason


def test_a_policy_that_answers_too_little_decides_nothing() -> None:
    decision = one([0.95, 0.03, 0.02], policy=lambda facts: [])
    assert (decision.verdict, decision.rule) == ("review", "policy_error")


def test_each_distinct_input_is_asked_once() -> None:
    asked: list[int] = []

    def counting(facts: Sequence[Mapping[str, Any]]) -> list[dict[str, Any]]:
        asked.append(len(facts))
        return agree(facts)

    rows = [ticket(i, priority="high" if i % 2 else "low") for i in range(100)]
    decide(features(rows), scores([score(r, [0.95, 0.03, 0.02]) for r in rows]), rules=rules(), policy=counting)
    assert asked == [2]


def test_the_policy_sees_facts_and_no_numbers() -> None:
    seen: list[dict[str, Any]] = []

    def watching(facts: Sequence[dict[str, Any]]) -> list[dict[str, Any]]:
        seen.extend(facts)
        return agree(facts)

    one([0.95, 0.03, 0.02], policy=watching)
    assert seen == [
        {
            "automation": "care",
            "queue": "billing",
            "band": "high",
            "proposed": "automate",
            "priority": "normal",
            "channel": "email",
            "language": "en",
            "customer": {"segment": "consumer"},
            "flags": {"audit": False, "review_only": False, "never_automate": False, "scored": True},
        }
    ]


@pytest.mark.parametrize(
    ("probabilities", "why"),
    [
        ([math.nan, 0.5, 0.5], "not a number"),
        ([math.inf, 0.0, 0.0], "not a number"),
        ([0.9, 0.9, 0.9], "no distribution"),
        ([1.5, -0.5, 0.0], "no distribution"),
        ([0.95, 0.05], "2 probabilities for 3 classes"),
    ],
)
def test_a_score_that_is_no_distribution_goes_to_people(probabilities: list[float], why: str) -> None:
    subject = ticket()
    table = scores([score(subject, probabilities, queue="billing")])
    decision = decide(features([subject]), table, rules=rules(fallback_queue="outage"), policy=agree)[0]
    assert (decision.verdict, decision.rule, decision.queue) == ("review", "unusable_score", None)
    assert why in decision.reason
    assert decision.confidence is None


def test_a_queue_that_is_not_the_likeliest_is_not_believed() -> None:
    subject = ticket()
    table = scores([score(subject, [0.95, 0.03, 0.02], queue="fraud")])
    assert decide(features([subject]), table, rules=rules(), policy=agree)[0].rule == "unusable_score"


def test_of_two_equally_likely_classes_the_scores_own_choice_counts() -> None:
    subject = ticket()
    table = scores([score(subject, [0.5, 0.5, 0.0], queue="fraud")])
    decision = decide(features([subject]), table, rules=rules(), policy=agree)[0]
    assert decision.queue == "fraud"


def test_without_a_model_a_person_decides_unless_a_fallback_is_declared() -> None:
    none = rules(model_version=0, classes=())
    person = one(None, given=none)
    assert (person.verdict, person.queue, person.rule) == ("review", None, "no_model")
    fallback = one(None, given=rules(model_version=0, classes=(), fallback_queue="outage"))
    assert (fallback.verdict, fallback.queue) == ("fallback", "outage")
    assert fallback.reason == "there is no model version to score with, so it goes to outage as declared"


def test_a_fallback_too_is_held_by_mode_policy_and_audit() -> None:
    def to_people(facts: Sequence[Mapping[str, Any]]) -> list[dict[str, Any]]:
        return [{"verdict": "review", "rule": "careful"} for _ in facts]

    base = {"model_version": 0, "classes": (), "fallback_queue": "outage"}
    assert one(None, given=rules(**base, modes={"*": "review_only"})).rule == "mode"
    assert one(None, given=rules(**base, audit_share=1.0)).rule == "audit"
    assert one(None, given=rules(**base), policy=to_people).rule == "policy:careful"


def test_a_ticket_the_model_left_out_is_not_guessed() -> None:
    rows = [ticket(1), ticket(2)]
    made = decide(features(rows), scores([score(rows[0], [0.95, 0.03, 0.02])]), rules=rules(), policy=agree)
    assert [d.verdict for d in made] == ["automate", "review"]
    assert made[1].rule == "no_score"


def test_a_class_that_the_automation_does_not_declare_goes_to_people() -> None:
    decision = one([0.95, 0.03, 0.02], given=rules(queues=[Queue(name="fraud"), Queue(name="outage")]))
    assert (decision.verdict, decision.rule) == ("review", "undeclared_queue")
    assert one([0.95, 0.03, 0.02], given=rules(queues=[])).verdict == "automate"


def test_a_threshold_that_was_never_reached_automates_nothing() -> None:
    never = rules(thresholds=Thresholds(automate=None, draft=0.6, automate_accuracy=0.99))
    decision = one([0.99, 0.005, 0.005], given=never)
    assert decision.verdict == "draft"
    assert (
        "no score of this model version reached 99.0% accuracy in training, so nothing is automated" in decision.reason
    )
    nothing = rules(thresholds=Thresholds(automate=None, draft=None))
    assert one([0.99, 0.005, 0.005], given=nothing).verdict == "review"


def test_scores_of_another_model_version_are_refused() -> None:
    subject = ticket()
    with pytest.raises(DecisionError, match="model_version 3, but the rules are for 4"):
        decide(features([subject]), scores([score(subject, [1, 0, 0])]), rules=rules(model_version=4), policy=agree)


def test_a_missing_or_holed_column_is_named() -> None:
    table = features([ticket()])
    with pytest.raises(DecisionError, match="lacks `known_at`"):
        decide(table.drop_columns(["known_at"]), None, rules=rules(), policy=agree)
    with pytest.raises(DecisionError, match="`created_at` has 1 nulls"):
        decide(features([ticket(created_at=None)]), None, rules=rules(), policy=agree)
    with pytest.raises(DecisionError, match="`crm_odd` has type list"):
        decide(table.append_column("crm_odd", pa.array([[1]])), None, rules=rules(), policy=agree)


def test_no_tickets_are_no_decisions() -> None:
    assert decide(features([]), None, rules=rules(), policy=agree) == []


def test_a_ticket_version_that_comes_twice_is_decided_once() -> None:
    assert len(decide(features([ticket(), ticket()]), None, rules=rules(), policy=agree)) == 1


def test_the_day_is_the_utc_day_of_creation_unless_given() -> None:
    late = ticket(created_at=ticket()["created_at"].replace(hour=23))
    made = decide(features([late]), None, rules=rules(), policy=agree)[0]
    assert made.day.isoformat() == "2026-11-20"
    given_day = made.day.replace(day=1)
    assert decide(features([late]), None, rules=rules(), policy=agree, day_of=given_day)[0].day == given_day
    by_rule = decide(features([late]), None, rules=rules(), policy=agree, day_of=lambda _: given_day)[0]
    assert by_rule.day == given_day


def test_an_id_depends_on_exactly_the_unique_key() -> None:
    first = one([0.95, 0.03, 0.02])
    assert one([0.1, 0.8, 0.1]).decision_id == first.decision_id
    other = [
        one([0.95, 0.03, 0.02], ticket_version="v2"),
        one([0.95, 0.03, 0.02], given=rules(policy_revision="p2")),
        one(None, given=rules(model_version=4)),
        one([0.95, 0.03, 0.02], source="chat"),
    ]
    assert len({first.decision_id, *(d.decision_id for d in other)}) == 5


def test_a_decision_does_not_depend_on_the_other_rows_or_their_order() -> None:
    rows = [ticket(i) for i in range(30)]
    given_scores = [score(r, [0.5 + i / 60, 0.5 - i / 60, 0.0]) for i, r in enumerate(rows)]
    together = decide(features(rows), scores(given_scores[::-1]), rules=rules(), policy=agree)
    alone = [
        decide(features([r]), scores([s]), rules=rules(), policy=agree)[0]
        for r, s in zip(rows, given_scores, strict=True)
    ]
    assert [d.record for d in together] == [d.record for d in alone]


def distributions() -> st.SearchStrategy[list[float]]:
    weights = st.lists(st.integers(0, 1000), min_size=3, max_size=3).filter(any)
    return weights.map(lambda w: [round(v / sum(w), 6) for v in w])


@given(
    probabilities=distributions(),
    automate=st.floats(0.5, 1),
    draft=st.floats(0.1, 0.5),
    answer=st.sampled_from(["automate", "draft", "review", "fallback", "nonsense"]),
    mode=st.sampled_from(["normal", "review_only"]),
    audit=st.sampled_from([0.0, 1.0]),
    never=st.booleans(),
)
def test_every_restriction_only_ever_makes_a_verdict_more_careful(
    probabilities: list[float], automate: float, draft: float, answer: str, mode: str, audit: float, never: bool
) -> None:
    thresholds = Thresholds(automate=automate, draft=draft)
    plain = one(probabilities, given=rules(thresholds=thresholds))
    queues = [Queue(name=c, never_automate=never) for c in CLASSES]
    held = one(
        probabilities,
        given=rules(thresholds=thresholds, queues=queues, modes={"*": mode}, audit_share=audit),
        policy=lambda facts: [{"verdict": answer, "rule": "r"} for _ in facts],
    )
    assert CAUTION[held.verdict] >= CAUTION[plain.verdict]
    if mode == "review_only" or audit or never or answer in ("review", "fallback", "nonsense"):
        assert held.verdict == "review"
    if held.verdict == "automate":
        assert held.confidence is not None
        assert held.confidence >= automate
    assert parse(held.record)["reason"] == held.reason


@given(probabilities=distributions(), more=st.floats(0, 0.5))
def test_raising_a_threshold_or_a_cost_never_makes_a_verdict_bolder(probabilities: list[float], more: float) -> None:
    base = one(probabilities, given=rules(thresholds=Thresholds(automate=0.5, draft=0.3)))
    higher = one(probabilities, given=rules(thresholds=Thresholds(automate=0.5 + more, draft=0.3)))
    dearer = one(
        probabilities,
        given=rules(thresholds=Thresholds(automate=0.5, draft=0.3), costs=Costs(wrong_automation=12 + 100 * more)),
    )
    assert CAUTION[higher.verdict] >= CAUTION[base.verdict]
    assert CAUTION[dearer.verdict] >= CAUTION[base.verdict]
