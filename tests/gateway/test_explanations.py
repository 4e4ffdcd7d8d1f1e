"""The console's pages about why."""

import pytest

from resources.users import UserStore
from tests.explaining import desk
from tests.gateway.conftest import Browser


@pytest.fixture
def made(database, tmp_path):
    return desk(database, tmp_path)


@pytest.fixture
def lead(app, database):
    UserStore(database).add("lea", "a long password", role="lead")
    return Browser(app).as_person("lea")


def test_why_shows_words_neighbours_and_the_rule_bare_or_as_a_page(ana, made):
    page = ana.get(f"/decisions/{made.decision_id}/why").text
    bare = ana.get(f"/decisions/{made.decision_id}/why?bare=1").text
    for text in (page, bare):
        assert "Exact: each weight" in text
        assert "Similar tickets that it learnt from" in text
        assert "[e-mail]" in text
        assert "ana@example.com" not in text
        assert text.count("settled it</strong>") == 1
    assert "<html" in page
    assert "<html" not in bare
    assert f'data-load="/decisions/{made.decision_id}/why?bare=1"' in ana.get(f"/decisions/{made.decision_id}").text


def test_a_versions_page_shows_what_it_goes_by_and_its_cells_lead_to_tickets(ana, made):
    assert 'href="/models/triage/versions/1"' in ana.get("/models/triage").text
    page = ana.get("/models/triage/versions/1").text
    assert "What it goes by" in page
    assert "invoice" in page
    assert 'href="/models/triage/versions/1/rows?label=billing&amp;predicted=billing"' in page
    assert "By language (guessed)" in page


def test_the_tickets_of_a_cell_show_their_text_to_leads_alone(ana, lead, made):
    path = "/models/triage/versions/1/rows?label=billing&predicted=billing"
    seen, read = ana.get(path).text, lead.get(path).text
    assert "shown to leads and administrators" in seen
    assert "[e-mail]" not in seen
    assert "[e-mail]" in read
    assert "ana@example.com" not in read
    assert "There is no such ticket" in ana.get("/models/triage/versions/1/rows?label=x&predicted=y").text


@pytest.mark.parametrize(
    ("path", "status"),
    [
        ("/decisions/nonsense/why", 404),
        ("/models/triage/versions/9", 404),
        ("/models/triage/versions/0", 422),
        ("/models/nothing/versions/1/rows?label=a&predicted=b", 404),
        ("/models/triage/versions/1/rows", 422),
    ],
)
def test_what_is_not_there_says_so(ana, made, path, status):
    assert ana.get(path).status_code == status


def test_strangers_are_sent_to_the_sign_in(browser, made):
    for path in (f"/decisions/{made.decision_id}/why", "/models/triage/versions/1"):
        assert browser.get(path, follow_redirects=False).headers["location"].startswith("/sign-in")
