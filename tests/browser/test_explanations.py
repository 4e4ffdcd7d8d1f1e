"""Explanations in a real browser: they come after the page, and without being asked for where nothing else is known."""

import pytest

from tests.browser.conftest import faults
from tests.explaining import desk

pytestmark = pytest.mark.browser


@pytest.fixture(scope="module")
def made(running):
    return desk(running.database, running.home)


def test_a_decisions_evidence_comes_after_its_page(sign_in, made):
    page = sign_in()
    page.goto(f"/decisions/{made.decision_id}")
    page.get_by_text("Similar tickets that it learnt from").wait_for()
    page.get_by_text("settled it").first.wait_for()
    assert page.locator(".near li").count() == 3


def test_a_cell_of_the_confusion_leads_to_its_tickets(sign_in, made):
    page = sign_in()
    page.goto("/models/triage")
    page.get_by_role("link", name="v1").click()
    page.locator(".matrix td.right a").first.click()
    page.get_by_role("heading", name="Billing, as it was").wait_for()
    assert page.locator("tbody tr").count() > 10


def test_on_a_phone_nothing_is_wider_than_the_page_and_nothing_hard_to_use(sign_in, made, axe):
    page = sign_in(viewport={"width": 380, "height": 800})
    for path in (f"/decisions/{made.decision_id}/why", "/models/triage", "/models/triage/versions/1"):
        page.goto(path)
        assert page.evaluate("document.documentElement.scrollWidth") <= 380
        assert faults(axe, page) == [], path


def test_a_reviewer_gets_similar_tickets_on_request(sign_in, made):
    page = sign_in()
    page.goto(f"/cases/{made.decision_id}")
    page.wait_for_timeout(700)
    assert page.locator(".near li").count() == 0  # its words were recorded, so nothing is made until it is asked for
    page.locator("summary", has_text="Similar tickets, and what settled it").click()
    page.locator(".near li").first.wait_for()
