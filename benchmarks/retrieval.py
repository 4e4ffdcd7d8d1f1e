"""Knowledge search on two sets of real articles: by words, by meaning, and by both.

`aios bench retrieval --json`, or `python -m benchmarks.retrieval`. A set's questions are halved by article: the weights of the fusion were
chosen on the first half (`chosen_on`), and the figures are those of the second, searched among all articles of the set. StackFAQ has ten
questions of people an article. login.gov has none: there an article's title is the question, and no title is in the index. `gaps` asks
StackFAQ's questions once with and once without the article that answers them.
"""

import json
import os
import sys
import time
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

import numpy as np

from aios_core.automation import EncoderSettings
from aios_core.errors import ConfigurationError
from aios_core.retrieval.articles import Article, ArticleKey
from aios_core.retrieval.gaps import is_gap
from aios_core.retrieval.index import Embed, KnowledgeIndex, Method, cut_all
from aios_core.retrieval.markup import markdown_sections
from aios_core.training.encoder.fit import prepare
from benchmarks.encoder import weights
from resources.model_folders import read_folder
from resources.runtime import open_session

BESIDE: Final = Path(__file__).resolve().parents[2] / "shared" / "data"
METHODS: Final[tuple[Method, ...]] = ("bm25", "embeddings", "fusion")
SETS: Final = ("stackfaq", "login_gov")
DEEP: Final = 1_000


@dataclass(frozen=True, slots=True, kw_only=True)
class Question:
    """A question, and the place of the article that answers it."""

    text: str
    place: int

    @property
    def chosen_on(self) -> bool:
        """Whether its article is of the half that the weights were chosen on."""
        return self.place % 2 == 0


def measure(*, data: Path | None = None) -> dict[str, Any]:
    """Both sets where they are there; at least one must be."""
    folder = data or Path(os.environ.get("AIOS_DATA") or BESIDE)
    found: dict[str, Any] = {}
    embed = _encoder()
    for name, (articles, questions) in _sets(folder):
        _say(f"{name}: {len(articles)} articles, {len(questions)} questions")
        cut = cut_all(articles)
        index = KnowledgeIndex(articles, vectors=embed([p.searched for p in cut]), cut=cut)
        held = [q for q in questions if not q.chosen_on]
        found[name] = {
            "articles": len(articles),
            "passages": len(cut),
            "questions": len(held),
            **{method: _figures(index, embed, held, method) for method in METHODS},
            "chosen_on": {
                method: _figures(index, embed, [q for q in questions if q.chosen_on], method) for method in METHODS
            },
        }
        if name == "stackfaq":
            found[name]["gaps"] = {
                "meaning": _gaps(index, embed, held),
                "words_alone": _gaps(index, None, held),
            }
    if not found:
        raise ConfigurationError(
            f"{folder} has neither kb/stackfaq_even.jsonl nor kb/login_gov_help_en.jsonl; say where the real data is with --data or AIOS_DATA"
        )
    return found


def _figures(index: KnowledgeIndex, embed: Embed, questions: Sequence[Question], method: Method) -> dict[str, float]:
    """Of a whole search each: the question's embedding, both scores, ranking, the passage."""
    ranks, seconds = [], []
    for question in questions:
        before = time.perf_counter()
        hits = index.search(question.text, embed=embed, method=method, limit=DEEP)
        seconds.append(time.perf_counter() - before)
        places = [int(hit.article.key.article_id) for hit in hits]
        ranks.append(places.index(question.place) + 1 if question.place in places else np.inf)
    rank = np.array(ranks)
    return {
        "recall_1": round(float((rank <= 1).mean()), 4),
        "recall_5": round(float((rank <= 5).mean()), 4),
        "mrr": round(float((1 / rank).mean()), 4),
        "p95_ms": round(float(np.quantile(seconds, 0.95)) * 1_000, 2),
    }


def _gaps(index: KnowledgeIndex, embed: Embed | None, questions: Sequence[Question]) -> dict[str, float]:
    """The share of answered questions that count as a gap, and of those whose article is taken away."""
    called, caught = 0, 0
    for question in questions:
        own = str(question.place)
        for removed in (False, True):
            best = index.search(
                question.text, embed=embed, limit=1, allowed=lambda a: not (removed and a.key.article_id == own)  # noqa: B023 (called at once)
            )  # fmt: skip
            gap = not best or is_gap(best[0].score, by_meaning=best[0].meaning is not None)
            called, caught = called + (gap and not removed), caught + (gap and removed)
    return {
        "answered_called_gap": round(called / len(questions), 4),
        "unanswered_found": round(caught / len(questions), 4),
    }


def _sets(folder: Path) -> Iterator[tuple[str, tuple[list[Article], list[Question]]]]:
    for name, file, asked, titled in (
        ("stackfaq", "stackfaq_even.jsonl", lambda row: row["queries"], True),
        ("login_gov", "login_gov_help_en.jsonl", lambda row: [row["title"]], False),
    ):
        path = folder / "kb" / file
        if path.is_file():
            yield name, _read(path, asked, titled=titled)


def _read(path: Path, asked: Callable[[Any], list[str]], *, titled: bool) -> tuple[list[Article], list[Question]]:
    rows = [json.loads(line) for line in path.read_text(encoding="utf-8").splitlines()]
    articles = [
        Article(
            key=ArticleKey("bench", str(place)),
            title=row["title"] if titled else "",
            sections=markdown_sections(row["body"]),
            language="en",
        )
        for place, row in enumerate(rows)
    ]
    return articles, [Question(text=text, place=place) for place, row in enumerate(rows) for text in asked(row)]


def _encoder() -> Embed:
    named = weights()
    _say(f"preparing {named}")
    prepared = prepare(
        read_folder(named, beside=Path()), EncoderSettings(folder=named), accelerator="cpu", open_session=open_session
    )
    return prepared.open(open_session).embed


def _say(message: str) -> None:
    print(message, file=sys.stderr, flush=True)


if __name__ == "__main__":
    print(json.dumps(measure(), indent=1))
