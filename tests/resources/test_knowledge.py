"""Articles in the store, the index in the lake, and that nothing withdrawn is ever found."""

from dataclasses import replace
from datetime import UTC, datetime, timedelta
from pathlib import Path

import numpy as np
import pytest

from aios_core.automation import ArticleFolder, Automation, Knowledge
from aios_core.declaration.sources import FileSource
from aios_core.retrieval.articles import Article, ArticleKey, KnowledgeError, Section
from aios_core.retrieval.filters import Filter
from resources import knowledge_index
from resources.connectors.knowledge.base import ArticlePage, Rejected
from resources.database import Database
from resources.knowledge import KnowledgeStore, Stored
from resources.knowledge_gaps import GapStore, find_gaps
from resources.knowledge_index import IndexBuilder, KnowledgeSearch, newest_index
from resources.lake import Lake

NOW = datetime(2026, 4, 1, 12, tzinfo=UTC)
HOUR = timedelta(hours=1)
WORDS_ONLY = Knowledge(sources={"kb": ArticleFolder(connector="folder", path="kb")}, encoder=None)


def article(number: int, text: str, *, title: str = "", **more) -> Article:
    sections = (Section(headings=(), text=text),) if text else ()
    return Article(
        key=ArticleKey("kb", str(number)), title=title or f"Article {number}", sections=sections, language="en", **more
    )


class Shelf:
    """A source whose articles are what the test puts into it; `changed` are in the next answer of `changes`."""

    def __init__(self, *articles: Article) -> None:
        self.articles = list(articles)
        self.changed: list[Article] | None = None
        self.breaks = False
        self.asked: list[str] = []

    def changes(self, *, cursor):
        self.asked.append(f"changes {cursor}")
        yield ArticlePage(
            articles=tuple(self.articles if self.changed is None else self.changed), cursor=str(len(self.asked))
        )

    def listing(self):
        self.asked.append("listing")
        yield ArticlePage(articles=tuple(self.articles[:1]))
        if self.breaks:
            raise ConnectionError("cut off")
        yield ArticlePage(articles=tuple(self.articles[1:]))

    def close(self) -> None: ...


@pytest.fixture
def store(database: Database) -> KnowledgeStore:
    return KnowledgeStore(database)


@pytest.fixture
def lake(tmp_path: Path) -> Lake:
    return Lake(tmp_path / "lake")


def read(store: KnowledgeStore, shelf: Shelf, *, now: datetime = NOW, relist: timedelta = timedelta()) -> Stored:
    return store.read(shelf, automation="desk", name="kb", relist=relist, now=now)


def build(database: Database, lake: Lake, *, now: datetime = NOW, settings: Knowledge = WORDS_ONLY):
    return IndexBuilder(database, lake).build("desk", settings, folder=Path(), now=now)


def found(search: KnowledgeSearch, question: str, *, now: datetime = NOW, **more) -> list[str]:
    return [hit.article.key.article_id for hit in search.search("desk", question, now=now, **more)]


def test_reading_twice_changes_nothing_and_every_version_is_kept(store: KnowledgeStore) -> None:
    shelf = Shelf(article(1, "alpha"), article(2, "beta"))
    first = read(store, shelf)
    assert (first.new, first.changed, first.withdrawn) == (2, 0, 0)
    again = read(store, shelf)
    assert (again.new, again.changed, again.withdrawn) == (0, 0, 0)
    for text in ("alpha, corrected", "alpha"):
        shelf.articles[0] = article(1, text)
        assert read(store, shelf).changed == 1
    (one, two) = store.listed("desk", now=NOW)
    assert (one.article.text, one.versions) == ("alpha", 3)
    assert two.versions == 1


def test_what_is_listed_no_more_is_withdrawn_and_comes_back_when_it_does(store: KnowledgeStore) -> None:
    shelf = Shelf(article(1, "alpha"), article(2, "beta"))
    read(store, shelf)
    gone = shelf.articles.pop()
    assert read(store, shelf).withdrawn == 1
    assert read(store, shelf).withdrawn == 0
    assert [one.article.key.article_id for one in store.listed("desk", now=NOW)] == ["1"]
    shelf.articles.append(gone)
    read(store, shelf)
    assert len(store.listed("desk", now=NOW)) == 2


def test_a_listing_that_is_cut_off_withdraws_nothing(store: KnowledgeStore) -> None:
    shelf = Shelf(article(1, "alpha"), article(2, "beta"))
    read(store, shelf)
    shelf.breaks = True
    with pytest.raises(ConnectionError):
        read(store, shelf)
    assert len(store.listed("desk", now=NOW)) == 2


def test_all_is_listed_only_when_it_is_due_and_changes_go_on_from_the_cursor(store: KnowledgeStore) -> None:
    shelf = Shelf(article(1, "alpha"))
    for hours in (0.0, 0.5, 1.0):
        read(store, shelf, now=NOW + hours * HOUR, relist=HOUR)
    assert shelf.asked == ["listing", "changes None", "changes 2", "listing", "changes 3"]


def test_an_article_that_can_be_read_no_more_is_cited_no_more(store: KnowledgeStore) -> None:
    store.put(ArticlePage(articles=(article(1, "alpha"),)), automation="desk", name="kb", now=NOW)
    broken = Rejected(article_id="1", code="knowledge.no_text", message="empty")
    stored = store.put(ArticlePage(articles=(), rejected=(broken,)), automation="desk", name="kb", now=NOW)
    assert (stored.withdrawn, stored.rejected) == (1, 1)
    assert store.listed("desk", now=NOW) == []
    assert [r["code"] for r in store.rejected("desk")] == ["knowledge.no_text"]
    store.put(ArticlePage(articles=(article(1, "alpha"),)), automation="desk", name="kb", now=NOW)
    assert store.rejected("desk") == []
    assert len(store.listed("desk", now=NOW)) == 1


def test_a_source_that_is_declared_no_more_is_withdrawn(store: KnowledgeStore) -> None:
    read(store, Shelf(article(1, "alpha")))
    assert store.forget_sources_besides(["kb"], automation="desk", now=NOW) == 0
    assert store.forget_sources_besides(["other"], automation="desk", now=NOW) == 1
    assert store.forget_sources_besides(["other"], automation="desk", now=NOW) == 0


def test_another_automations_articles_are_not_seen(store: KnowledgeStore) -> None:
    read(store, Shelf(article(1, "alpha")))
    assert store.current("other") == []


def test_an_index_built_before_a_withdrawal_does_not_bring_it_back(database, store, lake) -> None:
    shelf = Shelf(article(1, "reset the router"), article(2, "the router is slow"))
    read(store, shelf)
    build(database, lake)
    search = KnowledgeSearch(database, lake)
    assert set(found(search, "router")) == {"1", "2"}
    shelf.articles[0] = replace(shelf.articles[0], published=False)
    read(store, shelf)
    for fresh_or_warm in (search, KnowledgeSearch(database, lake)):
        assert found(fresh_or_warm, "router") == ["2"]
        assert found(fresh_or_warm, "router", limit=1) == ["2"]  # its place is taken by the next one


def test_a_text_that_was_replaced_is_not_cited_in_its_old_words(database, store, lake) -> None:
    shelf = Shelf(article(1, "the router costs five euros"))
    read(store, shelf)
    build(database, lake)
    search = KnowledgeSearch(database, lake)
    shelf.articles[0] = article(1, "the router costs nine euros")
    read(store, shelf)
    assert found(search, "router") == []
    build(database, lake)
    (hit,) = search.search("desk", "router", now=NOW)
    assert hit.passage.text == "the router costs nine euros"


def test_validity_is_looked_at_when_the_question_is_asked(database, store, lake) -> None:
    day = timedelta(days=1)
    read(
        store,
        Shelf(
            article(1, "router old price", valid_until=NOW + day),
            article(2, "router new price", valid_from=NOW + day),
            article(3, "router expired price", valid_until=NOW),
        ),
    )
    built = build(database, lake)
    assert built.articles == 2
    search = KnowledgeSearch(database, lake)
    assert found(search, "router price") == ["1"]
    assert found(search, "router price", now=NOW + day) == ["2"]


def test_filters_hold_over_the_stored_index(database, store, lake) -> None:
    read(
        store,
        Shelf(
            article(1, "router", products=("nova",)), article(2, "router"), replace(article(3, "router"), language="de")
        ),
    )
    build(database, lake)
    search = KnowledgeSearch(database, lake)
    assert set(found(search, "router", filter=Filter(product="mobile", language="en"))) == {"2"}


def test_building_the_same_again_makes_nothing_and_a_change_makes_a_new_index(database, store, lake) -> None:
    shelf = Shelf(article(1, "router"))
    read(store, shelf)
    first, again = build(database, lake), build(database, lake, now=NOW + HOUR)
    assert (first.fresh, again.fresh, again.built_id) == (True, False, first.built_id)
    shelf.articles.append(article(2, "bill"))
    read(store, shelf)
    assert build(database, lake).built_id > first.built_id


def test_without_an_index_the_way_out_is_named(database, lake) -> None:
    with pytest.raises(KnowledgeError, match="aios knowledge read desk"):
        KnowledgeSearch(database, lake).search("desk", "router", now=NOW)


def test_an_empty_knowledge_base_and_an_empty_question_find_nothing(database, store, lake) -> None:
    read(store, Shelf())
    build(database, lake)
    search = KnowledgeSearch(database, lake)
    assert found(search, "router") == []
    read(store, Shelf(article(1, "router")))
    build(database, lake)
    assert found(search, "  ") == []
    assert found(search, "router " * 20_000) == ["1"]


def test_only_new_passages_are_embedded_again(database, store, lake, monkeypatch) -> None:
    embedded: list[str] = []

    def open_fake(_lake, _place):
        def embed(texts):
            embedded.extend(texts)
            return np.ones((len(texts), 3), np.float32) / np.sqrt(3)

        return embed

    monkeypatch.setattr(knowledge_index, "open_encoder", open_fake)
    monkeypatch.setattr(IndexBuilder, "_encoder", lambda *_: ("knowledge_encoders/fake", None))
    shelf = Shelf(article(1, "router"), article(2, "bill"))
    read(store, shelf)
    assert build(database, lake).embedded == 2
    shelf.articles[1] = article(2, "bill, corrected")
    read(store, shelf)
    assert build(database, lake).embedded == 1
    assert len(embedded) == 3
    (hit, _) = KnowledgeSearch(database, lake).search("desk", "router", now=NOW)
    assert hit.article.key.article_id == "1"
    assert hit.meaning == pytest.approx(1)


def test_a_package_that_is_not_installed_leaves_the_search_by_words(database, store, lake) -> None:
    read(store, Shelf(article(1, "router")))
    settings = WORDS_ONLY.model_copy(update={"encoder": "package:no-such-package-at-all"})
    built = build(database, lake, settings=settings)
    assert built.encoder is None
    assert "not installed" in str(built.without)
    assert found(KnowledgeSearch(database, lake), "router") == ["1"]


def test_gaps_are_found_kept_and_replaced(database, store, lake) -> None:
    read(store, Shelf(article(1, "reset the router with the small button"), article(2, "pay your bill in parts")))
    build(database, lake)
    tickets = [
        {
            "ticket_id": str(n),
            "subject": "voucher refused",
            "body": "my voucher is refused",
            "language": "en",
            "queue": "shop",
        }
        for n in range(6)
    ]
    tickets += [{"ticket_id": "99", "subject": "", "body": "reset router button", "language": "en", "queue": "device"}]
    tickets += [{"ticket_id": "98", "subject": None, "body": None, "language": None, "queue": None}]
    automation = Automation(
        name="desk",
        start_date=NOW.date(),
        sources={"t": FileSource(connector="file", path="x.csv", provides="tickets")},
    )
    found = find_gaps(tickets, automation=automation, search=KnowledgeSearch(database, lake), now=NOW)
    assert (found.searched, found.unanswered, found.by_meaning) == (8, 6, False)
    vouchers = found.gaps[0]
    assert (vouchers.queue, vouchers.tickets) == ("shop", 6)
    assert "voucher" in vouchers.label
    assert vouchers.cost == pytest.approx(6 * 6 / 60 * 32)
    gaps = GapStore(database)
    for _ in range(2):
        gaps.replace(found.gaps, automation="desk", currency="EUR", now=NOW)
    assert [g["tickets"] for g in gaps.list("desk")] == [6]
    gaps.replace([], automation="desk", currency="EUR", now=NOW)
    assert gaps.list("desk") == []


def test_the_newest_index_is_an_automations_own(database, store, lake) -> None:
    read(store, Shelf(article(1, "router")))
    build(database, lake)
    assert newest_index(database, "desk") is not None
    assert newest_index(database, "other") is None
