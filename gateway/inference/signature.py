"""What a model version takes and gives, in the protocol's words.

What belongs here: inputs and outputs from a manifest, and the metadata and configuration that clients ask for. What does not:
reading tensors (`tensors.py`) and loading versions (`hall.py`).

Inputs are the feature columns of the manifest, outputs are the same for every kind of model. A first dimension is rows.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Literal

import pyarrow as pa

from aios_core.features.build import PREFIX

Kind = Literal["text", "category", "number"]

TYPES: Mapping[Kind, tuple[str, ...]] = {"text": ("BYTES",), "category": ("BYTES",), "number": ("FP64", "FP32")}
ARROW: Mapping[Kind, pa.DataType] = {"text": pa.string(), "category": pa.string(), "number": pa.float64()}
TEXT = "text"
PROBABILITIES, LABEL, CONFIDENCE, NOVELTY = "probabilities", "label", "confidence", "novelty"
OUTPUTS = (PROBABILITIES, LABEL, CONFIDENCE, NOVELTY)
DATATYPES = {PROBABILITIES: "FP32", LABEL: "BYTES", CONFIDENCE: "FP32", NOVELTY: "FP32"}
MAX_ROWS = 4_096


@dataclass(frozen=True, slots=True)
class Input:
    """One feature column. Only `text` has to be given: what is not known of a customer is left out."""

    name: str
    kind: Kind

    @property
    def required(self) -> bool:
        return self.kind == "text"


class Signature:
    """Inputs, outputs and classes of one version."""

    def __init__(self, manifest: Mapping[str, Any], *, novelty: bool = False) -> None:
        kinds: dict[str, Kind] = {
            PREFIX + fact["name"]: "number" if fact["kind"] == "numeric" else "category"
            for fact in (manifest.get("features") or {}).get("customer", ())
        }
        self.kind: str = manifest["kind"]
        self.classes: tuple[str, ...] = tuple(manifest["classes"])
        self.inputs = {
            name: Input(name, "text" if name == TEXT else kinds.get(name, "category")) for name in manifest["inputs"]
        }
        self.outputs = OUTPUTS if novelty else OUTPUTS[:-1]
        self.schema = pa.schema([(one.name, ARROW[one.kind]) for one in self.inputs.values()])

    def shape(self, output: str, rows: int) -> list[int]:
        """The shape of an output for so many rows."""
        return [rows, len(self.classes)] if output == PROBABILITIES else [rows]

    def metadata(self, name: str, versions: Sequence[int], serving: int) -> dict[str, Any]:
        """The answer to `GET /v2/models/{name}`: what KServe's definition has, and the classes in `parameters`."""
        return {
            "name": name,
            "versions": [str(v) for v in versions],
            "platform": f"aios_{self.kind}",
            "inputs": [
                {
                    "name": one.name,
                    "datatype": TYPES[one.kind][0],
                    "shape": [-1],
                    "parameters": {"optional": not one.required},
                }
                for one in self.inputs.values()
            ],
            "outputs": [
                {"name": output, "datatype": DATATYPES[output], "shape": self.shape(output, -1)}
                for output in self.outputs
            ],
            "parameters": {"classes": list(self.classes), "serving_version": str(serving), "max_rows": MAX_ROWS},
        }

    def config(self, name: str) -> dict[str, Any]:
        """The answer to `GET /v2/models/{name}/config`, in the words of Triton's model configuration."""
        triton = {"text": "TYPE_STRING", "category": "TYPE_STRING", "number": "TYPE_FP64"}
        return {
            "name": name,
            "platform": f"aios_{self.kind}",
            "backend": "aios",
            "max_batch_size": 0,
            "input": [
                {"name": one.name, "data_type": triton[one.kind], "dims": ["-1"], "optional": not one.required}
                for one in self.inputs.values()
            ],
            "output": [
                {
                    "name": output,
                    "data_type": "TYPE_STRING" if DATATYPES[output] == "BYTES" else "TYPE_FP32",
                    "dims": [str(size) for size in self.shape(output, -1)],
                }
                for output in self.outputs
            ],
            "parameters": {"classes": {"string_value": ",".join(self.classes)}},
        }
