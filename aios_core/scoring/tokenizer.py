"""Texts to weighted term ids, fast and the same in every process and batch.

What belongs here: the vectorised path from a batch of texts to term occurrences and their weights. What does not: the rules
of cutting (`analysis.py`), customer facts, padding and sessions (`model.py`).

Cutting is nearly all of scoring's time, so each distinct white-space token is cut once and remembered as ids; a batch is then
one dictionary look-up a token and array arithmetic. The memory is bounded: it starts afresh when full, which changes the
speed and nothing else, since no result depends on what was remembered.
"""

import threading
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from aios_core.scoring.analysis import char_ngrams_of, tokens_of, words_of
from aios_core.scoring.vocabulary import Vocabulary

Ints = npt.NDArray[np.int64]
Floats = npt.NDArray[np.float64]

MAX_TOKENS = 250_000
MAX_IDS = 6_000_000


@dataclass(frozen=True, slots=True, kw_only=True)
class Occurrences:
    """Every known term of a batch where it occurs, in text order within a row.

    `row` and `term` are aligned; `token` is the place of the white-space token (an index into the batch's `tokens`) that the
    occurrence came from, -1 for word n-grams over several tokens. `tokens` and `token_row` list the batch's tokens.
    `words` and `unseen` count a row's words and those that no known term contains.
    """

    rows: int
    row: Ints
    term: Ints
    token: Ints
    tokens: list[str]
    token_row: Ints
    words: Ints
    unseen: Ints


@dataclass(frozen=True, slots=True, kw_only=True)
class Bags:
    """Distinct terms a row with TF-IDF weights, each block (words, characters) of length 1; rows one after the other.

    Row i owns `ids[start[i]:start[i + 1]]`, ascending. `norms` has one length a row and block before division.
    """

    start: Ints
    ids: Ints
    weights: Floats
    norms: Floats


class Tokenizer:
    """The analysis of one vocabulary. Safe to share between threads, which then take turns."""

    def __init__(self, vocabulary: Vocabulary, *, max_tokens: int = MAX_TOKENS) -> None:
        self.vocabulary = vocabulary
        self._max_tokens = max_tokens
        self._chars = {term: i for i, term in enumerate(vocabulary.chars, start=len(vocabulary.words))}
        self._trie = _WordTrie(vocabulary)
        self._lock = threading.Lock()
        self._forget()

    def occurrences(self, texts: Sequence[str]) -> Occurrences:
        """Cut a batch of texts. Raises nothing: whatever is unknown is counted, not kept."""
        lists = [tokens_of(text) for text in texts]
        tokens = [token for found in lists for token in found]
        token_row = np.repeat(np.arange(len(texts)), np.array([len(found) for found in lists], np.int64))
        with self._lock:
            if len(self._known) > self._max_tokens or self._char_table.size + self._word_table.size > MAX_IDS:
                self._forget()
            known, learn = self._known, self._learn
            ids = np.fromiter((known[t] if t in known else learn(t) for t in tokens), np.int64, len(tokens))
            place, chars = self._char_table.gather(ids)
            word_place, words = self._word_table.gather(ids)
        term, word_token, word_row = self._trie.ngrams(words, word_place, token_row[word_place])
        unseen = token_row[word_place[words == 0]]
        return Occurrences(
            rows=len(texts),
            row=np.concatenate([word_row, token_row[place]]),
            term=np.concatenate([term, chars]),
            token=np.concatenate([word_token, place]),
            tokens=tokens,
            token_row=token_row,
            words=np.bincount(token_row[word_place], minlength=len(texts)),
            unseen=np.bincount(unseen, minlength=len(texts)),
        )

    def bags(self, found: Occurrences) -> Bags:
        """TF-IDF as scikit-learn has it: count x idf, then each block divided by its Euclidean length."""
        vocabulary = self.vocabulary
        size = max(vocabulary.size, 1)
        keys = np.sort(found.row * size + found.term)
        first = np.flatnonzero(np.diff(keys, prepend=-1))
        counts = np.diff(first, append=keys.size)
        row, ids = np.divmod(keys[first], size)
        weights = counts * vocabulary.idf[ids]
        block = row * 2 + (ids >= len(vocabulary.words))
        # bincount adds one after the other: the same sum whatever rows stand around it
        norms = np.sqrt(np.bincount(block, weights=weights * weights, minlength=found.rows * 2))
        start = np.searchsorted(row, np.arange(found.rows + 1))
        return Bags(start=start, ids=ids, weights=weights / norms[block], norms=norms.reshape(-1, 2))

    def _forget(self) -> None:
        self._known: dict[str, int] = {}
        self._char_table = _Table()
        self._word_table = _Table()

    def _learn(self, token: str) -> int:
        chars: list[int] = []
        if self.vocabulary.char_ngrams is not None:
            look = self._chars.get
            grams = char_ngrams_of(token, *self.vocabulary.char_ngrams)
            chars = [i for i in map(look, grams) if i is not None]
        self._char_table.append(chars)
        self._word_table.append([self._trie.component(word) for word in words_of(token)])
        self._known[token] = number = len(self._known)
        return number


class _Table:
    """Lists of ids by number, kept end to end so that many are fetched at once."""

    def __init__(self) -> None:
        self.size = 0
        self._count = 0
        self._values = np.empty(1024, np.int64)
        self._starts = np.zeros(1024, np.int64)

    def append(self, values: list[int]) -> None:
        end = self.size + len(values)
        if end > self._values.size:
            self._values = np.resize(self._values, max(end, self._values.size * 2))
        if self._count + 2 > self._starts.size:
            self._starts = np.resize(self._starts, self._starts.size * 2)
        self._values[self.size : end] = values
        self.size = end
        self._count += 1
        self._starts[self._count] = end

    def gather(self, numbers: Ints) -> tuple[Ints, Ints]:
        """All values of these lists, with the place in `numbers` that each came from."""
        starts = self._starts[numbers]
        lengths = self._starts[numbers + 1] - starts
        place = np.repeat(np.arange(numbers.size), lengths)
        within = np.arange(place.size) - np.repeat(np.cumsum(lengths) - lengths, lengths)
        return place, self._values[starts[place] + within]


class _WordTrie:
    """Word n-grams as paths: a node and a next word give a node, by binary search over sorted keys.

    A component is a word that occurs in any term, numbered from 1; 0 is every other word and leads nowhere.
    """

    def __init__(self, vocabulary: Vocabulary) -> None:
        paths = [term.split(" ") for term in vocabulary.words]
        names = sorted({word for path in paths for word in path})
        self._components = {word: i for i, word in enumerate(names, start=1)}
        self._width = len(names) + 1
        self._low, self._high = vocabulary.word_ngrams
        self._levels: list[tuple[Ints, Ints]] = []
        nodes: dict[tuple[str, ...], int] = {}
        for depth in range(1, self._high + 1):
            nodes = self._add_level(paths, depth, nodes)

    def component(self, word: str) -> int:
        return self._components.get(word, 0)

    def ngrams(self, words: Ints, place: Ints, row: Ints) -> tuple[Ints, Ints, Ints]:
        """Known n-grams of a run of words: (term, token place or -1, row), ordered by length, then position.

        A word of one token keeps its place; longer n-grams belong to no single token.
        """
        terms, places, rows = [], [], []
        node = np.zeros(words.size, np.int64)
        for depth, (keys, found_terms) in enumerate(self._levels, start=1):
            count = max(words.size - depth + 1, 0)
            node = node[:count]
            key = node * self._width + words[depth - 1 :]
            at = np.searchsorted(keys, key) if keys.size else np.zeros(count, np.int64)
            hit = np.zeros(count, bool) if not keys.size else keys[np.minimum(at, keys.size - 1)] == key
            hit &= (row[:count] == row[depth - 1 :]) & (node >= 0)
            node = np.where(hit, at, -1)
            good = np.flatnonzero(hit)
            good = good[found_terms[at[good]] >= 0]
            terms.append(found_terms[at[good]])
            places.append(place[good] if depth == 1 else np.full(good.size, -1, np.int64))
            rows.append(row[good])
        return np.concatenate(terms), np.concatenate(places), np.concatenate(rows)

    def _add_level(
        self, paths: list[list[str]], depth: int, parents: dict[tuple[str, ...], int]
    ) -> dict[tuple[str, ...], int]:
        terms: dict[tuple[str, ...], int] = {}
        for number, path in enumerate(paths):
            if len(path) >= depth:
                prefix = tuple(path[:depth])
                terms[prefix] = number if len(path) == depth else terms.get(prefix, -1)
        parent: dict[tuple[str, ...], int] = parents if depth > 1 else {(): 0}
        keyed = sorted(
            (parent[prefix[:-1]] * self._width + self._components[prefix[-1]], prefix, term)
            for prefix, term in terms.items()
        )
        self._levels.append(
            (np.array([k for k, _, _ in keyed], np.int64), np.array([t for _, _, t in keyed], np.int64))
        )
        return {prefix: index for index, (_, prefix, _) in enumerate(keyed)}
