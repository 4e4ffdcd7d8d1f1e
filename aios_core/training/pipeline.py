"""scikit-learn's own pipeline on raw strings: the truth that a version's tokenizer and graph are compared with.

What belongs here: building that pipeline from a fit. What does not: the comparison (`parity.py`). Nothing here is in a version.

It shares the fitted numbers with the version and none of its code: scikit-learn cuts the text, counts, weighs and classifies.
"""

import math
from typing import Any

import numpy as np
import numpy.typing as npt
import pyarrow as pa

from aios_core.features.build import PREFIX
from aios_core.features.encoding import CLIP, WEIGHT, CustomerEncoding, FactState
from aios_core.scoring.vocabulary import Vocabulary
from aios_core.scoring.wording import PRIOR_WORDS, SUREST, SURPRISE_SHARE, BagNovelty
from aios_core.training.calibration import softmax
from aios_core.training.fit import Fitted


class StringPipeline:
    """`predict_proba` over a feature table, by scikit-learn's vectorizers and classifier alone; novelty by plain loops."""

    def __init__(self, fitted: Fitted) -> None:
        self._fitted = fitted
        self._text, self._facts = _text_vectorizers(fitted.vocabulary), _fact_vectorizer(fitted.encoding)

    def predict_proba(self, features: pa.Table) -> npt.NDArray[np.float64]:
        """Rows x classes, in the order of the fit's classes."""
        return softmax(self._margins(features) * self._fitted.assessed.temperature)

    def predict_with_novelty(self, features: pa.Table) -> tuple[npt.NDArray[np.float64], npt.NDArray[np.float64]]:
        """The same, and each row's normalised novelty."""
        margins = self._margins(features)
        probabilities = softmax(margins * self._fitted.assessed.temperature)
        surprise = _surprises([text or "" for text in features.column("text").to_pylist()], self._fitted)
        raw = [_raw_novelty(*row, self._fitted.novelty) for row in zip(margins, probabilities, surprise, strict=True)]
        assert self._fitted.assessed.novelty is not None
        scale = self._fitted.assessed.novelty.scale
        return probabilities, (np.array(raw, np.float64) - scale.center) / (scale.limit - scale.center)

    def _margins(self, features: pa.Table) -> npt.NDArray[np.float64]:
        from scipy import sparse

        texts = [text or "" for text in features.column("text").to_pylist()]
        blocks = [vectorizer.transform(texts) for vectorizer in self._text]
        if self._facts is not None:
            blocks.append(self._facts.transform(self._named_facts(features)))
        margins = self._fitted.classifier.decision_function(sparse.hstack(blocks, format="csr"))
        if margins.ndim == 1:
            margins = np.column_stack([-margins, margins])
        return np.asarray(margins, np.float64)

    def _named_facts(self, features: pa.Table) -> list[dict[str, float]]:
        facts = self._fitted.encoding.facts
        columns = [features.column(PREFIX + fact.name).to_pylist() for fact in facts]
        return [
            dict(_entry(fact, value) for fact, value in zip(facts, values, strict=True))
            for values in zip(*columns, strict=True)
        ]


def _text_vectorizers(vocabulary: Vocabulary) -> list[Any]:
    """One a block; scikit-learn refuses a vectorizer without terms, so an empty block has none."""
    from sklearn.feature_extraction.text import TfidfVectorizer

    split = len(vocabulary.words)
    blocks: list[tuple[tuple[str, ...], npt.NDArray[np.float64], dict[str, Any]]] = [
        (vocabulary.words, vocabulary.idf[:split], {"ngram_range": vocabulary.word_ngrams}),
        (vocabulary.chars, vocabulary.idf[split:], {"ngram_range": vocabulary.char_ngrams, "analyzer": "char_wb"}),
    ]
    found = []
    for terms, idf, settings in blocks:
        if terms:
            vectorizer = TfidfVectorizer(vocabulary={term: i for i, term in enumerate(terms)}, **settings)
            vectorizer.idf_ = idf
            found.append(vectorizer)
    return found


def _surprises(texts: list[str], fitted: Fitted) -> list[float]:
    """Mean surprise a word, term by term from scikit-learn's own cutting."""
    from sklearn.feature_extraction.text import CountVectorizer

    vocabulary, usual = fitted.vocabulary, fitted.novelty.usual_surprise
    surprise = dict(zip(vocabulary.words, fitted.words.surprise.tolist(), strict=False))
    known = {word for term in vocabulary.words for word in term.split(" ")}
    words_of = CountVectorizer().build_analyzer()
    terms_of = CountVectorizer(ngram_range=vocabulary.word_ngrams).build_analyzer()
    found = []
    for text in texts:
        words = words_of(text)
        unseen = sum(word not in known for word in words)
        total = sum(surprise.get(term, 0.0) for term in terms_of(text)) + unseen * fitted.words.unseen
        found.append((total + PRIOR_WORDS * usual) / (len(words) + PRIOR_WORDS))
    return found


def _raw_novelty(
    margins: npt.NDArray[np.float64],
    probabilities: npt.NDArray[np.float64],
    surprise: float,
    novelty: BagNovelty,
) -> float:
    """One row, by the rules that `scoring/wording.py` states."""
    units = novelty.units

    def of(name: str, value: float) -> float:
        return (value - units[name].center) / units[name].width

    strange = of("surprise", surprise)
    if strange > 1.0:
        return 1.0 + strange
    best = int(probabilities.argmax())
    sure = float(probabilities[best])
    usual = novelty.patterns[best]
    alike = float(np.corrcoef(margins, usual)[0, 1]) if margins.std() > 0 and usual.std() > 0 else 0.0
    doubt = of("doubt", math.log(max(1.0 - sure, SUREST) / sure))
    rank = of("rank", doubt + of("misfit", 1.0 - alike) + SURPRISE_SHARE * strange)
    return rank / (1.0 + abs(rank))


def _fact_vectorizer(encoding: CustomerEncoding) -> Any:
    from sklearn.feature_extraction import DictVectorizer

    return DictVectorizer(sort=False).fit([dict.fromkeys(encoding.terms, 1.0)]) if encoding.size else None


def _entry(fact: FactState, value: Any) -> tuple[str, float]:
    """One fact of one row as a named weight, by the rules that `features/encoding.py` states."""
    if fact.kind == "numeric":
        if value is None or not math.isfinite(value):
            return f"{fact.name} missing", WEIGHT
        return fact.name, WEIGHT * max(-CLIP, min(CLIP, (value - fact.mean) / fact.scale))
    if value is None:
        return f"{fact.name} missing", WEIGHT
    return (f"{fact.name}={value}" if value in fact.values else f"{fact.name} unseen"), WEIGHT
