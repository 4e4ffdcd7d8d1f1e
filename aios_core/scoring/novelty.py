"""Novelty: how far a row is from what a model version was made from, in units of that version's own limit.

What belongs here: the limit, the normalisation and the raw scores that any kind can use. What does not: a kind's own raw score
(`wording.py` for linear bags), choosing the limit from held-back data (`aios_core/training/novelty.py`), and what follows from a
novel row (`aios_core/decisions/proposal.py`).

A surer class is not a known one: a classifier has to name one of its classes, whatever it is shown. So each version carries a
raw score of its own, larger for stranger rows, and two numbers from rows that its fits had not seen: the median and the limit.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, TypeGuard

import numpy as np
import numpy.typing as npt

Floats = npt.NDArray[np.float64]

LIMIT = 1.0
_NARROWEST = 1e-9


@dataclass(frozen=True, slots=True, kw_only=True)
class Scale:
    """Where a version's raw novelty scores are typical (`center`) and where they end being so (`limit`)."""

    center: float
    limit: float

    def normalised(self, raw: npt.NDArray[np.floating]) -> Floats:
        """0 at the center, 1 at the limit. Where held-back rows were all alike, whatever is beyond them is far beyond 1."""
        result: Floats = (raw.astype(np.float64) - self.center) / max(self.limit - self.center, _NARROWEST)
        return result

    @staticmethod
    def of_version(manifest: Mapping[str, Any]) -> "Scale | None":
        """The scale that a version's manifest states; None for a version that knows no novelty."""
        said = manifest.get("novelty")
        return None if said is None else Scale(center=float(said["center"]), limit=float(said["limit"]))


def is_novel(novelty: float | None) -> TypeGuard[float]:
    """Beyond the limit; what is no number is novel too, and what is not known (None) is not."""
    return novelty is not None and not novelty <= LIMIT


def energy(margins: npt.NDArray[np.floating]) -> Floats:
    """A raw score for any classifier: minus the log of the summed exponentials of a row's calibrated margins (rows x classes).

    Liu et al., "Energy-based Out-of-distribution Detection" (2020). It keeps what softmax divides away: whether any class
    speaks for the row at all.
    """
    wide = margins.astype(np.float64)
    top = wide.max(axis=1)
    result: Floats = -(top + np.log(np.exp(wide - top[:, None]).sum(axis=1)))
    return result
