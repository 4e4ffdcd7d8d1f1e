"""A sentence-transformers folder: what it says of itself, and its graph in float32.

What belongs here: reading the folder and refusing what can't be scored as its makers meant it. What does not: finding it
(`resources/model_folders.py`), building a graph from weights (`bert.py`).
"""

import json
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from aios_core.errors import ModelError
from aios_core.scoring.encoder.text import IDS, MASK
from aios_core.scoring.encoder.tokens import TOKENIZER_FILE
from aios_core.training.encoder.bert import VECTORS, BertConfig, bert_graph
from aios_core.training.encoder.nodes import OPSET

ONNX_FILES = ("onnx/model.onnx", "model.onnx")
WEIGHTS_FILE, CONFIG_FILE, MODULES_FILE = "model.safetensors", "config.json", "modules.json"
TYPES = "token_type_ids"
OLDEST = 13  # before it axes and splits were attributes; the converter knows how to move them
MODULES = ("Transformer", "Pooling", "Normalize")


@dataclass(frozen=True, slots=True, kw_only=True)
class SentenceFolder:
    """`graph` is an ONNX model of `input_ids` and `attention_mask` with a tensor `vectors`: [batch, length, hidden] in float32."""

    tokenizer: bytes
    graph: Any
    vectors: str
    hidden: int
    built: bool  # from weights, rather than found as ONNX


def read_sentence_folder(files: Mapping[str, bytes], *, max_tokens: int) -> SentenceFolder:
    """The folder's files by relative path. Raises ModelError that names the file and the way out."""
    if TOKENIZER_FILE not in files:
        raise ModelError(
            f"the encoder's folder has no {TOKENIZER_FILE} (it has {', '.join(sorted(files)[:20]) or 'nothing'}); save the "
            "model's fast tokenizer into it"
        )
    _require_mean_of_tokens(files)
    config = _json(files, CONFIG_FILE)
    positions = config.get("max_position_embeddings")
    if positions is not None and max_tokens > int(positions):
        raise ModelError(f"model.max_tokens is {max_tokens}, and {CONFIG_FILE} knows {positions} positions; lower it")
    found = next((name for name in ONNX_FILES if name in files), None)
    if found is not None:
        graph, vectors, hidden = _graph_of(files[found], found)
    elif WEIGHTS_FILE in files:
        graph, vectors, hidden = _built(files[WEIGHTS_FILE], config)
    else:
        raise ModelError(
            f"the encoder's folder has neither {ONNX_FILES[0]} nor {WEIGHTS_FILE}; save one of them into it"
        )
    return SentenceFolder(
        tokenizer=files[TOKENIZER_FILE], graph=graph, vectors=vectors, hidden=hidden, built=found is None
    )


def _require_mean_of_tokens(files: Mapping[str, bytes]) -> None:
    if MODULES_FILE not in files:
        return
    for module in json.loads(files[MODULES_FILE]):
        kind = str(module["type"]).rsplit(".", 1)[-1]
        if kind not in MODULES:
            raise ModelError(f"{MODULES_FILE}: a module {kind} is not supported (there are {', '.join(MODULES)})")
        if kind == "Pooling":
            name = f"{module['path']}/config.json"
            modes = {key for key, on in _json(files, name).items() if key.startswith("pooling_mode_") and on is True}
            if modes != {"pooling_mode_mean_tokens"}:
                raise ModelError(
                    f"{name}: only the mean of all tokens is supported, not {', '.join(sorted(modes)) or 'none'}"
                )


def _json(files: Mapping[str, bytes], name: str) -> dict[str, Any]:
    try:
        found: dict[str, Any] = json.loads(files[name]) if name in files else {}
    except ValueError as error:
        raise ModelError(f"{name} of the encoder's folder is no JSON ({error})") from error
    return found


def _built(content: bytes, said: Mapping[str, Any]) -> tuple[Any, str, int]:
    try:
        from safetensors import SafetensorError
        from safetensors.numpy import load
    except ImportError as error:
        raise ModelError("the package `safetensors` is not installed; install the extra `aios[encoder]`") from error
    try:
        weights = load(content)
        config = BertConfig.of(said)
    except (SafetensorError, KeyError, TypeError, ValueError) as error:
        raise ModelError(f"{WEIGHTS_FILE} or {CONFIG_FILE} can't be read ({type(error).__name__}: {error})") from error
    return bert_graph(weights, config), VECTORS, config.hidden


def _graph_of(content: bytes, name: str) -> tuple[Any, str, int]:
    """A graph that was exported elsewhere, with our two inputs and its token vectors as the only output."""
    model = _read(content, name)
    graph = model.graph
    own = {tensor.name for tensor in graph.initializer}
    inputs = [entry.name for entry in graph.input if entry.name not in own]
    if set(inputs) - {TYPES} != {IDS, MASK}:
        raise ModelError(f"{name} takes {', '.join(inputs)}; an encoder takes {IDS}, {MASK} and perhaps {TYPES}")
    if TYPES in inputs:
        _fill_types(graph)
    for entry in graph.output:
        shape = entry.type.tensor_type.shape.dim
        if len(shape) == 3 and shape[2].dim_value:  # text of a batch by length by hidden: `last_hidden_state`, mostly
            kept = type(entry)()
            kept.CopyFrom(entry)
            del graph.output[:]
            graph.output.append(kept)
            return model, kept.name, int(shape[2].dim_value)
    raise ModelError(f"{name} has no output of shape [batch, length, hidden]; export the model with its token vectors")


def _read(content: bytes, name: str) -> Any:
    import onnx
    from google.protobuf.message import DecodeError
    from onnx import version_converter

    try:
        model = onnx.load_from_string(content)
        opset = next(entry.version for entry in model.opset_import if entry.domain in ("", "ai.onnx"))
        if opset < OLDEST:
            model = version_converter.convert_version(model, OPSET)
    except (DecodeError, StopIteration, RuntimeError) as error:
        raise ModelError(f"{name} can't be read or brought to opset {OPSET} ({error}); export it again") from error
    if any(tensor.data_location == onnx.TensorProto.EXTERNAL for tensor in model.graph.initializer):
        raise ModelError(f"{name} keeps weights in another file; export it as one file")
    del model.graph.value_info[:]
    return model


def _fill_types(graph: Any) -> None:
    """A text is of type 0 throughout: the input becomes a tensor of zeros as long as the ids."""
    from onnx import helper

    entry = next(entry for entry in graph.input if entry.name == TYPES)
    graph.input.remove(entry)
    graph.node.insert(0, helper.make_node("Sub", [IDS, IDS], [TYPES], "no_types"))
