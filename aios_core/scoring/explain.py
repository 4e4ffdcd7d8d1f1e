"""The words and facts that speak for a prediction.

What belongs here: contributions of a linear model's terms, gathered into what a person can read. What does not: probabilities.

Character n-grams mean nothing to people, so their contributions go to the word they were cut from. A contribution is weight
times coefficient for the predicted class, in calibrated log-odds units; the sum over all terms, with the bias, is the score.
"""

import re
from dataclasses import dataclass
from functools import lru_cache

import numpy as np
import numpy.typing as npt
import pyarrow as pa

from aios_core.scoring.schema import TERM
from aios_core.scoring.tokenizer import Occurrences
from aios_core.scoring.vocabulary import Vocabulary

DECIMALS = 4
LONGEST = 80  # characters of a term that are shown
_EDGES = re.compile(r"^\W+|\W+$")

Ints = npt.NDArray[np.int64]
Floats = npt.NDArray[np.float64]


@dataclass(frozen=True, slots=True, kw_only=True)
class Explained:
    """What is needed of the model: names of ids, coefficients (ids x classes) and each row's predicted class."""

    vocabulary: Vocabulary
    fact_terms: list[str]
    coefficients: npt.NDArray[np.float32]
    best: Ints


def top_terms(
    model: Explained, found: Occurrences, norms: Floats, fact_ids: Ints, fact_weights: Floats, *, count: int
) -> pa.ListArray:
    """Up to `count` terms a row that speak for its predicted class, strongest first; equal ones in text order."""
    names, name_of_token = _token_names(found.tokens)
    own = found.token >= 0
    base = len(names)
    key = np.where(own, name_of_token[found.token] if found.tokens else 0, base + found.term)
    block = (found.term >= len(model.vocabulary.words)).astype(np.int64)
    weight = model.vocabulary.idf[found.term] / norms[found.row, block]
    value = weight * model.coefficients[found.term, model.best[found.row]]
    fact_rows = np.repeat(np.arange(found.rows), fact_ids.shape[1])
    facts = fact_ids.ravel()
    row = np.concatenate([found.row, fact_rows])
    key = np.concatenate([key, base + facts])
    value = np.concatenate([value, fact_weights.ravel() * model.coefficients[facts, model.best[fact_rows]]])
    row, key, value = _strongest(row, key, value, width=base + model.coefficients.shape[0], count=count)
    return _as_lists(model, names, row, key, value, found.rows)


def _token_names(tokens: list[str]) -> tuple[list[str], Ints]:
    """Readable names of tokens, without the punctuation around them, numbered in order of appearance."""
    numbers: dict[str, int] = {}
    places = (numbers.setdefault(_readable(token), len(numbers)) for token in tokens)
    result = np.fromiter(places, np.int64, len(tokens))
    return list(numbers), result


@lru_cache(maxsize=50_000)
def _readable(token: str) -> str:
    return (_EDGES.sub("", token) or token)[:LONGEST]


def _strongest(row: Ints, key: Ints, value: Floats, *, width: int, count: int) -> tuple[Ints, Ints, Floats]:
    """Sum by (row, key), keep the positive, order by strength, cut to `count` a row."""
    pairs, first, inverse = np.unique(row * width + key, return_index=True, return_inverse=True)
    sums = np.round(np.bincount(inverse, weights=value, minlength=pairs.size), DECIMALS)
    rows = pairs // width
    good = np.flatnonzero(sums > 0)
    good = good[np.lexsort((first[good], -sums[good], rows[good]))]
    rank = np.arange(good.size) - np.searchsorted(rows[good], rows[good])
    good = good[rank < count]
    return rows[good], pairs[good] % width, sums[good]


def _as_lists(model: Explained, names: list[str], row: Ints, key: Ints, value: Floats, rows: int) -> pa.ListArray:
    terms = [_name(model, names, k) for k in key.tolist()]
    offsets = np.searchsorted(row, np.arange(rows + 1)).astype(np.int32)
    entries = pa.StructArray.from_arrays([pa.array(terms, pa.string()), pa.array(value)], fields=list(TERM))
    return pa.ListArray.from_arrays(pa.array(offsets), entries)


def _name(model: Explained, names: list[str], key: int) -> str:
    if key < len(names):
        return names[key]
    identifier = key - len(names)
    if identifier < model.vocabulary.size:
        return model.vocabulary.term(identifier)
    return model.fact_terms[identifier - model.vocabulary.size]
