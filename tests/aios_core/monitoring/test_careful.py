"""A policy may make a remedy more careful, never less."""

from datetime import UTC, datetime

import pytest
from hypothesis import given
from hypothesis import strategies as st

from aios_core.monitoring.careful import CARE, careful, facts_of
from aios_core.monitoring.evidence import DriftDay, Evidence, ModelQuality, Tally
from aios_core.monitoring.verdict import Remedy

DAY = datetime(2026, 11, 20, tzinfo=UTC).date()
CALM = Evidence(champion=None)
ROLLBACK = Remedy(kind="rollback", reason="It is worse.")
NARROW = Remedy(kind="narrow", reason="It is unfit.", queues=("billing",), retrain=True)
NONE = Remedy(kind="none", reason="All is well.")

QUEUES = st.sampled_from(["billing", "fraud", "outage", "*"])
REMEDIES = st.one_of(
    st.sampled_from([NONE, ROLLBACK]),
    st.builds(lambda q: Remedy(kind="narrow", reason="r", queues=tuple(sorted(q))), st.sets(QUEUES, min_size=1)),
    st.just(Remedy(kind="stop", reason="r", queues=("*",))),
)
ANSWERS = st.one_of(
    st.none(),
    st.fixed_dictionaries({"error": st.text(max_size=20)}),
    st.fixed_dictionaries(
        {"remedy": st.sampled_from([*CARE, "sell", 7]), "rule": st.text(max_size=20)},
        optional={"queues": st.one_of(st.lists(QUEUES), st.just("billing"), st.just([1]))},
    ),
)


def ask(remedy, answer, **evidence):
    return careful(remedy, answer, evidence=Evidence(champion=None, **evidence))


@given(REMEDIES, ANSWERS, st.sets(QUEUES))
def test_it_is_never_less_careful_and_never_asks_for_a_rollback_by_itself(remedy, answer, held):
    if remedy.kind in ("narrow", "stop"):  # the judge does not hold again what is held
        held = held - set(remedy.queues) - {"*"}
    found = ask(remedy, answer, modes=dict.fromkeys(held, "review_only"))
    people = held | set(found.queues)
    assert "*" in people or set(remedy.queues) <= people
    assert found.kind != "rollback" or remedy.kind == "rollback"
    vetoed = remedy.kind == "rollback" and found.kind == "none" and bool(held)
    assert CARE[found.kind] >= CARE[remedy.kind] or vetoed
    assert found.reason.startswith(remedy.reason)


def test_a_policy_without_a_word_about_remedies_changes_nothing():
    assert ask(ROLLBACK, None) is ROLLBACK


def test_a_rollback_may_be_vetoed_by_holding_everything():
    found = ask(ROLLBACK, {"remedy": "narrow", "rule": "release_freeze"})
    assert (found.kind, found.queues) == ("narrow", ("*",))
    assert found.reason == "It is worse. Policy rule `release_freeze` asks for more care."


def test_a_vetoed_rollback_stays_vetoed_once_everything_is_held():
    found = ask(ROLLBACK, {"remedy": "narrow", "rule": "freeze"}, modes={"*": "review_only"})
    assert (found.kind, found.queues) == ("none", ())


def test_a_narrowing_may_be_widened():
    found = ask(NARROW, {"remedy": "narrow", "rule": "siblings", "queues": ["outage"]})
    assert (found.kind, found.queues, found.retrain) == ("narrow", ("billing", "outage"), True)
    assert ask(NARROW, {"remedy": "narrow", "rule": "r", "queues": ["billing"]}) is NARROW
    assert ask(NARROW, {"remedy": "stop", "rule": "r"}).queues == ("*",)


@pytest.mark.parametrize("asked", ["none", "rollback"])
def test_less_care_is_refused_and_said(asked):
    found = ask(NARROW, {"remedy": asked, "rule": "hurry"})
    assert (found.kind, found.queues) == ("narrow", ("billing",))
    assert "`hurry` asks for less care, which it may not" in found.reason


def test_a_policy_that_fails_leaves_the_remedy_and_the_reason_says_so():
    found = ask(ROLLBACK, {"error": "policy.rego:9: nonsense"})
    assert found.kind == "rollback"
    assert "policy.rego:9: nonsense" in found.reason


def test_the_policy_sees_what_the_remedy_rests_on():
    evidence = Evidence(
        champion=ModelQuality(version=3, overall=Tally(rows=80, correct=40)),
        last_good=ModelQuality(version=2, overall=Tally(rows=80, correct=70)),
        drift=(DriftDay(day=DAY, share=0.5, flagged=True), DriftDay(day=DAY, share=0.1, flagged=False)),
        rollbacks=1,
        modes={"fraud": "review_only", "billing": "normal"},
    )
    assert facts_of(NARROW, evidence, automation="care") == {
        "automation": "care", "remedy": "narrow", "queues": ["billing"], "retrain": True, "champion": 3, "last_good": 2,
        "settled": 80, "rollbacks": 1, "drifted_days": 1, "held": ["fraud"],
    }  # fmt: skip
