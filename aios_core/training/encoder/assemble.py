"""An encoder's two graphs: token ids to everything, and the last part of it alone.

What belongs here: pooling, normalisation and the head as ONNX. What does not: the encoder itself (`bert.py`, `folder.py`), fitting the
head (`head.py`).

Products with the head's constants are [m, n] with [batch, n, 1]: a row a product of its own. The other way round, [batch, 1, n] with
[n, m], ONNX Runtime makes them one product over the batch, whose number of rows then chooses the kernel, and with it the last
bits of a score (ADR 4).
"""

from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt

from aios_core.scoring.encoder.text import EMBEDDING, IDS, MASK, NOVELTY, POOLED, PROBABILITIES
from aios_core.training.encoder.nodes import LAST, OPSET, Nodes, model_of, serialized

SHORTEST = 1e-12
Floats = npt.NDArray[np.float64]


@dataclass(frozen=True, slots=True, kw_only=True)
class Head:
    """What follows an embedding e: softmax(e · coefficients + intercepts), the temperature multiplied in, and raw novelty.

    Novelty is `distance_weight` times one minus the cosine to the nearest of `centers` (a row each, of length 1), plus
    `doubt_weight` times one minus the largest probability.
    """

    coefficients: Floats
    intercepts: Floats
    centers: Floats
    distance_weight: float
    doubt_weight: float


@dataclass(frozen=True, slots=True, kw_only=True)
class Vectors:
    """A model with a tensor of token vectors in float32, to be pooled; no other output of it is kept."""

    model: Any
    name: str
    hidden: int


def encoder_graph(vectors: Vectors, head: Head | None = None) -> bytes:
    """`model.onnx`: ids and mask to `pooled`, `embedding` and, with a head, `probabilities` and `novelty`."""
    import onnx

    model = onnx.ModelProto()
    model.CopyFrom(vectors.model)
    nodes = Nodes(prefix="aios_", opset=next(e.version for e in model.opset_import if e.domain in ("", "ai.onnx")))
    _pooled(nodes, vectors.name)
    outputs = _head(nodes, head, vectors.hidden)
    graph = model.graph
    del graph.output[:], graph.value_info[:]
    graph.node.extend(nodes.nodes)
    graph.initializer.extend(nodes.constants)
    graph.output.extend(_outputs(outputs | {POOLED: vectors.hidden}))
    return serialized(model)


def head_graph(hidden: int, head: Head | None = None) -> bytes:
    """`head.onnx`: `pooled` to what `encoder_graph` makes of it."""
    from onnx import TensorProto, helper

    nodes = Nodes(prefix="aios_")
    outputs = _head(nodes, head, hidden)
    given = helper.make_tensor_value_info(POOLED, TensorProto.FLOAT, ["batch", hidden])
    return serialized(model_of(nodes, [given], _outputs(outputs), "head"))


def interface(classes: int) -> dict[str, object]:
    """Inputs and outputs of `model.onnx` as the manifest states them; dims leave out the batch, -1 is any length."""
    return {
        "opset": OPSET,
        "max_batch_size": 256,
        "inputs": [{"name": name, "type": "TYPE_INT64", "dims": [-1]} for name in (IDS, MASK)],
        "outputs": [{"name": PROBABILITIES, "type": "TYPE_FP32", "dims": [classes]}],
    }


def _pooled(nodes: Nodes, vectors: str) -> None:
    """The mean of the token vectors that the mask keeps."""
    from onnx import TensorProto

    middle = nodes.constant(np.array([1], np.int64))
    kept = nodes.op("Cast", [MASK], to=TensorProto.FLOAT)
    count = nodes.op("Max", [nodes.op("ReduceSum", [kept, middle], keepdims=1), nodes.number(1.0)])
    share = nodes.op("Div", [kept, count])
    mean = nodes.op("MatMul", [nodes.op("Unsqueeze", [share, middle]), vectors])
    nodes.op("Squeeze", [mean, middle], name=POOLED)


def _head(nodes: Nodes, head: Head | None, hidden: int) -> dict[str, int]:
    """From `pooled` on; the outputs' widths (0: no axis of its own)."""
    middle = nodes.constant(np.array([1], np.int64))
    squares = nodes.op("ReduceSum", [nodes.op("Mul", [POOLED, POOLED]), middle], keepdims=1)
    length = nodes.op("Max", [nodes.op("Sqrt", [squares]), nodes.number(SHORTEST)])
    nodes.op("Div", [POOLED, length], name=EMBEDDING)
    if head is None:
        return {EMBEDDING: hidden}
    last = nodes.constant(LAST)
    column = nodes.op("Unsqueeze", [EMBEDDING, last])
    coefficients = nodes.constant(head.coefficients.T.astype(np.float32))
    margins = nodes.op("Squeeze", [nodes.op("MatMul", [coefficients, column]), last])
    logits = nodes.op("Add", [margins, nodes.constant(head.intercepts.astype(np.float32))])
    nodes.op("Softmax", [logits], name=PROBABILITIES, axis=-1)
    cosines = nodes.op("MatMul", [nodes.constant(head.centers.astype(np.float32)), column])
    nearest = nodes.largest(nodes.op("Squeeze", [cosines, last]))
    distance = nodes.op("Sub", [nodes.number(1.0), nearest])
    doubt = nodes.op("Sub", [nodes.number(1.0), nodes.largest(PROBABILITIES)])
    weighted = [
        nodes.op("Mul", [sign, nodes.number(weight)])
        for sign, weight in ((distance, head.distance_weight), (doubt, head.doubt_weight))
    ]
    nodes.op("Squeeze", [nodes.op("Add", weighted), middle], name=NOVELTY)
    return {EMBEDDING: hidden, PROBABILITIES: head.intercepts.size, NOVELTY: 0}


def _outputs(widths: dict[str, int]) -> list[Any]:
    from onnx import TensorProto, helper

    return [
        helper.make_tensor_value_info(name, TensorProto.FLOAT, ["batch", width] if width else ["batch"])
        for name, width in widths.items()
    ]
