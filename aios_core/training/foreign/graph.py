"""What a graph that was made elsewhere takes and gives, and whether that is what the declaration says.

What belongs here: reading the graph, and refusing it with the name of what is wrong. What does not: running it.
"""

from collections.abc import Iterator
from typing import Any

import pyarrow as pa

from aios_core.automation import ForeignModel
from aios_core.errors import ModelError
from aios_core.scoring.foreign import GraphInput
from aios_core.scoring.model import MODEL_FILE

MAX_BYTES = 2**30
ML = "ai.onnx.ml"
STRING_OPERATORS = {"StringNormalizer", "TfIdfVectorizer", "StringConcat", "StringSplit", "RegexFullMatch"}
_BUILT_IN = {"", "ai.onnx", ML, "com.microsoft"}
_TRITON = {
    "string": "TYPE_STRING",
    "float32": "TYPE_FP32",
    "float64": "TYPE_FP64",
    "int32": "TYPE_INT32",
    "int64": "TYPE_INT64",
}


def read_graph(content: bytes) -> Any:
    """The graph's message. Raises ModelError where it is too large, no ONNX, or keeps weights in other files."""
    import onnx
    from google.protobuf.message import DecodeError

    if len(content) > MAX_BYTES:
        raise ModelError(f"{MODEL_FILE} has {len(content):,} bytes, {MAX_BYTES:,} are allowed; export a smaller model")
    try:
        model = onnx.load_from_string(content)
    except DecodeError as error:
        raise ModelError(f"{MODEL_FILE} is no ONNX model ({error}); export it again") from error
    if not model.graph.node:
        raise ModelError(f"{MODEL_FILE} has no operators; export it again")
    for tensor in model.graph.initializer:
        if tensor.data_location == onnx.TensorProto.EXTERNAL:
            raise ModelError(
                f"{MODEL_FILE}: {tensor.name} is kept in another file; a version is one whole: export with "
                "`save_as_external_data=False`"
            )
    for node in nodes(model.graph):
        if node.domain not in _BUILT_IN:
            raise ModelError(
                f"{MODEL_FILE}: operator {node.domain}.{node.op_type} (node {node.name or 'without a name'}) is not part of "
                "ONNX Runtime; export with its operators alone"
            )
    return model


def nodes(graph: Any) -> Iterator[Any]:
    """Every node, those of inner graphs included."""
    for node in graph.node:
        yield node
        for attribute in node.attribute:
            for inner in (attribute.g, *attribute.graphs):
                yield from nodes(inner)


def require_kernels(model: Any, accelerator: str) -> None:
    """Raises ModelError for CUDA, with the operator's name, where the graph has operators without a kernel there."""
    if accelerator != "cuda":
        return
    for node in nodes(model.graph):
        if node.domain == ML or node.op_type in STRING_OPERATORS:
            name = f"{node.domain}.{node.op_type}" if node.domain else node.op_type
            raise ModelError(
                f"{MODEL_FILE}: operator {name} (node {node.name or 'without a name'}) has no CUDA kernel; declare "
                "`accelerator: cpu`, or export with dense operators"
            )
    for entry in model.graph.input:
        if _type(entry) == "string":
            raise ModelError(
                f"{MODEL_FILE}: input {entry.name} takes strings, which CUDA can't hold; declare `accelerator: cpu`, or export "
                "a graph that takes numbers"
            )


def graph_inputs(model: Any, declared: ForeignModel, schema: pa.Schema) -> list[GraphInput]:
    """The declared mapping, checked against the graph and the feature columns. Raises ModelError."""
    own = {tensor.name for tensor in model.graph.initializer}
    found = {entry.name: entry for entry in model.graph.input if entry.name not in own}
    if missing := sorted(found.keys() - declared.inputs.keys()):
        raise ModelError(f"model.inputs: the graph also takes {', '.join(missing)}; say which feature column it is")
    if unknown := sorted(declared.inputs.keys() - found.keys()):
        raise ModelError(
            f"model.inputs: the graph has no input {', '.join(unknown)}; it takes {', '.join(sorted(found))}"
        )
    return [_mapped(entry, declared.inputs[name], schema) for name, entry in found.items()]


def _mapped(entry: Any, column: str | tuple[str, ...], schema: pa.Schema) -> GraphInput:
    columns = (column,) if isinstance(column, str) else column
    kind, dims = _type(entry), _dims(entry)
    if kind not in _TRITON:
        raise ModelError(f"input {entry.name} of the graph takes {kind}; {', '.join(_TRITON)} can be mapped")
    if len(dims) not in (1, 2) or dims[0] is not None:
        raise ModelError(
            f"input {entry.name} of the graph is {_shape(dims)}; [batch] or [batch, columns] with any number of rows is needed: "
            "export it with a dynamic batch"
        )
    wide = 1 if len(dims) == 1 else dims[1]
    if wide is not None and wide != len(columns):
        raise ModelError(
            f"input {entry.name} of the graph has {wide} columns, `model.inputs` names {len(columns)} for it"
        )
    for name in columns:
        _require_type(entry.name, kind, name, schema)
    return GraphInput(name=entry.name, type=kind, rank=len(dims), columns=columns)


def _require_type(graph_input: str, kind: str, column: str, schema: pa.Schema) -> None:
    fitting = pa.types.is_string if kind == "string" else pa.types.is_floating
    if column not in schema.names:
        usable = [field.name for field in schema if fitting(field.type)]
        raise ModelError(
            f"model.inputs: {graph_input} is to be {column}, and there is no such feature column; there are "
            f"{', '.join(usable) or 'none that fit'}. Customer facts are called crm_<name> and declared under `features.customer`"
        )
    if not fitting(schema.field(column).type):
        raise ModelError(
            f"model.inputs: {graph_input} takes {kind}, and {column} is {schema.field(column).type}; map a column that fits, "
            "or declare the fact's other `kind`"
        )


def require_output(model: Any, declared: ForeignModel) -> None:
    """Raises ModelError where the declared output can't be one number a class."""
    found = {entry.name: entry for entry in model.graph.output}
    if declared.output not in found:
        raise ModelError(
            f"model.output: the graph has no output {declared.output}; it gives {', '.join(sorted(found))}"
        )
    entry = found[declared.output]
    if not entry.type.HasField("tensor_type") or _type(entry) not in ("float32", "float64"):
        raise ModelError(
            f"model.output: {declared.output} is {_type(entry)}; one tensor of floating point numbers is needed "
            "(scikit-learn's converter: `zipmap=False`)"
        )
    dims, wanted = _dims(entry), len(declared.labels)
    if dims and (len(dims) != 2 or dims[1] not in (None, wanted)):
        raise ModelError(
            f"model.output: {declared.output} is {_shape(dims)}; `model.labels` names {wanted} classes, so [batch, {wanted}] "
            "is needed: name the graph's classes in their order, or export all of them"
        )


def interface(model: Any, inputs: list[GraphInput], declared: ForeignModel) -> dict[str, object]:
    """Inputs and outputs as the manifest states them; dims leave out the batch."""
    output = next(entry for entry in model.graph.output if entry.name == declared.output)
    return {
        "opset": max((entry.version for entry in model.opset_import if entry.domain in ("", "ai.onnx")), default=0),
        "max_batch_size": 4096,
        "inputs": [
            {"name": i.name, "type": _TRITON[i.type], "dims": [len(i.columns)] if i.rank == 2 else []} for i in inputs
        ],
        "outputs": [{"name": declared.output, "type": _TRITON[_type(output)], "dims": [len(declared.labels)]}],
    }


def _type(entry: Any) -> str:
    """`float32`, `string` … or what else the value is."""
    from onnx import helper

    if not entry.type.HasField("tensor_type"):
        return str(entry.type.WhichOneof("value") or "of no stated type").replace("_type", "")
    number = entry.type.tensor_type.elem_type
    if number == 8:  # TensorProto.STRING, which numpy knows as object
        return "string"
    return str(helper.tensor_dtype_to_np_dtype(number)) if number else "of no stated type"


def _dims(entry: Any) -> list[int | None]:
    return [dim.dim_value if dim.HasField("dim_value") else None for dim in entry.type.tensor_type.shape.dim]


def _shape(dims: list[int | None]) -> str:
    return f"[{', '.join('any' if dim is None else str(dim) for dim in dims)}]"
