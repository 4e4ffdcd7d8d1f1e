"""What a kind of model is to the rest: feature batches in, numbers aligned with their rows out.

What belongs here: the interface. What does not: the kinds (a module each beside this one) and the choice among them
(`model.py`).
"""

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any, Protocol

import numpy as np
import numpy.typing as npt
import pyarrow as pa

from aios_core.scoring.session import Session

OpenSession = Callable[[bytes], Session]
Ints = npt.NDArray[np.int64]


@dataclass(frozen=True, slots=True, kw_only=True)
class EngineScores:
    """Scores of one batch, aligned with its rows.

    `probabilities` is rows x classes, calibrated. `novelty` is 0 for what is typical of the training data and 1 at the
    version's limit; None where a version knows no novelty. `stage` names the part of a cascade that answered.
    """

    probabilities: npt.NDArray[np.float32]
    unseen_share: npt.NDArray[np.float64]
    text_length: npt.NDArray[np.int64]
    novelty: npt.NDArray[np.float64] | None = None
    stage: pa.Array | None = None


class Engine(Protocol):
    """One kind of model, loaded. Safe to share between threads; a row's numbers do not depend on the rows around it."""

    def score(self, features: pa.RecordBatch) -> EngineScores: ...

    def explain(
        self, features: pa.RecordBatch, best: Ints, *, stage: pa.Array | None, count: int
    ) -> pa.ListArray | None:
        """Up to `count` terms a row that speak for class `best` (`schema.TERM`, strongest first); None: this kind knows none.

        `stage` is what the scores said. Apart from scoring, since most scores are never looked at.
        """
        ...


class EngineFromFiles(Protocol):
    """How a kind is loaded: its manifest, its files (checked already), and what opens a session of one of its graphs."""

    def __call__(
        self, manifest: Mapping[str, Any], files: Mapping[str, bytes], open_session: OpenSession
    ) -> Engine: ...
