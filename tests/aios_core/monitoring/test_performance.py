"""Quality against outcomes agrees with scikit-learn, and says None where there is nothing to measure."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from aios_core.monitoring.errors import MonitorError
from aios_core.monitoring.performance import evaluate

QUEUES = ("billing", "outage", "roaming", "fraud")
rows = st.lists(st.tuples(st.sampled_from(QUEUES), st.sampled_from(QUEUES), st.booleans()), min_size=1, max_size=80)


@settings(deadline=None)  # the first call imports scikit-learn
@pytest.mark.filterwarnings("ignore:A single label")
@given(rows)
def test_numbers_are_those_of_scikit_learn(rows):
    from sklearn.metrics import accuracy_score, confusion_matrix, f1_score

    labels, predicted, automated = (list(c) for c in zip(*rows, strict=True))
    found = evaluate(labels, predicted, None, ["automate" if a else "review" for a in automated], QUEUES)
    assert found.accuracy == pytest.approx(accuracy_score(labels, predicted))
    assert found.macro_f1 == pytest.approx(f1_score(labels, predicted, average="macro", zero_division=0.0))
    assert np.array(found.confusion).tolist() == confusion_matrix(labels, predicted, labels=found.queues).tolist()
    sent = [(label, p) for label, p, a in rows if a]
    assert found.coverage_automated == pytest.approx(len(sent) / len(rows))
    if sent:
        assert found.accuracy_automated == pytest.approx(sum(a == b for a, b in sent) / len(sent))
    else:
        assert found.accuracy_automated is None


def test_a_confidence_that_keeps_its_word_has_no_calibration_error():
    many = np.random.default_rng(0).uniform(0.5, 1, 20_000)
    kept = np.random.default_rng(1).uniform(size=20_000) < many
    honest = evaluate(["billing" if k else "fraud" for k in kept], ["billing"] * 20_000, confidence=many)
    boasting = evaluate(
        ["billing" if k else "fraud" for k in kept], ["billing"] * 20_000, confidence=np.minimum(many + 0.2, 1)
    )
    assert honest.ece < 0.02
    assert boasting.ece > 0.1


def test_probabilities_by_class_count_as_their_largest():
    probabilities = np.array([[0.9, 0.1], [0.4, 0.6]])
    by_class = evaluate(["a", "b"], ["a", "b"], probabilities, classes=["a", "b"])
    assert by_class.ece == evaluate(["a", "b"], ["a", "b"], confidence=[0.9, 0.6]).ece == pytest.approx(0.25)


def test_a_ticket_without_a_prediction_is_wrong_but_no_calibration_error():
    found = evaluate(["a", "a"], ["a", None], confidence=[1.0, None])
    assert found == evaluate(["a", "a"], ["a", float("nan")], confidence=[1.0, float("nan")])
    assert found.accuracy == 0.5
    assert found.ece == 0.0
    assert found.by_queue["a"].rows == 2
    assert found.by_queue["a"].predicted == 1


def test_each_queue_is_told_apart():
    found = evaluate(
        ["a", "a", "b", "b", "c"],
        ["a", "b", "b", "b", "b"],
        None,
        ["automate", "automate", "automate", "review", "review"],
    )
    assert found.by_queue["b"].precision == 0.5
    assert found.by_queue["b"].recall == 1.0
    assert found.by_queue["b"].accuracy_automated == 0.5
    assert found.by_queue["c"].precision is None
    assert found.by_queue["c"].f1 == 0.0


def test_nothing_settled_is_none_everywhere_and_not_zero():
    found = evaluate([], [], [], [])
    assert (found.rows, found.accuracy, found.macro_f1, found.ece, found.coverage_automated) == (
        0,
        None,
        None,
        None,
        None,
    )


def test_columns_of_different_lengths_are_an_error():
    with pytest.raises(MonitorError, match="2 labels but 1 predictions"):
        evaluate(["a", "b"], ["a"])


def test_without_verdicts_nothing_is_said_of_automation():
    found = evaluate(["a"], ["a"])
    assert (found.accuracy_automated, found.coverage_automated, found.automated) == (None, None, 0)
