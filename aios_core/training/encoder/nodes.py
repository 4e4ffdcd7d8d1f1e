"""Writing ONNX graphs: nodes and constants with names of their own, in standard operators.

What belongs here: what every graph of this kind is written with. What does not: any graph.
"""

from collections.abc import Sequence
from typing import Any

import numpy as np
import numpy.typing as npt

OPSET = 17
IR_VERSION = 8  # what ONNX Runtime and Triton have read for years
LAST = np.array([-1], np.int64)


class Nodes:
    """Nodes and constants of a graph that is being written. `prefix` keeps names apart from those of a graph made elsewhere."""

    def __init__(self, *, prefix: str = "", opset: int = OPSET) -> None:
        self.nodes: list[Any] = []
        self.constants: list[Any] = []
        self._prefix, self._opset, self._count = prefix, opset, 0

    def op(self, kind: str, inputs: Sequence[str], *, name: str | None = None, **attributes: Any) -> str:
        """A node with one output; its name, or that of the output, is given back."""
        return self.ops(kind, inputs, [name or self._next(kind.lower())], **attributes)[0]

    def ops(self, kind: str, inputs: Sequence[str], outputs: Sequence[str], **attributes: Any) -> list[str]:
        """A node with these outputs."""
        from onnx import helper

        self.nodes.append(helper.make_node(kind, list(inputs), list(outputs), f"{outputs[0]}_node", **attributes))
        return list(outputs)

    def constant(self, values: npt.ArrayLike, name: str | None = None) -> str:
        """An initializer; its name."""
        from onnx import numpy_helper

        name = name or self._next("constant")
        self.constants.append(numpy_helper.from_array(np.array(values, order="C"), name))
        return name

    def number(self, value: float) -> str:
        """A float32 scalar."""
        return self.constant(np.float32(value))

    def largest(self, of: str) -> str:
        """The largest value along the last axis, which stays."""
        return self._reduced("ReduceMax", of)

    def smallest(self, of: str) -> str:
        """The smallest value along the last axis, which stays."""
        return self._reduced("ReduceMin", of)

    def _reduced(self, kind: str, of: str) -> str:
        if self._opset >= 18:  # the axes became an input
            return self.op(kind, [of, self.constant(LAST)], keepdims=1)
        return self.op(kind, [of], axes=[-1], keepdims=1)

    def _next(self, word: str) -> str:
        self._count += 1
        return f"{self._prefix}{word}_{self._count}"


def model_of(nodes: Nodes, inputs: Sequence[Any], outputs: Sequence[Any], name: str) -> Any:
    """A whole model of what was written."""
    from onnx import helper

    graph = helper.make_graph(nodes.nodes, name, list(inputs), list(outputs), nodes.constants)
    model = helper.make_model(graph, opset_imports=[helper.make_opsetid("", OPSET)], ir_version=IR_VERSION)
    model.producer_name = "aios"
    return model


def serialized(model: Any) -> bytes:
    """Checked bytes; equal models give equal bytes."""
    import onnx

    onnx.checker.check_model(model)
    content: bytes = model.SerializeToString(deterministic=True)
    return content
