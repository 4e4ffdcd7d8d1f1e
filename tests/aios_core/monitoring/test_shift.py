"""Corrections of a version's promises: class shares that moved, and optimism; used where held-back rows say that they help."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from aios_core.monitoring.errors import MonitorError
from aios_core.monitoring.estimate import estimate, promise
from aios_core.monitoring.shift import Correction, adapted, corrected, learn, shares_of

CLASSES = 6
FLAT = np.full(CLASSES, 1 / CLASSES)
SKEWED = np.array([0.5, 0.25, 0.1, 0.05, 0.05, 0.05])
NOISE = np.array([0.8, 0.9, 1.0, 1.1, 1.4, 1.8])  # of each class: some are told apart worse than others


def world(seed, rows, shares):
    """One number a ticket, normal around its class; the probabilities are the exact ones under equal shares."""
    rng = np.random.default_rng(seed)
    labels = rng.choice(CLASSES, rows, p=shares)
    seen = labels * 2.0 + rng.normal(size=rows) * NOISE[labels]
    away = (seen[:, None] - np.arange(CLASSES) * 2.0) / NOISE
    likelihood = np.exp(-0.5 * away * away) / NOISE
    return likelihood / likelihood.sum(axis=1, keepdims=True), labels


def error(probabilities, labels, correction):
    """Of the estimate of these rows, and of that without a correction."""
    chosen = probabilities.argmax(axis=1)
    truth = (chosen == labels).mean()
    found = []
    for rows in (corrected(probabilities, correction), probabilities):
        window = promise(rows, classes=CLASSES, predicted=chosen)
        found.append(abs(estimate(window, calibration_error=0.0).accuracy - truth))
    return found


def test_moved_class_shares_are_found_and_followed_and_the_estimate_holds():
    held_back, labels = world(1, 3_000, FLAT)
    correction = learn(held_back, labels, classes=CLASSES)
    assert correction.follows_shares
    window, truth = world(2, 4_000, SKEWED)
    assert np.abs(shares_of(window, taken_for_granted=correction.shares) - SKEWED).sum() < 0.06
    followed, as_it_is = error(window, truth, correction)
    assert followed < 0.01 < as_it_is


@settings(deadline=None, max_examples=25)
@given(st.integers(0, 1_000), st.integers(1, 300))
def test_shares_are_shares_and_adapted_rows_are_distributions(seed, rows):
    probabilities, _ = world(seed, rows, SKEWED)
    shares = shares_of(probabilities, taken_for_granted=FLAT)
    assert shares.sum() == pytest.approx(1, abs=1e-6)
    moved = adapted(probabilities, shares, taken_for_granted=FLAT)
    assert np.allclose(moved.sum(axis=1), 1)
    assert np.allclose(adapted(probabilities, FLAT, taken_for_granted=FLAT), probabilities)


def test_shares_are_not_followed_where_nothing_says_that_it_helps():
    probabilities, _ = world(5, 400, SKEWED)
    foreign = np.full(400, -1)  # every held-back ticket is of a class that the version has not
    correction = learn(probabilities, foreign, classes=CLASSES)
    assert not correction.follows_shares
    assert correction.overstated > 0.5
    assert corrected(probabilities, correction) is probabilities


def test_optimism_is_measured_and_shrinks_to_nothing_where_it_may_be_chance():
    probabilities, labels = world(3, 4_000, FLAT)
    assert abs(learn(probabilities, labels, classes=CLASSES).overstated) < 0.01
    sharper = probabilities**2
    sharper /= sharper.sum(axis=1, keepdims=True)
    found = learn(sharper, labels, classes=CLASSES).overstated
    gap = sharper.max(axis=1).mean() - (sharper.argmax(axis=1) == labels).mean()
    assert 0.03 < found <= gap
    few = learn(sharper[:200], labels[:200], classes=CLASSES)
    own = sharper[:200].max(axis=1).mean() - (sharper[:200].argmax(axis=1) == labels[:200]).mean()
    assert 0 < few.overstated < own  # the fewer rows, the more of it may be chance


def test_the_same_rows_give_the_same_correction_and_too_few_give_none():
    probabilities, labels = world(4, 400, SKEWED)
    first, second = (learn(probabilities, labels, classes=CLASSES) for _ in range(2))
    assert (first.overstated, first.follows_shares) == (second.overstated, second.follows_shares)
    assert learn(probabilities[:199], labels[:199], classes=CLASSES) is None
    assert corrected(probabilities, None) is probabilities
    with pytest.raises(MonitorError, match="damaged"):
        learn(probabilities, labels[:-1], classes=CLASSES)
    with pytest.raises(MonitorError, match="no distribution"):
        learn(probabilities * 2, labels, classes=CLASSES)


def test_shares_may_be_learnt_from_a_longer_window_than_the_rows_that_are_corrected():
    window, _ = world(6, 4_000, SKEWED)
    correction = Correction(shares=FLAT, follows_shares=True, overstated=0.0, held_back=3_000)
    day = window[:5]
    assert np.allclose(corrected(day, correction, window=window), corrected(window, correction)[:5])
    assert len(corrected(day[:0], correction, window=window)) == 0
