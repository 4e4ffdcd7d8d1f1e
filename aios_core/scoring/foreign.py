"""The kind `onnx`: a classifier that was made elsewhere, scored as it is, calibrated on our outcomes.

What belongs here: feature columns as the graph's inputs, and its outputs as margins. What does not: deciding whether a graph may
be used at all (`aios_core/training/foreign/`).

Nothing is known of such a graph, so nothing is taken on trust. What it can't be given (a missing whole number) or did not
answer properly (NaN, a sum that is not 1) becomes NaN, which goes to a person. And where its answers were found to depend on
the batch, rows are handed in one by one: a decision must replay alone.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt
import pyarrow as pa

from aios_core.errors import ModelError
from aios_core.scoring.engine import EngineScores, Ints, OpenSession
from aios_core.scoring.session import Session

TYPES: Mapping[str, Any] = {
    "string": np.object_,
    "float32": np.float32,
    "float64": np.float64,
    "int32": np.int32,
    "int64": np.int64,
}
SMALLEST = 1e-12  # a probability of 0 has no logarithm; training counts it as this much too
SUM_WITHIN = 1e-2

Floats = npt.NDArray[np.float64]


@dataclass(frozen=True, slots=True, kw_only=True)
class GraphInput:
    """One input of the graph. `rank` 1 is [batch], 2 is [batch, columns]."""

    name: str
    type: str
    rank: int
    columns: tuple[str, ...]

    @property
    def whole(self) -> bool:
        return self.type.startswith("int")

    def array(self, features: pa.RecordBatch) -> tuple[npt.NDArray[Any], npt.NDArray[np.bool_]]:
        """What the graph takes, and which rows can be said in its type."""
        parts = [self._column(features.column(name)) for name in self.columns]
        values = np.column_stack([part for part, _ in parts])
        usable: npt.NDArray[np.bool_] = np.logical_and.reduce([good for _, good in parts])
        return (values[:, 0] if self.rank == 1 else values).astype(TYPES[self.type]), usable

    def _column(self, column: pa.Array) -> tuple[npt.NDArray[Any], npt.NDArray[np.bool_]]:
        rows = len(column)
        if self.type == "string":
            return np.array([text or "" for text in column.to_pylist()], np.object_), np.ones(rows, np.bool_)
        values = column.cast(pa.float64()).to_numpy(zero_copy_only=False)
        known = np.isfinite(values)
        if not self.whole:
            return np.where(known, values, np.nan), np.ones(rows, np.bool_)
        limit = 2.0**31 if self.type == "int32" else 2.0**53
        good = known & (np.abs(np.where(known, values, 0)) < limit) & (np.floor(np.where(known, values, 0)) == values)
        return np.where(good, values, 0.0), good


class Foreign:
    """A graph with its input mapping, as one engine."""

    def __init__(
        self,
        *,
        inputs: Sequence[GraphInput],
        output: str,
        logits: bool,
        classes: int,
        temperature: float,
        one_by_one: bool,
        session: Session,
    ) -> None:
        self._inputs = tuple(inputs)
        self._output = output
        self._logits = logits
        self._classes = classes
        self._temperature = temperature
        self._one_by_one = one_by_one
        self._session = session

    @staticmethod
    def from_files(manifest: Mapping[str, Any], files: Mapping[str, bytes], open_session: OpenSession) -> "Foreign":
        graph = manifest["graph"]
        return Foreign(
            inputs=[GraphInput(**{**entry, "columns": tuple(entry["columns"])}) for entry in graph["inputs"]],
            output=graph["output"],
            logits=graph["output_is"] == "logits",
            classes=len(manifest["classes"]),
            temperature=float(manifest["temperature"]),
            one_by_one=bool(graph["one_by_one"]),
            session=open_session(files["model.onnx"]),
        )

    def score(self, features: pa.RecordBatch) -> EngineScores:
        rows = features.num_rows
        length = np.zeros(rows, np.int64)
        if "text" in features.schema.names:
            length = np.fromiter((len(text or "") for text in features.column("text").to_pylist()), np.int64, rows)
        probabilities = _softmax(self.margins(features) * self._temperature)
        return EngineScores(
            probabilities=probabilities.astype(np.float32), unseen_share=np.zeros(rows, np.float64), text_length=length
        )

    def explain(self, features: pa.RecordBatch, best: Ints, *, stage: pa.Array | None, count: int) -> None:  # noqa: ARG002
        return None  # what a foreign graph weighs is not known

    def margins(self, features: pa.RecordBatch) -> Floats:
        """Rows x classes: the graph's logits, or the logarithms of its probabilities; NaN for rows without a proper answer."""
        if not features.num_rows:
            return np.empty((0, self._classes))
        arrays, usable = {}, np.ones(features.num_rows, np.bool_)
        for entry in self._inputs:
            arrays[entry.name], good = entry.array(features)
            usable &= good
        answer = self._run(arrays, features.num_rows)
        with np.errstate(divide="ignore", invalid="ignore"):
            proper = usable & np.isfinite(answer).all(axis=1)
            if not self._logits:
                proper &= (answer >= -SUM_WITHIN).all(axis=1) & (np.abs(answer.sum(axis=1) - 1) <= SUM_WITHIN)
                answer = np.log(np.maximum(answer, SMALLEST))
        return np.where(proper[:, None], answer, np.nan)

    def _run(self, arrays: Mapping[str, npt.NDArray[Any]], rows: int) -> Floats:
        if not self._one_by_one:
            return self._answer(arrays, rows)
        parts = [self._answer({name: value[row : row + 1] for name, value in arrays.items()}, 1) for row in range(rows)]
        return np.concatenate(parts)

    def _answer(self, arrays: Mapping[str, npt.NDArray[Any]], rows: int) -> Floats:
        answer = self._session.run(arrays, [self._output])[self._output]
        if not isinstance(answer, np.ndarray) or answer.shape != (rows, self._classes):
            shape = list(answer.shape) if isinstance(answer, np.ndarray) else type(answer).__name__
            raise ModelError(
                f"output {self._output} of the graph is {shape} for {rows} rows, where one number a class, "
                f"[{rows}, {self._classes}], is needed; export it as one tensor in the order of `model.labels` "
                "(scikit-learn's converter: `zipmap=False`)"
            )
        return answer.astype(np.float64)


def _softmax(margins: Floats) -> Floats:
    with np.errstate(invalid="ignore"):
        shifted = np.exp(margins - margins.max(axis=1, keepdims=True, initial=-np.inf))
        result: Floats = shifted / shifted.sum(axis=1, keepdims=True)
    return result
