"""The kind `tabular`: customer facts in, calibrated probabilities out, by boosted trees or by a linear model.

What belongs here: facts as the numbers that a graph takes, and what each fact says for a prediction. What does not: the join
that fills the fact columns (`aios_core/features/build.py`), fitting and the graphs (`aios_core/training/tabular/`).

Trees take one matrix, a column a fact: a category is its number, what is missing or was never seen is NaN, as scikit-learn has
it. Numbers are float32 in training too, so a value never lies on another side of a split than it did there. The linear model
takes the same bag of ids and weights as `linear_text`, without the text.
"""

from collections.abc import Mapping
from dataclasses import dataclass, replace
from functools import cached_property
from typing import Any

import numpy as np
import numpy.typing as npt
import pyarrow as pa
import pyarrow.compute as pc

from aios_core.errors import ModelError
from aios_core.features.build import PREFIX
from aios_core.features.encoding import LARGEST, CustomerEncoding, FactState
from aios_core.scoring.engine import Engine, EngineScores, OpenSession
from aios_core.scoring.explain import DECIMALS
from aios_core.scoring.linear_text import COEFFICIENTS, IDS, PROBABILITIES, WEIGHTS
from aios_core.scoring.novelty import Scale
from aios_core.scoring.rarity import Rarity
from aios_core.scoring.schema import TERM
from aios_core.scoring.session import Session

FACTS, LOGITS = "facts", "logits"
GRADIENT_BOOSTING, LOGISTIC = "gradient_boosting", "logistic"

Floats = npt.NDArray[np.float64]
Ints = npt.NDArray[np.int64]


def from_files(manifest: Mapping[str, Any], files: Mapping[str, bytes], open_session: OpenSession) -> Engine:
    """The engine of a version, by its manifest's `estimator`."""
    encoding, onnx, estimator = (
        CustomerEncoding.from_json(manifest["customer"]),
        files["model.onnx"],
        manifest["estimator"],
    )
    rarity, scale = Rarity.of_version(manifest), Scale.of_version(manifest)
    if estimator not in (GRADIENT_BOOSTING, LOGISTIC):
        raise ModelError(
            f"the manifest's estimator {estimator!r} is not known; update the code or promote another version"
        )
    engine: Engine = (
        BoostedTrees(columns=FactColumns(encoding.facts), session=open_session(onnx))
        if estimator == GRADIENT_BOOSTING
        else LinearFacts(encoding=encoding, session=open_session(onnx), onnx=onnx)
    )
    return engine if rarity is None or scale is None else WithNovelty(engine=engine, rarity=rarity, scale=scale)


@dataclass(frozen=True, slots=True, kw_only=True)
class WithNovelty:
    """An engine whose scores also say how rare a row's facts are."""

    engine: Engine
    rarity: Rarity
    scale: Scale

    def score(self, features: pa.RecordBatch) -> EngineScores:
        return replace(self.engine.score(features), novelty=self.scale.normalised(self.rarity.raw(features)))

    def explain(
        self, features: pa.RecordBatch, best: Ints, *, stage: pa.Array | None, count: int
    ) -> pa.ListArray | None:
        return self.engine.explain(features, best, stage=stage, count=count)


@dataclass(frozen=True, slots=True)
class FactColumns:
    """The facts of a tree model, categorical ones first, as scikit-learn orders them."""

    facts: tuple[FactState, ...]

    def matrix(self, features: pa.Table | pa.RecordBatch) -> npt.NDArray[np.float32]:
        """Rows x facts: numbers, numbers of categories, NaN for what is missing, not finite, or a category never seen."""
        result = np.empty((features.num_rows, len(self.facts)), np.float32)
        for place, fact in enumerate(self.facts):
            column = features.column(PREFIX + fact.name)
            column = column.combine_chunks() if isinstance(column, pa.ChunkedArray) else column
            if fact.kind == "numeric":
                values = column.cast(pa.float64()).to_numpy(zero_copy_only=False)
                result[:, place] = np.where(np.isfinite(values), np.clip(values, -LARGEST, LARGEST), np.nan)
            else:
                known = pa.array(fact.values, pa.string())
                found = pc.fill_null(pc.index_in(column.cast(pa.string()), value_set=known), -1)
                codes = found.to_numpy(zero_copy_only=False)
                result[:, place] = np.where(codes < 0, np.nan, codes)
        return result

    @property
    def terms(self) -> list[str]:
        """Readable names: one a number, one a category."""
        return [name for fact in self.facts for name in self._names(fact)]

    def term_ids(self, matrix: npt.NDArray[np.float32]) -> Ints:
        """Which of `terms` each cell is; a cell without a value is its fact's first."""
        sizes = [len(self._names(fact)) for fact in self.facts]
        starts = np.cumsum([0, *sizes[:-1]])
        codes = np.where(np.isnan(matrix), 0, matrix)
        categorical = np.array([fact.kind == "categorical" for fact in self.facts])
        ids: Ints = starts + np.where(categorical, codes, 0).astype(np.int64)
        return ids

    @staticmethod
    def _names(fact: FactState) -> list[str]:
        return (
            [fact.name] if fact.kind == "numeric" else [f"{fact.name}={value}" for value in fact.values] or [fact.name]
        )


class BoostedTrees:
    """Gradient boosting over the fact matrix. A fact's term is the log-odds that the prediction loses without it."""

    def __init__(self, *, columns: FactColumns, session: Session) -> None:
        self._columns = columns
        self._session = session

    def score(self, features: pa.RecordBatch) -> EngineScores:
        return _scores(
            features, self._session.run({FACTS: self._columns.matrix(features)}, [PROBABILITIES])[PROBABILITIES]
        )

    def explain(self, features: pa.RecordBatch, best: Ints, *, stage: pa.Array | None, count: int) -> pa.ListArray:  # noqa: ARG002
        """Each fact left out in turn: exact for what it says, whatever the trees look like, at one more pass a fact."""
        matrix = self._columns.matrix(features)
        whole = _log_odds(self._session.run({FACTS: matrix}, [LOGITS])[LOGITS], best)
        values = np.zeros(matrix.shape)
        for place in range(matrix.shape[1]):
            known = np.flatnonzero(~np.isnan(matrix[:, place]))
            if known.size:
                without = matrix[known]
                without[:, place] = np.nan
                left = self._session.run({FACTS: without}, [LOGITS])[LOGITS]
                values[known, place] = whole[known] - _log_odds(left, best[known])
        return strongest(values, self._columns.term_ids(matrix), self._columns.terms, count=count)


class LinearFacts:
    """Logistic regression over the bag of facts. A fact's term is its exact part of the predicted class's log-odds."""

    def __init__(self, *, encoding: CustomerEncoding, session: Session, onnx: bytes) -> None:
        self._encoding = encoding
        self._session = session
        self._onnx = onnx

    def score(self, features: pa.RecordBatch) -> EngineScores:
        ids, weights = self._encoding.apply(features)
        inputs = {IDS: ids.astype(np.int32), WEIGHTS: weights.astype(np.float32)}
        return _scores(features, self._session.run(inputs, [PROBABILITIES])[PROBABILITIES])

    def explain(self, features: pa.RecordBatch, best: Ints, *, stage: pa.Array | None, count: int) -> pa.ListArray:  # noqa: ARG002
        ids, weights = self._encoding.apply(features)
        return strongest(weights * self._coefficients[ids, best[:, None]], ids, self._encoding.terms, count=count)

    @cached_property
    def _coefficients(self) -> npt.NDArray[np.float32]:
        """Read from the graph itself: a second copy beside it could differ from what scores."""
        import onnx
        from onnx import numpy_helper

        found = {tensor.name: tensor for tensor in onnx.load_from_string(self._onnx).graph.initializer}
        return numpy_helper.to_array(found[COEFFICIENTS])


def strongest(values: Floats, ids: Ints, names: list[str], *, count: int) -> pa.ListArray:
    """Up to `count` terms a row with values above 0, strongest first; equal ones in the facts' order."""
    rounded = np.round(values, DECIMALS)
    order = np.argsort(-rounded, axis=1, kind="stable")[:, :count]
    rows = np.arange(rounded.shape[0])[:, None]
    picked = rounded[rows, order] > 0
    offsets = np.concatenate([[0], np.cumsum(picked.sum(axis=1))]).astype(np.int32)
    terms = [names[i] for i in ids[rows, order][picked].tolist()]
    entries = pa.StructArray.from_arrays(
        [pa.array(terms, pa.string()), pa.array(rounded[rows, order][picked])], fields=list(TERM)
    )
    return pa.ListArray.from_arrays(pa.array(offsets), entries)


def _scores(features: pa.RecordBatch, probabilities: npt.NDArray[np.float32]) -> EngineScores:
    """No word was read, so none was unseen; the text's length is a fact about the ticket all the same."""
    rows = features.num_rows
    length = np.zeros(rows, np.int64)
    if "text" in features.schema.names:
        length = np.fromiter((len(text or "") for text in features.column("text").to_pylist()), np.int64, rows)
    return EngineScores(probabilities=probabilities, unseen_share=np.zeros(rows, np.float64), text_length=length)


def _log_odds(logits: npt.NDArray[np.float32], best: Ints) -> Floats:
    """Of the predicted class against all others together."""
    wide = logits.astype(np.float64)
    rows = np.arange(best.size)
    own = wide[rows, best]
    wide[rows, best] = -np.inf
    top = wide.max(axis=1, keepdims=True)
    result: Floats = own - (np.log(np.exp(wide - top).sum(axis=1)) + top[:, 0])
    return result
