"""How many different values there are: exact where they are few, close where they are many, and the same however it is added up."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from aios_core.monitoring.distinct import KEPT, NONE, Distinct, join, of_numbers, of_texts

VALUES = st.lists(st.one_of(st.none(), st.floats(allow_infinity=False, width=32)), max_size=150)


def numbers(values):
    return of_numbers(np.array([np.nan if v is None else v for v in values], np.float64))


@given(a=VALUES, b=VALUES, c=VALUES)
def test_joining_is_associative_commutative_idempotent_and_equal_to_one_pass(a, b, c):
    one, two, three = numbers(a), numbers(b), numbers(c)
    together = numbers(a + b + c)
    assert join([join([one, two]), three]) == join([one, join([two, three])]) == join([three, one, two]) == together
    assert join([one, one, NONE]) == one


@given(values=st.lists(st.integers(0, 40).map(float), max_size=200))
def test_few_values_are_counted_exactly(values):
    assert numbers(values).number == len(set(values))


def test_many_values_are_estimated_within_three_standard_errors():
    rng = np.random.default_rng(1)
    for true in (1_000, 50_000):
        found = of_numbers(rng.permutation(np.repeat(np.arange(true, dtype=float), 3))).number
        assert found == pytest.approx(true, rel=3 / (KEPT - 2) ** 0.5)
        assert of_texts(f"value {i}" for i in range(true)).number == pytest.approx(true, rel=3 / (KEPT - 2) ** 0.5)


def test_missing_values_and_the_sign_of_zero_are_no_values():
    assert numbers([None, float("nan"), 0.0, -0.0]).number == 1
    assert of_texts([]).number == 0


def test_it_survives_as_text_and_holds_no_value():
    found = of_texts(["mara.lopez@example.com", "b"])
    assert Distinct.from_text(found.to_text()) == found
    assert "mara" not in found.to_text()
