"""Do the exported version and scikit-learn agree? A version that does not may not be registered.

What belongs here: the comparison. What does not: the pipeline that is compared with (`pipeline.py`).
"""

from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np
import pyarrow as pa

from aios_core.scoring.engine import OpenSession
from aios_core.scoring.model import ScoringModel
from aios_core.training.fit import Fitted
from aios_core.training.pipeline import StringPipeline

TOLERANCE = 1e-4
CHUNK = 4_096


@dataclass(frozen=True, slots=True)
class Parity:
    """How scikit-learn's string pipeline and the exported version compare on the same rows."""

    rows: int
    label_mismatches: int
    max_probability_error: float

    @property
    def agrees(self) -> bool:
        """Labels equal on every row, probabilities within 1e-4."""
        return self.label_mismatches == 0 and self.max_probability_error <= TOLERANCE


def parity(fitted: Fitted, files: Mapping[str, bytes], features: pa.Table, open_session: OpenSession) -> Parity:
    """Score `features` both ways. `open_session` makes a session of the exported graph."""
    model = ScoringModel.from_files(files, open_session)
    truth = StringPipeline(fitted)
    mismatches, error = 0, 0.0
    for start in range(0, features.num_rows, CHUNK):
        chunk = features.slice(start, CHUNK)
        expected = truth.predict_proba(chunk)
        scored = model.score_batch(chunk)
        found = np.array(scored.column("probabilities").flatten()).reshape(expected.shape)
        labels = np.array(fitted.assessed.classes)[expected.argmax(axis=1)]
        mismatches += int((labels != np.array(scored.column("queue").to_pylist())).sum())
        error = max(error, float(np.abs(found - expected).max(initial=0.0)))
    return Parity(features.num_rows, mismatches, error)
