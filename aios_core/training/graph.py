"""The ONNX graph of a linear bag: ids and weights in, calibrated probabilities out.

What belongs here: the graph. What does not: what the ids mean, and running it.

Gather, Unsqueeze, MatMul, Squeeze, Add, Softmax: numeric and dense, because `ai.onnx.ml` and string operators have no CUDA
kernels. The temperature is multiplied into coefficients and bias: it is part of the version, and costs nothing at run time.
"""

import numpy as np
import numpy.typing as npt

from aios_core.scoring.linear_text import COEFFICIENTS, IDS, PROBABILITIES, WEIGHTS

OPSET = 17
IR_VERSION = 8  # what ONNX Runtime and Triton have read for years


def bag_graph(
    coefficients: npt.NDArray[np.float64], intercepts: npt.NDArray[np.float64], *, temperature: float
) -> bytes:
    """The serialized model. Coefficients are (ids x classes); one row of zeros is added at the end, for padding."""
    import onnx
    from onnx import TensorProto, helper, numpy_helper

    classes = coefficients.shape[1]
    padded = np.vstack([coefficients * temperature, np.zeros((1, classes))]).astype(np.float32)
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
        helper.make_node("Add", ["sums", "bias"], ["logits"], "add_bias"),
        helper.make_node("Softmax", ["logits"], [PROBABILITIES], "softmax", axis=-1),
    ]
    graph = helper.make_graph(
        nodes,
        "linear_text",
        [
            helper.make_tensor_value_info(IDS, TensorProto.INT32, ["batch", "length"]),
            helper.make_tensor_value_info(WEIGHTS, TensorProto.FLOAT, ["batch", "length"]),
        ],
        [helper.make_tensor_value_info(PROBABILITIES, TensorProto.FLOAT, ["batch", classes])],
        constants,
    )
    model = helper.make_model(graph, opset_imports=[helper.make_opsetid("", OPSET)], ir_version=IR_VERSION)
    model.producer_name = "aios"
    onnx.checker.check_model(model)
    content: bytes = model.SerializeToString(deterministic=True)
    return content


def graph_interface(classes: int) -> dict[str, object]:
    """Inputs and outputs as the manifest states them; dims leave out the batch, -1 is any length."""
    return {
        "opset": OPSET,
        "max_batch_size": 4096,
        "inputs": [
            {"name": IDS, "type": "TYPE_INT32", "dims": [-1]},
            {"name": WEIGHTS, "type": "TYPE_FP32", "dims": [-1]},
        ],
        "outputs": [{"name": PROBABILITIES, "type": "TYPE_FP32", "dims": [classes]}],
    }
