"""Gradient boosting over customer facts: fit, margins, and scikit-learn's own pipeline to compare with.

What belongs here: scikit-learn's HistGradientBoostingClassifier. What does not: its graph (`trees.py`).
"""

import math
from typing import Any

import numpy as np
import numpy.typing as npt
import pyarrow as pa

from aios_core.automation import Features, TabularModel
from aios_core.errors import ModelError
from aios_core.features.build import PREFIX
from aios_core.features.encoding import LARGEST, CustomerEncoding, fit_encoding
from aios_core.scoring.model import MODEL_FILE
from aios_core.scoring.tabular import FactColumns
from aios_core.training.calibration import softmax
from aios_core.training.linear import ABSENT
from aios_core.training.tabular.trees import trees_graph, trees_interface

Floats = npt.NDArray[np.float64]
Ints = npt.NDArray[np.int64]


class Boosting:
    """A fit on some rows. `margins` are rows x classes; a class that those rows did not have is far behind."""

    def __init__(self, *, encoding: CustomerEncoding, classifier: Any, present: Ints, classes: int) -> None:
        self.encoding = encoding
        self._columns = FactColumns(encoding.facts)
        self._classifier = classifier
        self._present = present
        self._classes = classes

    @staticmethod
    def fit(features: pa.Table, labels: Ints, *, classes: int, model: TabularModel, spec: Features) -> "Boosting":
        from sklearn.ensemble import HistGradientBoostingClassifier

        fitted = fit_encoding(features, spec).facts
        # scikit-learn puts categories first, and so does everything after it
        encoding = CustomerEncoding(tuple(sorted(fitted, key=lambda fact: fact.kind != "categorical")))
        present = np.unique(labels)
        classifier = None
        if present.size > 1:
            classifier = HistGradientBoostingClassifier(
                max_iter=model.max_iter,
                max_leaf_nodes=model.max_leaf_nodes,
                learning_rate=model.learning_rate,
                categorical_features=[fact.kind == "categorical" for fact in encoding.facts],
                early_stopping=False,
                random_state=0,
            )
            # with several threads the order of its sums, and so the trees, would depend on the machine
            with _one_thread():
                classifier.fit(_learnable(encoding, features), labels)
        return Boosting(encoding=encoding, classifier=classifier, present=present, classes=classes)

    def margins(self, features: pa.Table) -> Floats:
        return self.decide(self._columns.matrix(features))

    def decide(self, matrix: npt.NDArray[np.float32]) -> Floats:
        """scikit-learn's own margins, spread over all classes."""
        result = np.full((matrix.shape[0], self._classes), ABSENT)
        if self._classifier is None:
            result[:, self._present] = 0.0
            return result
        with _one_thread():
            decided = self._classifier.decision_function(matrix)
        result[:, self._present] = np.column_stack([-decided / 2, decided / 2]) if decided.ndim == 1 else decided
        return result

    def own_files(self, temperature: float) -> dict[str, bytes]:
        """The graph. Raises ModelError where scikit-learn's categories are not the ones that were counted."""
        self._require_categories()
        predictors, baseline = self._trees()
        graph = trees_graph(predictors, baseline, facts=len(self.encoding.facts), temperature=temperature)
        return {MODEL_FILE: graph}

    def interface(self) -> dict[str, object]:
        return trees_interface(facts=len(self.encoding.facts), classes=self._classes)

    def summary(self) -> str:
        trees = [tree for iteration in self._trees()[0] for tree in iteration]
        leaves = sum(tree.get_n_leaf_nodes() for tree in trees)
        return f"{len(trees):,} boosted trees with {leaves:,} leaves over {len(self.encoding.facts)} customer facts"

    def truth(self, temperature: float) -> "BoostingPipeline":
        return BoostingPipeline(self, temperature)

    def _trees(self) -> tuple[list[list[Any]], Floats]:
        """Predictors, iterations x trees an iteration, and the baseline that they start from."""
        return self._classifier._predictors, self._classifier._baseline_prediction  # noqa: SLF001  # as converters read them

    def _require_categories(self) -> None:
        """A category's number must be its place among the kept values: scikit-learn numbers those it met in the fit."""
        preprocessor = self._classifier._preprocessor  # noqa: SLF001  # its trees have no public form; parity watches over it
        if preprocessor is None:
            return
        met = preprocessor.named_transformers_["encoder"].categories_
        kept = [fact for fact in self.encoding.facts if fact.kind == "categorical"]
        for fact, categories in zip(kept, met, strict=True):
            known = [float(c) for c in categories if not math.isnan(float(c))]
            if known != list(map(float, range(len(fact.values)))):
                raise ModelError(
                    f"crm_{fact.name}: scikit-learn met {len(known)} categories where {len(fact.values)} were counted; "
                    "report this with the training set"
                )


def _one_thread() -> Any:
    from threadpoolctl import threadpool_limits

    return threadpool_limits(limits=1, user_api="openmp")


def _learnable(encoding: CustomerEncoding, features: pa.Table) -> npt.NDArray[np.float32]:
    """The matrix, a number that no row has made constant: scikit-learn fails on such a column, and never splits a constant."""
    matrix = FactColumns(encoding.facts).matrix(features)
    numeric = np.array([fact.kind == "numeric" for fact in encoding.facts])
    matrix[:, numeric & np.isnan(matrix).all(axis=0)] = 0.0
    return matrix


class BoostingPipeline:
    """`predict_proba` from raw values by scikit-learn's encoder and classifier; shares no code with the version."""

    def __init__(self, fitted: Boosting, temperature: float) -> None:
        from sklearn.preprocessing import OrdinalEncoder

        self._fitted = fitted
        self._temperature = temperature
        facts = fitted.encoding.facts
        self._categorical = [fact for fact in facts if fact.kind == "categorical"]
        self._numeric = [fact for fact in facts if fact.kind == "numeric"]
        self._encoder = None
        if self._categorical:
            values = [np.array([*fact.values] or [""], object) for fact in self._categorical]
            self._encoder = OrdinalEncoder(
                categories=values, handle_unknown="use_encoded_value", unknown_value=np.nan, dtype=np.float64
            ).fit(np.array([[column[0] for column in values]], object))

    def predict_proba(self, features: pa.Table) -> Floats:
        columns = []
        if self._encoder is not None:
            raw = [features.column(PREFIX + fact.name).to_pylist() for fact in self._categorical]
            named = np.array(
                [[value if value is not None else "\0" for value in row] for row in zip(*raw, strict=True)], object
            )
            columns.append(self._encoder.transform(named))
        for fact in self._numeric:
            raw_numbers = features.column(PREFIX + fact.name).to_pylist()
            columns.append(np.array([[_number(value)] for value in raw_numbers], np.float64))
        matrix = np.hstack(columns).astype(np.float32)
        return softmax(self._fitted.decide(matrix) * self._temperature)


def _number(value: Any) -> float:
    if value is None or not math.isfinite(value):
        return math.nan
    return max(-LARGEST, min(LARGEST, float(value)))
