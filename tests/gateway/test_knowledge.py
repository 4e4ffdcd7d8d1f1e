"""The page of articles beside a case."""

from pathlib import Path

import pytest

from aios_core.automation import ArticleFolder, Knowledge
from aios_core.retrieval.articles import Article, ArticleKey, Section
from resources.connectors.knowledge.base import ArticlePage
from resources.knowledge import KnowledgeStore
from resources.knowledge_index import IndexBuilder
from resources.reviews import ReviewStore
from tests.review_world import NOW, Wanted, automation, record

SETTINGS = Knowledge(sources={"kb": ArticleFolder(connector="folder", path="kb")}, encoder=None)
HOSTILE = "<script>steal()</script>"


@pytest.fixture
def case(database) -> str:
    record(database, [Wanted(ticket_id="T-1", subject="Charged twice", body="I was charged twice for one month")])
    ReviewStore(database).make_batches(automation=automation(), now=NOW)
    with database.connection() as connection:
        return connection.execute("select case_id from review_cases").fetchone()[0]


def put(database, *articles: Article) -> None:
    page = ArticlePage(articles=articles)
    KnowledgeStore(database).put(page, automation="escalations", name="kb", now=NOW)


def article(number: int, title: str, text: str, **more) -> Article:
    sections = (Section(headings=("Details",), text=text),)
    return Article(key=ArticleKey("kb", str(number)), title=title, sections=sections, language="en", **more)


def test_articles_for_a_ticket_are_shown_with_passage_and_link_and_what_is_withdrawn_is_not(
    ana, database, lake, case
) -> None:
    twice = article(1, "I was charged twice", f"Send us both dates {HOSTILE}", url="https://help.example/1")
    put(database, twice, article(2, "Double charge in one month", "Charged twice? Wait."))
    IndexBuilder(database, lake).build("escalations", SETTINGS, folder=Path(), now=NOW)
    page = ana.see(f"/cases/{case}/articles").text
    assert 'href="https://help.example/1"' in page
    assert "Send us both dates &lt;script&gt;" in page
    assert HOSTILE not in page
    put(database, article(1, "I was charged twice", "x", published=False))
    page = ana.see(f"/cases/{case}/articles").text
    assert "Send us both dates" not in page
    assert "Double charge in one month" in page


def test_a_case_of_an_automation_without_knowledge_says_so(ana, case) -> None:
    response = ana.see(f"/cases/{case}/articles")
    assert response.status_code == 200
    assert "no articles to search" in response.text


def test_an_article_that_is_far_off_is_not_called_an_answer(ana, database, lake, case) -> None:
    # of many words of the ticket this one has a single, common one
    put(database, *(article(n, "A month", "of weather") for n in range(3)), article(9, "Garden", "roses"))
    IndexBuilder(database, lake).build("escalations", SETTINGS, folder=Path(), now=NOW)
    assert "No article is close to this ticket" in ana.see(f"/cases/{case}/articles").text


def test_only_who_is_signed_in_sees_them(browser, case) -> None:
    assert "sign-in" in str(browser.get(f"/cases/{case}/articles").url)
