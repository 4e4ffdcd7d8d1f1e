"""The head of an encoder: what is fitted on its embeddings.

What belongs here: the classifier, the centers that novelty is measured from, and both as the graph's `Head`. What does not: folds and
calibration (`train.py`).

One thread: on two busy cores the same fit took 1 s with one BLAS thread and 17 s with two, which waited for each other.

Novelty, measured with MiniLM on banking77 (AUROC of ten left-out intents, twice, and share of texts from elsewhere beyond the limit
with 77 and with 8 queues): largest probability 0.85, 0.86, 53%, 9%; energy 0.82, 0.80, 95%, 15%; cosine to class means 0.83, 0.76,
100%, 96%; to 256 centers 0.89, 0.83, 100%, 100%; to centers plus largest probability 0.90, 0.88, 99.5%, 99.4%: the last is used.
"""

import warnings
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt

from aios_core.training.encoder.assemble import Head
from aios_core.training.novelty import KNOWN_SHARE

METHOD = "centers_and_doubt"
ABSENT = -20.0  # margin of a class that the fitted rows did not have; fitted margins stay well above
MAX_ITER, TOLERANCE = 500, 1e-4
CENTERS, ROWS_A_CENTER, CENTER_ROUNDS = 256, 20, 15
SHARED = 5  # a center of fewer texts would be those texts
NARROWEST = 1e-3

Floats = npt.NDArray[np.float64]
Ints = npt.NDArray[np.int64]


@dataclass(frozen=True, slots=True, kw_only=True)
class Classifier:
    """A logistic regression as plain numbers, in the order of the model's classes; `fitted` is scikit-learn's own object."""

    coefficients: Floats
    intercepts: Floats
    converged: bool
    fitted: Any

    def margins(self, embeddings: npt.NDArray[np.floating]) -> Floats:
        """Rows x classes."""
        result: Floats = embeddings.astype(np.float64) @ self.coefficients + self.intercepts
        return result


@dataclass(frozen=True, slots=True, kw_only=True)
class Signs:
    """What novelty is made of, a number a row: one minus the cosine to the nearest center, and one minus the largest probability."""

    distance: Floats
    doubt: Floats


def fit_classifier(
    embeddings: npt.NDArray[np.floating], labels: Ints, *, classes: int, regularization: float
) -> Classifier:
    """Multinomial logistic regression; classes that no row has are put out of reach."""
    from sklearn.exceptions import ConvergenceWarning
    from sklearn.linear_model import LogisticRegression

    coefficients, intercepts = np.zeros((embeddings.shape[1], classes)), np.full(classes, ABSENT)
    present = np.unique(labels)
    if present.size == 1:
        intercepts[present] = 0.0
        return Classifier(coefficients=coefficients, intercepts=intercepts, converged=True, fitted=None)
    classifier = LogisticRegression(C=regularization, max_iter=MAX_ITER, tol=TOLERANCE)
    with one_thread(), warnings.catch_warnings(record=True) as caught:
        warnings.simplefilter("always", ConvergenceWarning)
        classifier.fit(embeddings.astype(np.float64), labels)
    learned, bias = classifier.coef_, classifier.intercept_
    if present.size == 2:  # one margin for two classes: half of it on either side gives the same probabilities
        learned, bias = np.vstack([-learned, learned]) / 2, np.concatenate([-bias, bias]) / 2
    coefficients[:, present] = learned.T
    intercepts[present] = bias
    converged = not any(issubclass(w.category, ConvergenceWarning) for w in caught)
    return Classifier(coefficients=coefficients, intercepts=intercepts, converged=converged, fitted=classifier)


def fit_centers(embeddings: npt.NDArray[np.floating]) -> Floats:
    """Directions around which texts lie (a row each, of length 1), without looking at labels: queues may be coarse."""
    from sklearn.cluster import KMeans

    wanted = int(np.clip(embeddings.shape[0] // ROWS_A_CENTER, 1, CENTERS))
    clusters = KMeans(wanted, n_init=1, max_iter=CENTER_ROUNDS, random_state=0)
    with one_thread(), warnings.catch_warnings():
        warnings.simplefilter(
            "ignore"
        )  # fewer different texts than centers, or not converged: as good as it needs to be
        clusters.fit(embeddings.astype(np.float64))
    sizes = np.bincount(clusters.labels_, minlength=wanted)
    kept = clusters.cluster_centers_[sizes >= min(SHARED, sizes.max())]
    result: Floats = kept / np.maximum(np.linalg.norm(kept, axis=1, keepdims=True), 1e-12)
    return result


def signs(embeddings: npt.NDArray[np.floating], probabilities: Floats, centers: Floats) -> Signs:
    """Of each row, from a head that was not fitted on it."""
    distance = 1.0 - (embeddings.astype(np.float64) @ centers.T).max(axis=1)
    return Signs(distance=distance, doubt=1.0 - probabilities.max(axis=1))


def weights(found: Signs) -> tuple[float, float]:
    """What each sign is multiplied with, so that both go from usual to the limit in the same step."""
    return _weight(found.distance), _weight(found.doubt)


def head(classifier: Classifier, centers: Floats, *, temperature: float, units: tuple[float, float]) -> Head:
    """All of it, as the graph has it."""
    return Head(
        coefficients=classifier.coefficients * temperature,
        intercepts=classifier.intercepts * temperature,
        centers=centers,
        distance_weight=units[0],
        doubt_weight=units[1],
    )


@contextmanager
def one_thread() -> Iterator[None]:
    """Keep the libraries under scikit-learn from starting threads: faster here, and the same sums each time."""
    from threadpoolctl import threadpool_limits

    with threadpool_limits(limits=1):
        yield


def _weight(values: Floats) -> float:
    center, limit = np.quantile(values, (0.5, KNOWN_SHARE))
    return 1.0 / max(float(limit - center), NARROWEST)
