"""A BERT's weights to its ONNX graph: token ids in, token vectors out.

What belongs here: the architecture of Devlin et al., "BERT" (2019), as `config.json` of a `model_type: bert` states it. What does
not: pooling and the head (`assemble.py`), smaller numbers (`precision.py`).

The graph needs neither torch nor transformers. Query, key and value are one product, and the division by the root of the head's
size is in the query's weights. The sum of position and type vectors is one table, since a text has one type only.
"""

import math
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt

from aios_core.errors import ModelError
from aios_core.scoring.encoder.text import IDS, MASK
from aios_core.training.encoder.nodes import Nodes, model_of

VECTORS = "token_vectors"
MASKED = -10_000.0  # added to a score before softmax; its exponential is 0, and half precision can hold it

Weights = Mapping[str, npt.NDArray[Any]]


@dataclass(frozen=True, slots=True, kw_only=True)
class BertConfig:
    """The part of `config.json` that the graph follows from."""

    hidden: int
    heads: int
    layers: int
    positions: int
    epsilon: float

    @staticmethod
    def of(said: Mapping[str, Any]) -> "BertConfig":
        """Raises ModelError for another architecture or activation."""
        known = {
            "model_type": (said.get("model_type"), "bert"),
            "hidden_act": (said.get("hidden_act", "gelu"), "gelu"),
            "position_embedding_type": (said.get("position_embedding_type", "absolute"), "absolute"),
        }
        for key, (found, wanted) in known.items():
            if found != wanted:
                raise ModelError(
                    f"config.json: {key} is {found!r}, and a graph can be built from weights for {wanted!r} only; put the "
                    "model's ONNX file into the folder (`onnx/model.onnx`)"
                )
        return BertConfig(
            hidden=int(said["hidden_size"]),
            heads=int(said["num_attention_heads"]),
            layers=int(said["num_hidden_layers"]),
            positions=int(said["max_position_embeddings"]),
            epsilon=float(said.get("layer_norm_eps", 1e-12)),
        )


def bert_graph(weights: Weights, config: BertConfig) -> Any:
    """The model, in float32. Raises ModelError that names a weight which is missing."""
    from onnx import TensorProto, helper

    writer = _Writer(weights, config)
    vectors = writer.embeddings()
    mask = writer.mask()
    for layer in range(config.layers):
        vectors = writer.layer(layer, vectors, mask)
    writer.nodes.op("Identity", [vectors], name=VECTORS)
    return model_of(
        writer.nodes,
        [helper.make_tensor_value_info(name, TensorProto.INT64, ["batch", "length"]) for name in (IDS, MASK)],
        [helper.make_tensor_value_info(VECTORS, TensorProto.FLOAT, ["batch", "length", config.hidden])],
        "bert",
    )


class _Writer:
    def __init__(self, weights: Weights, config: BertConfig) -> None:
        prefix = "bert." if any(name.startswith("bert.") for name in weights) else ""
        self._weights, self._prefix, self._config = weights, prefix, config
        self.nodes = Nodes()
        size = config.hidden // config.heads
        self._apart = self.nodes.constant(np.array([0, 0, config.heads, size], np.int64))
        self._together = self.nodes.constant(np.array([0, 0, config.hidden], np.int64))

    def embeddings(self) -> str:
        nodes = self.nodes
        table = (
            self._get("embeddings.position_embeddings.weight") + self._get("embeddings.token_type_embeddings.weight")[0]
        )
        zero = nodes.constant(np.array([0], np.int64))
        length = nodes.op("Shape", [IDS], start=1, end=2)
        positions = nodes.op("Slice", [nodes.constant(table), zero, length, zero])
        words = nodes.op("Gather", [nodes.constant(self._get("embeddings.word_embeddings.weight")), IDS], axis=0)
        return self._normalised(nodes.op("Add", [words, positions]), "embeddings.LayerNorm")

    def mask(self) -> str:
        """0 for a token and a large negative number for padding, ready to be added to [batch, heads, length, length]."""
        from onnx import TensorProto

        nodes = self.nodes
        padding = nodes.op("Sub", [nodes.number(1.0), nodes.op("Cast", [MASK], to=TensorProto.FLOAT)])
        axes = nodes.constant(np.array([1, 2], np.int64))
        return nodes.op("Unsqueeze", [nodes.op("Mul", [padding, nodes.number(MASKED)]), axes])

    def layer(self, number: int, vectors: str, mask: str) -> str:
        at = f"encoder.layer.{number}."
        attended = self._linear(self._attention(number, vectors, mask), [f"{at}attention.output.dense"])
        vectors = self._normalised(self.nodes.op("Add", [attended, vectors]), f"{at}attention.output.LayerNorm")
        wide = self._gelu(self._linear(vectors, [f"{at}intermediate.dense"]))
        narrow = self._linear(wide, [f"{at}output.dense"])
        return self._normalised(self.nodes.op("Add", [narrow, vectors]), f"{at}output.LayerNorm")

    def _attention(self, number: int, vectors: str, mask: str) -> str:
        nodes, config = self.nodes, self._config
        own = [f"encoder.layer.{number}.attention.self.{name}" for name in ("query", "key", "value")]
        scale = 1.0 / math.sqrt(config.hidden // config.heads)
        mixed = self._linear(vectors, own, scales=(scale, 1.0, 1.0))
        parts = nodes.ops("Split", [mixed], [f"{name}_{number}" for name in ("query", "key", "value")], axis=-1)
        query, key, value = (
            nodes.op("Transpose", [nodes.op("Reshape", [part, self._apart])], perm=order)
            for part, order in zip(parts, ([0, 2, 1, 3], [0, 2, 3, 1], [0, 2, 1, 3]), strict=True)
        )
        scores = nodes.op("Add", [nodes.op("MatMul", [query, key]), mask])
        seen = nodes.op("MatMul", [nodes.op("Softmax", [scores], axis=-1), value])
        return nodes.op("Reshape", [nodes.op("Transpose", [seen], perm=[0, 2, 1, 3]), self._together])

    def _linear(self, vectors: str, names: list[str], scales: tuple[float, ...] = (1.0,)) -> str:
        """One product with the weights of several layers side by side."""
        weight = np.hstack([self._get(f"{name}.weight").T * scale for name, scale in zip(names, scales, strict=True)])
        bias = np.concatenate([self._get(f"{name}.bias") * scale for name, scale in zip(names, scales, strict=True)])
        product = self.nodes.op("MatMul", [vectors, self.nodes.constant(weight.astype(np.float32))])
        return self.nodes.op("Add", [product, self.nodes.constant(bias.astype(np.float32))])

    def _gelu(self, values: str) -> str:
        nodes = self.nodes
        error = nodes.op("Erf", [nodes.op("Div", [values, nodes.number(math.sqrt(2.0))])])
        return nodes.op(
            "Mul", [nodes.op("Mul", [values, nodes.op("Add", [error, nodes.number(1.0)])]), nodes.number(0.5)]
        )

    def _normalised(self, values: str, name: str) -> str:
        scale, bias = (self.nodes.constant(self._get(f"{name}.{part}")) for part in ("weight", "bias"))
        return self.nodes.op("LayerNormalization", [values, scale, bias], axis=-1, epsilon=self._config.epsilon)

    def _get(self, name: str) -> npt.NDArray[np.float32]:
        found = self._weights.get(self._prefix + name)
        if found is None:
            raise ModelError(
                f"model.safetensors has no weight {self._prefix}{name}; it is not the BERT that config.json states"
            )
        return found.astype(np.float32)
