"""Articles from a folder, and from the sandbox's Help Center over HTTP."""

from collections.abc import Iterator
from datetime import UTC, datetime
from pathlib import Path

import httpx
import pytest
from fastapi.testclient import TestClient

from aios_core.automation import ArticleFolder, HelpCenterSource
from aios_core.retrieval.articles import KnowledgeError
from resources.connectors.http import HttpClient, RetryPolicy, SourceMalformed, SourceUnavailable
from resources.connectors.knowledge.folder import FolderArticles
from resources.connectors.knowledge.help_center import HelpCenterArticles
from resources.connectors.knowledge.opening import open_articles
from resources.connectors.knowledge.shaping import safe_url
from sandbox.app import create_app
from sandbox.service import Sandbox
from sandbox.settings import Settings
from sandbox.world.spec import WorldSpec


@pytest.fixture
def sandbox() -> Sandbox:
    world = WorldSpec(seed=7, tickets=5, new_days=1, history=5, history_days=2)
    return Sandbox(Settings(world=world, until=1_800_000_000, clock_runs=False))


@pytest.fixture
def center(sandbox: Sandbox) -> Iterator[HelpCenterArticles]:
    with TestClient(create_app(sandbox)) as client:

        def answer(request: httpx.Request) -> httpx.Response:
            said = client.request(request.method, str(request.url), headers=dict(request.headers))
            return httpx.Response(said.status_code, content=said.content)

        yield HelpCenterArticles(source="hc", http=over(httpx.MockTransport(answer)))


def over(transport: httpx.BaseTransport) -> HttpClient:
    return HttpClient(
        name="zendesk help center",
        base_url="http://testserver",
        auth=("agent@example.com/token", "sandbox-token"),
        transport=transport,
        sleep=lambda _: None,
        policy=RetryPolicy(attempts=2),
    )


def answering(body: object) -> HelpCenterArticles:
    return HelpCenterArticles(source="hc", http=over(httpx.MockTransport(lambda _: httpx.Response(200, json=body))))


def folder(path: Path, **files: str | bytes) -> FolderArticles:
    for name, content in files.items():
        file = path / name.replace("__", "/").replace("_dot_", ".")
        file.parent.mkdir(parents=True, exist_ok=True)
        file.write_bytes(content if isinstance(content, bytes) else content.encode())
    return FolderArticles(source="docs", folder=path)


def test_the_help_center_is_listed_whole_with_text_language_and_link(
    center: HelpCenterArticles, sandbox: Sandbox
) -> None:
    articles = {a.key.article_id: a for page in center.listing() for a in page.articles}
    assert len(articles) == len(sandbox.help_center)
    bill = articles["360001"]
    assert bill.title == "Why is my bill higher than usual?"
    assert [s.headings for s in bill.sections] == [(), ("Find the charge",), ("Common reasons",)]
    assert 'listed as "other services"' in bill.text
    assert (bill.language, bill.published) == ("en", True)
    assert bill.url == "https://telecom.zendesk.example/hc/en-us/articles/360001"
    assert {a.language for a in articles.values()} == {"en", "de", "es", "fr"}
    assert [a.title for a in articles.values() if not a.published] == ["Prices from next summer"]
    assert articles["360014"].products == ("home_internet",)


def test_the_export_goes_on_from_its_cursor_and_a_listing_lacks_what_was_archived(center, sandbox: Sandbox) -> None:
    (first,) = center.changes(cursor=None)
    assert len(first.articles) == len(sandbox.help_center)
    sandbox.advance(2, None)
    sandbox.edit_article(360_001, {"body": "<p>Now otherwise.</p>"})
    sandbox.edit_article(360_002, {"archived": True})
    (then,) = center.changes(cursor=first.cursor)
    assert "360001" in {a.key.article_id for a in then.articles}
    assert "360002" not in {a.key.article_id for page in center.listing() for a in page.articles}
    assert int(then.cursor or 0) > int(first.cursor or 0)


@pytest.mark.parametrize(
    "body",
    [{}, {"articles": None}, {"articles": []}, {"articles": [], "meta": {"has_more": True, "after_cursor": None}}],
)
def test_an_answer_that_is_not_whole_is_an_error_and_no_empty_listing(body: object) -> None:
    with pytest.raises(SourceMalformed):
        list(answering(body).listing())


def test_a_help_center_that_is_down_is_an_error() -> None:
    down = HelpCenterArticles(source="hc", http=over(httpx.MockTransport(lambda _: httpx.Response(503))))
    with pytest.raises(SourceUnavailable):
        list(down.listing())


def test_broken_items_are_rejected_by_name_and_the_others_go_on() -> None:
    items = [
        {"id": 1, "title": "Fine", "body": "<p>text</p>", "html_url": "javascript:alert(1)"},
        {"id": 2, "title": "No text", "body": "<script>x</script>"},
        {"id": 3, "title": "No text, unpublished", "body": "", "draft": True},
        {"title": "No id", "body": "<p>text</p>"},
        "not an item",
    ]
    (page,) = answering({"articles": items, "meta": {"has_more": False}}).listing()
    assert [(a.key.article_id, a.published, a.url) for a in page.articles] == [("1", True, None), ("3", False, None)]
    assert [r.code for r in page.rejected] == [
        "knowledge.no_text",
        "knowledge.not_an_article",
        "knowledge.not_an_article",
    ]


def test_a_folder_gives_an_article_a_file_with_what_its_front_matter_says(tmp_path: Path) -> None:
    source = folder(
        tmp_path,
        billing__high_dot_md="---\ntitle: High bill\nlang: en\nproducts: [mobile, nova]\nvalid_until: 2026-05-01\nurl: /help/1\n---\n\nText.",
        plain_dot_md="# Reset the router\n\nHold the button.\n<script>steal()</script>",
        page_dot_html="<html><head><title>Roaming &amp; you</title></head><body><p>Switch it on.</p></body></html>",
        draft_dot_md="---\ndraft: true\n---\nNot yet.",
        note_dot_txt="no article",
        _dot_hidden_dot_md="no article",
    )
    (page,) = source.listing()
    found = {a.key.article_id: a for a in page.articles}
    assert set(found) == {"billing/high.md", "plain.md", "page.html", "draft.md"}
    high = found["billing/high.md"]
    assert (high.title, high.language, high.products, high.url) == ("High bill", "en", ("mobile", "nova"), "/help/1")
    assert high.valid_until == datetime(2026, 5, 1, tzinfo=UTC)
    assert (found["plain.md"].title, found["plain.md"].text) == (
        "Reset the router",
        "Reset the router\nHold the button.",
    )
    assert (found["page.html"].title, found["page.html"].text) == ("Roaming & you", "Switch it on.")
    assert not found["draft.md"].published


def test_a_file_that_can_not_be_read_is_named_and_the_others_go_on(tmp_path: Path) -> None:
    source = folder(
        tmp_path,
        good_dot_md="Text.",
        empty_dot_md="",
        latin_dot_md="Stra\xdfe".encode("latin-1"),
        yaml_dot_md="---\ntitle: [\n---\nText.",
        date_dot_md="---\nvalid_until: soon\n---\nText.",
    )
    (page,) = source.listing()
    assert [a.key.article_id for a in page.articles] == ["good.md"]
    assert {r.article_id: r.code for r in page.rejected} == {
        "empty.md": "knowledge.no_text",
        "latin.md": "knowledge.not_text",
        "yaml.md": "knowledge.front_matter",
        "date.md": "knowledge.validity",
    }


def test_a_folder_that_is_not_there_is_an_error_and_no_empty_shelf(tmp_path: Path) -> None:
    with pytest.raises(KnowledgeError, match="is no folder"):
        list(FolderArticles(source="docs", folder=tmp_path / "gone").listing())


def test_the_declaration_opens_either(tmp_path: Path) -> None:
    (tmp_path / "kb").mkdir()
    opened = open_articles(
        "docs", ArticleFolder(connector="folder", path="${KB}"), folder=tmp_path, expand=lambda _: "kb"
    )
    assert isinstance(opened, FolderArticles)
    declared = HelpCenterSource(connector="zendesk_help_center", url="u", email="e", token="t")
    opened = open_articles("hc", declared, folder=tmp_path, expand=lambda _: "http://x.example")
    assert isinstance(opened, HelpCenterArticles)
    opened.close()


@pytest.mark.parametrize(
    ("url", "kept"),
    [
        ("https://x.example/a", True), ("/help/1", True), ("javascript:alert(1)", False), ("JAVASCRIPT:alert(1)", False),
        ("//evil.example", False), ("/\\evil.example", False), ("data:text/html,x", False), ("http://", False), ("http://[", False),
        (None, False), ("", False),
    ],
)  # fmt: skip
def test_only_links_that_are_safe_to_press_are_kept(url: str | None, kept: bool) -> None:
    assert safe_url(url) == (url if kept else None)
