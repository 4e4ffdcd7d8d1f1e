"""Where novelty begins: the center and the limit of a version's raw scores, from rows that its fits had not seen.

What belongs here: choosing those two numbers, and saying how they were chosen. What does not: raw scores
(`aios_core/scoring/novelty.py` and a kind's own) and the sentence in a decision.

The limit is a share of known rows, because known rows are all that training has: what is strange in ways nobody has seen
can't be held back.
"""

from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt

from aios_core.scoring.novelty import LIMIT, Scale

Floats = npt.NDArray[np.float64]

# Of known rows, how many stay within the limit. On banking77 (77 intents; 8 random queues), at 0.97, 0.98 and 0.99: texts from
# elsewhere that are not automated 0.992, 0.992, 0.981; 0.983, 0.978, 0.963, and points of automation lost 1.5, 1.0, 0.6; 1.0, 0.6, 0.3.
KNOWN_SHARE = 0.98


@dataclass(frozen=True, slots=True, kw_only=True)
class Measured:
    """A version's novelty: how raw scores are made (`method`, a stable word), their scale, and how well the limit held.

    `newest_beyond` is the share of the held-back newest rows beyond the limit that the older rows alone would have given.
    """

    method: str
    scale: Scale
    rows: int
    newest_beyond: float

    @property
    def sentences(self) -> list[str]:
        """How novelty is measured and where it ends, for the model card."""
        how = HOW.get(self.method, f"`{self.method}`")
        scale = f"0 is the median of {self.rows:,} tickets that the fits had not seen, 1 the limit that {KNOWN_SHARE:.0%} of them keep"
        return [
            f"Measured by {how}; {scale}. A ticket beyond it goes to a person, however sure its class.",
            f"Of the newest tickets, held back, {self.newest_beyond:.1%} are beyond the limit that the older ones alone give.",
            "It tells what is unlike the training data, not what is wrong: a new subject in familiar words stays within it.",
        ]

    def to_json(self) -> dict[str, Any]:
        """The `novelty` of a manifest."""
        return {
            "method": self.method,
            "center": self.scale.center,
            "limit": self.scale.limit,
            "known_share": KNOWN_SHARE,
            "rows": self.rows,
            "newest_beyond": self.newest_beyond,
        }


HOW = {
    "margins_and_wording": "how unlikely its words are after one another in the training data, and how unlike the usual "
    "margins of its class its own are",
}


def scale_of(raw: Floats) -> Scale:
    """Median and limit of held-back raw scores."""
    center, limit = np.quantile(raw, (0.5, KNOWN_SHARE))
    return Scale(center=float(center), limit=float(limit))


def measure(method: str, *, newest: Floats, older: Floats) -> Measured:
    """The novelty of a version from the raw scores of its held-back newest rows and of its folds' older ones."""
    beyond = scale_of(older).normalised(newest) > LIMIT
    return Measured(
        method=method,
        scale=scale_of(np.concatenate([newest, older])),
        rows=int(newest.size + older.size),
        newest_beyond=round(float(beyond.mean()), 6),
    )
