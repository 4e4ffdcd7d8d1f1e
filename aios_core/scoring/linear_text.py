"""The kind `linear_text`: a row is one bag of ids with weights, text terms and customer facts alike.

What belongs here: from a feature batch to padded arrays, through the session, back to rows. What does not: cutting text
(`tokenizer.py`), bucket lengths (`buckets.py`), the contributing terms (`explain.py`) and fitting (`aios_core/training/`).

The graph is Gather(coefficients, ids) -> weighted sum -> + bias -> Softmax: dense operators only, all of which have CUDA
kernels. The weighted sum is one batched MatMul of [rows, 1, length] with [rows, length, classes], so each row is a product of
its own; one Gemm over the batch would let the number of rows choose the kernel, and with it the last bits. One more column of
that product is a sum over words, from which novelty is made (`wording.py`).
"""

from collections.abc import Mapping
from functools import cached_property
from typing import Any

import numpy as np
import numpy.typing as npt
import pyarrow as pa

from aios_core.errors import ModelError
from aios_core.features.encoding import CustomerEncoding
from aios_core.scoring.buckets import Padding, runs
from aios_core.scoring.engine import EngineScores, Ints, OpenSession
from aios_core.scoring.explain import Explainer
from aios_core.scoring.novelty import Scale
from aios_core.scoring.session import Session
from aios_core.scoring.tokenizer import Bags, Tokenizer, as_texts
from aios_core.scoring.vocabulary import Vocabulary
from aios_core.scoring.wording import BagNovelty, total_surprise

IDS, WEIGHTS, PROBABILITIES, COEFFICIENTS = "ids", "weights", "probabilities", "coefficients"
LOGITS, WORDING = "logits", "wording"  # of versions that know novelty


class LinearText:
    """A tokenizer, the customer encoding and a session, as one engine."""

    def __init__(
        self,
        *,
        vocabulary: Vocabulary,
        encoding: CustomerEncoding,
        classes: int,
        session: Session,
        onnx: bytes,
        novelty: tuple[BagNovelty, Scale] | None = None,
    ) -> None:
        self._tokenizer = Tokenizer(vocabulary)
        self._encoding = encoding
        self._classes = classes
        self._session = session
        self._onnx = onnx
        self._pad = vocabulary.size + encoding.size
        self.padding = Padding()
        self._novelty = novelty
        self._outputs = {PROBABILITIES: classes} | ({} if novelty is None else {LOGITS: classes, WORDING: 1})

    @staticmethod
    def from_files(manifest: Mapping[str, Any], files: Mapping[str, bytes], open_session: OpenSession) -> "LinearText":
        state, scale = BagNovelty.of_version(manifest, files), Scale.of_version(manifest)
        return LinearText(
            vocabulary=Vocabulary.from_files(files),
            encoding=CustomerEncoding.from_json(manifest["customer"]),
            classes=len(manifest["classes"]),
            session=open_session(files["model.onnx"]),
            onnx=files["model.onnx"],
            novelty=None if state is None or scale is None else (state, scale),
        )

    def score(self, features: pa.RecordBatch) -> EngineScores:
        texts = as_texts(features.column("text"))
        bags = self._tokenizer.bags(texts)
        answers = self._run(bags, *self._facts(features))
        return EngineScores(
            probabilities=answers[PROBABILITIES],
            unseen_share=bags.unseen_share,
            text_length=texts.lengths,
            novelty=self._novelty_of(answers, bags),
        )

    def explain(self, features: pa.RecordBatch, best: Ints, *, stage: pa.Array | None, count: int) -> pa.ListArray:  # noqa: ARG002
        texts = as_texts(features.column("text"))
        bags = self._tokenizer.bags(texts)
        return self._explainer.top_terms(texts, bags, *self._facts(features), best=best, count=count)

    def _facts(self, features: pa.RecordBatch) -> tuple[Ints, npt.NDArray[np.float64]]:
        """Ids, which follow those of the text's terms, and weights of a row's customer facts."""
        ids, weights = self._encoding.apply(features)
        return ids + self._tokenizer.vocabulary.size, weights

    def _novelty_of(self, answers: Mapping[str, npt.NDArray[np.float32]], bags: Bags) -> npt.NDArray[np.float64] | None:
        if self._novelty is None:
            return None
        state, scale = self._novelty
        surprise = total_surprise(
            answers[WORDING][:, 0], norms=bags.norms[:, 0], unseen=bags.unseen, unseen_surprise=state.unseen_surprise
        )
        raw = state.raw(answers[LOGITS], answers[PROBABILITIES], total_surprise=surprise, words=bags.words)
        return scale.normalised(raw)

    def _run(
        self, bags: Bags, fact_ids: npt.NDArray[np.int64], fact_weights: npt.NDArray[np.float64]
    ) -> dict[str, npt.NDArray[np.float32]]:
        from aios_core.scoring import kernels

        lengths = np.diff(bags.start) + fact_ids.shape[1]
        result = {name: np.empty((lengths.size, width), np.float32) for name, width in self._outputs.items()}
        cells = 0
        for length, rows in runs(lengths, self._classes):
            ids, weights = kernels.rectangle(
                bags.start, bags.ids, bags.weights, fact_ids, fact_weights, rows, length, self._pad
            )
            answer = self._session.run({IDS: ids, WEIGHTS: weights}, list(result))
            for name, values in answer.items():
                result[name][rows] = values
            cells += ids.size
        self.padding.add(int(lengths.sum()), cells)
        return result

    @cached_property
    def _explainer(self) -> Explainer:
        return Explainer(self._tokenizer, coefficients=self._coefficients, fact_terms=self._encoding.terms)

    @property
    def _coefficients(self) -> npt.NDArray[np.float32]:
        """Read from the graph itself: a second copy beside it could differ from what scores."""
        import onnx
        from onnx import numpy_helper

        for initializer in onnx.load_from_string(self._onnx).graph.initializer:
            if initializer.name == COEFFICIENTS:
                return numpy_helper.to_array(initializer)
        raise ModelError(f"model.onnx has no initializer named {COEFFICIENTS}; register the version again")
