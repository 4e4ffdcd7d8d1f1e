from datetime import timedelta

import numpy as np
import pytest

from aios_core.automation import Features
from aios_core.errors import ModelError
from aios_core.scoring.model import ScoringModel
from aios_core.training.export import export
from aios_core.training.fit import fit
from aios_core.training.parity import parity
from resources.runtime import open_session
from tests.aios_core.training.making import FACTS, START, TOPICS, automation, model, small, table, tickets


def fitted_on(texts, labels, *, queues=(), settings=None, **more):
    return fit(table(texts, **more), labels, model=settings or model(), features_spec=Features(), queues=queues)


def test_a_fit_learns_calibrates_and_measures_itself():
    fitted, _, _ = small()
    assert fitted.assessed.classes == ("billing", "outage", "roaming")
    assert fitted.assessed.metrics["accuracy"] > 0.85
    assert fitted.assessed.metrics["ece"] < 0.1
    assert fitted.assessed.metrics["rows"] == 120
    assert fitted.assessed.scores.num_rows == fitted.assessed.scored.num_rows == 600
    assert fitted.assessed.scores.column("ticket_id").equals(fitted.assessed.scored.column("ticket_id"))
    assert fitted.assessed.notes == ()


def test_the_same_rows_give_the_same_model_whatever_their_order():
    texts, labels, facts = tickets(150)
    forwards = table(texts, facts=facts, spec=FACTS)
    order = list(reversed(range(150)))
    backwards = forwards.take(order)
    made = [
        export(
            fit(rows, names, model=model(), features_spec=FACTS, queues=()), automation=automation(), snapshot_id="s"
        )
        for rows, names in ((forwards, labels), (backwards, [labels[i] for i in order]), (forwards, labels))
    ]
    assert made[0] == made[1] == made[2]


def test_the_newest_rows_are_the_held_back_ones():
    """A label that turned round lately must show in the held-back metrics, though most rows say otherwise."""
    texts = ["invoice refund" if i % 2 else "signal masts" for i in range(200)]
    labels = ["billing" if i % 2 else "outage" for i in range(200)]
    turned = labels[:160] + [{"billing": "outage", "outage": "billing"}[name] for name in labels[160:]]
    assert fitted_on(texts, labels).assessed.metrics["accuracy"] == 1.0
    assert fitted_on(texts, turned).assessed.metrics["accuracy"] == 0.0


def test_labels_outside_the_queues_are_left_out_with_a_note():
    texts, labels, _ = tickets(150)
    labels[3], labels[7], labels[9] = "spam", "spam", None
    fitted = fitted_on(texts, labels, queues=tuple(TOPICS))
    assert fitted.assessed.rows == 147
    assert fitted.assessed.notes == ("3 rows left out: their label is not a queue (None (1), spam (2))",)


def test_a_class_with_one_row_is_left_out_with_a_note():
    texts, labels, _ = tickets(150)
    labels[5] = "fraud"
    fitted = fitted_on(texts, labels)
    assert "fraud" not in fitted.assessed.classes
    assert any("fraud (1)" in note for note in fitted.assessed.notes)


def test_a_queue_without_rows_is_named():
    texts, labels, _ = tickets(150)
    fitted = fitted_on(texts, labels, queues=(*TOPICS, "porting"))
    assert any("never predicts: porting" in note for note in fitted.assessed.notes)


def test_a_class_that_only_the_newest_rows_have_counts_as_error_in_the_metrics_and_is_still_learnt():
    texts, labels, _ = tickets(200, confusing=0)
    for i in range(185, 200):
        texts[i], labels[i] = "steal identity fraud", "fraud"
    fitted = fitted_on(texts, labels)
    assert "fraud" in fitted.assessed.classes
    assert fitted.assessed.metrics["accuracy"] <= 25 / 40
    entry = next(e for e in fitted.assessed.by_class if e["class"] == "fraud")
    assert (entry["rows"], entry["recall"]) == (15, 0.0)


def test_the_oldest_rows_are_left_out_where_there_are_too_many():
    texts, labels, _ = tickets(300)
    fitted = fitted_on(texts, labels, settings=model(training={"max_rows": 120}))
    assert fitted.assessed.rows == 120
    assert fitted.assessed.period[0] == START + timedelta(minutes=7 * 180)
    assert any("180 oldest rows" in note for note in fitted.assessed.notes)


def test_two_classes_work_like_many():
    texts, labels, _ = tickets(160, topics={k: TOPICS[k] for k in ("billing", "outage")})
    fitted = fitted_on(texts, labels)
    files = export(fitted, automation=automation(Features()), snapshot_id="s")
    agreement = parity(fitted, files, table(texts), open_session)
    assert agreement.agrees
    assert fitted.assessed.metrics["accuracy"] > 0.8


def test_equal_texts_give_a_model_that_only_knows_the_shares():
    labels = ["billing"] * 90 + ["outage"] * 30
    np.random.default_rng(0).shuffle(labels)
    fitted = fitted_on(["the same words"] * 120, labels)
    files = export(fitted, automation=automation(Features()), snapshot_id="s")
    scored = ScoringModel.from_files(files, open_session).score_batch(table(["the same words", "x"]))
    assert scored.column("queue").to_pylist()[0] == "billing"
    assert 0.5 < scored.column("confidence")[0].as_py() < 0.95


@pytest.mark.parametrize(
    ("texts", "labels", "words"),
    [
        ([], [], "0 labelled rows"),
        (["a b"] * 10, ["x", "y"] * 5, "10 labelled rows"),
        (["some words"] * 40, ["x"] * 40, "have 1 class"),
        (["?!"] * 40, ["x", "y"] * 20, "no word occurs"),
        ([""] * 40, ["x", "y"] * 20, "no word occurs"),
    ],
)
def test_too_little_to_learn_from_is_an_error_that_says_what_is_missing(texts, labels, words):
    with pytest.raises(ModelError, match=words):
        fitted_on(texts, labels, settings=model(char_ngrams=None))


def test_labels_that_are_not_aligned_are_refused():
    with pytest.raises(ModelError, match="2 feature rows but 1 labels"):
        fitted_on(["a", "b"], ["x"])


def test_progress_is_told():
    texts, labels, _ = tickets(60)
    told = []
    fit(table(texts), labels, model=model(), features_spec=Features(), queues=(), progress=told.append)
    assert any("60 rows" in line for line in told)
    assert len(told) == 3
