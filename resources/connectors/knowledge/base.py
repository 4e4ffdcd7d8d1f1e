"""What every source of articles answers: what changed, what could not be read, and, now and then, all that there is.

What belongs here: the types that cross to the store. What does not: one source (modules beside this one).
"""

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Protocol

from aios_core.retrieval.articles import Article


@dataclass(frozen=True, slots=True, kw_only=True)
class Rejected:
    """Something that was found and is no article: its id, a stable code, and what to do."""

    article_id: str
    code: str
    message: str


@dataclass(frozen=True, slots=True, kw_only=True)
class ArticlePage:
    """What is stored in one transaction. `cursor` is where to go on once it is; None: nothing was said of it."""

    articles: tuple[Article, ...]
    rejected: tuple[Rejected, ...] = ()
    cursor: str | None = None


class ArticleSource(Protocol):
    """A client of one source. A read that fails raises: it is never an empty answer."""

    def changes(self, *, cursor: str | None) -> Iterator[ArticlePage]:
        """What changed since `cursor`; None: everything."""
        ...

    def listing(self) -> Iterator[ArticlePage]:
        """Everything that there is now. Only a listing read to its end may retire what it lacks."""
        ...

    def close(self) -> None: ...
