"""The words and facts that speak for a prediction.

What belongs here: contributions of a linear model's terms, gathered into what a person can read. What does not: probabilities,
and the loop that sums them (`kernels.py`).

Character n-grams mean nothing to people, so their contributions go to the word they were cut from. A contribution is weight
times coefficient for the predicted class, in calibrated log-odds units; the sum over all terms, with the bias, is the score.
"""

import numpy as np
import numpy.typing as npt
import pyarrow as pa

from aios_core.scoring.schema import TERM
from aios_core.scoring.tokenizer import Bags, Texts, Tokenizer

DECIMALS = 4

Ints = npt.NDArray[np.int64]
Floats = npt.NDArray[np.float64]


class Explainer:
    """Names the terms of one model: `coefficients` are ids x classes (or more columns), facts after terms, named by `fact_terms`."""

    def __init__(self, tokenizer: Tokenizer, *, coefficients: npt.NDArray[np.float32], fact_terms: list[str]) -> None:
        from aios_core.scoring import kernels, lexicon

        self._tokenizer = tokenizer
        self._by_class = np.array(coefficients.T, np.float32, order="C")
        self._facts = lexicon.flat(fact_terms)
        self._kernel = kernels.top_terms

    def top_terms(
        self, texts: Texts, bags: Bags, fact_ids: Ints, fact_weights: Floats, *, best: Ints, count: int
    ) -> pa.ListArray:
        """Up to `count` terms a row that speak for its predicted class, strongest first; equal ones in text order."""
        with self._tokenizer.memory() as memory:
            lists, names, text, values = self._kernel(
                self._tokenizer.lexicon, memory, texts.data, texts.starts, texts.ends, best, bags.norms, self._by_class,
                fact_ids, fact_weights, *self._facts, count, 10.0**DECIMALS,
            )  # fmt: skip
        named = pa.StringArray.from_buffers(values.size, pa.py_buffer(names), pa.py_buffer(text))
        entries = pa.StructArray.from_arrays([named, pa.array(values)], fields=list(TERM))
        return pa.ListArray.from_arrays(pa.array(lists), entries)
