"""Quality before outcomes: what probabilities promise, and when an audit contradicts them."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from aios_core.monitoring.errors import MonitorError
from aios_core.monitoring.estimate import Promise, add, by_group, estimate, promise

CLASSES = 5


def drawn(seed, rows, *, sharp=3.0):
    """Probabilities that mean what they say, and labels drawn from them."""
    rng = np.random.default_rng(seed)
    probabilities = rng.dirichlet(np.full(CLASSES, 1 / sharp), rows)
    labels = np.array([rng.choice(CLASSES, p=row) for row in probabilities], dtype=np.int64)
    return probabilities, labels


@given(st.lists(st.integers(0, 40), min_size=1, max_size=5), st.integers(0, 100))
def test_promises_of_parts_add_up_to_that_of_the_whole(sizes, seed):
    probabilities, _ = drawn(seed, sum(sizes))
    parts = np.split(probabilities, np.cumsum(sizes)[:-1])
    added = add(promise(part, classes=CLASSES) for part in parts)
    whole = promise(probabilities, classes=CLASSES)
    assert added.rows == whole.rows
    for name in ("hits", "belong", "predicted", "spread"):
        assert np.allclose(getattr(added, name), getattr(whole, name))
    assert Promise.from_json(added.as_json()).expected == pytest.approx(whole.expected, abs=1e-4)


@given(st.integers(1, 60), st.integers(0, 100))
def test_groups_and_classes_share_a_day_out_and_lose_nothing(rows, seed):
    probabilities, _ = drawn(seed, rows)
    whole = promise(probabilities, classes=CLASSES)
    names = [str(number % 3) for number in range(rows)]
    for parts in (by_group(probabilities, names, classes=CLASSES).values(), map(whole.of_class, range(CLASSES))):
        shared = list(parts)
        assert sum(part.rows for part in shared) == rows
        assert sum(part.expected for part in shared) == pytest.approx(whole.expected)
        assert sum(part.variance for part in shared) == pytest.approx(whole.variance)
    assert by_group(probabilities, [None] * rows, classes=CLASSES) == {}


def test_a_kept_day_from_before_spread_was_kept_by_class_still_adds_up():
    probabilities, _ = drawn(3, 50)
    whole = promise(probabilities, classes=CLASSES)
    content = whole.as_json()
    old = {**content, "variance": whole.variance}
    del old["spread"]
    assert Promise.from_json(old).variance == pytest.approx(whole.variance)


def test_what_a_version_overstates_is_taken_off_and_the_audit_is_not_told_twice():
    probabilities, labels = drawn(4, 4_000)
    window = promise(probabilities, classes=CLASSES)
    plain = estimate(window, calibration_error=0.01)
    less = estimate(window, calibration_error=0.01, overstated=0.02)
    assert less.accuracy == pytest.approx(plain.accuracy - 0.02)
    assert less.macro_f1 < plain.macro_f1
    right = probabilities.argmax(axis=1) == labels
    audit = list(zip(probabilities.max(axis=1)[:200], right[:200], strict=True))
    found = [estimate(window, calibration_error=0.01, overstated=o, audit=audit).audited for o in (0.0, 0.02)]
    assert found[0] == pytest.approx(found[1])  # what people saw does not depend on what we took off


def test_calibrated_probabilities_promise_what_turns_out_and_say_how_surely():
    inside, errors, f1_errors = 0, [], []
    for seed in range(100):
        probabilities, labels = drawn(seed, 400)
        found = estimate(promise(probabilities, classes=CLASSES), calibration_error=0.0)
        right = probabilities.argmax(axis=1) == labels
        inside += found.low <= right.mean() <= found.high
        errors.append(found.accuracy - right.mean())
        f1_errors.append(found.macro_f1 - _macro_f1(labels, probabilities.argmax(axis=1)))
    assert 90 <= inside <= 99  # 95 of 100 are meant, give or take what chance allows
    assert abs(np.mean(errors)) < 0.005
    assert np.abs(f1_errors).mean() < 0.03


def test_a_changed_rule_shows_in_no_probability_and_in_the_audit_slice():
    probabilities, labels = drawn(1, 4_000)
    turned = (labels + (np.arange(4_000) % 3 == 0)) % CLASSES
    right = probabilities.argmax(axis=1) == turned
    audit = list(zip(probabilities.max(axis=1)[::20], right[::20], strict=True))
    blind = estimate(promise(probabilities, classes=CLASSES), calibration_error=0.01)
    seeing = estimate(promise(probabilities, classes=CLASSES), calibration_error=0.01, audit=audit)
    assert blind.accuracy - right.mean() > 0.15
    assert (seeing.source, seeing.macro_f1) == ("audit", None)
    assert seeing.low <= right.mean() <= seeing.high


def test_an_audit_that_agrees_leaves_the_promise_its_word():
    probabilities, labels = drawn(2, 4_000)
    right = probabilities.argmax(axis=1) == labels
    audit = list(zip(probabilities.max(axis=1)[:80], right[:80], strict=True))
    found = estimate(promise(probabilities, classes=CLASSES), calibration_error=0.01, audit=audit)
    assert (found.source, found.audited_rows) == ("probabilities", 80)
    assert found.audited is not None
    few = estimate(promise(probabilities, classes=CLASSES), calibration_error=0.01, audit=audit[:29])
    assert few.audited is None


def test_no_rows_promise_nothing_and_no_distribution_is_refused():
    nothing = estimate(promise(np.empty((0, CLASSES)), classes=CLASSES), calibration_error=0.01)
    assert (nothing.rows, nothing.accuracy, nothing.source) == (0, None, "none")
    for bad in (np.nan, -0.1, 0.9):
        with pytest.raises(MonitorError, match="no distribution"):
            promise(np.array([[bad, 0.2, 0.2, 0.2, 0.2]]), classes=CLASSES)
    with pytest.raises(MonitorError, match="different classes"):
        add([])


def _macro_f1(labels, predicted):
    from sklearn.metrics import f1_score

    return f1_score(labels, predicted, average="macro")
