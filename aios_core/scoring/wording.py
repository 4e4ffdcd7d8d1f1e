"""How strange a bag of words is to a linear model: the raw novelty of the kind `linear_text`.

What belongs here: the three signs, how they become one number, and their fitted state. What does not: fitting that state
(`aios_core/training/wording.py`), the version's limit (`novelty.py`) and cutting text (`tokenizer.py`).

- *Surprise*: minus the mean log probability of a row's words, each after the one before it, under the training data's words
  and pairs of words. Names, numbers and typing errors are rare in any ticket; what stands around them is not.
- *Doubt*: the log odds against the predicted class.
- *Misfit*: one minus the correlation of a row's margins with those that the predicted class usually has. A ticket of a class that
  the model was never shown may lie far on one class's side, but the classes behind it come in an order of their own.

A row more surprising than 98 of 100 known rows is beyond all others, however well it suits a class: any words suit one. Within
that, rows are ranked by all three. Why these signs and not others: `docs/adr/0010-novelty.md`.

The log probability is a sum over terms, so it is one more column of the graph's product: it costs what one more class would.
"""

import io
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt

from aios_core.errors import ModelError

METHOD = "margins_and_wording"
PATTERNS_FILE = "novelty.npy"

PRIOR_WORDS = 2.0  # of usual surprise in every row: one odd word among three says less than ten among thirty
SURPRISE_SHARE = 0.2  # beside doubt and misfit, where rows are ranked
SUREST = 1e-4  # the doubt of a surer row is that of this one: float32 tells little more of what is next to 1
# What hardly varies over known rows must not turn noise into novelty, so a unit is at least this wide.
NARROWEST = {"doubt": 0.05, "misfit": 1e-3, "surprise": 0.05, "rank": 0.05}

Ints = npt.NDArray[np.int64]
Floats = npt.NDArray[np.float64]


@dataclass(frozen=True, slots=True)
class Unit:
    """What is usual: 0 at the median of known rows, 1 where 98 of 100 of them stay below."""

    center: float
    width: float

    def of(self, values: Floats) -> Floats:
        result: Floats = (values - self.center) / self.width
        return result


@dataclass(frozen=True, slots=True, kw_only=True)
class BagNovelty:
    """The fitted state. `patterns` has a row a class: its usual margins, centered, of length 1.

    `unseen_surprise` is that of a word which no known term contains, `usual_surprise` that of a word of a known row.
    """

    units: Mapping[str, Unit]
    patterns: Floats
    unseen_surprise: float
    usual_surprise: float

    def raw(
        self,
        margins: npt.NDArray[np.floating],
        probabilities: npt.NDArray[np.floating],
        *,
        total_surprise: Floats,
        words: Ints,
    ) -> Floats:
        """The raw novelty of each row, from that row alone: between -1 and 1 for usual words, above 2 for strange ones.

        `margins` may be scaled by any factor.
        """
        doubt, misfit = class_signs(margins, probabilities, self.patterns)
        surprise = self.units["surprise"].of(mean_surprise(total_surprise, words, usual=self.usual_surprise))
        rank = self.units["rank"].of(self.joined(doubt, misfit, surprise))
        return np.where(surprise > 1.0, 1.0 + surprise, rank / (1.0 + np.abs(rank)))

    def joined(self, doubt: Floats, misfit: Floats, surprise: Floats) -> Floats:
        """All signs together, `surprise` in its unit."""
        return self.units["doubt"].of(doubt) + self.units["misfit"].of(misfit) + SURPRISE_SHARE * surprise

    def to_json(self) -> dict[str, Any]:
        """The part of the state that a manifest holds."""
        units = {name: [self.units[name].center, self.units[name].width] for name in NARROWEST}
        return {"units": units, "unseen_surprise": self.unseen_surprise, "usual_surprise": self.usual_surprise}

    def to_files(self) -> dict[str, bytes]:
        """The part of the state that is a file of its own."""
        buffer = io.BytesIO()
        np.save(buffer, self.patterns, allow_pickle=False)
        return {PATTERNS_FILE: buffer.getvalue()}

    @staticmethod
    def of_version(manifest: Mapping[str, Any], files: Mapping[str, bytes]) -> "BagNovelty | None":
        """The state of a version; None for one that was made before there was novelty. Raises ModelError where it is damaged."""
        said = manifest.get("novelty")
        if said is None:
            return None
        if said.get("method") != METHOD:
            raise ModelError(
                f"the manifest's novelty method {said.get('method')!r} is not known here (it knows {METHOD}); "
                "update the code or promote another version"
            )
        try:
            patterns = np.load(io.BytesIO(files[PATTERNS_FILE]), allow_pickle=False).astype(np.float64)
            state = BagNovelty(
                units={name: Unit(*map(float, said["units"][name])) for name in NARROWEST},
                patterns=patterns,
                unseen_surprise=float(said["unseen_surprise"]),
                usual_surprise=float(said["usual_surprise"]),
            )
        except (KeyError, ValueError, TypeError, EOFError) as error:
            raise ModelError(
                f"the manifest's `novelty` or {PATTERNS_FILE} can't be read ({type(error).__name__}: {error}); "
                "restore the version from a copy, or train and register it again"
            ) from error
        classes = len(manifest["classes"])
        if patterns.shape != (classes, classes):
            raise ModelError(
                f"{PATTERNS_FILE} has shape {patterns.shape} for {classes} classes; "
                "restore the version from a copy, or train and register it again"
            )
        return state


def total_surprise(sums: npt.NDArray[np.floating], *, norms: Floats, unseen: Ints, unseen_surprise: float) -> Floats:
    """The surprise of all words of a row, in nats.

    `sums` are the rows' products with the column of terms' surprise over idf, `norms` the length of each row's word weights before
    they were divided by it, `unseen` how many of its words no known term contains.
    """
    result: Floats = sums.astype(np.float64) * norms + unseen * unseen_surprise
    return result


def mean_surprise(total: Floats, words: Ints, *, usual: float) -> Floats:
    """Surprise a word, in nats; a row without words is as usual as words can be."""
    result: Floats = (total + PRIOR_WORDS * usual) / (words + PRIOR_WORDS)
    return result


def class_signs(
    margins: npt.NDArray[np.floating], probabilities: npt.NDArray[np.floating], patterns: Floats
) -> tuple[Floats, Floats]:
    """Doubt and misfit of each row (rows x classes)."""
    from aios_core.scoring import kernels

    doubt, misfit = np.empty(len(margins)), np.empty(len(margins))
    kernels.class_signs(margins, probabilities, patterns, SUREST, doubt, misfit)
    return doubt, misfit
