"""Text to token ids, every one of them: a long text becomes several windows, none is cut.

What belongs here: the tokenizer of a sentence-transformers folder and the windows. What does not: session runs (`runs.py`).

Tokens are made by Rust's `tokenizers` from the folder's own `tokenizer.json`; its truncation and padding are switched off. Each
window is a sequence of its own, with the special tokens that a whole text would have (`[CLS]` … `[SEP]`).
"""

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt

from aios_core.errors import ModelError

TOKENIZER_FILE = "tokenizer.json"
TEXTS_AT_ONCE = 1_024  # what a tokenizer call holds besides ids (offsets, words) is a hundred times their size
_PROBE = "a"

Ints = npt.NDArray[np.int64]


@dataclass(frozen=True, slots=True, kw_only=True)
class Windows:
    """The windows of some texts, in order: window i is `ids[starts[i]:starts[i + 1]]` and belongs to text `rows[i]`.

    `unknown` and `tokens` are counts a text, of tokens that the vocabulary does not have and of all, special ones left out.
    """

    ids: Ints
    starts: Ints
    rows: Ints
    unknown: Ints
    tokens: Ints

    @property
    def lengths(self) -> Ints:
        """Tokens of each window, special ones included."""
        return np.diff(self.starts)


class Tokens:
    """One tokenizer. Safe to share between threads."""

    def __init__(self, content: bytes, *, max_tokens: int) -> None:
        """`content` is a `tokenizer.json`; a window has at most `max_tokens`, special ones included. Raises ModelError."""
        self._tokenizer = _tokenizer(content)
        self._before, self._after = self._special()
        self._room = max_tokens - len(self._before) - len(self._after)
        if self._room < 1:
            raise ModelError(f"windows of {max_tokens} tokens have no room beside the special ones; raise `max_tokens`")
        self.pad: int = _pad(content)
        self._unknown = self._unknown_id(json.loads(content)["model"])
        self.vocabulary: int = self._tokenizer.get_vocab_size()

    def windows(self, texts: Sequence[str]) -> Windows:
        """Every token of every text."""
        parts: list[Ints] = []
        rows: list[int] = []
        unknown, tokens = np.zeros(len(texts), np.int64), np.zeros(len(texts), np.int64)
        for start in range(0, len(texts), TEXTS_AT_ONCE):
            encoded = self._tokenizer.encode_batch_fast(
                list(texts[start : start + TEXTS_AT_ONCE]), add_special_tokens=False
            )
            for row, found in enumerate(encoded, start):
                ids = np.array(found.ids, np.int64)
                unknown[row], tokens[row] = (ids == self._unknown).sum(), ids.size
                for first in range(0, max(ids.size, 1), self._room):
                    parts.append(np.concatenate([self._before, ids[first : first + self._room], self._after]))
                    rows.append(row)
        lengths = np.fromiter((part.size for part in parts), np.int64, len(parts))
        return Windows(
            ids=np.concatenate([np.empty(0, np.int64), *parts]),
            starts=np.concatenate([[0], np.cumsum(lengths)]).astype(np.int64),
            rows=np.array(rows, np.int64),
            unknown=unknown,
            tokens=tokens,
        )

    def sample(self, count: int, length: int, rng: np.random.Generator) -> Ints:
        """Sequences of random tokens, `length` of them a row with the special ones: a look at a graph without anyone's text."""
        inner = max(length - self._before.size - self._after.size, 1)
        ids = rng.integers(0, self.vocabulary, (count, inner))
        return np.hstack([np.tile(self._before, (count, 1)), ids, np.tile(self._after, (count, 1))]).astype(np.int64)

    def _unknown_id(self, model: Mapping[str, Any]) -> int:
        """Of the token that stands for what the vocabulary lacks: word pieces name it, unigrams number it; -1 where there is none."""
        named, numbered = model.get("unk_token"), model.get("unk_id")
        found = self._tokenizer.token_to_id(named) if isinstance(named, str) else numbered
        return -1 if found is None else int(found)

    def _special(self) -> tuple[Ints, Ints]:
        """The ids around a text, found by looking: every kind of post-processor states them in a way of its own."""
        bare = self._tokenizer.encode(_PROBE, add_special_tokens=False).ids
        whole = self._tokenizer.encode(_PROBE).ids
        for start in range(len(whole) - len(bare) + 1):
            if bare and whole[start : start + len(bare)] == bare:
                return np.array(whole[:start], np.int64), np.array(whole[start + len(bare) :], np.int64)
        raise ModelError(
            f"{TOKENIZER_FILE}: special tokens change the text between them; such a tokenizer can't be windowed"
        )


def _tokenizer(content: bytes) -> Any:
    try:
        from tokenizers import Tokenizer
    except ImportError as error:
        raise ModelError("the package `tokenizers` is not installed; install the extra `aios[encoder]`") from error
    try:
        tokenizer = Tokenizer.from_buffer(content)
    except Exception as error:  # the library raises plain Exception
        raise ModelError(
            f"{TOKENIZER_FILE} can't be read ({error}); restore it, or train and register the model again"
        ) from error
    tokenizer.no_truncation()
    tokenizer.no_padding()
    return tokenizer


def _pad(content: bytes) -> int:
    """The id that fills a window up; masked, so that any will do where the tokenizer names none."""
    padding = json.loads(content).get("padding")
    return int(padding["pad_id"]) if padding else 0
