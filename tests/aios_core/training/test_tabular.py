"""Models over customer facts: what a version says is what scikit-learn says, in any batch, with reasons."""

import json
from dataclasses import replace

import numpy as np
import onnx
import pyarrow as pa
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from aios_core.automation import CrmFeature, Features
from aios_core.errors import ModelError
from aios_core.features.encoding import fit_encoding
from aios_core.scoring.model import MANIFEST_FILE, MODEL_FILE, ScoringModel
from aios_core.scoring.rarity import fit_rarity
from aios_core.training.tabular.boosting import Boosting
from aios_core.training.tabular.train import customer_groups
from aios_core.training.tabular.trees import float32_below
from aios_core.training.trainers import train
from resources.runtime import open_session
from tests.aios_core.training.making import table
from tests.aios_core.training.tabular_making import (
    FACTS,
    ODD,
    THREE,
    TWO,
    automation,
    customers,
    rows,
    tabular,
    task,
    trained,
)

ESTIMATORS = ["gradient_boosting", "logistic"]
KINDS = [(estimator, queues) for estimator in ESTIMATORS for queues in (TWO, THREE)]
NEW, NEW_LABELS = customers(40, seed=9)
ROWS = rows(NEW + ODD)


def loaded(estimator, queues=TWO):
    return ScoringModel.from_files(trained(estimator, queues).files, open_session)


@pytest.mark.parametrize(("estimator", "queues"), KINDS)
def test_scikit_learn_and_the_version_agree_on_every_row(estimator, queues):
    agreement = trained(estimator, queues).agreement
    assert (agreement.rows, agreement.label_mismatches) == (500, 0)
    assert agreement.max_probability_error < 2e-6
    metrics = json.loads(trained(estimator, queues).files[MANIFEST_FILE])["metrics"]
    assert metrics["accuracy"] > 0.75


@pytest.mark.parametrize("estimator", ESTIMATORS)
def test_they_agree_on_facts_that_nobody_should_have(estimator):
    facts, labels = customers(300, seed=3)
    declared = automation(tabular(estimator=estimator, max_iter=20))
    wide = [{"tenure": 1e300}, {"tenure": -1e300}, {"contract": "a" * 10_000}, {"charges": 3.4e38}, {"charges": 1e-45}]
    candidate = train(task(facts + ODD + wide, [*labels, *["none", "offer"] * 5, "none"], declared))
    assert candidate.agreement.agrees


@settings(max_examples=12, deadline=None)
@given(st.lists(st.integers(0, ROWS.num_rows - 1), min_size=1, max_size=60), st.sampled_from(KINDS))
def test_a_rows_score_and_terms_are_the_same_to_the_last_bit_in_any_batch(picked, kind):
    model = loaded(*kind)
    alone = [model.score_batch(ROWS.slice(row, 1), explain=3).to_pylist()[0] for row in sorted(set(picked))]
    expected = dict(zip(sorted(set(picked)), alone, strict=True))
    assert model.score_batch(ROWS.take(pa.array(picked)), explain=3).to_pylist() == [expected[row] for row in picked]


@pytest.mark.parametrize("threads", [1, 2])
@pytest.mark.parametrize(("estimator", "queues"), KINDS)
def test_the_session_itself_answers_bit_for_bit_alike_alone_and_in_a_crowd(estimator, queues, threads):
    answers = []

    class Recording:
        def __init__(self, session):
            self.session = session

        def run(self, inputs, outputs=None):
            result = self.session.run(inputs, outputs)
            answers.append(result["probabilities"])
            return result

    files = trained(estimator, queues).files
    model = ScoringModel.from_files(files, lambda onnx: Recording(open_session(onnx, intra_threads=threads)))
    many = rows(customers(700, seed=4)[0])
    found = []
    for size in (1, 13, 700):
        answers.clear()
        for start in range(0, 700, size):
            model.score_batch(many.slice(start, size))
        found.append(np.concatenate(answers).tobytes())
    assert found[0] == found[1] == found[2]


@pytest.mark.parametrize("estimator", ESTIMATORS)
def test_the_graph_has_dense_operators_only(estimator):
    graph = onnx.load_from_string(trained(estimator, THREE).files[MODEL_FILE])
    assert {entry.domain for entry in graph.opset_import} == {""}
    assert {node.op_type for node in graph.graph.node} <= {
        *(
            "Gather",
            "GatherElements",
            "Add",
            "Mul",
            "Concat",
            "Where",
            "IsNaN",
            "Greater",
            "Cast",
            "Reshape",
            "ReduceSum",
        ),
        *("Softmax", "Unsqueeze", "Squeeze", "MatMul"),
    }


@pytest.mark.parametrize("estimator", ESTIMATORS)
def test_the_facts_that_speak_for_a_prediction_are_named(estimator):
    asked = rows(
        [
            {"tenure": 60.0, "contract": "yearly", "charges": 8.0},
            {"tenure": 2.0, "contract": "monthly", "charges": 60.0},
        ]
    )
    stays, leaves = loaded(estimator).score_batch(asked, explain=3).to_pylist()
    assert (stays["queue"], leaves["queue"]) == ("none", "offer")
    assert "contract=monthly" in {entry["term"] for entry in leaves["terms"]}
    for scored in (stays, leaves):
        weights = [entry["weight"] for entry in scored["terms"]]
        assert weights == sorted(weights, reverse=True)
        assert min(weights) > 0
    (short,) = loaded(estimator).score_batch(asked.slice(1), explain=1).to_pylist()
    assert short["terms"] == leaves["terms"][:1]


def test_a_boosted_facts_weight_is_what_the_prediction_loses_without_it():
    model = loaded("gradient_boosting")
    fact = {"tenure": 2.0, "contract": "monthly", "charges": 60.0}
    whole, without = model.score_batch(rows([fact, fact | {"contract": None}]), explain=9).to_pylist()
    queue = model.classes.index(whole["queue"])
    odds = [np.log(p[queue] / (1 - p[queue])) for p in (whole["probabilities"], without["probabilities"])]
    shown = {entry["term"]: entry["weight"] for entry in whole["terms"]}
    assert shown["contract=monthly"] == pytest.approx(odds[0] - odds[1], abs=2e-3)


def test_tickets_have_no_words_and_the_card_does_not_speak_of_wording():
    scored = loaded("gradient_boosting").score_batch(ROWS)
    assert set(scored.column("text_length").to_pylist()) == {0}
    assert set(scored.column("unseen_share").to_pylist()) == {0.0}
    card = trained("gradient_boosting").files["card.md"].decode()
    assert "30 boosted trees" in card
    assert "what a ticket says does not reach it" in card
    assert "wording" not in card


def test_a_tree_splits_float32_values_where_it_split_float64_ones():
    low = np.float32(0.1)
    high = np.nextafter(low, np.float32(1))
    middle = (float(low) + float(high)) / 2
    assert float(low) <= float32_below(middle) < float(high)
    assert float32_below(float(high)) == float(high)
    assert float32_below(np.inf) == float(np.finfo(np.float32).max)


@settings(max_examples=200, deadline=None)
@given(st.floats(width=32, allow_nan=False, allow_infinity=False), st.floats(allow_nan=False))
def test_no_float32_changes_sides_by_rounding_the_threshold(value, threshold):
    assert (value <= threshold) == (value <= float32_below(threshold))


def test_neighbouring_values_are_kept_apart_as_in_training():
    base = np.float32(100.0)
    pair = [float(base), float(np.nextafter(base, np.float32(200)))]
    facts = [{"tenure": pair[row % 2]} for row in range(200)]
    candidate = train(task(facts, [TWO[row % 2] for row in range(200)], automation(tabular(max_iter=5))))
    assert candidate.agreement.agrees
    model = ScoringModel.from_files(candidate.files, open_session)
    assert model.score_batch(rows([{"tenure": value} for value in pair])).column("queue").to_pylist() == list(TWO)


def test_trees_as_deep_as_they_get_agree_too():
    facts, labels = customers(900, seed=6)
    candidate = train(task(facts, labels, automation(tabular(max_iter=3, max_leaf_nodes=255, learning_rate=1.0))))
    assert candidate.agreement.label_mismatches == 0
    assert candidate.agreement.max_probability_error < 2e-6


@pytest.mark.parametrize("estimator", ESTIMATORS)
def test_constant_and_empty_facts_are_no_obstacle(estimator):
    facts = [{"tenure": 5.0, "contract": None, "charges": 1.0 + row % 2} for row in range(80)]
    candidate = train(
        task(facts, [TWO[row % 2] for row in range(80)], automation(tabular(estimator=estimator, max_iter=3)))
    )
    assert candidate.agreement.agrees
    assert "facts that no labelled row has: crm_contract" in candidate.files["card.md"].decode()


def test_when_nothing_is_worth_a_split_every_customer_gets_the_same():
    facts = [{"tenure": 5.0} for _ in range(60)]
    candidate = train(task(facts, [TWO[row % 3 == 0] for row in range(60)], automation(tabular(max_iter=2))))
    assert candidate.agreement.agrees
    scored = ScoringModel.from_files(candidate.files, open_session).score_batch(ROWS, explain=2)
    assert len(set(scored.column("confidence").to_pylist())) == 1


def test_equal_fits_give_equal_bytes():
    facts, labels = customers(200, seed=8)
    declared = automation(tabular(max_iter=5))
    assert train(task(facts, labels, declared)).files == train(task(facts, labels, declared)).files


def test_a_model_without_facts_is_refused_with_the_way_out():
    facts, labels = customers(60)
    without = automation(tabular(), spec=Features(text=()))
    with pytest.raises(ModelError, match=r"list them under `features\.customer`"):
        train(replace(task(facts, labels, without), features=table([""] * 60)))
    with pytest.raises(ModelError, match="has a customer fact.*customer_id"):
        train(task([{}] * 60, labels, automation(tabular())))


def test_a_fact_column_of_another_type_or_absent_is_named():
    model = loaded("gradient_boosting")
    with pytest.raises(ModelError, match="crm_tenure"):
        model.score_batch(ROWS.drop_columns(["crm_tenure"]))


def test_a_customers_tickets_stay_on_one_side_of_a_fold():
    features = rows([{}] * 6)
    columns = {"customer_id": ["a", None, "b", "a", None, "b"], "ticket_id": ["1", "2", "3", "4", "2", "3"]}
    for name, values in columns.items():
        features = features.set_column(features.column_names.index(name), name, pa.array(values, pa.string()))
    assert customer_groups(features).tolist() == [0, 1, 2, 0, 1, 2]


@pytest.mark.parametrize("estimator", ESTIMATORS)
def test_facts_that_were_never_met_are_novel_and_known_ones_are_not(estimator):
    model = loaded(estimator)
    known = model.score_batch(rows(customers(400, seed=20)[0])).column("novelty").to_numpy()
    assert np.mean(known > 1) < 0.06
    strange = [
        {"tenure": 900.0, "contract": "hourly", "charges": 1.0},
        {"tenure": -5.0, "contract": "hourly", "charges": 9e9},
    ]
    assert all(value > 1 for value in model.score_batch(rows(strange)).column("novelty").to_pylist())
    manifest = json.loads(trained(estimator).files[MANIFEST_FILE])
    assert manifest["novelty"]["method"] == "rarity_of_facts"
    assert manifest["novelty"]["newest_beyond"] < 0.1


def test_rarity_is_the_surprise_of_each_fact_added_up():
    facts = [{"contract": "a"}] * 60 + [{"contract": "b"}] * 30 + [{}] * 10
    spec = Features(text=(), customer=(CrmFeature(name="contract", kind="categorical"),))
    features = table([""] * 100, facts=facts, spec=spec)
    rarity = fit_rarity(features, fit_encoding(features, spec).facts)
    asked = table([""] * 4, facts=[{"contract": name} for name in ("a", "b", "c", None)], spec=spec)
    counts = np.array([60, 30, 0, 10]) + 0.5
    assert np.allclose(rarity.raw(asked), -np.log(counts / 102))


def test_folds_that_lack_a_class_or_a_category_still_score():
    facts, _ = customers(60, seed=2, queues=THREE)
    fitted = Boosting.fit(rows(facts), np.array([0, 2] * 30), classes=3, model=tabular(max_iter=3), spec=FACTS)
    margins = fitted.margins(ROWS)
    assert margins.shape == (ROWS.num_rows, 3)
    assert (margins.argmax(axis=1) != 1).all()
    alone = Boosting.fit(rows(facts), np.ones(60, np.int64), classes=3, model=tabular(), spec=FACTS).margins(ROWS)
    assert (alone.argmax(axis=1) == 1).all()


def test_an_estimator_that_this_code_does_not_know_is_refused():
    manifest = json.loads(trained("logistic").files[MANIFEST_FILE]) | {"estimator": "oracle"}
    with pytest.raises(ModelError, match="'oracle' is not known"):
        ScoringModel.from_files(
            trained("logistic").files | {MANIFEST_FILE: json.dumps(manifest).encode()}, open_session
        )


def test_facts_may_be_all_numbers_or_all_categories():
    for kept in ("numeric", "categorical"):
        spec = Features(
            text=(), customer=tuple(CrmFeature(name=f.name, kind=f.kind) for f in FACTS.customer if f.kind == kept)
        )
        facts, labels = customers(200, seed=7)
        declared = automation(tabular(max_iter=5), spec=spec)
        assert train(
            replace(task(facts, labels, declared), features=table([""] * 200, facts=facts, spec=spec))
        ).agreement.agrees
