"""The peers' model: scikit-learn's vectorizers and classifier, one call a batch.

What belongs here: scoring. What does not: either server. It runs in the peers' environment, so it imports nothing of this project.
"""

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np

DECIMALS = 6  # as ours: shorter numbers are cheaper JSON


class TextModel:
    """`temperature` None: the classifier has probabilities of its own; else they are the softmax of its margins times that."""

    def __init__(self, objects: Mapping[str, Any]) -> None:
        self.classes: list[str] = objects["classes"]
        self._vectorizers = objects["vectorizers"]
        self._classifier = objects["classifier"]
        self._temperature = objects["temperature"]

    @staticmethod
    def load(path: str) -> "TextModel":
        import joblib

        return TextModel(joblib.load(path))

    def probabilities(self, texts: Sequence[str]) -> np.ndarray:
        """Rows x classes. By hand: a FeatureUnion in a Pipeline does the same with bookkeeping of its own at every call."""
        from scipy import sparse

        blocks = [vectorizer.transform(texts) for vectorizer in self._vectorizers]
        bag = blocks[0] if len(blocks) == 1 else sparse.hstack(blocks, format="csr")
        if self._temperature is None:
            found = self._classifier.predict_proba(bag)
        else:
            margins = self._classifier.decision_function(bag) * self._temperature
            exact = np.exp(margins - margins.max(axis=1, keepdims=True))
            found = exact / exact.sum(axis=1, keepdims=True)
        return np.round(found, DECIMALS)
