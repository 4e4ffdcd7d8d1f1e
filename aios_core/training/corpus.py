"""Term counts of a training corpus, and the choice of terms for one fit.

What belongs here: counting every n-gram once for all folds, and selecting, weighting and naming the terms that a fit uses,
equal to what scikit-learn's `TfidfVectorizer` learns from the same rows (a test compares them). What does not: the
classifier (`linear.py`) and reading text at scoring time.

scikit-learn cuts the corpus anew for every fold. Here each distinct token is cut once, and a sparse product of
(texts x tokens) with (tokens x n-grams) gives all counts: a sixth of the time on tickets of a hundred words.
"""

from collections import defaultdict
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt

from aios_core.scoring.analysis import char_ngrams_of, tokens_of, words_of
from aios_core.scoring.vocabulary import Vocabulary

Ints = npt.NDArray[np.int64]


@dataclass(frozen=True, slots=True)
class Counted:
    """Counts of one kind of term: a sparse matrix (texts x terms) and the terms' names, sorted."""

    counts: Any
    terms: tuple[str, ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class Corpus:
    """All terms that could enter a vocabulary, counted over every text."""

    words: Counted
    chars: Counted
    word_ngrams: tuple[int, int]
    char_ngrams: tuple[int, int] | None

    @property
    def rows(self) -> int:
        return int(self.words.counts.shape[0])


@dataclass(frozen=True, slots=True, kw_only=True)
class Selection:
    """The vocabulary that a set of rows gives, and where its columns are in the corpus."""

    vocabulary: Vocabulary
    word_columns: Ints
    char_columns: Ints


def count_terms(
    texts: Sequence[str], *, word_ngrams: tuple[int, int], char_ngrams: tuple[int, int] | None, min_df: int
) -> Corpus:
    """Count every term that occurs in at least `min_df` texts (others can't enter the vocabulary of any fold)."""
    lists = [tokens_of(text) for text in texts]
    numbers: defaultdict[str, int] = defaultdict()
    numbers.default_factory = numbers.__len__
    flat = np.fromiter((numbers[t] for found in lists for t in found), np.int64)
    starts = np.concatenate([[0], np.cumsum([len(found) for found in lists])]).astype(np.int64)
    tokens = list(numbers)
    words = _count_words(tokens, flat, starts, word_ngrams)
    chars = _count_chars(tokens, flat, starts, char_ngrams)
    return Corpus(
        words=_frequent(words, min_df), chars=_frequent(chars, min_df), word_ngrams=word_ngrams, char_ngrams=char_ngrams
    )


def select_terms(corpus: Corpus, rows: Ints, *, min_df: int, max_features: int) -> Selection:
    """The vocabulary as scikit-learn would learn it from `rows`: document frequency, most frequent terms, smooth idf.

    `max_features` bounds both blocks together, half each, so that the size of a version is bounded.
    """
    limit = max_features // 2 if corpus.char_ngrams else max_features
    word_columns, word_idf = _select(corpus.words.counts, rows, min_df, limit)
    char_columns, char_idf = _select(corpus.chars.counts, rows, min_df, limit)
    vocabulary = Vocabulary(
        word_ngrams=corpus.word_ngrams,
        char_ngrams=corpus.char_ngrams,
        words=tuple(corpus.words.terms[i] for i in word_columns),
        chars=tuple(corpus.chars.terms[i] for i in char_columns),
        idf=np.concatenate([word_idf, char_idf]),
    )
    return Selection(vocabulary=vocabulary, word_columns=word_columns, char_columns=char_columns)


def weigh(corpus: Corpus, rows: Ints, selection: Selection, facts: Any) -> Any:
    """The model's input for `rows`: both blocks weighted and of length 1, then the customer facts (sparse, aligned)."""
    from scipy import sparse

    split = len(selection.vocabulary.words)
    idf = selection.vocabulary.idf
    blocks = [
        _tfidf(corpus.words.counts[rows][:, selection.word_columns], idf[:split]),
        _tfidf(corpus.chars.counts[rows][:, selection.char_columns], idf[split:]),
        facts,
    ]
    return sparse.hstack(blocks, format="csr")


def _count_words(tokens: list[str], flat: Ints, starts: Ints, ngrams: tuple[int, int]) -> Counted:
    """Runs of words across tokens, counted a text; n-grams are paths of (shorter n-gram, next word)."""
    numbers: dict[str, int] = {}
    lists = [[numbers.setdefault(word, len(numbers)) for word in words_of(token)] for token in tokens]
    lengths = np.array([len(found) for found in lists], np.int64)
    table = np.fromiter((number for found in lists for number in found), np.int64)
    first = np.cumsum(lengths) - lengths
    token_row = np.repeat(np.arange(starts.size - 1), np.diff(starts))
    place = np.repeat(np.arange(flat.size), lengths[flat])
    within = np.arange(place.size) - np.repeat(np.cumsum(lengths[flat]) - lengths[flat], lengths[flat])
    words = table[first[flat[place]] + within] if place.size else np.empty(0, np.int64)
    row = token_row[place]
    names = list(numbers)
    rows, columns, terms = [], [], list[str]()
    node, node_names = words, names
    for size in range(1, ngrams[1] + 1):
        if size > 1:
            count = max(words.size - size + 1, 0)
            same = row[:count] == row[size - 1 :]
            key = np.where(same, node[:count] * len(names) + words[size - 1 :], -1)
            distinct, node = np.unique(key, return_inverse=True)
            node_names = [f"{node_names[k // len(names)]} {names[k % len(names)]}" if k >= 0 else "" for k in distinct]
            alive = np.flatnonzero(key >= 0)
        else:
            alive = np.arange(words.size)
        if size >= ngrams[0]:
            rows.append(row[alive])
            columns.append(node[alive] + len(terms))
            terms.extend(node_names)
    return _counted(np.concatenate(rows), np.concatenate(columns), starts.size - 1, terms)


def _count_chars(tokens: list[str], flat: Ints, starts: Ints, ngrams: tuple[int, int] | None) -> Counted:
    from scipy import sparse

    rows = starts.size - 1
    if ngrams is None:
        return Counted(sparse.csr_matrix((rows, 0)), ())
    numbers: dict[str, int] = {}
    lists = [[numbers.setdefault(g, len(numbers)) for g in char_ngrams_of(token, *ngrams)] for token in tokens]
    columns = np.fromiter((number for found in lists for number in found), np.int32)
    token_rows = np.repeat(np.arange(len(tokens)), [len(found) for found in lists])
    shape = (len(tokens), len(numbers))
    grams = sparse.csr_matrix((np.ones(columns.size, np.float32), (token_rows, columns)), shape=shape)
    texts = sparse.csr_matrix(
        (np.ones(flat.size, np.float32), flat.astype(np.int32), starts), shape=(rows, len(tokens))
    )
    return _sorted_by_name(texts @ grams, list(numbers))


def _counted(rows: Ints, columns: Ints, height: int, terms: list[str]) -> Counted:
    from scipy import sparse

    counts = sparse.csr_matrix((np.ones(rows.size, np.float32), (rows, columns)), shape=(height, len(terms)))
    return _sorted_by_name(counts, terms)


def _sorted_by_name(counts: Any, terms: list[str]) -> Counted:
    """Drop terms without a count and put the rest in scikit-learn's order."""
    from scipy import sparse

    used = np.bincount(counts.indices, minlength=len(terms)) > 0
    order = np.array(sorted(np.flatnonzero(used), key=terms.__getitem__), np.int64)
    place = np.zeros(len(terms), np.int64)
    place[order] = np.arange(order.size)
    moved = sparse.csr_matrix((counts.data, place[counts.indices], counts.indptr), shape=(counts.shape[0], order.size))
    moved.sort_indices()
    return Counted(moved, tuple(terms[i] for i in order))


def _frequent(counted: Counted, min_df: int) -> Counted:
    keep = np.flatnonzero(np.bincount(counted.counts.indices, minlength=len(counted.terms)) >= min_df)
    return Counted(counted.counts[:, keep], tuple(counted.terms[i] for i in keep))


def _select(counts: Any, rows: Ints, min_df: int, limit: int) -> tuple[Ints, npt.NDArray[np.float64]]:
    part = counts[rows]
    frequency = np.bincount(part.indices, minlength=counts.shape[1])
    kept = np.flatnonzero(frequency >= min_df)
    if kept.size > limit:
        totals = np.bincount(part.indices, weights=part.data, minlength=counts.shape[1])
        kept = np.sort(kept[np.argsort(-totals[kept], kind="stable")[:limit]])
    return kept, np.log((1 + rows.size) / (1 + frequency[kept])) + 1


def _tfidf(counts: Any, idf: npt.NDArray[np.float64]) -> Any:
    from sklearn.preprocessing import normalize

    weighted = counts.astype(np.float64)
    if not idf.size:  # scikit-learn refuses to normalise a block without columns
        return weighted
    weighted.data *= idf[weighted.indices]
    return normalize(weighted, norm="l2", copy=False)
