"""What an article is, and when it may be cited.

What belongs here: the entity, its version and its validity. What does not: reading markup (`markup.py`), cutting (`passages.py`), and
where articles come from (`resources/connectors/knowledge/`).
"""

import hashlib
import json
from dataclasses import dataclass
from datetime import datetime

from aios_core.errors import PermanentError


class KnowledgeError(PermanentError):
    """Knowledge is missing, damaged or asked for wrongly; the message names it and the way out."""

    code = "knowledge.invalid"


@dataclass(frozen=True, slots=True, order=True)
class ArticleKey:
    """Which article: the source as declared, and the id there."""

    source: str
    article_id: str

    def __str__(self) -> str:
        return f"{self.source}/{self.article_id}"


@dataclass(frozen=True, slots=True, kw_only=True)
class Section:
    """A stretch of plain text under its headings, outermost first; the article's own title is not among them."""

    headings: tuple[str, ...]
    text: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Article:
    """One version of one article, as plain text: no markup of the source is kept.

    `products` empty: it holds for all of them. `valid_from` is the first moment at which it holds, `valid_until` the first at which it
    no longer does; None is without end. `published` False: withdrawn at the source.
    """

    key: ArticleKey
    title: str
    sections: tuple[Section, ...]
    language: str
    products: tuple[str, ...] = ()
    url: str | None = None
    valid_from: datetime | None = None
    valid_until: datetime | None = None
    published: bool = True

    @property
    def text(self) -> str:
        """The whole text, headings in their places."""
        return "\n\n".join("\n".join((*section.headings[-1:], section.text)).strip() for section in self.sections)

    @property
    def version(self) -> str:
        """Of the content: the same content is the same version, whenever it was read."""
        own = [
            self.title,
            [[list(s.headings), s.text] for s in self.sections],
            self.language,
            sorted(self.products),
            self.url,
            *(None if moment is None else moment.isoformat() for moment in (self.valid_from, self.valid_until)),
            self.published,
        ]
        return hashlib.sha256(json.dumps(own, ensure_ascii=False).encode("utf-8", "surrogatepass")).hexdigest()[:16]


@dataclass(frozen=True, slots=True, kw_only=True)
class Validity:
    """What decides whether a version may be cited at a moment, and nothing else of it."""

    version: str
    published: bool
    valid_from: datetime | None
    valid_until: datetime | None

    def holds(self, now: datetime) -> bool:
        """Whether it may be cited at `now`."""
        begun = self.valid_from is None or self.valid_from <= now
        return self.published and begun and (self.valid_until is None or now < self.valid_until)
