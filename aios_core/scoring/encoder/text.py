"""Texts to embeddings, and to whatever else an encoder's graph says of them.

What belongs here: from texts through tokens, windows and session runs to numbers a text. What does not: making the graphs
(`aios_core/training/encoder/`) and what a classifier makes of the numbers (`engine.py`).

Two graphs make an encoder. `model.onnx` takes tokens to everything at once. `head.onnx` is its last part alone, from the mean of
the token vectors on: a text of several windows has its windows' means joined, weighted by their tokens, before it.
"""

from collections.abc import Mapping, Sequence

import numpy as np
import numpy.typing as npt

from aios_core.scoring.buckets import Padding
from aios_core.scoring.encoder.runs import CPU_TOKENS, runs
from aios_core.scoring.encoder.tokens import TOKENIZER_FILE, Tokens, Windows
from aios_core.scoring.engine import OpenSession
from aios_core.scoring.session import Session

MODEL_FILE, HEAD_FILE = "model.onnx", "head.onnx"
IDS, MASK = "input_ids", "attention_mask"
POOLED, EMBEDDING, PROBABILITIES, NOVELTY = "pooled", "embedding", "probabilities", "novelty"

Floats = npt.NDArray[np.float32]
Ints = npt.NDArray[np.int64]


class TextEncoder:
    """A tokenizer and the two sessions. Safe to share between threads; a text's numbers do not depend on the texts beside it."""

    def __init__(self, *, tokens: Tokens, model: Session, head: Session, run_tokens: int = CPU_TOKENS) -> None:
        self.tokens = tokens
        self.padding = Padding()
        self._model, self._head, self._run_tokens = model, head, run_tokens

    @staticmethod
    def from_files(
        files: Mapping[str, bytes], open_session: OpenSession, *, max_tokens: int, run_tokens: int = CPU_TOKENS
    ) -> "TextEncoder":
        """Of the files `model.onnx`, `head.onnx` and `tokenizer.json`. Raises ModelError, and KeyError for a missing file."""
        return TextEncoder(
            tokens=Tokens(files[TOKENIZER_FILE], max_tokens=max_tokens),
            model=open_session(files[MODEL_FILE]),
            head=open_session(files[HEAD_FILE]),
            run_tokens=run_tokens,
        )

    def embed(self, texts: Sequence[str]) -> Floats:
        """Texts x dimensions, each row of length 1: the product of two rows is their cosine."""
        return self.run(self.tokens.windows(texts), (EMBEDDING,))[EMBEDDING]

    def run(self, windows: Windows, outputs: Sequence[str]) -> dict[str, Floats]:
        """The named outputs of the graph, a row a text."""
        if not windows.unknown.size:  # what one text has, without the text: the outputs' widths
            return {name: values[:0] for name, values in self.run(self.tokens.windows([""]), outputs).items()}
        several = np.bincount(windows.rows) > 1
        long = several[windows.rows]
        answers = []
        if not long.all():
            answers.append((windows.rows[~long], self._encode(windows, np.flatnonzero(~long), outputs)))
        if long.any():
            means = self._encode(windows, np.flatnonzero(long), (POOLED,))[POOLED]
            joined = _joined(means, windows.lengths[long], windows.rows[long])
            answers.append((np.flatnonzero(several), self._head.run({POOLED: joined}, list(outputs))))
        return _aligned(several.size, answers)

    def _encode(self, windows: Windows, chosen: Ints, outputs: Sequence[str]) -> dict[str, Floats]:
        """The outputs for the chosen windows, at least one, in their order."""
        lengths = windows.lengths[chosen]
        answers = []
        for length, members in runs(lengths, tokens=self._run_tokens):
            self.padding.add(int(lengths[members].sum()), members.size * length)
            ids = np.full((members.size, length), self.tokens.pad, np.int64)
            inside = np.arange(length) < lengths[members][:, None]
            starts = windows.starts[chosen[members]]
            ids[inside] = windows.ids[(starts[:, None] + np.arange(length))[inside]]
            answers.append((members, self._model.run({IDS: ids, MASK: inside.astype(np.int64)}, list(outputs))))
        return _aligned(chosen.size, answers)


def _aligned(count: int, answers: Sequence[tuple[Ints, Mapping[str, Floats]]]) -> dict[str, Floats]:
    """Rows of several answers, each where it belongs; together they are all of them."""
    result = {name: np.empty((count, *values.shape[1:]), np.float32) for name, values in answers[0][1].items()}
    for rows, answer in answers:
        for name, values in answer.items():
            result[name][rows] = values
    return result


def _joined(means: Floats, lengths: Ints, rows: Ints) -> Floats:
    """The mean over all tokens of each text, from its windows' means and lengths; a text's windows lie next to each other."""
    first = np.flatnonzero(np.diff(rows, prepend=-1))
    weighted = np.add.reduceat(means.astype(np.float64) * lengths[:, None], first, axis=0)
    joined: Floats = (weighted / np.add.reduceat(lengths, first)[:, None]).astype(np.float32)
    return joined
