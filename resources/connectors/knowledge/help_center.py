"""Zendesk's Help Center: changes by its incremental export, and now and then a listing of everything.

What belongs here: paths, paging and what a payload means. What does not: HTTP itself (`resources/connectors/http.py`).

The export (`/incremental/articles.json?start_time=`) has every change of an article's metadata, up to 1,000 a page, and says `end_time`,
the next `start_time`; a change in that second comes again, and changes nothing. An archived article is in neither answer: it is known
by its absence from a listing (`/articles.json`, 100 a page) that was read to its end.
"""

from collections.abc import Iterator, Mapping
from typing import Any, Final

from aios_core.errors import RecordError
from aios_core.retrieval.articles import Article, ArticleKey
from aios_core.retrieval.markup import html_sections, plain
from resources.connectors.http import HttpClient, SourceMalformed
from resources.connectors.knowledge.base import ArticlePage, Rejected
from resources.connectors.knowledge.shaping import article

EXPORT: Final = "/api/v2/help_center/incremental/articles.json"
LISTING: Final = "/api/v2/help_center/articles.json"
LISTED: Final = 100
PRODUCT: Final = "product:"


class HelpCenterArticles:
    """One Help Center, over an HTTP client with an agent's credentials."""

    def __init__(self, *, source: str, http: HttpClient) -> None:
        self._source, self._http = source, http

    def changes(self, *, cursor: str | None) -> Iterator[ArticlePage]:
        """Pages of up to 1,000 changed articles."""
        start = int(cursor or 0)
        while True:
            body = self._http.get(EXPORT, start_time=start)
            items, end = _items(body), body.get("end_time")
            # a page full of changes of one second would lead back to itself
            following = int(end) if isinstance(end, int | float) and items else start
            yield self._page(items, cursor=str(following))
            if not body.get("next_page") or following <= start:
                return
            start = following

    def listing(self) -> Iterator[ArticlePage]:
        """Pages of 100, by cursor, so that what is archived meanwhile moves nothing to a page already read."""
        after: str | None = None
        while True:
            params: dict[str, str | int] = {"page[size]": LISTED} | ({"page[after]": after} if after else {})
            body = self._http.get(LISTING, **params)
            yield self._page(_items(body), cursor=None)
            meta = body.get("meta")
            if not isinstance(meta, dict) or not isinstance(meta.get("has_more"), bool):
                raise SourceMalformed(
                    f"{self._http.name}: a page of articles does not say whether there are more; try again later"
                )
            if not meta["has_more"]:
                return
            if not meta.get("after_cursor") or meta["after_cursor"] == after:
                raise SourceMalformed(f"{self._http.name}: the listing of articles does not move on; try again later")
            after = str(meta["after_cursor"])

    def close(self) -> None:
        self._http.close()

    def _page(self, items: list[Any], *, cursor: str | None) -> ArticlePage:
        found: list[Article] = []
        rejected: list[Rejected] = []
        for item in items:
            try:
                found.append(_article(self._source, item))
            except RecordError as error:
                own = str(item.get("id", "?")) if isinstance(item, dict) else "?"
                rejected.append(Rejected(article_id=own[:200], code=error.code, message=str(error)))
        return ArticlePage(articles=tuple(found), rejected=tuple(rejected), cursor=cursor)


def _items(body: Mapping[str, Any]) -> list[Any]:
    items = body.get("articles")
    if not isinstance(items, list):
        raise SourceMalformed("zendesk help center: a page without a list of articles; try again later")
    return items


def _article(source: str, item: Any) -> Article:
    if not isinstance(item, dict) or not isinstance(item.get("id"), int):
        raise RecordError("knowledge.not_an_article", "an item of the Help Center is not an article with an id")
    labels = [label for label in item.get("label_names") or () if isinstance(label, str)]
    return article(
        key=ArticleKey(source, str(item["id"])),
        title=plain(str(item.get("title") or item.get("name") or "")),
        sections=html_sections(str(item.get("body") or "")),
        language=item.get("locale"),
        products=[label.removeprefix(PRODUCT) for label in labels if label.startswith(PRODUCT)],
        url=item.get("html_url"),
        published=item.get("draft") is not True,
    )
