"""Logistic regression over customer facts: fit, margins, and scikit-learn's own pipeline to compare with.

What belongs here: scikit-learn's LogisticRegression over the bag of facts. What does not: what the bag is
(`aios_core/features/encoding.py`) and the graph, which is `linear_text`'s (`aios_core/training/graph.py`).
"""

import math
import warnings
from typing import Any

import numpy as np
import numpy.typing as npt
import pyarrow as pa

from aios_core.automation import Features, TabularModel
from aios_core.features.build import PREFIX
from aios_core.features.encoding import CLIP, WEIGHT, CustomerEncoding, FactState, fit_encoding
from aios_core.scoring.model import MODEL_FILE
from aios_core.training.calibration import softmax
from aios_core.training.graph import bag_graph, graph_interface
from aios_core.training.linear import ABSENT

Floats = npt.NDArray[np.float64]
Ints = npt.NDArray[np.int64]
MAX_ITER = 1_000


class Logistic:
    """A fit on some rows. `margins` are rows x classes; a class that those rows did not have is far behind."""

    def __init__(
        self, *, encoding: CustomerEncoding, classifier: Any, present: Ints, classes: int, converged: bool
    ) -> None:
        self.encoding = encoding
        self.converged = converged
        self._classifier = classifier
        self._present = present
        self._classes = classes

    @staticmethod
    def fit(features: pa.Table, labels: Ints, *, classes: int, model: TabularModel, spec: Features) -> "Logistic":
        from sklearn.exceptions import ConvergenceWarning
        from sklearn.linear_model import LogisticRegression

        encoding, present = fit_encoding(features, spec), np.unique(labels)
        classifier, converged = None, True
        if present.size > 1:
            classifier = LogisticRegression(C=model.regularization, max_iter=MAX_ITER)
            with warnings.catch_warnings(record=True) as caught:
                warnings.simplefilter("always", ConvergenceWarning)
                classifier.fit(_design(encoding, features), labels)
            converged = not any(issubclass(w.category, ConvergenceWarning) for w in caught)
        return Logistic(encoding=encoding, classifier=classifier, present=present, classes=classes, converged=converged)

    def margins(self, features: pa.Table) -> Floats:
        coefficients, intercepts = self._plain()
        result: Floats = np.asarray(_design(self.encoding, features) @ coefficients) + intercepts
        return result

    def own_files(self, temperature: float) -> dict[str, bytes]:
        coefficients, intercepts = self._plain()
        # the encoding's weights are a quarter of what was fitted on, so that facts don't outweigh text elsewhere
        return {MODEL_FILE: bag_graph(coefficients / WEIGHT, intercepts, temperature=temperature)}

    def interface(self) -> dict[str, object]:
        return graph_interface(self._classes)

    def summary(self) -> str:
        return f"logistic regression over {len(self.encoding.facts)} customer facts in {self.encoding.size} terms"

    def truth(self, temperature: float) -> "LogisticPipeline":
        return LogisticPipeline(self, temperature)

    def decide(self, design: Any) -> Floats:
        """scikit-learn's own margins, spread over all classes."""
        result = np.full((design.shape[0], self._classes), ABSENT)
        decided = self._classifier.decision_function(design)
        result[:, self._present] = np.column_stack([-decided / 2, decided / 2]) if decided.ndim == 1 else decided
        return result

    def _plain(self) -> tuple[Floats, Floats]:
        """Coefficients (terms x classes) and intercepts."""
        coefficients, intercepts = np.zeros((self.encoding.size, self._classes)), np.full(self._classes, ABSENT)
        if self._classifier is None:
            intercepts[self._present] = 0.0
            return coefficients, intercepts
        learned, bias = self._classifier.coef_, self._classifier.intercept_
        if self._present.size == 2:
            learned, bias = np.vstack([-learned / 2, learned / 2]), np.concatenate([-bias / 2, bias / 2])
        coefficients[:, self._present] = learned.T
        intercepts[self._present] = bias
        return coefficients, intercepts


class LogisticPipeline:
    """`predict_proba` from raw values by scikit-learn's vectorizer and classifier; shares no code with the version."""

    def __init__(self, fitted: Logistic, temperature: float) -> None:
        from sklearn.feature_extraction import DictVectorizer

        self._fitted = fitted
        self._temperature = temperature
        self._vectorizer = DictVectorizer(sort=False).fit([dict.fromkeys(fitted.encoding.terms, 1.0)])

    def predict_proba(self, features: pa.Table) -> Floats:
        facts = self._fitted.encoding.facts
        columns = [features.column(PREFIX + fact.name).to_pylist() for fact in facts]
        named = [
            dict(_entry(fact, value) for fact, value in zip(facts, row, strict=True))
            for row in zip(*columns, strict=True)
        ]
        return softmax(self._fitted.decide(self._vectorizer.transform(named)) * self._temperature)


def _design(encoding: CustomerEncoding, features: pa.Table) -> Any:
    """The bag as a sparse matrix of unit weights: a standardised number, or 1 for a category."""
    from scipy import sparse

    ids, weights = encoding.apply(features)
    starts = np.arange(ids.shape[0] + 1) * ids.shape[1]
    return sparse.csr_matrix((weights.ravel() / WEIGHT, ids.ravel(), starts), shape=(ids.shape[0], encoding.size))


def _entry(fact: FactState, value: Any) -> tuple[str, float]:
    """One fact of one row by the rules that `features/encoding.py` states."""
    if value is None or (fact.kind == "numeric" and not math.isfinite(value)):
        return f"{fact.name} missing", 1.0
    if fact.kind == "numeric":
        return fact.name, max(-CLIP, min(CLIP, (value - fact.mean) / fact.scale))
    return (f"{fact.name}={value}" if value in fact.values else f"{fact.name} unseen"), 1.0
