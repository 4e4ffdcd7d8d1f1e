"""The guarantee: it holds as often as it says, needs as many rows as it says, and is not given where it would be false."""

from dataclasses import replace

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from aios_core.thresholds.certify import automated, bound, certify, grid_of, rows_needed, tail
from tests.aios_core.thresholds.making import tickets

GRID = grid_of().tolist()
WORLD, LIMIT = 1_500, 0.05


def true_error(cut: float) -> float:
    """Of the tickets automated from a cut-off on, where the error is (1 - c)² and confidences are uniform from 0.3 to 1."""
    fine = np.linspace(max(cut, 0.3), 1.0, 2_001)
    return float(((1 - fine) ** 2).mean())


@pytest.mark.parametrize("apart", [False, True])
def test_the_error_of_every_passed_cut_off_is_below_the_limit_in_at_least_as_many_worlds_as_promised(
    apart: bool,
) -> None:
    broken = worlds = 0
    for seed in range(300):
        world = tickets(WORLD, seed=seed, error=lambda c: (1 - c) ** 2)
        others = tickets(WORLD, seed=1_000 + seed, labelled=False) if apart else None
        found = certify(world, GRID, max_error=LIMIT, confidence=0.8, others=others)
        worlds += bool(found.passed)
        broken += any(true_error(cut) > LIMIT for cut in found.passed)
    assert worlds > 200  # else it would hold by never saying anything
    # of 300 at most 60 are promised; 82 or more happen once in a thousand times at exactly that rate
    assert 0 < broken < 82, broken


def test_a_test_that_looked_at_its_own_choice_would_break_the_promise() -> None:
    """The same worlds with the lowest cut-off that looks good on all rows: what the split and the order are for."""
    broken = 0
    for seed in range(300):
        counts = automated(tickets(WORLD, seed=seed, error=lambda c: (1 - c) ** 2), GRID)
        good = [cut for cut, (rows, wrong) in zip(GRID, counts, strict=True) if rows and wrong / rows <= LIMIT]
        broken += bool(good) and true_error(min(good)) > LIMIT
    assert broken > 82, broken


def test_nothing_passes_where_everything_errs_too_often_or_too_few_were_looked_at() -> None:
    assert not certify(tickets(5_000, seed=1, error=lambda c: 0.2 + 0 * c), GRID, max_error=0.02, confidence=0.9).passed
    assert not certify(tickets(100, seed=1, error=lambda c: 0 * c), GRID, max_error=0.02, confidence=0.9).passed
    assert certify(tickets(2_000, seed=1, error=lambda c: 0 * c), GRID, max_error=0.02, confidence=0.9).passed


def test_tickets_chosen_for_their_score_or_never_automated_carry_no_guarantee() -> None:
    good = tickets(2_000, seed=1, error=lambda c: 0 * c)
    assert not certify(replace(good, unbiased=np.zeros(2_000, bool)), GRID, max_error=0.02, confidence=0.9).passed
    people = tickets(2_000, seed=1, error=lambda c: 0 * c, high="review")
    assert not certify(people, GRID, max_error=0.02, confidence=0.9).passed
    nobody = tickets(2_000, seed=1, error=lambda c: 0 * c, labelled=False)
    assert not certify(nobody, GRID, max_error=0.02, confidence=0.9).passed


@given(rows=st.integers(1, 3_000), share=st.floats(0, 1), confidence=st.floats(0.5, 0.999))
def test_the_upper_bound_is_where_so_few_errors_become_as_unlikely_as_asked(
    rows: int, share: float, confidence: float
) -> None:
    wrong = int(share * rows)
    found = bound(wrong, rows, confidence)
    assert wrong / rows <= found <= 1
    if wrong < rows:
        assert tail(wrong, rows, found) == pytest.approx(1 - confidence, rel=1e-6)


@given(
    error=st.floats(0.005, 0.4),
    confidence=st.floats(0.6, 0.99),
    wrong=st.integers(0, 4),
)
def test_so_many_rows_are_needed_and_not_one_less(error: float, confidence: float, wrong: int) -> None:
    rows = rows_needed(error, confidence, wrong=wrong)
    assert tail(wrong, rows, error) <= 1 - confidence
    assert rows <= wrong + 1 or tail(wrong, rows - 1, error) > 1 - confidence


def test_the_rows_needed_for_two_percent_are_the_known_ones() -> None:
    assert rows_needed(0.02, 0.9, wrong=0) == 114  # ln 0.1 / ln 0.98
    assert rows_needed(0.02, 0.9) == 194
