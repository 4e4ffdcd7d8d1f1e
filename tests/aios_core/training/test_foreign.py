"""Classifiers made elsewhere: taken as they are where they fit, refused by name where they do not."""

import json
import math
from functools import cache

import numpy as np
import onnx
import pytest
from onnx import TensorProto, helper
from pydantic import ValidationError

from aios_core.errors import ModelError
from aios_core.scoring.model import MANIFEST_FILE, MODEL_FILE, ScoringModel
from aios_core.training.foreign.golden import FILE
from aios_core.training.trainers import train
from resources.runtime import open_session
from tests.aios_core.training.foreign_making import (
    declared,
    dense_golden,
    dense_graph,
    golden,
    known,
    lines,
    ml_graph,
    probabilities,
)
from tests.aios_core.training.tabular_making import TWO, automation, customers, rows, task

FACTS, LABELS = customers(300, seed=12)
ROWS = known(FACTS)
DENSE = {"inputs": {"tenure": "crm_tenure"}}


def made(graph, golden_rows, *, facts=ROWS, **settings):
    folder = {MODEL_FILE: graph, FILE: golden_rows}
    return train(task(facts, LABELS, automation(declared(**settings)), folder=folder))


def loaded(candidate):
    return ScoringModel.from_files(candidate.files, open_session)


@cache
def dense(kind):
    """A version that reads whole tenures in this type."""
    whole = [fact | {"tenure": float(round(fact["tenure"]))} for fact in ROWS]
    return loaded(made(dense_graph(kind=kind), dense_golden(), facts=whole, **DENSE))


def test_a_scikit_learn_pipeline_made_elsewhere_becomes_a_version_that_agrees_with_its_golden_rows():
    candidate = made(ml_graph(), golden(ROWS[:50], labels=True))
    assert (candidate.agreement.rows, candidate.agreement.label_mismatches) == (50, 0)
    assert candidate.agreement.max_probability_error < 1e-6
    assert candidate.agreement.agrees
    manifest = json.loads(candidate.files[MANIFEST_FILE])
    assert (manifest["kind"], manifest["classes"]) == ("onnx", list(TWO))
    assert manifest["inputs"] == ["crm_charges", "crm_contract", "crm_tenure"]
    assert manifest["metrics"]["accuracy"] > 0.75
    assert candidate.files[MODEL_FILE] == ml_graph()
    assert "made elsewhere by skl2onnx 1.17" in candidate.files["card.md"].decode()


def test_its_probabilities_are_calibrated_on_our_outcomes_and_its_labels_are_its_own():
    candidate = made(ml_graph(), golden(ROWS[:5]))
    scored = loaded(candidate).score_batch(rows(ROWS))
    raw = probabilities(ROWS)
    temperature = json.loads(candidate.files[MANIFEST_FILE])["temperature"]
    expected = raw**temperature / (raw**temperature).sum(axis=1, keepdims=True)
    assert temperature != pytest.approx(1, abs=1e-3)
    assert np.allclose(np.array(scored.column("probabilities").to_pylist()), expected, atol=2e-6)
    assert scored.column("queue").to_pylist() == [TWO[best] for best in raw.argmax(axis=1)]


def test_logits_do_as_well_as_probabilities():
    one = made(ml_graph(), golden(ROWS[:20]))
    other = made(ml_graph(), golden(ROWS[:20]), output="logits", output_is="logits")
    assert other.agreement.agrees
    scores = [np.array(loaded(c).score_batch(rows(ROWS)).column("probabilities").to_pylist()) for c in (one, other)]
    assert np.allclose(*scores, atol=1e-5)


def test_golden_rows_that_disagree_are_found_out_by_probability_and_by_label():
    wrong = made(ml_graph(flipped=True), golden(ROWS[:40], labels=True))
    assert not wrong.agreement.agrees
    assert wrong.agreement.label_mismatches == 40
    (told,) = map(json.loads, golden(ROWS[:1]).splitlines())
    told["probabilities"][0] += 0.01
    assert not made(ml_graph(), lines([told])).agreement.agrees


def test_labels_named_in_another_order_than_the_graphs_are_found_out():
    told = [json.loads(row) for row in golden(ROWS[:40], labels=True).splitlines()]
    only_labels = lines([{"inputs": row["inputs"], "label": row["label"]} for row in told])
    assert made(ml_graph(), only_labels).agreement.agrees
    assert made(ml_graph(), only_labels, labels=("offer", "none")).agreement.label_mismatches == 40


@pytest.mark.parametrize("kind", [TensorProto.FLOAT, TensorProto.DOUBLE, TensorProto.INT64, TensorProto.INT32])
@pytest.mark.parametrize("rank", [1, 2])
def test_inputs_of_any_number_type_and_shape_are_fed(kind, rank):
    whole = [fact | {"tenure": float(round(fact["tenure"]))} for fact in ROWS]
    candidate = made(dense_graph(kind=kind, rank=rank), dense_golden(), facts=whole, **DENSE)
    assert candidate.agreement.agrees
    model = loaded(candidate)
    assert model.score_batch(rows([{"tenure": 70.0}, {"tenure": 0.0}])).column("queue").to_pylist() == list(TWO)


@pytest.mark.parametrize(
    ("kind", "tenure"),
    [
        *((kind, tenure) for kind in (TensorProto.INT64, TensorProto.FLOAT) for tenure in (None, math.nan, math.inf)),
        (TensorProto.INT64, 1.5),
        (TensorProto.INT64, 1e300),
        (TensorProto.INT32, 2.0**31),
    ],
)
def test_what_the_graph_cant_be_told_or_does_not_answer_is_no_number_and_goes_to_people(kind, tenure):
    model = dense(kind)
    bad, good = model.score_batch(rows([{"tenure": tenure}, {"tenure": 3.0}])).to_pylist()
    assert all(map(math.isnan, [*bad["probabilities"], bad["confidence"]]))
    assert good["confidence"] > 0.5


def test_a_graph_whose_answers_depend_on_the_batch_is_fed_row_by_row():
    steady, unsteady = (
        made(dense_graph(shared=shared), dense_golden(tenures=(0, 60)), **DENSE) for shared in (None, 1e-3)
    )
    manifests = [json.loads(candidate.files[MANIFEST_FILE])["graph"] for candidate in (steady, unsteady)]
    assert [manifest["one_by_one"] for manifest in manifests] == [False, True]
    assert "one by one" in unsteady.files["card.md"].decode()
    model, asked = loaded(unsteady), rows(ROWS[:20])
    together = model.score_batch(asked).to_pylist()
    assert [model.score_batch(asked.slice(row, 1)).to_pylist()[0] for row in range(20)] == together


def test_ml_operators_are_refused_on_cuda_with_the_operators_name():
    with pytest.raises(
        ModelError, match=r"ai\.onnx\.ml\.Scaler \(node scaler\) has no CUDA kernel; declare `accelerator: cpu`"
    ):
        made(ml_graph(), golden(ROWS[:5]), accelerator="cuda")
    assert made(dense_graph(), dense_golden(), accelerator="cuda", **DENSE).agreement.agrees


@pytest.mark.parametrize(
    ("settings", "words"),
    [
        ({"inputs": {"numbers": ("crm_tenure", "crm_charges")}}, "the graph also takes contract"),
        (
            {"inputs": {"numbers": ("crm_tenure", "crm_charges"), "contract": "crm_contract", "age": "crm_tenure"}},
            "has no input age",
        ),
        (
            {"inputs": {"numbers": ("crm_tenure", "crm_charges"), "contract": "crm_deal"}},
            "no such feature column.*crm_contract",
        ),
        (
            {"inputs": {"numbers": ("crm_tenure", "crm_charges"), "contract": "crm_tenure"}},
            "contract takes string.*crm_tenure is double",
        ),
        ({"inputs": {"numbers": ("crm_tenure", "crm_contract"), "contract": "crm_contract"}}, "numbers takes float32"),
        ({"inputs": {"numbers": "crm_tenure", "contract": "crm_contract"}}, "has 2 columns, `model.inputs` names 1"),
        ({"output": "answers"}, "no output answers; it gives logits, probabilities"),
    ],
)
def test_a_mapping_that_does_not_fit_the_graph_is_refused_by_name(settings, words):
    with pytest.raises(ModelError, match=words):
        made(ml_graph(), golden(ROWS[:5]), **settings)


@pytest.mark.parametrize(
    ("graph", "settings", "words"),
    [
        (ml_graph(zipmap=True), {"output": "zipped"}, r"zipped is sequence.*zipmap=False"),
        (ml_graph(batch=1), {}, r"is \[1, 2\].*dynamic batch"),
        (ml_graph(classes=3), {}, r"is \[any, 3\]; `model.labels` names 2 classes"),
        (b"", {}, "has no operators"),
        (b"\x08not a graph at all", {}, "no ONNX model"),
        (ml_graph()[:-200], {}, "no ONNX model"),
    ],
)
def test_a_graph_that_cant_be_used_is_refused_with_the_way_out(graph, settings, words):
    with pytest.raises(ModelError, match=words):
        made(graph, golden(ROWS[:5]), **settings)


def test_weights_in_other_files_and_operators_from_elsewhere_are_refused():
    outside = onnx.load_from_string(dense_graph())
    tensor = outside.graph.initializer[0]
    tensor.data_location = TensorProto.EXTERNAL
    tensor.external_data.add(key="location", value="../../secrets")
    with pytest.raises(ModelError, match="one is kept in another file"):
        made(outside.SerializeToString(), dense_golden(), **DENSE)
    custom = onnx.load_from_string(dense_graph())
    custom.graph.node.append(helper.make_node("Steal", ["logits"], ["loot"], "thief", domain="acme"))
    with pytest.raises(ModelError, match=r"acme\.Steal \(node thief\) is not part of ONNX Runtime"):
        made(custom.SerializeToString(), dense_golden(), **DENSE)
    broken = onnx.load_from_string(dense_graph())
    broken.graph.node[0].op_type = "Cats"
    with pytest.raises(ModelError, match="can't make a session"):
        made(broken.SerializeToString(), dense_golden(), **DENSE)


@pytest.mark.parametrize(
    ("content", "words"),
    [
        (b"", "has 0 rows"),
        (b"{", r"golden\.jsonl:1 is no JSON"),
        (b'\n{"inputs": 3}', r"golden\.jsonl:2 must be an object"),
        (b'{"inputs": {}, "label": "offer"}', "inputs has no crm_tenure"),
        (b'{"inputs": {"crm_tenure": 3}}', "nothing is expected"),
        (b'{"inputs": {"crm_tenure": "three"}, "label": "offer"}', "crm_tenure must be a number or null, not 'three'"),
        (b'{"inputs": {"crm_tenure": true}, "label": "offer"}', "crm_tenure must be a number"),
        (
            b'{"inputs": {"crm_tenure": 3}, "label": "refund"}',
            r"label 'refund' is none of `model\.labels` \(none, offer\)",
        ),
        (b'{"inputs": {"crm_tenure": 3}, "probabilities": [1]}', "must be 2 numbers"),
        (b'{"inputs": {"crm_tenure": 3}, "probabilities": [NaN, 1]}', "must be 2 numbers"),
        (b"\xff\xfe", "not written in UTF-8"),
        (b'{"inputs": {"crm_tenure": 3}, "label": "offer"}\n' * 1_001, "has 1,001 rows"),
        (b" " * (16 * 2**20 + 1), "16,777,216 are allowed"),
    ],
)
def test_golden_rows_that_say_nothing_are_refused_with_their_line(content, words):
    with pytest.raises(ModelError, match=words):
        made(dense_graph(), content, **DENSE)


def test_a_folder_without_its_files_is_named():
    with pytest.raises(ModelError, match=r"model\.folder: model has no golden\.jsonl \(it has model\.onnx\)"):
        train(task(ROWS, LABELS, automation(declared()), folder={MODEL_FILE: ml_graph()}))


def test_labels_that_are_no_queues_are_refused_in_the_declaration():
    with pytest.raises(ValidationError, match=r"model\.labels: no queue is called `refund`; there are: none, offer"):
        automation(declared(labels=("none", "refund")))
    with pytest.raises(ValidationError, match="two classes have the same name"):
        automation(declared(labels=("none", "none")))


def test_a_class_without_outcomes_is_still_predicted_and_said_to_be_unjudged():
    graph = onnx.load_from_string(dense_graph())
    for tensor, values in (("slopes", [[0.05, -0.05, 0.0]]), ("bias", [-1.0, 1.0, -9.0])):
        (found,) = [entry for entry in graph.graph.initializer if entry.name == tensor]
        found.CopyFrom(onnx.numpy_helper.from_array(np.array(values, np.float32), tensor))
    for output in graph.graph.output:
        output.type.tensor_type.shape.dim[1].dim_value = 3
    queues = ("none", "offer", "call")
    folder = {MODEL_FILE: graph.SerializeToString(), FILE: dense_golden()}
    candidate = train(task(ROWS, LABELS, automation(declared(labels=queues, **DENSE), queues=queues), folder=folder))
    assert json.loads(candidate.files[MANIFEST_FILE])["classes"] == list(queues)
    assert "too few outcomes to judge how it predicts call" in candidate.files["card.md"].decode()
    assert len(loaded(candidate).score_batch(rows(ROWS[:1]))["probabilities"][0]) == 3


def test_a_graph_that_answers_nothing_properly_is_refused():
    with pytest.raises(ModelError, match="answers none of the 300 labelled rows.*output_is"):
        made(dense_graph(), dense_golden(), output="logits", **DENSE)
