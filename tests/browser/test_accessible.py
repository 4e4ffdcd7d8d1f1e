"""Every page, by axe-core's rules and on a phone: no serious fault, nothing wider than the screen."""

from contextlib import suppress
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest

from aios_core.automation import ArticleFolder, Knowledge
from aios_core.retrieval.articles import Article, ArticleKey, Section
from aios_core.traffic.quota import Limit
from resources.breakers import Breakers
from resources.connectors.knowledge.base import ArticlePage
from resources.connectors.traffic import Quota, SharedTraffic
from resources.database import Database
from resources.knowledge import KnowledgeStore
from resources.knowledge_index import IndexBuilder
from resources.reviews import ReviewStore
from resources.source_reads import SourceReads
from tests.browser.conftest import PASSWORD, faults, loaded
from tests.gateway.test_drafts_on_pages import BAD, REPLY
from tests.gateway.test_drafts_on_pages import store as put_draft
from tests.review_world import QUEUES, Wanted, automation, record

pytestmark = pytest.mark.browser

BATCH = "2026-11-20/billing"
LONG = "x" * 300
HEBREW = "חויבתי פעמיים \u202eabc\u202c and twice in English"
PHONE = {"viewport": {"width": 375, "height": 740}, "has_touch": True, "is_mobile": True}


@pytest.fixture(scope="module")
def cases(running) -> list[str]:
    """A platform on which every page has something to show, with texts that are hard to lay out: one word, ten thousand, none."""
    now, database = datetime.now(UTC), running.database
    wanted = [
        Wanted(ticket_id="T0", p=0.3, subject=LONG, body="y" * 5_000),
        Wanted(
            ticket_id="T1", p=0.4, subject=HEBREW, body=f"{HEBREW} ten words, or so, in every single line.\n" * 1_000
        ),
        Wanted(ticket_id="T2", p=0.5, subject="", body=""),
        *(Wanted(ticket_id=f"A{i}", queue=QUEUES[i], p=0.95) for i in range(4)),
    ]
    ids = record(database, wanted, now=now)
    ReviewStore(database).make_batches(automation=automation(), now=now)
    texts = [
        ("I was charged twice", "Send us both dates."),
        ("", ""),
        (LONG, "twice <script>alert(1)</script> charged"),
    ]
    articles = tuple(
        Article(key=ArticleKey("kb", str(n)), title=title, language="en", url="javascript:alert(1)",
                sections=(Section(headings=("Billing", "Twice"), text=text),))
        for n, (title, text) in enumerate(texts)
    )  # fmt: skip
    KnowledgeStore(database).put(ArticlePage(articles=articles), automation="escalations", name="kb", now=now)
    settings = Knowledge(sources={"kb": ArticleFolder(connector="folder", path="kb")}, encoder=None)
    IndexBuilder(database, running.lake).build("escalations", settings, folder=Path(), now=now)
    put_draft(database, ids[0], REPLY, BAD)
    _sources(database)
    with database.connection() as conn:
        conn.execute("update tickets set created_at = created_at - interval '3 days' where ticket_id like 'A%'")
        ended = "update outbox set state = %s, attempts = 8, last_error = %s where external_id = %s"
        for state, ticket_id in (("dead", "A0"), ("pending", "A1"), ("dry_run", "A2")):
            assert conn.execute(ended, (state, f"no such group: {LONG}", ticket_id)).rowcount, ticket_id
        conn.execute(
            "insert into quarantine (automation, source, object, external_id, stage, code, message, payload, payload_hash,"
            " correlation_id) values ('escalations', 'helpdesk', 'tickets', '77', 'canonical', 'ticket.no_date',"
            " 'ticket 77: created_at is empty', %s, 'h', 'c')",
            ("{" + LONG,),
        )
        conn.execute(
            "insert into incidents (automation, remedy, reason, evidence, actor, opened_at)"
            " values ('escalations', 'narrow', 'accuracy fell', '{}', 'judge', %s)",
            (now - timedelta(hours=1),),
        )
        conn.execute(
            "insert into monitor_days (automation, day, model_name, model_version, rows, columns, share, flagged, report)"
            " values ('escalations', '2026-11-20', 'escalations', 1, 500, '{}', 0.1, true, 'escalations/x.html')"
        )
    return ids


def _sources(database: Database) -> None:
    """One that was read, and one that is left alone."""
    reads = SourceReads(database)
    quota = Quota(known={"tickets": Limit(name="tickets", requests=400, seconds=60.0)})
    for name, vendor in (("helpdesk", "zendesk"), ("chat", "intercom")):
        shared = SharedTraffic(database, vendor=vendor, url=f"https://{name}.example", credential="s", quota=quota,
                               clock=lambda: datetime.now(UTC))  # fmt: skip
        with reads.reading(automation="escalations", source=name, connector=vendor, contract="evolve",
                           clock=lambda: datetime.now(UTC), traffic=[shared]) as read:  # fmt: skip
            read.landed, read.changes = 1_240, ["tickets: new `custom.sla` (text)"]
    with suppress(ValueError), reads.reading(automation="escalations", source="chat", connector="intercom", contract="freeze",
                                             clock=lambda: datetime.now(UTC), traffic=[shared]):  # fmt: skip
        raise ValueError(f"intercom https://chat.example: no answer within 30 s: {LONG}")
    for _ in range(5):
        Breakers(database).failed(shared.name, now=datetime.now(UTC), why="no answer within 30 s")


def pages(cases: list[str]) -> list[str]:
    then = datetime.now(UTC) + timedelta(hours=1)
    return [
        "/", "/work", "/levels", "/agreement", f"/batches/escalations/{BATCH}", *(f"/cases/{case_id}" for case_id in cases[:3]),
        f"/cases/{cases[0]}/articles", f"/cases/{cases[0]}/earlier", "/decisions", f"/decisions?q=T0&at={then:%Y-%m-%dT%H:%M}",
        f"/decisions/{cases[0]}", "/sources", "/deliveries", "/quarantine", "/reports", "/models", "/incidents", "/incidents/1", "/alerts",
        "/automations/escalations/thresholds", "/nowhere",
    ]  # fmt: skip


def test_on_a_phone_no_page_has_a_serious_fault_or_is_wider_than_the_screen(sign_in, cases, axe):
    page = sign_in("lea", **PHONE)
    wrong = {}
    for path in pages(cases):
        page.goto(path)
        loaded(page)
        if (width := page.evaluate("document.documentElement.scrollWidth")) > 375:
            wrong[path] = [f"{width} wide"]
        wrong[path] = wrong.get(path, []) + faults(axe, page)
    assert {path: found for path, found in wrong.items() if found} == {}


def test_on_a_desk_in_the_dark_the_pages_of_review_have_no_serious_fault(sign_in, cases, axe):
    page = sign_in(color_scheme="dark")
    for path in ("/", f"/cases/{cases[1]}", f"/decisions/{cases[1]}"):
        page.goto(path)
        page.wait_for_load_state("networkidle")
        assert faults(axe, page) == [], path


def test_a_planted_fault_is_found(sign_in, axe):
    page = sign_in()
    page.goto("/decisions")
    page.evaluate("() => document.querySelectorAll('label').forEach((label) => label.replaceWith(...label.childNodes))")
    assert any(fault.startswith("label") for fault in faults(axe, page))


def test_the_way_in_has_no_serious_fault(sign_in, axe):
    page = sign_in()
    page.context.clear_cookies()
    page.goto("/")
    page.get_by_label("Name").fill("ana")
    page.get_by_label("Password").fill(PASSWORD[:-1])
    page.get_by_role("button", name="Sign in").click()
    page.get_by_role("alert").wait_for()
    assert faults(axe, page) == []


def test_an_article_never_leads_to_a_script(sign_in, cases):
    page = sign_in()
    page.goto(f"/cases/{cases[0]}")
    page.locator(".knowledge .articles").wait_for()
    assert page.locator("a[href^='javascript:' i]").count() == 0
    assert page.locator(".articles script, .reply script").count() == 0
    page.get_by_role("link", name="Source 1").first.click()
    assert page.locator("#passage-1 .passage").is_visible()  # a citation opens its passage
