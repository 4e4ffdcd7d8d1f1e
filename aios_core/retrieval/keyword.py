"""BM25 over whole articles and over passages, as the share of a question's weight that a text has.

What belongs here: counting words, by the library bm25s. What does not: cutting them (`words.py`) and joining with embeddings (`index.py`).

A raw BM25 score grows with the question, so that two questions' scores can't be compared. Divided by what a text would score that has
every word of the question, each as often as one likes, it lies between 0 and 1, and words that no article has count as missing.
"""

import math
from collections.abc import Sequence
from typing import Any, Final

import numpy as np
import numpy.typing as npt

K1: Final = 1.2
B: Final = 0.75

Floats = npt.NDArray[np.float32]


class KeywordIndex:
    """Texts as lists of words. Safe to share between threads."""

    def __init__(self, texts: Sequence[Sequence[str]]) -> None:
        self._count = len(texts)
        self._found: dict[str, int] = {}
        self._scores: Any = None
        for text in texts:
            for word in set(text):
                self._found[word] = self._found.get(word, 0) + 1
        if self._found:
            import bm25s

            self._scores = bm25s.BM25(k1=K1, b=B, method="lucene")
            self._scores.index([list(text) for text in texts], show_progress=False)

    def shares(self, question: Sequence[str]) -> Floats:
        """One number a text, from 0 to 1; 0 throughout for a question without words."""
        known = [word for word in question if word in self._found]
        if not known:
            return np.zeros(self._count, np.float32)
        whole = sum(self._weight(word) for word in question)
        found: Floats = np.asarray(self._scores.get_scores(known), np.float32) / np.float32(whole)
        return found

    def _weight(self, word: str) -> float:
        """The inverse document frequency as Lucene has it, above 0 also for a word that every text has."""
        found = self._found.get(word, 0)
        return math.log(1 + (self._count - found + 0.5) / (found + 0.5))
