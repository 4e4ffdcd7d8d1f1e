"""The kind `cascade`: the fast model where it is sure, else the encoder and the fast model together.

What belongs here: who answers, and how two answers become one. What does not: either model (`linear_text.py`, `encoder/`), choosing
the threshold and the weights (`aios_core/training/cascade.py`), and when a person is asked (`aios_core/decisions/`).

A version holds two whole versions, in `fast/` and `encoder/`, and says in its own manifest how they go together.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt
import pyarrow as pa
import pyarrow.compute as pc

from aios_core.errors import ModelError
from aios_core.scoring.engine import Engine, EngineScores, Ints, OpenSession
from aios_core.scoring.novelty import Scale
from aios_core.scoring.schema import DECIMALS, TERM

FAST, ENCODER = "fast", "encoder"
FLOOR = 1e-6  # probabilities are told to six decimals

Floats = npt.NDArray[np.floating]
Mask = npt.NDArray[np.bool_]


@dataclass(frozen=True, slots=True, kw_only=True)
class Rule:
    """The fast model answers from `threshold` on. Below it: softmax of both models' log probabilities, each times its weight."""

    threshold: float
    fast_weight: float
    encoder_weight: float

    def sure(self, fast: Floats) -> Mask:
        """Which rows the fast model answers alone; a row that has no number is not among them."""
        result: Mask = np.round(fast.astype(np.float64).max(axis=1, initial=0.0), DECIMALS) >= self.threshold
        return result

    def joined(self, fast: Floats, encoder: Floats) -> npt.NDArray[np.float64]:
        """Probabilities of rows that both models have answered."""
        logs = [np.log(np.maximum(each.astype(np.float64), FLOOR)) for each in (fast, encoder)]
        margins = self.fast_weight * logs[0] + self.encoder_weight * logs[1]
        shifted = np.exp(margins - margins.max(axis=1, keepdims=True))
        result: npt.NDArray[np.float64] = shifted / shifted.sum(axis=1, keepdims=True)
        return result

    def to_json(self) -> dict[str, float]:
        """The `cascade` of a manifest."""
        return {
            "threshold": self.threshold,
            "fast_weight": self.fast_weight,
            "encoder_weight": self.encoder_weight,
        }


class Cascade:
    """Two engines and the rule between them. Safe to share between threads, as they are."""

    def __init__(self, *, fast: Engine, encoder: Engine, rule: Rule, scale: Scale | None) -> None:
        self._fast, self._encoder, self._rule, self._scale = fast, encoder, rule, scale

    @staticmethod
    def from_files(manifest: Mapping[str, Any], files: Mapping[str, bytes], open_session: OpenSession) -> "Cascade":
        return Cascade(
            fast=_part(FAST, manifest, files, open_session),
            encoder=_part(ENCODER, manifest, files, open_session),
            rule=Rule(**{name: float(value) for name, value in manifest["cascade"].items()}),
            scale=Scale.of_version(manifest),
        )

    def score(self, features: pa.RecordBatch) -> EngineScores:
        fast = self._fast.score(features)
        sure = self._rule.sure(fast.probabilities)
        asked = np.flatnonzero(~sure)
        if not asked.size:
            return self._told(fast, fast.probabilities, fast.novelty, sure)
        encoder = self._encoder.score(features.take(pa.array(asked)))
        probabilities = fast.probabilities.copy()
        probabilities[asked] = self._rule.joined(fast.probabilities[asked], encoder.probabilities)
        novelty = None
        if fast.novelty is not None and encoder.novelty is not None:
            novelty = fast.novelty.copy()
            novelty[asked] = encoder.novelty
        return self._told(fast, probabilities, novelty, sure)

    def explain(
        self, features: pa.RecordBatch, best: Ints, *, stage: pa.Array | None, count: int
    ) -> pa.ListArray | None:
        """The fast model's terms of rows that it answered; they do not speak for the other's answer."""
        terms = self._fast.explain(features, best, stage=None, count=count)
        if terms is None or stage is None:
            return terms
        return _only(terms, pc.equal(stage, FAST).to_numpy(zero_copy_only=False))

    def _told(
        self,
        fast: EngineScores,
        probabilities: npt.NDArray[np.float32],
        novelty: npt.NDArray[np.float64] | None,
        sure: Mask,
    ) -> EngineScores:
        """`novelty` is that of whoever answered, each on its own scale; the cascade's own limit holds for all rows together."""
        return EngineScores(
            probabilities=probabilities,
            unseen_share=fast.unseen_share,  # of every row by the same vocabulary, whoever answered
            text_length=fast.text_length,
            novelty=None if novelty is None or self._scale is None else self._scale.normalised(novelty),
            stage=pa.array(np.where(sure, FAST, ENCODER), pa.string()),
        )


def part_files(files: Mapping[str, bytes], part: str) -> dict[str, bytes]:
    """The files of one of the two versions inside, by their own paths."""
    prefix = f"{part}/"
    return {path.removeprefix(prefix): content for path, content in files.items() if path.startswith(prefix)}


def _part(part: str, manifest: Mapping[str, Any], files: Mapping[str, bytes], open_session: OpenSession) -> Engine:
    from aios_core.scoring.model import ENGINES, read_manifest  # the choice among kinds knows this one

    own = part_files(files, part)
    inner = read_manifest(own)
    if inner["classes"] != manifest["classes"]:
        raise ModelError(
            f"{part}/manifest.json has other classes than the cascade's; train and register the model again"
        )
    if inner["kind"] not in ENGINES or inner["kind"] == manifest["kind"]:
        raise ModelError(
            f"{part}/manifest.json is of kind {inner['kind']}, which can't be a part of a cascade; train it again"
        )
    return ENGINES[inner["kind"]](inner, own, open_session)


def _only(terms: pa.ListArray, sure: Mask) -> pa.ListArray:
    lengths = np.where(sure, terms.value_lengths().to_numpy(zero_copy_only=False), 0)
    offsets = np.concatenate([[0], np.cumsum(lengths)]).astype(np.int32)
    return pa.ListArray.from_arrays(pa.array(offsets), terms.filter(pa.array(sure)).flatten(), type=pa.list_(TERM))
