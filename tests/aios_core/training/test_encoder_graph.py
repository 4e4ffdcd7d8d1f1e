"""A sentence-transformers folder becomes a graph that says what its makers' formulas say, in every precision."""

import json

import numpy as np
import onnx
import pytest
from onnx import TensorProto, helper, numpy_helper
from safetensors.numpy import save

from aios_core.errors import ModelError
from aios_core.scoring.encoder.text import TextEncoder
from aios_core.training.encoder.folder import read_sentence_folder
from aios_core.training.encoder.nodes import serialized
from resources.runtime import open_session
from tests.aios_core.training.encoder_making import (
    CONFIG,
    HIDDEN,
    MAX_TOKENS,
    MODULES,
    POOLING,
    embedding,
    folder,
    prepared,
    rows,
    settings,
    weights,
)

TEXTS = [*rows()[0].column("text").to_pylist()[:30], "", "zorp 💳", "invoice " * 100, "no signal abroad"]


def encoder(precision):
    return prepared(precision).open(open_session)


def test_the_graph_built_from_weights_says_what_numpy_says():
    found = encoder("fp32").embed(TEXTS)
    assert np.abs(found - np.array([embedding(text) for text in TEXTS])).max() < 1e-5
    assert np.allclose(np.linalg.norm(found, axis=1), 1.0, atol=1e-6)


def test_padding_changes_nothing_but_the_last_digits():
    session, ids = open_session(prepared().files()["model.onnx"]), np.array([[2, 9, 11, 3]])
    padded, mask = np.hstack([ids, np.zeros((1, 5), np.int64)]), np.array([[1] * 4 + [0] * 5])
    alone = session.run({"input_ids": ids, "attention_mask": np.ones_like(ids)})["embedding"]
    assert np.abs(session.run({"input_ids": padded, "attention_mask": mask})["embedding"] - alone).max() < 1e-6


@pytest.mark.parametrize(("precision", "cosine"), [("int8", 0.998), ("fp16", 0.99999)])
def test_smaller_numbers_say_nearly_the_same(precision, cosine):
    exact = encoder("fp32").embed(TEXTS)
    assert (encoder(precision).embed(TEXTS) * exact).sum(axis=1).min() > cosine


def test_int8_leaves_no_product_with_constant_floats():
    graph = onnx.load_from_string(prepared("int8").files()["model.onnx"]).graph
    floats = {t.name for t in graph.initializer if t.data_type == TensorProto.FLOAT and len(t.dims) == 2}
    products = [node for node in graph.node if node.op_type == "MatMul"]
    assert products
    assert not [node for node in products if set(node.input) & floats]
    assert [node.op_type for node in graph.node].count("MatMulIntegerToFloat") == 8  # four a layer


def test_half_precision_holds_weights_in_half_the_room():
    half, whole = (prepared(p).files()["model.onnx"] for p in ("fp16", "fp32"))
    kinds = {t.data_type for t in onnx.load_from_string(half).graph.initializer if len(t.dims) == 2}
    assert kinds == {TensorProto.FLOAT16}
    assert len(half) < 0.75 * len(whole)


def exported(*, types):
    """The folder's graph as other people's tools export it."""
    model = onnx.ModelProto()
    model.CopyFrom(prepared().exact.model)
    if types:
        model.graph.input.append(
            helper.make_tensor_value_info("token_type_ids", TensorProto.INT64, ["batch", "length"])
        )
    return model


@pytest.mark.parametrize("types", [False, True])
@pytest.mark.parametrize("name", ["onnx/model.onnx", "model.onnx"])
def test_an_onnx_file_in_the_folder_is_used_as_it_is(name, types):
    found = read_sentence_folder(
        folder(**{name: serialized(exported(types=types)), "model.safetensors": None}), max_tokens=MAX_TOKENS
    )
    assert (found.built, found.hidden) == (False, HIDDEN)
    assert [entry.name for entry in found.graph.graph.input] == ["input_ids", "attention_mask"]


def test_a_graph_of_an_old_opset_is_brought_to_ours_and_embeds():
    """Opset 11 has axes as attributes, as the exporters of 2020 wrote them."""
    table = weights()["embeddings.word_embeddings.weight"]
    nodes = [
        helper.make_node("Gather", ["table", "input_ids"], ["words"]),
        helper.make_node("Unsqueeze", ["attention_mask"], ["wide"], axes=[2]),
        helper.make_node("Cast", ["wide"], ["mask"], to=TensorProto.FLOAT),
        helper.make_node("Mul", ["words", "mask"], ["last_hidden_state"]),
    ]
    ids, mask = (
        helper.make_tensor_value_info(name, TensorProto.INT64, ["b", "l"]) for name in ("input_ids", "attention_mask")
    )
    out = helper.make_tensor_value_info("last_hidden_state", TensorProto.FLOAT, ["b", "l", HIDDEN])
    graph = helper.make_graph(nodes, "old", [ids, mask], [out], [numpy_helper.from_array(table, "table")])
    old = helper.make_model(graph, opset_imports=[helper.make_opsetid("", 11)], ir_version=6)
    files = folder(**{"model.onnx": old.SerializeToString()})
    found = read_sentence_folder(files, max_tokens=MAX_TOKENS)
    from aios_core.training.encoder.assemble import Vectors, encoder_graph, head_graph

    ours = {
        "model.onnx": encoder_graph(Vectors(model=found.graph, name=found.vectors, hidden=found.hidden)),
        "head.onnx": head_graph(found.hidden),
        "tokenizer.json": found.tokenizer,
    }
    embedded = TextEncoder.from_files(ours, open_session, max_tokens=MAX_TOKENS).embed(["no signal"])
    ids = TextEncoder.from_files(ours, open_session, max_tokens=MAX_TOKENS).tokens.windows(["no signal"]).ids
    mean = table[ids].mean(axis=0)
    assert np.allclose(embedded[0], mean / np.linalg.norm(mean), atol=1e-6)


@pytest.mark.parametrize(
    ("changes", "told"),
    [
        ({"tokenizer.json": None}, "has no tokenizer.json"),
        ({"tokenizer.json": b"{}"}, "tokenizer.json can't be read"),
        ({"model.safetensors": None}, "neither onnx/model.onnx nor model.safetensors"),
        ({"model.safetensors": b"junk"}, "model.safetensors or config.json can't be read"),
        ({"model.safetensors": save({"x": np.zeros(1, np.float32)})}, "has no weight"),
        ({"model.onnx": b"junk"}, "model.onnx can't be read"),
        ({"config.json": json.dumps(CONFIG | {"model_type": "t5"}).encode()}, "model_type is 't5'"),
        ({"config.json": json.dumps(CONFIG | {"hidden_act": "relu"}).encode()}, "hidden_act is 'relu'"),
        ({"config.json": json.dumps(CONFIG | {"max_position_embeddings": 8}).encode()}, "knows 8 positions"),
        ({"1_Pooling/config.json": json.dumps(POOLING | {"pooling_mode_cls_token": True}).encode()}, "only the mean"),
        (
            {"modules.json": json.dumps([*MODULES, {"path": "3", "type": "models.Dense"}]).encode()},
            "Dense is not supported",
        ),
    ],
)
def test_a_folder_that_will_not_do_is_refused_by_name(changes, told):
    from aios_core.training.encoder.fit import prepare

    with pytest.raises(ModelError, match=told):
        prepare(folder(**changes), settings(), accelerator="cpu", open_session=open_session)


def test_int8_is_refused_for_cuda_and_auto_means_half_precision_there():
    from aios_core.training.encoder.fit import prepare

    with pytest.raises(ModelError, match="no CUDA kernels"):
        prepare(folder(), settings("int8"), accelerator="cuda", open_session=open_session)
    found = prepare(folder(), settings("auto"), accelerator="cuda", open_session=open_session)
    assert (found.precision, found.run_tokens) == ("fp16", 16_384)
