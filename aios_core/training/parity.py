"""Do the exported version and scikit-learn agree? A version that does not may not be registered.

What belongs here: the comparison. What does not: the pipeline that is compared with (`pipeline.py`).
"""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Protocol, runtime_checkable

import numpy as np
import numpy.typing as npt
import pyarrow as pa

from aios_core.scoring.engine import OpenSession
from aios_core.scoring.model import ScoringModel
from aios_core.training.fit import Fitted
from aios_core.training.pipeline import StringPipeline

TOLERANCE = 1e-4
NOVELTY_TOLERANCE = 1e-3  # of novelty, and of each unit of it beyond: its slope is steep and the graph is float32
CHUNK = 4_096


class Truth(Protocol):
    """The library that a model was fitted with, scoring raw rows by its own code: rows x classes, in the classes' order."""

    def predict_proba(self, features: pa.Table) -> npt.NDArray[np.float64]: ...


@runtime_checkable
class TruthWithNovelty(Protocol):
    """A truth that knows the version's novelty too, computed by code of its own."""

    def predict_with_novelty(self, features: pa.Table) -> tuple[npt.NDArray[np.float64], npt.NDArray[np.float64]]: ...


@dataclass(frozen=True, slots=True)
class Parity:
    """How scikit-learn's string pipeline and the exported version compare on the same rows.

    `max_novelty_error` is relative to one plus the novelty; 0 where the truth knows none. `min_agreement` is the share of labels
    that must be equal: all of them, unless the version is in smaller numbers than what it is compared with.
    """

    rows: int
    label_mismatches: int
    max_probability_error: float
    max_novelty_error: float = 0.0
    min_agreement: float = 1.0

    @property
    def agrees(self) -> bool:
        """Labels equal on every row (or as many as must be), probabilities within 1e-4, novelty within 1e-3 of itself."""
        close = self.max_probability_error <= TOLERANCE and self.max_novelty_error <= NOVELTY_TOLERANCE
        return self.label_mismatches <= (1.0 - self.min_agreement) * self.rows and close


def parity(fitted: Fitted, files: Mapping[str, bytes], features: pa.Table, open_session: OpenSession) -> Parity:
    """Score `features` both ways. `open_session` makes a session of the exported graph."""
    return compare(StringPipeline(fitted), files, features, open_session)


def compare(truth: Truth, files: Mapping[str, bytes], features: pa.Table, open_session: OpenSession) -> Parity:
    """Score `features` by the library's own pipeline and by the exported version, whatever its kind."""
    model = ScoringModel.from_files(files, open_session)
    mismatches, error, novelty_error = 0, 0.0, 0.0
    for start in range(0, features.num_rows, CHUNK):
        chunk = features.slice(start, CHUNK)
        novelty = None
        if isinstance(truth, TruthWithNovelty):
            expected, novelty = truth.predict_with_novelty(chunk)
        else:
            expected = truth.predict_proba(chunk)
        scored = model.score_batch(chunk)
        found = np.array(scored.column("probabilities").flatten()).reshape(expected.shape)
        labels = np.array(model.classes)[expected.argmax(axis=1)]
        mismatches += int((labels != np.array(scored.column("queue").to_pylist())).sum())
        error = max(error, float(np.abs(found - expected).max(initial=0.0)))
        if novelty is not None:
            novelty_error = max(novelty_error, _novelty_error(scored, novelty))
    return Parity(features.num_rows, mismatches, error, novelty_error)


def _novelty_error(scored: pa.RecordBatch, expected: npt.NDArray[np.float64]) -> float:
    """Infinite where a version gives no novelty for a row."""
    found = scored.column("novelty").to_numpy(zero_copy_only=False)
    relative = np.abs(found - expected) / (1.0 + np.abs(expected))
    return float(np.nan_to_num(relative, nan=np.inf).max(initial=0.0))
