"""Two versions on the same tickets."""

import json

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy import stats

from aios_core.lifecycle.comparison import (
    EXACT_UP_TO,
    Answer,
    ComparisonError,
    compare,
    macro_f1,
    mcnemar,
    mean_cost,
    read_comparison,
)
from aios_core.lifecycle.page import comparison_markdown, summary
from tests.aios_core.decisions.making import automation

QUEUES = ("billing", "fraud", "outage")
CARE = automation(
    queues=[{"name": "billing"}, {"name": "fraud", "wrong_cost": 60}, {"name": "outage"}],
    features={"customer": [{"name": "segment", "kind": "categorical"}]},
    lifecycle={"tier": "segment"},
)
answers = st.builds(
    Answer, queue=st.sampled_from(QUEUES), verdict=st.sampled_from(["automate", "draft", "review", "fallback"])
)
rows = st.lists(st.tuples(st.sampled_from(QUEUES), answers, answers), min_size=1, max_size=60)


def of(labels, old, new, **more):
    return compare(labels, old=(3, old), new=(4, new), automation=CARE, rows_from="tickets of a test", **more)


def automated(*queues):
    return [Answer(queue=q, verdict="automate") for q in queues]


@settings(deadline=None)
@given(old_only=st.integers(0, 80), new_only=st.integers(0, 80))
def test_the_exact_test_is_the_two_sided_binomial_one(old_only, new_only):
    expected = stats.binomtest(old_only, old_only + new_only, 0.5).pvalue if old_only + new_only else 1.0
    found = mcnemar(old_only, new_only)
    assert found.method == "exact"
    assert found.p_value == pytest.approx(expected, abs=1e-9)


def test_many_discordant_tickets_are_tested_with_the_continuity_correction():
    found = mcnemar(640, 560)
    assert found.method == "corrected"
    assert found.p_value == pytest.approx(stats.chi2.sf((80 - 1) ** 2 / 1_200, 1))
    exact = stats.binomtest(560, 1_200, 0.5).pvalue
    assert found.p_value == pytest.approx(exact, abs=1e-3)
    half = EXACT_UP_TO // 2
    assert mcnemar(half, half).method == "exact"
    assert mcnemar(half + 1, half).p_value == pytest.approx(1.0, abs=1e-9)


def test_who_is_right_where_is_counted_by_queue_and_by_tier():
    labels = ["billing", "billing", "fraud", "outage"]
    old = automated("billing", "fraud", "fraud", "billing")
    new = automated("billing", "billing", "outage", "outage")
    found = of(labels, old, new, tiers=["gold", "gold", None, "silver"])
    assert (found.old_right, found.new_right, found.old_only, found.new_only, found.requeued) == (2, 3, 1, 2, 3)
    by_queue = {g.name: (g.rows, g.old_wrong, g.new_wrong, g.winner) for g in found.by_queue}
    assert by_queue == {"billing": (2, 1, 0, "new"), "fraud": (1, 0, 1, "old"), "outage": (1, 1, 0, "new")}
    assert [(g.name, g.rows) for g in found.by_tier] == [("gold", 2), ("silver", 1)]
    assert found.tier == "segment"


def test_changed_verdicts_and_their_cost_are_told_apart_from_changed_queues():
    labels = ["billing", "fraud"]
    old = automated("billing", "billing")
    new = [Answer(queue="billing", verdict="automate"), Answer(queue="billing", verdict="review")]
    found = of(labels, old, new)
    assert (found.requeued, found.reverdicted) == (0, 1)
    assert found.verdicts == {("automate", "automate"): 1, ("automate", "review"): 1}
    assert (found.old_cost, found.new_cost) == (6.0, 1.0)  # 12 for a wrong automation, 2 for a review, over two tickets
    assert "1 another verdict; a ticket would cost 5.000 EUR less" in summary(found)


def test_a_mistake_costs_what_its_queue_declares():
    assert mean_cost(["billing"], automated("fraud"), CARE) == 60
    assert mean_cost(["billing"], automated("outage"), CARE) == 12
    draft = [Answer(queue="outage", verdict="draft")]
    assert mean_cost(["outage"], draft, CARE) == pytest.approx(2.5 * 32 / 60)
    assert mean_cost(["billing"], draft, CARE) == pytest.approx(2.5 * 32 / 60 + 3)


@settings(deadline=None)
@given(rows=rows)
def test_macro_f1_is_scikit_learns(rows):
    from sklearn.metrics import f1_score

    labels, predicted = [r[0] for r in rows], [r[1].queue for r in rows]
    assert macro_f1(labels, predicted) == pytest.approx(f1_score(labels, predicted, average="macro", zero_division=0))


@settings(deadline=None)
@given(rows=rows)
def test_the_other_way_round_everything_is_the_other_way_round_and_json_loses_nothing(rows):
    labels, old, new = ([r[i] for r in rows] for i in range(3))
    there, back = of(labels, old, new), compare(labels, old=(4, new), new=(3, old), automation=CARE)
    assert (there.old_only, there.new_only) == (back.new_only, back.old_only)
    assert there.mcnemar == back.mcnemar
    assert there.new_cost - there.old_cost == pytest.approx(back.old_cost - back.new_cost)
    assert sum(g.rows for g in there.by_queue) == there.rows == sum(there.verdicts.values())
    assert sum(g.new_only for g in there.by_queue) == there.new_only
    assert read_comparison(json.loads(json.dumps(there.as_json()))) == there
    assert all(
        line.startswith(("|", "#")) or not line.startswith(" ") for line in comparison_markdown(there).split("\n")
    )


@pytest.mark.parametrize(("labels", "old", "new"), [([], [], []), (["billing"], automated("billing"), [])])
def test_nothing_to_compare_is_an_error_and_no_number(labels, old, new):
    with pytest.raises(ComparisonError, match="at least one"):
        of(labels, old, new)


def test_a_damaged_comparison_says_what_to_do():
    with pytest.raises(ComparisonError, match="compare the versions again"):
        read_comparison({"old": 1})
