"""The kind `encoder` as an engine: texts in, calibrated probabilities and novelty out.

What belongs here: what a feature batch becomes. What does not: embedding (`text.py`), the graphs and the head's fit
(`aios_core/training/encoder/`).
"""

from collections.abc import Mapping
from typing import Any

import numpy as np
import pyarrow as pa

from aios_core.scoring.encoder.text import NOVELTY, PROBABILITIES, TextEncoder
from aios_core.scoring.engine import EngineScores, Ints, OpenSession
from aios_core.scoring.novelty import Scale


class Encoder:
    """An encoder with its head. Contributing terms are not known to it."""

    def __init__(self, *, text: TextEncoder, scale: Scale | None) -> None:
        self._text, self._scale = text, scale
        self.padding = text.padding

    @staticmethod
    def from_files(manifest: Mapping[str, Any], files: Mapping[str, bytes], open_session: OpenSession) -> "Encoder":
        said = manifest["encoder"]
        text = TextEncoder.from_files(files, open_session, max_tokens=said["max_tokens"], run_tokens=said["run_tokens"])
        return Encoder(text=text, scale=Scale.of_version(manifest))

    def score(self, features: pa.RecordBatch) -> EngineScores:
        texts = [text or "" for text in features.column("text").to_pylist()]
        windows = self._text.tokens.windows(texts)
        found = self._text.run(windows, (PROBABILITIES, NOVELTY))
        return EngineScores(
            probabilities=found[PROBABILITIES],
            unseen_share=windows.unknown / np.maximum(windows.tokens, 1),
            text_length=np.fromiter(map(len, texts), np.int64, len(texts)),
            novelty=None if self._scale is None else self._scale.normalised(found[NOVELTY]),
        )

    def explain(self, features: pa.RecordBatch, best: Ints, *, stage: pa.Array | None, count: int) -> None:  # noqa: ARG002
        return None
