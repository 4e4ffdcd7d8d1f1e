"""The index: a question to articles, by words, by meaning and by both.

What belongs here: scoring and ranking. What does not: building vectors (an encoder is handed in) and what is valid now, which is asked at
each search, since an index may be older than a retirement.

An article scores by
    meaning  = 0.9 cos(question, article) + 0.1 cos(question, its best passage)
    keywords = the share of the question's BM25 weight that the article has
    fused    = meaning + 0.06 keywords
An article's vector is the mean of its passages', weighted by their words. The weights were chosen on one half of two sets of real
articles and are reported on the other (docs/adr/0021).
"""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Final, Literal

import numpy as np
import numpy.typing as npt

from aios_core.retrieval.articles import Article
from aios_core.retrieval.filters import Filter
from aios_core.retrieval.keyword import KeywordIndex
from aios_core.retrieval.passages import Passage, passages
from aios_core.retrieval.words import words_of

ARTICLE_SHARE: Final = 0.9
KEYWORD_WEIGHT: Final = 0.06

Method = Literal["bm25", "embeddings", "fusion"]
Floats = npt.NDArray[np.float32]
Embed = Callable[[Sequence[str]], Floats]


@dataclass(frozen=True, slots=True, kw_only=True)
class Hit:
    """One article found, with its passage that fits best. `score` compares hits of one method, between questions too."""

    article: Article
    passage: Passage
    score: float
    keywords: float
    meaning: float | None


class KnowledgeIndex:
    """Articles cut into passages, in memory. Never changed after it is made, so safe to share between threads."""

    def __init__(
        self, articles: Sequence[Article], *, vectors: Floats | None = None, cut: Sequence[Passage] | None = None
    ) -> None:
        """`vectors` has a row for each of `cut`, which is by default what `cut_all` makes of the articles."""
        self.passages: list[Passage] = list(cut_all(articles) if cut is None else cut)
        if vectors is not None and len(vectors) != len(self.passages):
            raise ValueError(f"{len(vectors)} vectors for {len(self.passages)} passages")
        having = {passage.key for passage in self.passages}
        self.articles: list[Article] = [article for article in articles if article.key in having]
        place = {article.key: number for number, article in enumerate(self.articles)}
        self._owner = np.array([place[passage.key] for passage in self.passages], np.int64)
        self._vectors = vectors
        self._means = None if vectors is None else _means(vectors, self.passages, self._owner, len(self.articles))
        self._languages = sorted({article.language for article in self.articles})
        language = [self.articles[owner].language for owner in self._owner]
        cut_words = [words_of(p.searched, language=spoken) for p, spoken in zip(self.passages, language, strict=True)]
        self._by_passage = KeywordIndex(cut_words)
        self._by_article = KeywordIndex(_article_words(self.articles))

    @property
    def has_vectors(self) -> bool:
        """Whether it was built with an encoder."""
        return self._vectors is not None

    def search(
        self,
        question: str,
        *,
        embed: Embed | None = None,
        method: Method = "fusion",
        filter: Filter = Filter(),  # noqa: B008 (frozen)
        allowed: Callable[[Article], bool] = lambda _: True,
        limit: int = 5,
    ) -> list[Hit]:
        """The best articles, best first; none for an empty question. Without an encoder `fusion` is BM25."""
        if not question.strip() or not self.articles:
            return []
        may = np.fromiter((filter.allows(a) and allowed(a) for a in self.articles), bool, len(self.articles))
        if not may.any():
            return []
        asked = None if embed is None or self._vectors is None or method == "bm25" else embed([question])[0]
        whole, pieces = self._keywords(question)
        meaning = None if asked is None else self._meaning(asked)
        scores = whole if meaning is None else meaning[0] + (KEYWORD_WEIGHT * whole if method == "fusion" else 0)
        fits = pieces if meaning is None else meaning[1] + KEYWORD_WEIGHT * pieces
        # what shares no word with the question is no answer, where words are all there is
        may &= np.isfinite(scores) & ((scores > 0) if meaning is None else True)
        best = [int(n) for n in np.argsort(-np.where(may, scores, -np.inf), kind="stable")[:limit] if may[n]]
        return [self._hit(n, scores, whole, None if meaning is None else meaning[0], fits) for n in best]

    def _hit(self, n: int, scores: Floats, whole: Floats, meaning: Floats | None, fits: Floats) -> Hit:
        own = np.flatnonzero(self._owner == n)
        passage = self.passages[int(own[np.argmax(fits[own])])]
        return Hit(
            article=self.articles[n],
            passage=passage,
            score=round(float(scores[n]), 6),
            keywords=round(float(whole[n]), 6),
            meaning=None if meaning is None else round(float(meaning[n]), 6),
        )

    def _keywords(self, question: str) -> tuple[Floats, Floats]:
        """Shares by article and by passage: the most over the languages there are, since the question's own is not sure."""
        found = [words_of(question, language=language) for language in self._languages]
        whole = np.max([self._by_article.shares(words) for words in found], axis=0)
        return whole, np.max([self._by_passage.shares(words) for words in found], axis=0)

    def _meaning(self, asked: Floats) -> tuple[Floats, Floats]:
        assert self._vectors is not None  # asked for only where there are vectors
        assert self._means is not None
        pieces: Floats = self._vectors @ asked
        best = np.full(len(self.articles), -1.0, np.float32)
        np.maximum.at(best, self._owner, pieces)
        whole: Floats = ARTICLE_SHARE * (self._means @ asked) + (1 - ARTICLE_SHARE) * best
        return whole, pieces


def cut_all(articles: Sequence[Article]) -> list[Passage]:
    """Every passage of the articles, in their order."""
    return [passage for article in articles for passage in passages(article)]


def _means(vectors: Floats, cut: Sequence[Passage], owner: npt.NDArray[np.int64], count: int) -> Floats:
    """A unit vector an article: the mean of its passages', weighted by their words."""
    weights = np.fromiter((max(1, len(p.searched.split())) for p in cut), np.float32, len(cut))
    sums = np.zeros((count, vectors.shape[1]), np.float32)
    np.add.at(sums, owner, vectors * weights[:, None])
    means: Floats = sums / np.maximum(np.linalg.norm(sums, axis=1, keepdims=True), np.float32(1e-9))
    return means


def _article_words(articles: Sequence[Article]) -> list[list[str]]:
    """The words of whole articles: a title counts once, however many passages it stands over."""
    return [words_of(f"{article.title}\n{article.text}", language=article.language) for article in articles]
