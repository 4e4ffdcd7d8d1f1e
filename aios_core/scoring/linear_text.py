"""The kind `linear_text`: a row is one bag of ids with weights, text terms and customer facts alike.

What belongs here: from a feature batch to padded arrays, through the session, back to rows. What does not: cutting text
(`tokenizer.py`), bucket lengths (`buckets.py`), the contributing terms (`explain.py`) and fitting (`aios_core/training/`).

The graph is Gather(coefficients, ids) -> weighted sum -> + bias -> Softmax: dense operators only, all of which have CUDA
kernels. The weighted sum is one batched MatMul of [rows, 1, length] with [rows, length, classes], so each row is a product of
its own; one Gemm over the batch would let the number of rows choose the kernel, and with it the last bits.
"""

from collections.abc import Mapping
from functools import cached_property
from typing import Any

import numpy as np
import numpy.typing as npt
import pyarrow as pa

from aios_core.errors import ModelError
from aios_core.features.encoding import CustomerEncoding
from aios_core.scoring.buckets import runs
from aios_core.scoring.engine import EngineScores, OpenSession
from aios_core.scoring.explain import Explained, top_terms
from aios_core.scoring.session import Session
from aios_core.scoring.tokenizer import Bags, Tokenizer
from aios_core.scoring.vocabulary import Vocabulary

IDS, WEIGHTS, PROBABILITIES, COEFFICIENTS = "ids", "weights", "probabilities", "coefficients"


class LinearText:
    """A tokenizer, the customer encoding and a session, as one engine."""

    def __init__(
        self, *, vocabulary: Vocabulary, encoding: CustomerEncoding, classes: int, session: Session, onnx: bytes
    ) -> None:
        self._tokenizer = Tokenizer(vocabulary)
        self._encoding = encoding
        self._classes = classes
        self._session = session
        self._onnx = onnx
        self._pad = vocabulary.size + encoding.size

    @staticmethod
    def from_files(manifest: Mapping[str, Any], files: Mapping[str, bytes], open_session: OpenSession) -> "LinearText":
        return LinearText(
            vocabulary=Vocabulary.from_files(files),
            encoding=CustomerEncoding.from_json(manifest["customer"]),
            classes=len(manifest["classes"]),
            session=open_session(files["model.onnx"]),
            onnx=files["model.onnx"],
        )

    def score(self, features: pa.RecordBatch, *, explain: int) -> EngineScores:
        texts = [text or "" for text in features.column("text").to_pylist()]
        found = self._tokenizer.occurrences(texts)
        bags = self._tokenizer.bags(found)
        fact_ids, fact_weights = self._encoding.apply(features)
        fact_ids = fact_ids + self._tokenizer.vocabulary.size
        probabilities = self._run(bags, fact_ids, fact_weights)
        terms = None
        if explain > 0 and texts:
            explained = Explained(
                vocabulary=self._tokenizer.vocabulary,
                fact_terms=self._encoding.terms,
                coefficients=self._coefficients,
                best=probabilities.argmax(axis=1),
            )
            terms = top_terms(explained, found, bags.norms, fact_ids, fact_weights, count=explain)
        return EngineScores(
            probabilities=probabilities,
            unseen_share=np.where(found.words > 0, found.unseen / np.maximum(found.words, 1), 0.0),
            text_length=np.fromiter(map(len, texts), np.int64, len(texts)),
            terms=terms,
        )

    def _run(
        self, bags: Bags, fact_ids: npt.NDArray[np.int64], fact_weights: npt.NDArray[np.float64]
    ) -> npt.NDArray[np.float32]:
        facts = fact_ids.shape[1]
        terms = np.diff(bags.start)
        result = np.empty((terms.size, self._classes), np.float32)
        for length, rows in runs(terms + facts, self._classes):
            ids = np.full((rows.size, length), self._pad, np.int32)
            weights = np.zeros((rows.size, length), np.float32)
            ids[:, :facts] = fact_ids[rows]
            weights[:, :facts] = fact_weights[rows]
            counts = terms[rows]
            # the place of each term in the padded rectangle, and where it is in the flat bag
            target = np.repeat(np.arange(rows.size) * length + facts - (np.cumsum(counts) - counts), counts)
            target += np.arange(target.size)
            origin = np.repeat(bags.start[rows] - (np.cumsum(counts) - counts), counts) + np.arange(target.size)
            ids.ravel()[target] = bags.ids[origin]
            weights.ravel()[target] = bags.weights[origin]
            result[rows] = self._session.run({IDS: ids, WEIGHTS: weights}, [PROBABILITIES])[PROBABILITIES]
        return result

    @cached_property
    def _coefficients(self) -> npt.NDArray[np.float32]:
        """Read from the graph itself: a second copy beside it could differ from what scores."""
        import onnx
        from onnx import numpy_helper

        for initializer in onnx.load_from_string(self._onnx).graph.initializer:
            if initializer.name == COEFFICIENTS:
                return numpy_helper.to_array(initializer)
        raise ModelError(f"model.onnx has no initializer named {COEFFICIENTS}; register the version again")
