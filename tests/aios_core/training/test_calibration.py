import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from aios_core.training.calibration import (
    calibration_error,
    fit_temperature,
    operating_curve,
    softmax,
    wilson_lower,
)


def drawn(rows, scale):
    """Margins, and labels drawn from the probabilities that `scale` times the margins mean."""
    random = np.random.default_rng(5)
    margins = random.normal(size=(rows, 4))
    probabilities = softmax(margins * scale)
    return margins, np.array([random.choice(4, p=p) for p in probabilities])


@pytest.mark.parametrize("scale", [0.5, 2.0, 6.0])
def test_the_temperature_that_labels_were_drawn_with_is_found_again(scale):
    margins, labels = drawn(6_000, scale)
    temperature = fit_temperature(margins, labels)
    assert temperature == pytest.approx(scale, rel=0.08)
    probabilities = softmax(margins * temperature)
    assert calibration_error(probabilities.max(axis=1), probabilities.argmax(axis=1) == labels) < 0.025


def test_uncalibrated_confidence_has_an_error_that_shows():
    margins, labels = drawn(4_000, 1.0)
    overconfident = softmax(margins * 5)
    assert calibration_error(overconfident.max(axis=1), overconfident.argmax(axis=1) == labels) > 0.2


@given(st.lists(st.tuples(st.integers(0, 1_000), st.booleans()), min_size=1, max_size=300))
def test_the_curve_says_what_a_threshold_would_have_done(rows):
    confidence = np.array([c / 1_000 for c, _ in rows])
    correct = np.array([ok for _, ok in rows])
    curve = operating_curve(confidence, correct)
    assert curve["threshold"] == sorted(set(curve["threshold"]))
    assert curve["threshold"][0] == 0
    assert curve["coverage"][0] == 1
    for i, threshold in enumerate(curve["threshold"]):
        above = confidence >= threshold
        assert curve["coverage"][i] == pytest.approx(above.mean(), abs=1e-6)
        assert curve["accuracy"][i] == pytest.approx(correct[above].mean(), abs=1e-6)
        assert curve["accuracy_lower"][i] <= curve["accuracy"][i]


def test_a_threshold_chosen_by_the_lower_bound_holds_on_new_rows():
    """Chosen by the accuracy seen, it would fail on about half of the worlds."""
    random = np.random.default_rng(5)
    broken = {"accuracy": 0, "accuracy_lower": 0}
    for _ in range(60):
        confidence = random.beta(4, 1.2, size=3_000)
        chosen, fresh = (random.random(3_000) < confidence for _ in range(2))
        curve = operating_curve(confidence, chosen)
        for rule in broken:
            good = [t for t, a in zip(curve["threshold"], curve[rule], strict=True) if a >= 0.9]
            broken[rule] += fresh[confidence >= min(good)].mean() < 0.9
    assert broken["accuracy_lower"] <= 6
    assert broken["accuracy"] >= 12


def test_the_bound_is_wilsons():
    # 95 of 100 at z = 2.326, by hand: (0.97705 - 0.05746) / 1.0541
    assert wilson_lower(np.array([95]), np.array([100]))[0] == pytest.approx(0.8724, abs=2e-4)
    assert wilson_lower(np.array([0]), np.array([0]))[0] == 0
