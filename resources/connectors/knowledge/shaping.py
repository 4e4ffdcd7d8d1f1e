"""From what a source says to an Article: the checks that every source needs.

What belongs here: what is the same for all sources. What does not: finding and fetching (modules beside this one).
"""

from collections.abc import Sequence
from datetime import datetime
from typing import Any
from urllib.parse import urlsplit

from aios_core.canonical.values import MAX_ID_CHARS
from aios_core.errors import RecordError
from aios_core.monitoring.language import guess_language
from aios_core.retrieval.articles import Article, ArticleKey, Section
from aios_core.retrieval.filters import main_language

GUESSED_FROM = 4_000  # characters
MAX_TITLE = 500


def article(
    *,
    key: ArticleKey,
    title: str,
    sections: Sequence[Section],
    language: Any,
    products: Sequence[str] = (),
    url: Any = None,
    valid_from: datetime | None = None,
    valid_until: datetime | None = None,
    published: bool = True,
) -> Article:
    """Raises RecordError for an article without text, or with an id that can't be a key."""
    if not key.article_id or len(key.article_id) > MAX_ID_CHARS:
        raise RecordError("knowledge.bad_id", f"{key}: an article's id has 1 to {MAX_ID_CHARS} characters")
    if not sections and published:
        raise RecordError(
            "knowledge.no_text", f"{key}: no text is left without its markup; write some, or unpublish it"
        )
    text = " ".join(s.text for s in sections)[:GUESSED_FROM]
    return Article(
        key=key,
        title=title[:MAX_TITLE],
        sections=tuple(sections),
        language=main_language(str(language)) if language else guess_language(f"{title} {text}"),
        products=tuple(dict.fromkeys(products)),
        url=safe_url(url),
        valid_from=valid_from,
        valid_until=valid_until,
        published=published,
    )


def safe_url(url: Any) -> str | None:
    """A link that may be shown: http, https, or a path on the same site; `javascript:` and the like are dropped."""
    text = str(url).strip() if url else ""
    try:
        parts = urlsplit(text)
    except ValueError:
        return None
    if parts.scheme in ("http", "https") and parts.netloc:
        return text
    return text if text.startswith("/") and not text.startswith(("//", "/\\")) else None
