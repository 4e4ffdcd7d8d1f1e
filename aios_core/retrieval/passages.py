"""An article cut into passages: what is searched, shown and cited.

What belongs here: the cut. What does not: reading markup (`markup.py`) and searching (`index.py`).

A passage is at most so many words of one section, cut between paragraphs, else between sentences, else between words. Nothing is left
out and nothing is in two passages: the passages of an article, one after the other, are its text.
"""

import re
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Final

from aios_core.retrieval.articles import Article, ArticleKey

WORDS: Final = 160  # with its headings what the small encoders read in one window of 256 tokens
_PARAGRAPH: Final = re.compile(r"\n\n|\n")
_SENTENCE: Final = re.compile(r"(?<=[.!?。！？؟])\s+")


@dataclass(frozen=True, slots=True, kw_only=True)
class Passage:
    """One piece of one version of an article. `headings` begin with the article's title."""

    key: ArticleKey
    version: str
    number: int
    headings: tuple[str, ...]
    text: str

    @property
    def searched(self) -> str:
        """What both searches read: the headings say what a step or a number is about."""
        return "\n".join((*self.headings, self.text))


def passages(article: Article, *, words: int = WORDS) -> list[Passage]:
    """The article's passages in order; one with its title alone where it has no text, none where it has neither."""
    found = [(section.headings, piece) for section in article.sections for piece in _pieces(section.text, words)]
    if not found and article.title:
        found = [((), "")]
    return [
        Passage(
            key=article.key,
            version=article.version,
            number=number,
            headings=tuple(h for h in (article.title, *headings) if h),
            text=text,
        )
        for number, (headings, text) in enumerate(found)
    ]


def _pieces(text: str, words: int) -> Iterator[str]:
    """Paragraphs glued up to the limit."""
    held: list[str] = []
    count = 0
    for part in _parts(text, words):
        size = len(part.split())
        if held and count + size > words:
            yield "\n".join(held)
            held, count = [], 0
        held.append(part)
        count += size
    if held:
        yield "\n".join(held)


def _parts(text: str, words: int) -> Iterator[str]:
    """Paragraphs, those past the limit in sentences, and sentences past it in runs of words."""
    for paragraph in _PARAGRAPH.split(text):
        for part in [paragraph] if len(paragraph.split()) <= words else _SENTENCE.split(paragraph):
            found = part.split()
            if len(found) <= words:
                if found:
                    yield part.strip()
            else:
                yield from (" ".join(found[start : start + words]) for start in range(0, len(found), words))
