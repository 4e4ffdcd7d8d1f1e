r"""Texts to weighted term ids, fast and the same in every process and batch.

What belongs here: batches of texts as bytes, and the choice of memory for each call. What does not: the loops (`kernels.py`),
the rules of cutting in words (`analysis.py`, which training uses), customer facts, padding and sessions (`linear_text.py`).

Cutting costs most, so each distinct white-space token is cut once and remembered. A memory is bounded and starts afresh when
full, which changes the speed and nothing else. Each call takes a memory of its own, so threads do not wait for each other.
"""

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from functools import partial
from typing import TYPE_CHECKING

import numpy as np
import numpy.typing as npt
import pyarrow as pa
import pyarrow.compute as pc

from aios_core.scoring.vocabulary import Vocabulary

if TYPE_CHECKING:
    from aios_core.scoring.kernels import Memory

Ints = npt.NDArray[np.int64]
Floats = npt.NDArray[np.float64]


@dataclass(frozen=True, slots=True)
class Texts:
    """A batch of texts, lowered, as UTF-8: text i is `data[starts[i]:ends[i]]`. `lengths` are characters before lowering."""

    data: npt.NDArray[np.uint8]
    starts: Ints
    ends: Ints
    lengths: Ints


@dataclass(frozen=True, slots=True, kw_only=True)
class Bags:
    """Distinct terms a row with TF-IDF weights, each block (words, characters) of length 1; rows one after the other.

    Row i owns `ids[start[i]:start[i + 1]]`, ascending. `norms` has one length a row and block before division. `words` and
    `unseen` count a row's words and those that no known term contains.
    """

    start: Ints
    ids: npt.NDArray[np.int32]
    weights: Floats
    norms: Floats
    words: Ints
    unseen: Ints

    @property
    def unseen_share(self) -> Floats:
        """The share of a row's words that no known term contains; 0 where it has none."""
        return np.where(self.words > 0, self.unseen / np.maximum(self.words, 1), 0.0)


class Tokenizer:
    """The analysis of one vocabulary. Safe to share between threads."""

    def __init__(self, vocabulary: Vocabulary, *, max_tokens: int | None = None) -> None:
        from aios_core.scoring import kernels, lexicon

        self.vocabulary = vocabulary
        self.lexicon = lexicon.build_lexicon(vocabulary)
        self._kernels = kernels
        self._new_memory = partial(lexicon.new_memory, self.lexicon, tokens=max_tokens or lexicon.TOKENS)
        self._free: list[Memory] = []

    def bags(self, texts: Texts) -> Bags:
        """TF-IDF as scikit-learn has it: count x idf, then each block divided by its Euclidean length."""
        rows = texts.starts.size
        start, norms = np.empty(rows + 1, np.int64), np.empty((rows, 2))
        words, unseen = np.empty(rows, np.int64), np.empty(rows, np.int64)
        with self.memory() as memory:
            ids, weights = self._kernels.bags(
                self.lexicon, memory, texts.data, texts.starts, texts.ends, start, norms, words, unseen
            )
        return Bags(start=start, ids=ids, weights=weights, norms=norms, words=words, unseen=unseen)

    @contextmanager
    def memory(self) -> Iterator["Memory"]:
        """A memory that no other call has; it is let go, with what is half done in it, where the call fails."""
        try:
            memory = self._free.pop()
        except IndexError:
            memory = self._new_memory()
        yield memory
        self._free.append(memory)


def as_texts(texts: pa.Array | Sequence[str]) -> Texts:
    """Texts ready to be cut. A null is an empty text. Raises UnicodeDecodeError for an Arrow string that is not UTF-8.

    A text in ASCII is lowered as bytes; any other as `str`, since lowering depends on neighbours (Greek final sigma).
    """
    from aios_core.scoring import kernels

    column = _strings(texts)
    _, offsets, content = column.buffers()
    bounds = np.frombuffer(offsets, np.int32, len(column) + 1, 4 * column.offset).astype(np.int64)
    data = np.array(np.frombuffer(content or b"", np.uint8)[bounds[0] : bounds[-1]])
    bounds -= bounds[0]
    plain, lengths = np.empty(len(column), np.bool_), np.empty(len(column), np.int64)
    kernels.lower(data, bounds, plain, lengths)
    starts, ends = bounds[:-1], bounds[1:]
    others = np.flatnonzero(~plain)
    if others.size:
        # A to Z are lowered already, which changes nothing for their neighbours
        lowered = [data[starts[i] : ends[i]].tobytes().decode().lower().encode() for i in others]
        sizes = np.array([len(text) for text in lowered])
        starts, ends = starts.copy(), ends.copy()
        ends[others] = data.size + np.cumsum(sizes)
        starts[others] = ends[others] - sizes
        data = np.concatenate([data, np.frombuffer(b"".join(lowered), np.uint8)])
    return Texts(data, starts, ends, lengths)


def _strings(texts: pa.Array | Sequence[str]) -> pa.StringArray:
    column = texts if isinstance(texts, pa.Array) else pa.array(texts, pa.string())
    column = column if column.type == pa.string() else column.cast(pa.string())
    return pc.fill_null(column, "") if column.null_count else column
