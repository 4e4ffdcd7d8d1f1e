"""The fitted terms of a text model: which word and character n-grams it knows, and how much each one weighs.

What belongs here: the terms, their inverse document frequencies, and their reading from and writing to a version's files.
What does not: cutting text into terms (`tokenizer.py`) and choosing them (`aios_core/training/corpus.py`).
"""

import io
import json
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt

from aios_core.errors import ModelError

VOCABULARY_FILE = "vocabulary.json"
IDF_FILE = "idf.npy"


@dataclass(frozen=True, slots=True, kw_only=True)
class Vocabulary:
    """Terms in scikit-learn's order (sorted), words first, then character n-grams; `idf` has one weight a term.

    Ids: words 0 … len(words)-1, then characters. `char_ngrams` None: a model without character n-grams.
    """

    word_ngrams: tuple[int, int]
    char_ngrams: tuple[int, int] | None
    words: tuple[str, ...]
    chars: tuple[str, ...]
    idf: npt.NDArray[np.float64]

    @property
    def size(self) -> int:
        return len(self.words) + len(self.chars)

    def term(self, identifier: int) -> str:
        count = len(self.words)
        return self.words[identifier] if identifier < count else self.chars[identifier - count]

    def to_files(self) -> dict[str, bytes]:
        content = {
            "word_ngrams": list(self.word_ngrams),
            "char_ngrams": list(self.char_ngrams) if self.char_ngrams else None,
            "words": list(self.words),
            "chars": list(self.chars),
        }
        buffer = io.BytesIO()
        np.save(buffer, self.idf, allow_pickle=False)
        text = json.dumps(content, ensure_ascii=False, separators=(",", ":"))
        return {VOCABULARY_FILE: text.encode(), IDF_FILE: buffer.getvalue()}

    @staticmethod
    def from_files(files: Mapping[str, bytes]) -> "Vocabulary":
        try:
            content: dict[str, Any] = json.loads(files[VOCABULARY_FILE])
            chars = content["char_ngrams"]
            vocabulary = Vocabulary(
                word_ngrams=_pair(content["word_ngrams"]),
                char_ngrams=_pair(chars) if chars else None,
                words=tuple(content["words"]),
                chars=tuple(content["chars"]),
                idf=np.load(io.BytesIO(files[IDF_FILE]), allow_pickle=False),
            )
        except (KeyError, ValueError, TypeError, EOFError) as error:
            raise ModelError(
                f"{VOCABULARY_FILE} or {IDF_FILE} can't be read ({type(error).__name__}: {error}); register the version again"
            ) from error
        if vocabulary.idf.shape != (vocabulary.size,):
            raise ModelError(
                f"{IDF_FILE} has {vocabulary.idf.shape} weights for {vocabulary.size} terms in {VOCABULARY_FILE}; "
                "register the version again"
            )
        return vocabulary


def _pair(values: list[int]) -> tuple[int, int]:
    low, high = values
    return int(low), int(high)
