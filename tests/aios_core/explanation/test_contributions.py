"""Which method says what spoke for a queue."""

import numpy as np
import pytest

from aios_core.explanation.contributions import contributions, recorded, texts_under
from aios_core.scoring.model import ScoringModel
from resources.runtime import open_session
from tests.aios_core.training import encoder_making, tabular_making
from tests.aios_core.training.making import FACTS, small_files, table


def one(text, **facts):
    return table([text], facts=[facts], spec=FACTS)


def test_a_linear_models_terms_are_exact_and_those_of_its_scores():
    model = ScoringModel.from_files(small_files(), open_session)
    row = one("please refund the late fee on my invoice", plan="basic")
    scored = model.score_batch(row, explain=5)
    found = contributions(model, row, scored.column("queue")[0].as_py(), count=5)
    assert (found.method, found.told.split(":")[0]) == ("exact", "Exact")
    assert [(t.term, t.weight) for t in found.terms] == [
        (t["term"], t["weight"]) for t in scored.column("terms")[0].as_py()
    ]


def test_an_encoders_terms_are_what_the_probability_loses_without_the_word():
    model = ScoringModel.from_files(encoder_making.trained("encoder", "fp32").files, open_session)
    text = "hello there refund my invoice"
    row = one(text)
    queue = model.score_batch(row).column("queue")[0].as_py()
    found = contributions(model, row, queue)
    assert found.method == "occlusion"
    assert found.told.startswith("Approximate")
    predict = texts_under(model, row.combine_chunks().to_batches()[0])
    place = model.classes.index(queue)
    for term in found.terms:
        whole, without = predict([text, text.replace(term.term, "")])[:, place]
        assert term.weight == pytest.approx(whole - without, abs=2e-4)


def test_of_a_cascade_each_row_is_explained_by_what_answered_it():
    model = ScoringModel.from_files(encoder_making.trained("cascade", "fp32").files, open_session)
    new = encoder_making.rows()[2]
    stages = model.score_batch(new).column("stage").to_pylist()
    for stage, method in (("fast", "exact"), ("encoder", "occlusion")):
        row = new.slice(stages.index(stage), 1)
        queue = model.score_batch(row).column("queue")[0].as_py()
        assert contributions(model, row, queue).method == method


def test_facts_are_left_out_of_trees_and_read_off_a_logistic_regression():
    facts, _ = tabular_making.customers(5)
    for estimator, method in (("gradient_boosting", "left_out"), ("logistic", "exact")):
        model = ScoringModel.from_files(tabular_making.trained(estimator).files, open_session)
        row = tabular_making.rows(facts[:1])
        assert contributions(model, row, model.score_batch(row).column("queue")[0].as_py()).method == method


def test_a_text_without_a_word_that_matters_says_so():
    model = ScoringModel.from_files(encoder_making.trained("encoder", "fp32").files, open_session)
    found = contributions(model, one(""), model.classes[0])
    assert found.terms == ()
    assert "No single word matters" in found.told


def test_what_a_record_holds_is_taken_as_it_is():
    assert recorded([], kind="linear_text", estimator=None) is None
    found = recorded([("late fee", 1.5)], kind="tabular", estimator="gradient_boosting")
    assert (found.method, found.terms[0].weight) == ("left_out", 1.5)
    assert np.isfinite(found.terms[0].weight)
