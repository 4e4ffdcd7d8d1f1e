"""Articles in all their versions, and reading a source into them.

What belongs here: the tables `knowledge_articles`, `knowledge_rejects` and `knowledge_reads`. What does not: sources
(`connectors/knowledge/`), the index (`knowledge_index.py`) and gaps (`knowledge_gaps.py`).

A row is a change and the newest row of an article counts, so that a withdrawn article is one more row. What a source lists no more, and
what can no longer be read, is withdrawn: nothing is cited that is not there.
"""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from typing import Any

from psycopg import Connection
from psycopg.rows import DictRow, dict_row
from psycopg.types.json import Jsonb

from aios_core.retrieval.articles import Article, ArticleKey, Section, Validity
from resources.connectors.knowledge.base import ArticlePage, ArticleSource, Rejected
from resources.database import Database, rows

NEWEST = "select distinct on (source, article_id) * from knowledge_articles where automation = %s"
IN_ORDER = " order by source, article_id, change_id desc"


@dataclass(frozen=True, slots=True, kw_only=True)
class Stored:
    """What reading brought: new articles, new versions, those withdrawn, those as before, and what was no article."""

    new: int = 0
    changed: int = 0
    withdrawn: int = 0
    unchanged: int = 0
    rejected: int = 0

    def plus(self, other: "Stored") -> "Stored":
        """Both together."""
        return Stored(**{name: getattr(self, name) + getattr(other, name) for name in self.__dataclass_fields__})


@dataclass(frozen=True, slots=True, kw_only=True)
class Listed:
    """One article as people see it in a list, with when its newest version became known."""

    article: Article
    known_at: datetime
    versions: int


class KnowledgeStore:
    """Articles of all automations."""

    def __init__(self, database: Database) -> None:
        self._database = database

    def read(self, source: ArticleSource, *, automation: str, name: str, relist: timedelta, now: datetime) -> Stored:
        """Everything new of a source. Where a listing is due it comes first: what is made while it runs is among the changes.

        Reading again changes nothing. A read that fails midway raises and withdraws nothing.
        """
        known = self._known(automation, name)
        result = Stored()
        if known is None or known["listed_at"] is None or known["listed_at"] + relist <= now:
            result = result.plus(self._list(source, automation=automation, name=name, now=now))
        for page in source.changes(cursor=None if known is None else known["position"]):
            result = result.plus(self.put(page, automation=automation, name=name, now=now))
        return result

    def put(self, page: ArticlePage, *, automation: str, name: str, now: datetime) -> Stored:
        """One page in one transaction, with its cursor."""
        with self._database.connection() as connection:
            _lock(connection, automation, name)
            return _put(connection, page, automation, name, now)

    def current(self, automation: str) -> list[Article]:
        """The newest version of every article, withdrawn ones too, by key."""
        with self._database.connection() as connection:
            return [_article(row) for row in rows(connection, NEWEST + IN_ORDER, (automation,))]

    def listed(self, automation: str, *, everything: bool = False, now: datetime) -> list[Listed]:
        """Articles that may be cited now; all of them with `everything`."""
        query = f"select n.*, (select count(*) from knowledge_articles a where a.automation = n.automation and a.source = n.source and a.article_id = n.article_id) as versions from ({NEWEST}{IN_ORDER}) n order by source, article_id"
        with self._database.connection() as connection:
            found = rows(connection, query, (automation,))
        listed = [Listed(article=_article(row), known_at=row["known_at"], versions=row["versions"]) for row in found]
        return [one for one in listed if everything or validity_of(one.article).holds(now)]

    def validity(self, automation: str, keys: Sequence[ArticleKey]) -> dict[ArticleKey, Validity]:
        """What decides now whether these may be cited; an article that was never there is missing."""
        with self._database.connection() as connection:
            found = rows(
                connection,
                "select w.source, w.article_id, n.* from unnest(%s::text[], %s::text[]) w (source, article_id) cross join lateral"
                " (select version, published, valid_from, valid_until from knowledge_articles a where a.automation = %s"
                " and a.source = w.source and a.article_id = w.article_id order by change_id desc limit 1) n",
                ([k.source for k in keys], [k.article_id for k in keys], automation),
            )
        return {ArticleKey(row.pop("source"), row.pop("article_id")): Validity(**row) for row in found}

    def rejected(self, automation: str) -> list[DictRow]:
        """What was found and is no article, with why."""
        with self._database.connection() as connection:
            return rows(
                connection,
                "select source, article_id, code, message, at from knowledge_rejects where automation = %s order by 1, 2",
                (automation,),
            )

    def forget_sources_besides(self, names: Sequence[str], *, automation: str, now: datetime) -> int:
        """Withdraw the articles of sources that are declared no more."""
        gone = {a.key.source for a in self.current(automation) if a.published} - set(names)
        return sum(self._withdraw_missing(automation, name, set(), now) for name in sorted(gone))

    def _known(self, automation: str, name: str) -> DictRow | None:
        with self._database.connection() as connection:
            found = rows(
                connection,
                "select position, listed_at from knowledge_reads where automation = %s and source = %s",
                (automation, name),
            )
        return found[0] if found else None

    def _list(self, source: ArticleSource, *, automation: str, name: str, now: datetime) -> Stored:
        result, present = Stored(), set[str]()
        for page in source.listing():
            result = result.plus(self.put(replace(page, cursor=None), automation=automation, name=name, now=now))
            present |= {a.key.article_id for a in page.articles} | {r.article_id for r in page.rejected}
        withdrawn = self._withdraw_missing(automation, name, present, now)
        return replace(result, withdrawn=result.withdrawn + withdrawn)

    def _withdraw_missing(self, automation: str, name: str, present: set[str], now: datetime) -> int:
        """After a listing that was read to its end."""
        with self._database.connection() as connection:
            _lock(connection, automation, name)
            gone = [
                a
                for a in _newest(connection, automation, name).values()
                if a.published and a.key.article_id not in present
            ]
            for article in gone:
                _insert(connection, automation, replace(article, published=False), now)
            connection.execute(
                "delete from knowledge_rejects where automation = %s and source = %s and not article_id = any(%s)",
                (automation, name, list(present)),
            )
            connection.execute(
                "insert into knowledge_reads (automation, source, listed_at, read_at) values (%s, %s, %s, %s)"
                " on conflict (automation, source) do update set listed_at = excluded.listed_at, read_at = excluded.read_at",
                (automation, name, now, now),
            )
        return len(gone)


def validity_of(article: Article) -> Validity:
    """What the store would say of an article that is its newest version."""
    return Validity(
        version=article.version,
        published=article.published,
        valid_from=article.valid_from,
        valid_until=article.valid_until,
    )


def _lock(connection: Connection[Any], automation: str, source: str) -> None:
    """Two reads of one source at once would both find an article to be new."""
    connection.execute(
        "select pg_advisory_xact_lock(hashtextextended(%s, 0))", (f"knowledge:{automation}\x1f{source}",)
    )


def _put(connection: Connection[Any], page: ArticlePage, automation: str, name: str, now: datetime) -> Stored:
    known = _newest(
        connection, automation, name, {a.key.article_id for a in page.articles} | {r.article_id for r in page.rejected}
    )
    new = changed = withdrawn = unchanged = 0
    for article in page.articles:
        before = known.get(article.key.article_id)
        if before is None and not article.published:
            unchanged += 1  # a draft that was never seen published is nobody's business
        elif before is not None and before.version == article.version:
            unchanged += 1
        else:
            _insert(connection, automation, article, now)
            known[article.key.article_id] = article
            new, changed = new + (before is None), changed + (before is not None and article.published)
            withdrawn += not article.published
    connection.execute(
        "delete from knowledge_rejects where automation = %s and source = %s and article_id = any(%s)",
        (automation, name, [a.key.article_id for a in page.articles]),
    )
    for reject in page.rejected:
        withdrawn += _reject(connection, automation, name, reject, known.get(reject.article_id), now)
    if page.cursor is not None:
        connection.execute(
            "insert into knowledge_reads (automation, source, position, read_at) values (%s, %s, %s, %s)"
            " on conflict (automation, source) do update set position = excluded.position, read_at = excluded.read_at",
            (automation, name, page.cursor, now),
        )
    return Stored(new=new, changed=changed, withdrawn=withdrawn, unchanged=unchanged, rejected=len(page.rejected))


def _reject(
    connection: Connection[Any], automation: str, name: str, reject: Rejected, before: Article | None, now: datetime
) -> int:
    connection.execute(
        "insert into knowledge_rejects (automation, source, article_id, code, message, at) values (%s, %s, %s, %s, %s, %s)"
        " on conflict (automation, source, article_id) do update set code = excluded.code, message = excluded.message",
        (automation, name, reject.article_id, reject.code, reject.message, now),
    )
    if before is None or not before.published:
        return 0
    _insert(connection, automation, replace(before, published=False), now)
    return 1


def _newest(
    connection: Connection[Any], automation: str, name: str, ids: Iterable[str] | None = None
) -> dict[str, Article]:
    query = NEWEST + " and source = %s and (%s::text[] is null or article_id = any(%s))" + IN_ORDER
    wanted = None if ids is None else list(ids)
    with connection.cursor(row_factory=dict_row) as cursor:
        return {row["article_id"]: _article(row) for row in cursor.execute(query, (automation, name, wanted, wanted))}


def _insert(connection: Connection[Any], automation: str, article: Article, now: datetime) -> None:
    connection.execute(
        "insert into knowledge_articles (automation, source, article_id, version, title, sections, language, products, url,"
        " valid_from, valid_until, published, known_at) values (%s, %s, %s, %s, %s, %s, %s, %s, %s, %s, %s, %s, %s)",
        (
            automation,
            article.key.source,
            article.key.article_id,
            article.version,
            article.title,
            Jsonb([{"headings": list(s.headings), "text": s.text} for s in article.sections]),
            article.language,
            list(article.products),
            article.url,
            article.valid_from,
            article.valid_until,
            article.published,
            now,
        ),
    )


def _article(row: DictRow) -> Article:
    return Article(
        key=ArticleKey(row["source"], row["article_id"]),
        title=row["title"],
        sections=tuple(Section(headings=tuple(s["headings"]), text=s["text"]) for s in row["sections"]),
        language=row["language"],
        products=tuple(row["products"]),
        url=row["url"],
        valid_from=row["valid_from"],
        valid_until=row["valid_until"],
        published=row["published"],
    )
