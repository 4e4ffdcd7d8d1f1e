"""Fitting the novelty of a linear bag: what is usual, from rows that the folds' fits had not seen.

What belongs here: the words' probabilities, the classes' patterns, and units. What does not: using them
(`aios_core/scoring/wording.py`) and the limit (`novelty.py`).
"""

import math
from collections.abc import Sequence
from dataclasses import dataclass, replace

import numpy as np
import numpy.typing as npt

from aios_core.scoring.tokenizer import Tokenizer, as_texts
from aios_core.scoring.vocabulary import Vocabulary
from aios_core.scoring.wording import NARROWEST, BagNovelty, Unit, class_signs, mean_surprise, total_surprise
from aios_core.training.calibration import softmax
from aios_core.training.corpus import Corpus, Selection
from aios_core.training.novelty import KNOWN_SHARE

Ints = npt.NDArray[np.int64]
Floats = npt.NDArray[np.float64]

OUTERMOST = 2.0  # margins beyond it say no more; that of a class which a fold lacked would bend every pattern
UNSEEN = 0.5  # of an occurrence: what a word that never occurred counts as


@dataclass(frozen=True, slots=True)
class WordModel:
    """Pairs of words as sums over terms: `surprise` a term in nats (0 for characters), and that of an unseen word."""

    surprise: Floats
    unseen: float

    def column(self, vocabulary: Vocabulary) -> Floats:
        """What a row's weights (count x idf over length) are multiplied with."""
        result: Floats = self.surprise / vocabulary.idf
        return result


@dataclass(frozen=True, slots=True)
class Read:
    """Texts as a vocabulary reads them: the surprise of all of a row's words, how many those are, and the share never seen."""

    total_surprise: Floats
    words: Ints
    unseen_share: Floats


def fit_word_model(corpus: Corpus, selection: Selection, rows: Ints) -> WordModel:
    """Probabilities of words and of pairs of words over these rows, for the terms that their vocabulary has.

    A word's probability after another is what the pair's count says, mixed with the word's own probability by the share of the
    first word's occurrences that no known pair explains (the idea of Witten and Bell, 1991). Seen as sums: each word costs minus
    its log probability and that of leaving its known pairs, and each known pair gives back what it explains. A vocabulary
    without single words says nothing: all zeros.
    """
    vocabulary = selection.vocabulary
    counts = np.asarray(corpus.words.counts[rows][:, selection.word_columns].sum(axis=0), np.float64).ravel()
    place = {term: number for number, term in enumerate(vocabulary.words) if " " not in term}
    surprise = np.zeros(vocabulary.size)
    if not place:
        return WordModel(surprise, 0.0)
    words = np.fromiter(place.values(), np.int64, len(place))
    total = float(counts[words].sum())
    share = np.zeros(len(vocabulary.words))
    share[words] = counts[words] / total
    pairs = _pairs(vocabulary, place)
    explained = np.bincount(pairs[:, 1], weights=counts[pairs[:, 0]], minlength=len(vocabulary.words))
    leaving = (np.maximum(counts - explained, 0.0) + 1.0) / (counts + 1.0)
    surprise[words] = -np.log(share[words]) - np.log(leaving[words])
    pair, first, second = pairs.T
    after = counts[pair] / (counts[first] + 1.0) + leaving[first] * share[second]
    surprise[pair] = -np.log(after) + np.log(share[second]) + np.log(leaving[first])
    return WordModel(surprise, -math.log(UNSEEN / total))


def _pairs(vocabulary: Vocabulary, place: dict[str, int]) -> Ints:
    """(term, first word, second word) of each term of two words; longer ones say nothing that their pairs do not."""
    found = []
    for number, term in enumerate(vocabulary.words):
        first, _, second = term.partition(" ")
        if first in place and second in place:
            found.append((number, place[first], place[second]))
    return np.array(found, np.int64).reshape(-1, 3)


def read_texts(texts: Sequence[str], vocabulary: Vocabulary, model: WordModel) -> Read:
    """What a vocabulary says of texts."""
    bags = Tokenizer(vocabulary).bags(as_texts(texts))
    row = np.repeat(np.arange(len(texts)), np.diff(bags.start))
    values = bags.weights * model.column(vocabulary)[bags.ids]
    sums = np.bincount(row, weights=values, minlength=len(texts)).astype(np.float64)
    total = total_surprise(sums, norms=bags.norms[:, 0], unseen=bags.unseen, unseen_surprise=model.unseen)
    return Read(total, bags.words, bags.unseen_share)


def fit_bag_novelty(
    margins: Floats, labels: Ints, read: Sequence[Read], *, temperature: float, unseen_surprise: float
) -> tuple[BagNovelty, Floats]:
    """The fitted state, and the raw novelty of the same rows; all arguments aligned, out of fold (`read` fold by fold).

    `unseen_surprise` is that of the version which is kept.
    """
    total, words = (np.concatenate([getattr(part, name) for part in read]) for name in ("total_surprise", "words"))
    usual = float(total.sum() / max(words.sum(), 1))
    patterns = class_patterns(margins, labels)
    probabilities = softmax(margins * temperature)
    doubt, misfit = class_signs(margins, probabilities, patterns)
    surprise = mean_surprise(total, words, usual=usual)
    units = {"doubt": _unit("doubt", doubt), "misfit": _unit("misfit", misfit), "surprise": _unit("surprise", surprise)}
    plain = BagNovelty(units=units, patterns=patterns, unseen_surprise=unseen_surprise, usual_surprise=usual)
    rank = _unit("rank", plain.joined(doubt, misfit, units["surprise"].of(surprise)))
    state = replace(plain, units={**units, "rank": rank})
    return state, state.raw(margins, probabilities, total_surprise=total, words=words)


def class_patterns(margins: Floats, labels: Ints) -> Floats:
    """A row a class: the mean margins of its rows, centered, of length 1 (zeros for a class without rows)."""
    bounded = np.clip(margins, -OUTERMOST, OUTERMOST)
    patterns = np.zeros((margins.shape[1], margins.shape[1]))
    for number in range(margins.shape[1]):
        rows = bounded[labels == number]
        if rows.size:
            mean = rows.mean(axis=0)
            patterns[number] = mean - mean.mean()
    lengths = np.linalg.norm(patterns, axis=1, keepdims=True)
    result: Floats = np.divide(patterns, lengths, out=np.zeros_like(patterns), where=lengths > 0)
    return result


def _unit(name: str, values: Floats) -> Unit:
    center, upper = np.quantile(values, (0.5, KNOWN_SHARE))
    return Unit(float(center), max(float(upper - center), NARROWEST[name]))
