"""What is known of a version's promises before any outcome: its calibration, and how its scores are to be corrected.

What belongs here: finding the version's frozen held-back rows. What does not: learning from them (`aios_core/monitoring/shift.py`).
"""

from dataclasses import dataclass

import numpy as np

from aios_core.lifecycle.evaluation import EVALUATION_FILE, read_evaluation
from aios_core.monitoring.shift import Correction, learn
from resources.registry import ModelVersion, Registry


@dataclass(frozen=True, slots=True, kw_only=True)
class KnownVersion:
    """A version as the estimate sees it. `correction` is None where it has no held-back rows, or too few."""

    version: int
    classes: tuple[str, ...]
    calibration_error: float
    correction: Correction | None

    @property
    def overstated(self) -> float:
        """What is taken off its confidence."""
        return 0.0 if self.correction is None else self.correction.overstated


class KnownVersions:
    """The versions of one model, each looked at once."""

    def __init__(self, registry: Registry, *, name: str) -> None:
        self._registry, self._name = registry, name
        self._known: dict[int, KnownVersion] = {}

    def get(self, version: int) -> KnownVersion:
        """Raises what the registry raises for a version that is not there."""
        if version not in self._known:
            row = self._registry.get(self._name, version)
            self._known[version] = KnownVersion(
                version=version,
                classes=tuple(row.classes),
                calibration_error=float(row.metrics["ece"]),
                correction=self._learnt(row),
            )
        return self._known[version]

    def _learnt(self, row: ModelVersion) -> Correction | None:
        if EVALUATION_FILE not in row.files:
            return None
        table = read_evaluation(self._registry.file(name=row.name, version=row.version, path=EVALUATION_FILE))
        place = {name: number for number, name in enumerate(row.classes)}
        labels = np.array([place.get(label, -1) for label in table.column("label").to_pylist()], np.int64)
        scores = table.column("probabilities").combine_chunks().flatten().to_numpy()
        return learn(scores, labels, classes=len(row.classes))
