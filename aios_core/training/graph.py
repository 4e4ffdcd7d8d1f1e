"""The ONNX graph of a linear bag: ids and weights in, calibrated probabilities out, and what novelty is made from.

What belongs here: the graph. What does not: what the ids mean, and running it.

Gather, Unsqueeze, MatMul, Squeeze, Split, Add, Softmax: numeric and dense, because `ai.onnx.ml` and string operators have no
CUDA kernels. The temperature is multiplied into coefficients and bias: it is part of the version, and costs nothing at run time.
Sums over words are columns of the same product: a second one would read every id twice.
"""

import numpy as np
import numpy.typing as npt

from aios_core.scoring.linear_text import COEFFICIENTS, IDS, LOGITS, PROBABILITIES, WEIGHTS, WORDING

OPSET = 17
IR_VERSION = 8  # what ONNX Runtime and Triton have read for years


def bag_graph(
    coefficients: npt.NDArray[np.float64],
    intercepts: npt.NDArray[np.float64],
    *,
    temperature: float,
    wording: npt.NDArray[np.float64] | None = None,
) -> bytes:
    """The serialized model. Coefficients are (ids x classes); one row of zeros is added at the end, for padding.

    `wording` (ids x sums) adds the outputs `logits` and `wording`: calibrated margins, and a row's weighted sums of its columns.
    """
    import onnx
    from onnx import TensorProto, helper, numpy_helper

    classes = coefficients.shape[1]
    scaled = coefficients * temperature
    columns = scaled if wording is None else np.hstack([scaled, wording])
    padded = np.vstack([columns, np.zeros((1, columns.shape[1]))]).astype(np.float32)
    constants = [
        numpy_helper.from_array(padded, COEFFICIENTS),
        numpy_helper.from_array((intercepts * temperature).astype(np.float32), "bias"),
        numpy_helper.from_array(np.array([1], np.int64), "middle"),
    ]
    nodes = [
        helper.make_node("Gather", [COEFFICIENTS, IDS], ["gathered"], "gather", axis=0),
        helper.make_node("Unsqueeze", [WEIGHTS, "middle"], ["rows"], "unsqueeze"),
        helper.make_node("MatMul", ["rows", "gathered"], ["products"], "weighted_sum"),
        helper.make_node("Squeeze", ["products", "middle"], ["sums"], "squeeze"),
    ]
    outputs, sums = {PROBABILITIES: classes}, "sums"
    if wording is not None:
        outputs |= {LOGITS: classes, WORDING: wording.shape[1]}
        sums = "class_sums"
        constants.append(numpy_helper.from_array(np.array([classes, wording.shape[1]], np.int64), "widths"))
        nodes.append(helper.make_node("Split", ["sums", "widths"], [sums, WORDING], "split", axis=1))
    nodes += [
        helper.make_node("Add", [sums, "bias"], [LOGITS], "add_bias"),
        helper.make_node("Softmax", [LOGITS], [PROBABILITIES], "softmax", axis=-1),
    ]
    graph = helper.make_graph(
        nodes,
        "linear_text",
        [
            helper.make_tensor_value_info(IDS, TensorProto.INT32, ["batch", "length"]),
            helper.make_tensor_value_info(WEIGHTS, TensorProto.FLOAT, ["batch", "length"]),
        ],
        [helper.make_tensor_value_info(name, TensorProto.FLOAT, ["batch", width]) for name, width in outputs.items()],
        constants,
    )
    model = helper.make_model(graph, opset_imports=[helper.make_opsetid("", OPSET)], ir_version=IR_VERSION)
    model.producer_name = "aios"
    onnx.checker.check_model(model)
    content: bytes = model.SerializeToString(deterministic=True)
    return content


def graph_interface(classes: int, *, wording: int = 0) -> dict[str, object]:
    """Inputs and outputs as the manifest states them; dims leave out the batch, -1 is any length. `wording` counts its sums."""
    widths = {PROBABILITIES: classes} | ({LOGITS: classes, WORDING: wording} if wording else {})
    return {
        "opset": OPSET,
        "max_batch_size": 4096,
        "inputs": [
            {"name": IDS, "type": "TYPE_INT32", "dims": [-1]},
            {"name": WEIGHTS, "type": "TYPE_FP32", "dims": [-1]},
        ],
        "outputs": [{"name": name, "type": "TYPE_FP32", "dims": [width]} for name, width in widths.items()],
    }
