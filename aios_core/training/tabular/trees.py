"""The ONNX graph of boosted trees: facts in, calibrated probabilities out, dense operators only.

What belongs here: fitted trees as arrays, and the graph over them. What does not: fitting (`boosting.py`).

`ai.onnx.ml`'s TreeEnsemble has no CUDA kernel. Here all splits are answered first, each different one once for a row (trees
share most of them); then every tree is walked at the same time, a level a step, by looking up which split a node asks and
where its children are: Gather, GatherElements, Add. Children are neighbours, so the next node is the left one plus the answer.
A leaf asks a split that always says left, and is its own left child. (The matrix form of small trees, Nakandala et al. 2020,
"A Tensor Compiler for Unified Machine Learning Prediction Serving", would be the alternative; ADR 11 says why one form is enough.)

The sums do not depend on their order: leaf values are multiples of 2^-32 in float64, so that each sum is exact.
"""

from collections import deque
from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any

import numpy as np
import numpy.typing as npt

from aios_core.scoring.linear_text import PROBABILITIES
from aios_core.scoring.tabular import FACTS, LOGITS
from aios_core.training.graph import IR_VERSION, OPSET

GRID = 2.0**32
CATEGORIES = 256  # scikit-learn's own limit is 255; the last one stands for what is missing
LARGEST_FLOAT = float(np.finfo(np.float32).max)

Split = tuple[Any, ...]
LEAF: Split = ("leaf",)


@dataclass(slots=True)
class Forest:
    """All trees' nodes in one row of arrays; a node's right child follows its left one."""

    roots: list[int] = field(default_factory=list)
    split: list[Split] = field(default_factory=list)
    left: list[int] = field(default_factory=list)
    value: list[float] = field(default_factory=list)
    depth: int = 0

    def add(self, predictor: Any) -> None:
        """One of scikit-learn's `TreePredictor`s."""
        nodes = predictor.nodes
        self.roots.append(self._place())
        waiting = deque([(0, self.roots[-1])])
        while waiting:
            number, place = waiting.popleft()
            node = nodes[number]
            if node["is_leaf"]:
                self.left[place], self.value[place] = place, float(node["value"])
                continue
            self.split[place] = _split(node, predictor.raw_left_cat_bitsets)
            left, right = self._place(), self._place()
            self.left[place] = left
            waiting.extend([(int(node["left"]), left), (int(node["right"]), right)])
        self.depth = max(self.depth, int(predictor.get_max_depth()))

    def _place(self) -> int:
        self.split.append(LEAF)
        self.left.append(0)
        self.value.append(0.0)
        return len(self.split) - 1


def _split(node: Any, bitsets: npt.NDArray[np.uint32]) -> Split:
    """What a node asks, so that equal questions are equal: ("number", fact, threshold, missing goes left) or ("category", …)."""
    fact, missing_left = int(node["feature_idx"]), bool(node["missing_go_to_left"])
    if not node["is_categorical"]:
        return ("number", fact, float32_below(float(node["num_threshold"])), missing_left)
    return ("category", fact, tuple(int(word) for word in bitsets[node["bitset_idx"]]), missing_left)


def float32_below(threshold: float) -> float:
    """The largest float32 that is not above: the same float32 values are at most it as are at most `threshold`.

    An infinite threshold parts numbers from what is missing; the largest finite number does the same.
    """
    if threshold >= LARGEST_FLOAT:
        return LARGEST_FLOAT
    with np.errstate(over="ignore"):
        near = np.float32(threshold)
    return float(near if float(near) <= threshold else np.nextafter(near, np.float32(-np.inf)))


def trees_graph(
    predictors: Sequence[Sequence[Any]], baseline: npt.NDArray[np.float64], *, facts: int, temperature: float
) -> bytes:
    """The serialized model of scikit-learn's predictors (iterations x trees an iteration) and baseline.

    One tree an iteration is scikit-learn's form for two classes: its sum is the log-odds of the second one.
    """
    forest = Forest()
    for iteration in predictors:
        for predictor in iteration:
            forest.add(predictor)
    graph = _Graph()
    bits, number = _answers(graph, forest, facts)
    places = _walk(graph, forest, bits, number)
    trees = len(predictors[0])
    graph.constant("leaf_values", np.round(np.array(forest.value) * temperature * GRID) / GRID)
    graph.constant("per_iteration", np.array([-1, len(predictors), trees], np.int64))
    graph.constant("iterations", np.array([1], np.int64))
    graph.constant("baseline", np.round(baseline.reshape(1, trees) * temperature * GRID) / GRID)
    graph.node("Gather", ["leaf_values", places], "leaves")
    graph.node("Reshape", ["leaves", "per_iteration"], "leaves_by_iteration")
    graph.node("ReduceSum", ["leaves_by_iteration", "iterations"], "sums", keepdims=0)
    margins = graph.node("Add", ["sums", "baseline"], "margins")
    if trees == 1:
        graph.constant("two_sides", np.array([[-0.5, 0.5]]))
        margins = graph.node("Mul", ["margins", "two_sides"], "both_margins")
    graph.cast(margins, LOGITS, np.float32)
    graph.node("Softmax", [LOGITS], PROBABILITIES, axis=-1)
    return graph.serialized(facts=facts, classes=max(trees, 2))


def _answers(graph: "_Graph", forest: Forest, facts: int) -> tuple[str, dict[Split, int]]:
    """Rows x splits: 1 where a row goes right. Returns the name of that tensor and each split's column in it."""
    asked = set(forest.split) - {LEAF}
    numeric = sorted(split for split in asked if split[0] == "number")
    categorical = sorted(split for split in asked if split[0] == "category")
    graph.constant("minus_infinity", np.array(-np.inf, np.float32))
    graph.constant("infinity", np.array(np.inf, np.float32))
    # a missing number is below every threshold where it goes left, above where it goes right; a leaf's split is never passed
    graph.constant("from", np.array([s[1] + (0 if s[3] else facts) for s in numeric] + [0], np.int32))
    graph.constant("thresholds", np.array([s[2] for s in numeric] + [np.inf], np.float32))
    graph.node("IsNaN", [FACTS], "missing")
    graph.node("Where", ["missing", "minus_infinity", FACTS], "missing_low")
    graph.node("Where", ["missing", "infinity", FACTS], "missing_high")
    graph.node("Concat", ["missing_low", "missing_high"], "both_ways", axis=1)
    graph.node("Gather", ["both_ways", "from"], "asked", axis=1)
    graph.node("Greater", ["asked", "thresholds"], "above")
    bits = graph.cast("above", "number_bits", np.int32)
    number = {split: place for place, split in enumerate([*numeric, LEAF])}
    if categorical:
        number |= {split: len(number) + place for place, split in enumerate(categorical)}
        bits = _category_answers(graph, categorical)
    return bits, number


def _category_answers(graph: "_Graph", splits: Sequence[Split]) -> str:
    table = np.ones((len(splits), CATEGORIES), np.int32)
    for place, (_, _, words, missing_left) in enumerate(splits):
        inside = [category for category in range(CATEGORIES - 1) if words[category // 32] >> (category % 32) & 1]
        table[place, inside] = 0
        table[place, -1] = 0 if missing_left else 1
    graph.constant("right_of", table.ravel())
    graph.constant("rows_of_right", np.arange(len(splits), dtype=np.int32) * CATEGORIES)
    graph.constant("category_from", np.array([split[1] for split in splits], np.int32))
    graph.constant("no_category", np.array(CATEGORIES - 1, np.float32))
    graph.node("Where", ["missing", "no_category", FACTS], "categories")
    graph.node("Gather", ["categories", "category_from"], "asked_categories", axis=1)
    graph.cast("asked_categories", "codes", np.int32)
    graph.node("Add", ["codes", "rows_of_right"], "cells")
    graph.node("Gather", ["right_of", "cells"], "category_bits")
    return graph.node("Concat", ["number_bits", "category_bits"], "bits", axis=1)


def _walk(graph: "_Graph", forest: Forest, bits: str, number: dict[Split, int]) -> str:
    """Rows x trees: the leaf that each row ends in."""
    asks = np.array([number[split] for split in forest.split], np.int32)
    left, roots = np.array(forest.left, np.int32), np.array(forest.roots)
    graph.constant("asks", asks)
    graph.constant("left_of", left)
    graph.constant("root_asks", asks[roots])
    graph.constant("root_left", left[roots])
    graph.node("Gather", [bits, "root_asks"], "bit_0", axis=1)
    places = graph.node("Add", ["bit_0", "root_left"], "place_0")
    if forest.depth == 0:  # nothing was worth a split: each tree is one leaf
        return places
    for level in range(1, forest.depth):
        graph.node("Gather", ["asks", places], f"asks_{level}")
        graph.node("GatherElements", [bits, f"asks_{level}"], f"bit_{level}", axis=1)
        graph.node("Gather", ["left_of", places], f"left_{level}")
        places = graph.node("Add", [f"left_{level}", f"bit_{level}"], f"place_{level}")
    return places


class _Graph:
    """Nodes and constants as they are added."""

    def __init__(self) -> None:
        self._nodes: list[Any] = []
        self._constants: list[Any] = []

    def constant(self, name: str, value: npt.NDArray[Any]) -> None:
        from onnx import numpy_helper

        self._constants.append(numpy_helper.from_array(value, name))

    def node(self, operator: str, inputs: list[str], output: str, **attributes: Any) -> str:
        from onnx import helper

        self._nodes.append(helper.make_node(operator, inputs, [output], output, **attributes))
        return output

    def cast(self, name: str, output: str, to: type[np.generic]) -> str:
        from onnx import helper

        return self.node("Cast", [name], output, to=helper.np_dtype_to_tensor_dtype(np.dtype(to)))

    def serialized(self, *, facts: int, classes: int) -> bytes:
        import onnx
        from onnx import TensorProto, helper

        outputs = [
            helper.make_tensor_value_info(name, TensorProto.FLOAT, ["batch", classes])
            for name in (PROBABILITIES, LOGITS)
        ]
        inputs = [helper.make_tensor_value_info(FACTS, TensorProto.FLOAT, ["batch", facts])]
        graph = helper.make_graph(self._nodes, "boosted_trees", inputs, outputs, self._constants)
        model = helper.make_model(graph, opset_imports=[helper.make_opsetid("", OPSET)], ir_version=IR_VERSION)
        model.producer_name = "aios"
        onnx.checker.check_model(model)
        content: bytes = model.SerializeToString(deterministic=True)
        return content


def trees_interface(*, facts: int, classes: int) -> dict[str, object]:
    """Inputs and outputs as the manifest states them; dims leave out the batch."""
    return {
        "opset": OPSET,
        "max_batch_size": 4096,
        "inputs": [{"name": FACTS, "type": "TYPE_FP32", "dims": [facts]}],
        "outputs": [{"name": name, "type": "TYPE_FP32", "dims": [classes]} for name in (PROBABILITIES, LOGITS)],
    }
