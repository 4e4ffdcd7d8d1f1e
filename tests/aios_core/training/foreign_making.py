"""Graphs as other tools make them, built by hand from a scikit-learn fit, with the golden rows that come with them."""

import json
from functools import cache

import numpy as np
from onnx import TensorProto, helper, numpy_helper
from sklearn.linear_model import LogisticRegression
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import OneHotEncoder, StandardScaler

from aios_core.automation import ForeignModel, Training
from tests.aios_core.training.tabular_making import TWO, customers

CONTRACTS = ["monthly", "two years", "yearly"]
INPUTS = {"numbers": ("crm_tenure", "crm_charges"), "contract": "crm_contract"}


def declared(**settings):
    stated = {"folder": "model", "inputs": INPUTS, "output": "probabilities", "labels": TWO, **settings}
    return ForeignModel(kind="onnx", training=Training(min_rows=20), **stated)


def known(facts):
    """Facts without holes: what this graph's makers thought that there would be."""
    return [
        {"tenure": fact["tenure"] or 0.0, "contract": fact["contract"] or "none", "charges": fact["charges"]}
        for fact in facts
    ]


@cache
def pipeline():
    """scikit-learn's own pipeline over scaled numbers and one-hot contracts."""
    facts, labels = customers(600, seed=11)
    scaler = make_pipeline(StandardScaler()).fit(_numbers(known(facts)))
    encoder = OneHotEncoder(categories=[CONTRACTS], handle_unknown="ignore", sparse_output=False)
    encoder.fit(np.array([[name] for name in CONTRACTS], object))
    classifier = LogisticRegression().fit(_design(scaler, encoder, known(facts)), labels)
    return scaler, encoder, classifier


def probabilities(facts):
    scaler, encoder, classifier = pipeline()
    return classifier.predict_proba(_design(scaler, encoder, facts))


def ml_graph(*, zipmap=False, batch="batch", classes=2, flipped=False):
    """The pipeline in the operators that skl2onnx uses: Scaler, OneHotEncoder, LinearClassifier, perhaps ZipMap."""
    scaler, _, classifier = pipeline()
    inner = scaler[0]
    side = -1.0 if flipped else 1.0
    coefficients = side * np.vstack([-classifier.coef_[0], classifier.coef_[0]]).ravel()
    intercepts = side * np.array([-classifier.intercept_[0], classifier.intercept_[0]])
    nodes = [
        helper.make_node("Scaler", ["numbers"], ["scaled"], "scaler", domain="ai.onnx.ml",
                         offset=inner.mean_.tolist(), scale=(1 / inner.scale_).tolist()),
        helper.make_node("OneHotEncoder", ["contract"], ["hot"], "one_hot", domain="ai.onnx.ml", cats_strings=CONTRACTS, zeros=1),
        helper.make_node("Reshape", ["hot", "flat"], ["hot2"], "flatten"),
        helper.make_node("Concat", ["scaled", "hot2"], ["design"], "concat", axis=1),
        helper.make_node("LinearClassifier", ["design"], ["label", "logits"], "linear", domain="ai.onnx.ml",
                         coefficients=(coefficients / 2).tolist(), intercepts=(intercepts / 2).tolist(),
                         classlabels_ints=list(range(2)), post_transform="NONE"),
        helper.make_node("Softmax", ["logits"], ["probabilities"], "softmax", axis=-1),
    ]  # fmt: skip
    outputs = [
        helper.make_tensor_value_info("probabilities", TensorProto.FLOAT, ["batch", classes]),
        helper.make_tensor_value_info("logits", TensorProto.FLOAT, ["batch", 2]),
    ]
    if zipmap:
        nodes.append(
            helper.make_node(
                "ZipMap", ["probabilities"], ["zipped"], "zip", domain="ai.onnx.ml", classlabels_int64s=[0, 1]
            )
        )
        maps = helper.make_map_type_proto(TensorProto.INT64, helper.make_tensor_type_proto(TensorProto.FLOAT, []))
        outputs.append(helper.make_value_info("zipped", helper.make_sequence_type_proto(maps)))
    inputs = [
        helper.make_tensor_value_info("numbers", TensorProto.FLOAT, [batch, 2]),
        helper.make_tensor_value_info("contract", TensorProto.STRING, [batch, 1]),
    ]
    return _model(nodes, inputs, outputs, [numpy_helper.from_array(np.array([-1, 3], np.int64), "flat")])


def dense_graph(*, shared=None, kind=TensorProto.FLOAT, rank=1):
    """Tenure alone, dense operators: [batch] -> logistic. `shared` adds what every row of a batch shares: a bad graph."""
    nodes = [helper.make_node("Cast", ["tenure"], ["number"], to=TensorProto.FLOAT)]
    if rank == 1:
        nodes.append(helper.make_node("Unsqueeze", ["number", "one"], ["column"]))
    else:
        nodes.append(helper.make_node("Identity", ["number"], ["column"]))
    nodes.append(helper.make_node("Mul", ["column", "slopes"], ["sloped"]))
    last = "sloped"
    if shared:
        nodes += [
            helper.make_node("ReduceMean", ["sloped"], ["mean"], axes=[0], keepdims=1),
            helper.make_node("Mul", ["mean", "tiny"], ["little"]),
            helper.make_node("Add", ["sloped", "little"], ["moved"]),
        ]
        last = "moved"
    nodes += [
        helper.make_node("Add", [last, "bias"], ["logits"]),
        helper.make_node("Softmax", ["logits"], ["probabilities"]),
    ]
    constants = [
        numpy_helper.from_array(np.array([1], np.int64), "one"),
        numpy_helper.from_array(np.array([[0.05, -0.05]], np.float32), "slopes"),
        numpy_helper.from_array(np.array([-1.0, 1.0], np.float32), "bias"),
        numpy_helper.from_array(np.array(shared or 0, np.float32), "tiny"),
    ]
    dims = ["batch"] if rank == 1 else ["batch", 1]
    return _model(
        nodes,
        [helper.make_tensor_value_info("tenure", kind, dims)],
        [helper.make_tensor_value_info(name, TensorProto.FLOAT, ["batch", 2]) for name in ("probabilities", "logits")],
        constants,
    )


def dense_golden(tenures=(0, 10, 30, 60)):
    return lines(
        [{"inputs": {"crm_tenure": t}, "label": TWO[0] if 0.05 * t - 1 > -0.05 * t + 1 else TWO[1]} for t in tenures]
    )


def golden(facts, *, labels=False):
    rows = []
    for fact, answer in zip(facts, probabilities(facts).tolist(), strict=True):
        row = {"inputs": {f"crm_{name}": value for name, value in fact.items()}, "probabilities": answer}
        rows.append(row | ({"label": TWO[int(np.argmax(answer))]} if labels else {}))
    return lines(rows)


def lines(rows):
    return "\n".join(json.dumps(row) for row in rows).encode()


def _numbers(facts):
    return np.array([[fact["tenure"], fact["charges"]] for fact in facts], np.float32)


def _design(scaler, encoder, facts):
    contracts = np.array([[fact["contract"]] for fact in facts], object)
    return np.hstack([scaler.transform(_numbers(facts)), encoder.transform(contracts)])


def _model(nodes, inputs, outputs, constants):
    graph = helper.make_graph(nodes, "elsewhere", inputs, outputs, constants)
    opsets = [helper.make_opsetid("", 17), helper.make_opsetid("ai.onnx.ml", 3)]
    model = helper.make_model(graph, opset_imports=opsets, ir_version=8)
    model.producer_name, model.producer_version = "skl2onnx", "1.17"
    return model.SerializeToString()
