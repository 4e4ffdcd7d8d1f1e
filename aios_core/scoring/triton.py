"""The model configuration that Triton and KServe read beside a model's versions.

What belongs here: the text of `config.pbtxt` for a manifest. What does not: writing it (`resources/registry.py`).
"""

from collections.abc import Mapping
from typing import Any


def triton_config(name: str, manifest: Mapping[str, Any]) -> str:
    """`config.pbtxt` for the ONNX Runtime backend: the true inputs and outputs of the graph, batch dimension left out."""
    graph = manifest["onnx"]
    lines = [
        "# Written by the registry with each version; text becomes ids and weights before it reaches this model.",
        f'name: "{name}"',
        'backend: "onnxruntime"',
        f"max_batch_size: {graph['max_batch_size']}",
        *_tensors("input", graph["inputs"]),
        *_tensors("output", graph["outputs"]),
        "instance_group [ { kind: KIND_AUTO } ]",
        "version_policy: { all {} }",
    ]
    return "\n".join(lines) + "\n"


def _tensors(word: str, tensors: list[Mapping[str, Any]]) -> list[str]:
    entries = [
        f'  {{ name: "{t["name"]}" data_type: {t["type"]} dims: [ {", ".join(str(d) for d in t["dims"])} ] }}'
        for t in tensors
    ]
    return [f"{word} [", ",\n".join(entries), "]"]
