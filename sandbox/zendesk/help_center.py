"""The Help Center: articles as the vendor lists and exports them, and what editors do to them.

What belongs here: articles' state, shapes and two endpoints. What does not: their texts (`sandbox/world/articles.py`).

An archived article is in no answer at all, and `draft` marks one that is not published, as with the vendor. The listing pages by cursor
(`page[size]`, `page[after]`), the export by `start_time` and `end_time`, which is inclusive: its last second comes again.
"""

import base64
import binascii
from dataclasses import dataclass, replace
from typing import Any, Final

from fastapi import Request

from sandbox.clock import SECOND, iso
from sandbox.world.articles import ARTICLES
from sandbox.zendesk.errors import bad_request

FIRST_ARTICLE_ID: Final = 360_001
SECTION_ID: Final = 7_001
LARGEST_LISTING: Final = 100
LARGEST_EXPORT: Final = 1_000
DAY: Final = 86_400 * SECOND
EDITABLE: Final = ("title", "body", "locale", "labels", "draft", "archived")


class ArticleError(ValueError):
    """What an editor asked for makes no sense; the message says what would."""


@dataclass(frozen=True, slots=True)
class ArticleState:
    """One article as it stands; `updated` in microseconds since the epoch."""

    article_id: int
    title: str
    body: str
    locale: str
    labels: tuple[str, ...]
    draft: bool
    created: int
    updated: int
    archived: bool = False


class HelpCenter:
    """All articles of one sandbox. Changes come through `Sandbox.edit_article`, which writes them down."""

    def __init__(self, *, start: int, url: str) -> None:
        self._url = url
        self._articles: dict[int, ArticleState] = {}
        for number, written in enumerate(ARTICLES, FIRST_ARTICLE_ID):
            edited = start - written.age_days * DAY
            self._articles[number] = ArticleState(
                number, written.title, written.body, written.locale, written.labels, written.draft, edited, edited
            )

    def __len__(self) -> int:
        return sum(not article.archived for article in self._articles.values())

    def check(self, article_id: int | None, fields: dict[str, Any]) -> int:
        """The id that an edit is about, a new one for None. Raises ArticleError."""
        if unknown := sorted(set(fields) - set(EDITABLE)):
            raise ArticleError(f"an article has no field {unknown[0]!r}; there are: {', '.join(EDITABLE)}")
        if article_id is None:
            if not isinstance(fields.get("title"), str):
                raise ArticleError("a new article needs a title")
            return max(self._articles) + 1
        if article_id not in self._articles:
            raise ArticleError(f"there is no article {article_id}")
        return article_id

    def edit(self, article_id: int, fields: dict[str, Any], at: int) -> None:
        """Change, archive or add an article that was checked."""
        before = self._articles.get(article_id) or ArticleState(article_id, "", "", "en-us", (), False, at, at)
        self._articles[article_id] = replace(
            before, **{k: tuple(v) if k == "labels" else v for k, v in fields.items()}, updated=at
        )

    def listed(self, after: int, size: int) -> tuple[list[dict[str, Any]], bool]:
        """Articles by id after that one, and whether there are more."""
        found = [a for i, a in sorted(self._articles.items()) if i > after and not a.archived]
        return [self._payload(a) for a in found[:size]], len(found) > size

    def exported(self, start_seconds: int) -> tuple[list[dict[str, Any]], int | None, bool]:
        """Articles changed since, the last one's second, and whether there are more."""
        found = [a for a in self._articles.values() if a.updated // SECOND >= start_seconds and not a.archived]
        found.sort(key=lambda article: (article.updated, article.article_id))
        page = found[:LARGEST_EXPORT]
        return [self._payload(a) for a in page], page[-1].updated // SECOND if page else None, len(found) > len(page)

    def _payload(self, article: ArticleState) -> dict[str, Any]:
        at = {"created_at": iso(article.created // SECOND), "updated_at": iso(article.updated // SECOND)}
        return {
            "id": article.article_id,
            "url": f"{self._url}/api/v2/help_center/{article.locale}/articles/{article.article_id}.json",
            "html_url": f"{self._url}/hc/{article.locale}/articles/{article.article_id}",
            "author_id": 1,
            "comments_disabled": False,
            "draft": article.draft,
            "promoted": False,
            "position": 0,
            "vote_sum": 0,
            "vote_count": 0,
            "section_id": SECTION_ID,
            **at,
            "edited_at": at["updated_at"],
            "name": article.title,
            "title": article.title,
            "source_locale": article.locale,
            "locale": article.locale,
            "outdated": False,
            "outdated_locales": [],
            "user_segment_id": None,
            "permission_group_id": 1,
            "content_tag_ids": [],
            "label_names": list(article.labels),
            "body": article.body,
        }


def listing(center: HelpCenter, request: Request) -> dict[str, Any]:
    """The answer of `GET /help_center/articles`."""
    size = _number(request.query_params.get("page[size]"), "page[size]", 30)
    if not 1 <= size <= LARGEST_LISTING:
        raise bad_request("InvalidValue", f"page[size] {size} is not between 1 and {LARGEST_LISTING}")
    given = request.query_params.get("page[after]")
    items, more = center.listed(0 if given is None else _decode(given), size)
    after = base64.b64encode(f"article:{items[-1]['id']}".encode()).decode() if items else None
    following = str(request.url.include_query_params(**{"page[after]": after})) if more else None
    return {
        "articles": items,
        "meta": {"has_more": more, "after_cursor": after, "before_cursor": None},
        "links": {"next": following, "prev": None},
    }


def export(center: HelpCenter, request: Request) -> dict[str, Any]:
    """The answer of `GET /help_center/incremental/articles`."""
    if "start_time" not in request.query_params:
        raise bad_request("InvalidValue", "start_time is required")
    items, end, more = center.exported(_number(request.query_params["start_time"], "start_time", 0))
    following = str(request.url.include_query_params(start_time=end)) if more else None
    return {"articles": items, "count": len(items), "end_time": end, "next_page": following}


def _number(text: str | None, name: str, default: int) -> int:
    if text is None:
        return default
    if not (text.isascii() and text.isdigit() and len(text) <= 12):
        raise bad_request("InvalidValue", f"{name} {text[:40]!r} is not a whole number")
    return int(text)


def _decode(cursor: str) -> int:
    try:
        kind, _, number = base64.b64decode(cursor, validate=True).decode("ascii").partition(":")
        if kind == "article":
            return int(number)
    except (binascii.Error, UnicodeDecodeError, ValueError):
        pass
    raise bad_request("InvalidValue", f"page[after] {cursor[:40]!r} is not a cursor of this listing")
