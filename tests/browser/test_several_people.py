"""Several people on one case, in their browsers: opinions, a lead's word, the verdict form, and that all of it can be read and reached."""

from datetime import UTC, datetime

import pytest

from resources.reviews import ReviewStore
from tests.browser.conftest import faults, loaded
from tests.review_world import Wanted, automation, record

pytestmark = pytest.mark.browser

BATCH = "2026-11-20/billing"
REVIEW = {
    "quorum": 2,
    "form": [
        {"name": "cause", "label": "Whose fault", "kind": "choice", "options": ["ours", "theirs"], "required": True,
         "when_queue": ["outage"], "help": "Ours where our network was down."},
        {"name": "amount", "label": "Amount in dispute", "kind": "number"},
    ],
}  # fmt: skip


@pytest.fixture
def store(live) -> ReviewStore:
    """Two cases in one batch that need two people each."""
    now, of = datetime.now(UTC), automation(review=REVIEW)
    record(live.database, [Wanted(ticket_id=f"T{i}", p=0.4 + i / 100) for i in range(2)], of=of, now=now)
    store = ReviewStore(live.database)
    store.make_batches(automation=of, now=now)
    return store


def case_of(store: ReviewStore, ticket_id: str):
    return next(c for c in store.cases(automation="escalations", batch=BATCH) if c.ticket_id == ticket_id)


def on_ticket(page, ticket_id: str) -> None:
    page.wait_for_function("id => document.title.startsWith(`Ticket ${id} `)", arg=ticket_id)


def test_what_the_form_misses_is_said_beside_it_and_one_key_decides_where_nothing_is_missing(sign_in, store):
    page = sign_in()
    page.keyboard.press("n")
    on_ticket(page, "T0")
    page.get_by_label("Amount in dispute").fill("12.50")
    page.get_by_role("heading", name="Which queue?").click()
    page.keyboard.press("2")  # outage, whose question is not answered
    page.get_by_text("An answer is needed.").wait_for()
    assert page.get_by_label("Whose fault").get_attribute("aria-invalid") == "true"
    assert page.get_by_label("Amount in dispute").input_value() == "12.50"
    assert case_of(store, "T0").opinions == ()
    page.get_by_label("Whose fault").select_option("ours")
    page.get_by_role("heading", name="Which queue?").click()
    page.keyboard.press("2")
    on_ticket(page, "T1")
    (said,) = case_of(store, "T0").opinions
    assert (said.actor, said.queue, dict(said.form)) == ("ana", "outage", {"cause": "ours", "amount": 12.5})
    assert "waits for another opinion" in page.locator(".toast").inner_text()
    page.keyboard.press("1")
    page.wait_for_url(f"**/batches/escalations/{BATCH}*")
    assert len(case_of(store, "T1").opinions) == 1


def test_where_two_differ_a_lead_settles_it_and_everybody_sees_how(sign_in, store, axe):
    ana, ben, lea = sign_in("ana"), sign_in("ben"), sign_in("lea")
    case_id = case_of(store, "T0").case_id
    address = f"/cases/{case_id}"
    for page, key in ((ana, "1"), (ben, "3")):
        page.goto(address)
        page.get_by_text("2 people must agree").wait_for()
        assert page.get_by_text("by ana").count() == 0
        page.keyboard.press(key)
        page.wait_for_function("path => location.pathname !== path", arg=address)
    ana.goto(address)
    ana.get_by_role("heading", name="Your opinion is Billing").wait_for()
    ana.get_by_text("a lead settles it").wait_for()
    lea.goto(address)
    lea.get_by_text("your word settles it").wait_for()
    assert lea.get_by_label("Opinions").locator("li").count() == 2
    loaded(lea)
    assert faults(axe, lea) == []
    lea.keyboard.press("o")
    lea.get_by_label("Settle it as a lead").select_option("fraud")
    lea.get_by_label("Why", exact=True).fill("Stolen card")
    lea.get_by_role("button", name="Settle").click()
    lea.get_by_role("heading", name="Decided by a lead").wait_for()
    assert store.case(case_id).standing.verdict_queue == "fraud"
    lea.goto("/agreement")
    lea.get_by_role("heading", name="Pairs of people").wait_for()
    assert faults(axe, lea) == []


def test_on_a_phone_the_new_steps_fit_and_can_be_read(sign_in, store, axe):
    page = sign_in("lea", viewport={"width": 375, "height": 700}, is_mobile=True, has_touch=True)
    for path in (f"/cases/{case_of(store, 'T0').case_id}", "/work", "/levels", "/agreement"):
        page.goto(path)
        if page.locator("details.more summary").count():
            page.locator("details.more summary").click()
            page.get_by_label("Leave it to").wait_for()
        assert page.evaluate("document.documentElement.scrollWidth") <= 375, path
        loaded(page)
        assert faults(axe, page) == []
