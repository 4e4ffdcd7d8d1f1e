"""Intervals, against published values and scipy."""

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from aios_core.monitoring.intervals import sign_test, so_few, wilson


def test_wilson_matches_a_published_example():
    """81 of 263, two-sided 95 %: 0.2553 to 0.3662 (R. G. Newcombe 1998, Statistics in Medicine 17, table I, method 3)."""
    assert wilson(81, 263, confidence=0.975) == pytest.approx((0.2553, 0.3662), abs=5e-5)


def test_wilson_without_rows_says_nothing():
    assert wilson(0, 0) == (0.0, 1.0)


@given(rows=st.integers(1, 5_000), data=st.data())
def test_wilson_holds_the_share_and_stays_a_share(rows, data):
    correct = data.draw(st.integers(0, rows))
    low, high = wilson(correct, rows)
    assert 0 <= low <= correct / rows + 1e-12
    assert correct / rows - 1e-12 <= high <= 1


@settings(deadline=None)  # the first call imports scipy
@given(wins=st.integers(0, 200), losses=st.integers(0, 200))
def test_the_sign_test_is_the_exact_binomial_one(wins, losses):
    from scipy.stats import binomtest

    expected = binomtest(wins, wins + losses, 0.5, alternative="greater").pvalue if wins + losses else 1.0
    assert sign_test(wins, losses) == pytest.approx(expected, abs=1e-9)


@settings(deadline=None)
@given(rows=st.integers(0, 400), share=st.floats(0.01, 0.99), data=st.data())
def test_so_few_is_the_lower_tail_of_the_binomial(rows, share, data):
    from scipy.stats import binom

    correct = data.draw(st.integers(0, rows))
    assert so_few(correct, rows, share=share) == pytest.approx(float(binom.cdf(correct, rows, share)), abs=1e-9)
