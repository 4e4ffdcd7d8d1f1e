"""An encoder in smaller numbers: int8 for the CPU, half precision for CUDA.

What belongs here: rewriting a float32 graph, whoever made it. What does not: pooling and the head, which stay float32 (`assemble.py`).

int8: each product with constant weights becomes a product of integers. Weights have a scale a column. Activations have a scale a
*token*, found while it runs: ONNX Runtime's own dynamic quantisation has one a tensor, which lets a row's score depend on the
rows beside it (ADR 9). Integers add up exactly in any order, so the rest of the law holds by itself.

A few dimensions of a BERT's vectors are ten times as large as the others, and a common scale wastes the digits of all others. So
inputs may be divided and weights multiplied, dimension by dimension (Xiao et al., "SmoothQuant", 2023). Sizes are taken from random
tokens: those dimensions are the model's, not the text's, and nobody's text gets into a version. Where they are the text's after all
(behind a GELU) the division errs more on tokens that it was not made from, and is left out. MiniLM on banking77, cosine to
float32 and equal labels: 0.9976 and 99.4% with no division, 0.9986 and 99.6% with all, 0.9991 and 99.6% with those that pay.
"""

from collections.abc import Sequence
from typing import Any

import numpy as np
import numpy.typing as npt

from aios_core.errors import ModelError
from aios_core.scoring.encoder.text import IDS, MASK
from aios_core.scoring.encoder.tokens import Tokens
from aios_core.scoring.engine import OpenSession
from aios_core.training.encoder.assemble import Vectors
from aios_core.training.encoder.nodes import Nodes

RUNTIME = (
    "com.microsoft"  # ONNX Runtime's own operators: integers to floats inside the product's kernel, 15% of a row's time
)
LARGEST = 127.0
ZERO = 128  # activations are unsigned around it: the fast integer kernels take unsigned by signed
SMALLEST = 1e-9
SMOOTHING = 0.6  # the power of the activations' size in the divisor, the rest being that of the weights
PAYS = 0.7  # a division is kept where the squared error is this much smaller; each costs a multiplication at run time
TABLE_ROWS = 1_000  # a table of so many rows is a vocabulary, and most of a small model's bytes
LENGTHS, SEQUENCES = (8, 16, 32, 64), 8
HALF_MAX = 65_504.0

Floats = npt.NDArray[np.float32]


def to_int8(vectors: Vectors, tokens: Tokens, open_session: OpenSession) -> Vectors:
    """The same graph with integer products and vocabulary. Raises ModelError where there is no product with constant weights."""
    import onnx

    model = onnx.ModelProto()
    model.CopyFrom(vectors.model)
    weights = _matrices(model.graph)
    products = [node for node in model.graph.node if node.op_type == "MatMul" and node.input[1] in weights]
    if not products:
        raise ModelError(
            "the encoder's graph has no product with constant weights to make int8 of; declare `precision: fp32`"
        )
    inputs = list(dict.fromkeys(node.input[0] for node in products))
    seen = _observed(model, inputs, tokens, open_session)
    writer = _Int8(model, weights)
    for name in inputs:
        writer.smooth(name, seen[name], [node.input[1] for node in products if node.input[0] == name])
    writer.rewrite()
    return Vectors(model=model, name=vectors.name, hidden=vectors.hidden)


def to_half(vectors: Vectors) -> Vectors:
    """The same graph in half precision, its token vectors float32 again at the end."""
    import onnx
    from onnx import TensorProto, helper

    model = onnx.ModelProto()
    model.CopyFrom(vectors.model)
    for tensor in model.graph.initializer:
        _halve(tensor)
    for node in model.graph.node:
        for attribute in node.attribute:
            if attribute.name in ("value", "value_float") and attribute.HasField("t"):
                _halve(attribute.t)
            if node.op_type == "Cast" and attribute.name == "to" and attribute.i == TensorProto.FLOAT:
                attribute.i = TensorProto.FLOAT16
    del model.graph.value_info[:], model.graph.output[:]
    name = "aios_float_vectors"
    model.graph.node.append(helper.make_node("Cast", [vectors.name], [name], name, to=TensorProto.FLOAT))
    return Vectors(model=model, name=name, hidden=vectors.hidden)


def _halve(tensor: Any) -> None:
    from onnx import TensorProto, numpy_helper

    if tensor.data_type == TensorProto.FLOAT:
        values = np.clip(numpy_helper.to_array(tensor), -HALF_MAX, HALF_MAX).astype(np.float16)
        tensor.CopyFrom(numpy_helper.from_array(values, tensor.name))


def _matrices(graph: Any) -> dict[str, Floats]:
    """Constant matrices by name."""
    from onnx import TensorProto, numpy_helper

    return {
        tensor.name: numpy_helper.to_array(tensor)
        for tensor in graph.initializer
        if tensor.data_type == TensorProto.FLOAT and len(tensor.dims) == 2
    }


def _observed(model: Any, names: Sequence[str], tokens: Tokens, open_session: OpenSession) -> dict[str, Floats]:
    """What goes into the products for random tokens: a row a token."""
    import onnx
    from onnx import TensorProto, helper

    watched = onnx.ModelProto()
    watched.CopyFrom(model)
    del watched.graph.output[:]
    watched.graph.output.extend(helper.make_tensor_value_info(name, TensorProto.FLOAT, None) for name in names)
    session, rng = open_session(watched.SerializeToString()), np.random.default_rng(0)
    parts: dict[str, list[Floats]] = {name: [] for name in names}
    for length in LENGTHS:
        ids = tokens.sample(SEQUENCES, length, rng)
        found = session.run({IDS: ids, MASK: np.ones_like(ids)}, list(names))
        for name in names:
            parts[name].append(found[name].reshape(-1, found[name].shape[-1]))
    return {name: np.concatenate(several) for name, several in parts.items()}


class _Int8:
    def __init__(self, model: Any, weights: dict[str, Floats]) -> None:
        self._model, self._weights = model, weights
        opset = next(entry.version for entry in model.opset_import if entry.domain in ("", "ai.onnx"))
        self._nodes = Nodes(prefix="int8_", opset=opset)
        self._divisors: dict[str, Floats | None] = {}
        self._quantized: dict[str, tuple[str, str]] = {}

    def smooth(self, name: str, seen: Floats, weights: Sequence[str]) -> None:
        """Whether this input is divided, and by what, for all products that it goes into."""
        together = np.hstack([self._weights[weight] for weight in weights])
        made_from, other = seen[::2], seen[1::2]
        divisor, truth = _divisor(made_from, together), other @ together
        plain = np.square(_product(other, together) - truth).sum()
        divided = np.square(_product(other / divisor, together * divisor[:, None]) - truth).sum()
        self._divisors[name] = divisor if divided < PAYS * plain else None

    def rewrite(self) -> None:
        from onnx import helper

        graph = self._model.graph
        if all(entry.domain != RUNTIME for entry in self._model.opset_import):
            self._model.opset_import.append(helper.make_opsetid(RUNTIME, 1))
        old = list(graph.node)
        for node in old:
            if node.op_type == "MatMul" and node.input[0] in self._divisors and node.input[1] in self._weights:
                self._matmul(node)
            elif node.op_type == "Gather" and self._is_vocabulary(node):
                self._gather(node)
            else:
                self._nodes.nodes.append(node)
        del graph.node[:], graph.value_info[:]
        graph.node.extend(self._nodes.nodes)
        used = {name for node in graph.node for name in node.input}
        kept = [tensor for tensor in graph.initializer if tensor.name in used]
        del graph.initializer[:]
        graph.initializer.extend([*kept, *(tensor for tensor in self._nodes.constants if tensor.name in used)])

    def _matmul(self, node: Any) -> None:
        name, weight = node.input
        nodes = self._nodes
        activations, scale = self._activations(name)
        columns, column_scale = self._weight(name, weight)
        product = nodes.op(
            "MatMulIntegerToFloat",
            [activations, columns, nodes.number(1.0), column_scale, nodes.constant(np.uint8(ZERO))],
            domain=RUNTIME,
        )
        nodes.op("Mul", [product, scale], name=node.output[0])

    def _activations(self, name: str) -> tuple[str, str]:
        """The input as integers, and the scale of each token; made once, however many products it goes into."""
        if name in self._quantized:
            return self._quantized[name]
        nodes, divisor, values = self._nodes, self._divisors[name], name
        if divisor is not None:
            values = nodes.op("Mul", [name, nodes.constant((1.0 / divisor).astype(np.float32))])
        extremes = [nodes.largest(values), nodes.op("Neg", [nodes.smallest(values)])]
        top = nodes.op("Max", [*extremes, nodes.number(SMALLEST)])
        stretched = nodes.op("Mul", [values, nodes.op("Div", [nodes.number(LARGEST), top])])
        integers = nodes.op("QuantizeLinear", [stretched, nodes.number(1.0), nodes.constant(np.uint8(ZERO))])
        self._quantized[name] = integers, nodes.op("Div", [top, nodes.number(LARGEST)])
        return self._quantized[name]

    def _weight(self, name: str, weight: str) -> tuple[str, str]:
        divisor = self._divisors[name]
        values = self._weights[weight] * (1.0 if divisor is None else divisor[:, None])
        integers, scale = _by_column(values)
        return self._nodes.constant(integers), self._nodes.constant(scale)

    def _is_vocabulary(self, node: Any) -> bool:
        table = self._weights.get(node.input[0])
        return (
            table is not None
            and table.shape[0] >= TABLE_ROWS
            and not any(a.i for a in node.attribute if a.name == "axis")
        )

    def _gather(self, node: Any) -> None:
        """A row of the vocabulary as integers with a scale of its own."""
        from onnx import TensorProto

        nodes, (table, ids) = self._nodes, node.input
        integers, scale = _by_column(self._weights[table].T)
        row = nodes.op("Gather", [nodes.constant(integers.T), ids], axis=0)
        own = nodes.op("Gather", [nodes.constant(scale[:, None]), ids], axis=0)
        nodes.op("Mul", [nodes.op("Cast", [row], to=TensorProto.FLOAT), own], name=node.output[0])


def _divisor(seen: Floats, weights: Floats) -> Floats:
    """Of each dimension, with a geometric mean of 1."""
    activations = np.maximum(np.abs(seen).max(axis=0), 1e-5).astype(np.float64)
    sizes = np.maximum(np.abs(weights).max(axis=1), 1e-5).astype(np.float64)
    divisor = activations**SMOOTHING / sizes ** (1.0 - SMOOTHING)
    result: Floats = (divisor / np.exp(np.log(divisor).mean())).astype(np.float32)
    return result


def _by_column(weights: Floats) -> tuple[npt.NDArray[np.int8], Floats]:
    """Integers and the scale of each column."""
    scale = (np.maximum(np.abs(weights).max(axis=0), SMALLEST) / LARGEST).astype(np.float32)
    return np.round(weights / scale).astype(np.int8), scale


def _product(values: Floats, weights: Floats) -> Floats:
    """What the integer product makes of these."""
    integers, columns = _by_column(weights)
    rows = np.maximum(np.abs(values).max(axis=1, keepdims=True), SMALLEST) / LARGEST
    product: Floats = np.round(values / rows) @ integers.astype(np.float32) * rows * columns
    return product
