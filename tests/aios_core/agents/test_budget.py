"""Budgets: never passed, never given back, and a refusal that names its limit."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from aios_core.agents.budget import Budget, Exhausted, Limits, Spent

LIMITS = Limits(steps=5, calls=6, seconds=10.0, tokens=1_000, money=0.5)
amounts = st.builds(
    Spent,
    steps=st.integers(-2, 3),
    calls=st.integers(-2, 3),
    seconds=st.floats(-1, 6),
    tokens=st.integers(-10, 600),
    money=st.floats(-0.1, 0.3),
)


@given(st.lists(amounts, max_size=12))
def test_whatever_is_spent_a_budget_never_stands_above_a_limit_and_never_falls(wanted: list[Spent]) -> None:
    budget = Budget(limits=LIMITS)
    for more in wanted:
        after = budget.spend(more)
        if isinstance(after, Exhausted):
            assert after.wanted > after.limit == getattr(LIMITS, after.of)
            continue
        for name in ("steps", "calls", "seconds", "tokens", "money"):
            assert getattr(budget.spent, name) <= getattr(after.spent, name) <= getattr(LIMITS, name)
        budget = after


@pytest.mark.parametrize(
    ("more", "of"),
    [
        (Spent(steps=6), "steps"),
        (Spent(calls=7), "calls"),
        (Spent(seconds=10.1), "seconds"),
        (Spent(tokens=1_001), "tokens"),
        (Spent(money=0.51), "money"),
    ],
)
def test_a_refusal_names_the_limit_that_would_be_passed(more: Spent, of: str) -> None:
    refused = Budget(limits=LIMITS).spend(more)
    assert isinstance(refused, Exhausted)
    assert refused.of == of
    assert f"{refused.limit:g}" in refused.sentence


def test_a_limit_itself_may_be_reached_and_money_without_one_is_not_counted_against_anything() -> None:
    limits = Limits(steps=1, calls=1, seconds=1.0, tokens=10)
    after = Budget(limits=limits).spend(Spent(steps=1, calls=1, seconds=1.0, tokens=10, money=1e9))
    assert isinstance(after, Budget)
    assert after.tokens_left == 0
