"""The console's pages about models."""

import pytest

from tests.resources.gatekeeping import triage


@pytest.fixture
def desk(database, tmp_path):
    made = triage(database, tmp_path)
    for blind in (0.0, 0.7):
        made.add(blind=blind)
    made.move(1)
    made.move(2, alias="canary", force=True)
    return made


def test_every_model_is_listed_with_where_its_aliases_point(ana, desk):
    page = ana.get("/models").text
    assert '<a href="/models/triage">triage</a>' in page
    assert "v1" in page
    assert 'aria-current="page">Models' in page


def test_without_a_model_the_page_says_what_brings_one(ana):
    assert "No model has been trained yet" in ana.get("/models").text


def test_a_models_page_shows_versions_and_its_history_with_what_was_forced(ana, desk):
    page = ana.get("/models/triage").text
    assert '<span class="tag good">canary</span>' in page
    assert "forced" in page
    assert "is worse than the champion" in page


def test_a_comparison_that_was_made_is_a_page_linked_from_the_model(ana, desk):
    found = desk.keeper().comparer.compare(1, 2)
    assert 'href="/models/triage/compare/1/2"' in ana.get("/models/triage").text
    page = ana.get("/models/triage/compare/1/2").text
    assert f"p = {found.mcnemar.p_value:.2g}" in page
    assert "Error by plan" in page
    assert "premium" in page.lower()


@pytest.mark.parametrize(
    ("path", "status", "says"),
    [
        ("/models/nothing", 404, "no model nothing"),
        ("/models/nothing/compare/1/2", 404, "aios model compare nothing 1 2"),
        ("/models/triage/compare/7/8", 404, "were not compared yet"),
        ("/models/triage/compare/0/2", 422, "did not work"),
        ("/models/..%2Fx/compare/1/2", 404, "no page"),
        ("/models/A'B/compare/1/2", 422, "did not work"),
    ],
)
def test_what_is_not_there_says_so(ana, desk, path, status, says):
    answer = ana.get(path)
    assert answer.status_code == status
    assert says in answer.text


def test_strangers_are_sent_to_the_sign_in(browser):
    assert browser.get("/models", follow_redirects=False).headers["location"].startswith("/sign-in")
