"""The page of deliveries, and the one thing that can be done there: to send dead writes again."""

from dataclasses import replace
from datetime import timedelta

import pytest
from psycopg.types.json import Jsonb

from resources.deliveries import Deliveries, Standing, Totals
from resources.outbox import Outbox
from tests.gateway.conftest import Browser, hashed_once
from tests.resources import test_outbox as outboxes
from tests.resources.deciding import FakeHelpdesk
from tests.resources.test_dry_run import kept, people

SEND = "/deliveries/replay"


@pytest.fixture
def lea(app, database):
    """A lead."""
    with database.connection() as conn:
        conn.execute("insert into users values ('lea', %s, 'lead')", (hashed_once(),))
    return Browser(app).as_person("lea")


@pytest.fixture
def ended(database) -> list[int]:
    """Five writes: two sent, two dead, one to be tried again. The ids of the dead, the newest first."""
    outboxes.fill(database, 5)
    outboxes.deliver(database, FakeHelpdesk({"1": "failed", "2": "gone", "3": "retry"}))
    with database.connection() as conn:
        conn.execute("update outbox set last_error = 'no such <group>, ask mia@example.com' where external_id = '1'")
    return [row["action_id"] for row in Outbox(database).dead("care")]


def states(database) -> dict[str, int]:
    return Outbox(database).counts("care")


def test_before_anything_was_written_the_page_says_what_will_appear(ana):
    page = ana.see("/deliveries").text
    assert "Nothing was sent yet" in page
    assert 'aria-current="page">Deliveries' in page


def test_what_waits_what_was_sent_and_what_failed_for_good_is_shown_with_its_reason(ana, ended):
    page = ana.see("/deliveries").text
    assert "no such &lt;group&gt;, ask mia@example.com" in page
    assert "gone by fake" in page
    assert "retry by fake" in page
    assert '<span class="level late">2</span>' in page
    assert "A lead or an administrator sends them again." in page
    assert 'type="checkbox"' not in page


def test_a_lead_sends_the_chosen_again_and_it_is_kept_by_whom(lea, ended, database):
    lea.see("/deliveries")
    page = lea.submit(SEND, automation="care", action=str(ended[0])).text
    assert "1 will be sent by the next delivery." in page
    assert "<strong>lea</strong> 1 of Care" in page
    assert states(database) == {"dead": 1, "pending": 2, "sent": 2}
    page = lea.submit(SEND, automation="care", every="1").text
    assert states(database) == {"pending": 3, "sent": 2}
    assert "Failed for good</h3>" not in page
    assert lea.submit(SEND, automation="care", action=str(ended[0])).text.count("0 will be sent") == 1, "twice is once"


def test_with_nothing_chosen_nothing_is_sent(lea, ended, database):
    lea.see("/deliveries")
    answer = lea.submit(SEND, automation="care")
    assert (answer.status_code, "Nothing was chosen" in answer.text) == (422, True)
    assert states(database)["dead"] == 2


def test_a_reviewer_and_a_form_from_elsewhere_send_nothing(ana, lea, ended, database):
    ana.see("/deliveries")
    answer = ana.submit(SEND, automation="care", every="1")
    assert (answer.status_code, "Only a lead or an administrator" in answer.text) == (403, True)
    lea.token = "forged"
    assert lea.submit(SEND, automation="care", every="1").status_code == 403
    assert states(database)["dead"] == 2


def test_strangers_are_sent_to_the_sign_in(browser):
    assert browser.get("/deliveries", follow_redirects=False).headers["location"].startswith("/sign-in")


def test_a_role_that_reads_masked_texts_reads_masked_errors(ana, ended, database):
    with database.connection() as conn:
        conn.execute(
            "insert into declarations (automation, version, content, seen_at) values ('care', 'v9', %s, now())"
            " on conflict do nothing",
            (Jsonb({"review": {"mask_for": ["reviewer"]}}),),
        )
    page = ana.see("/deliveries").text
    assert "mia@example.com" not in page
    assert "no such &lt;group&gt;" in page


def test_a_dry_run_is_compared_with_what_people_did(ana, database, clock):
    kept(database, "1", "billing")
    people(database, "1", "billing", hours=2)
    kept(database, "2", "billing")
    people(database, "2", "outage", hours=6)
    page = ana.see("/deliveries?days=0").text
    assert "People did something else" in page
    assert "50.0% of what they decided" in page
    assert "2.0 h" in page
    assert "<td>Billing</td><td>Outage</td>" in page
    clock.on(timedelta(days=400))
    ana.as_person("ana")
    assert "No ticket would have been moved in this time." in ana.see("/deliveries?days=7").text


def test_totals_that_take_too_long_are_left_out_and_what_is_urgent_is_not(ana, ended, database, monkeypatch):
    (full,) = Deliveries(database).standings(now=outboxes.NOW)
    assert full == Standing(automation="care", target="helpdesk", waiting=1, retried=1, dead=2, oldest_at=outboxes.NOW,
                            totals=Totals(sent=2, sent_at=outboxes.NOW))  # fmt: skip
    monkeypatch.setattr("resources.deliveries._TOTALS", "select pg_sleep(9) where %(since)s::timestamptz is not null")
    assert Deliveries(database).standings(now=outboxes.NOW, at_most_ms=20) == [replace(full, totals=None)]
    page = ana.see("/deliveries").text
    assert "could not be counted in time" in page
    assert '<span class="level late">2</span>' in page


def test_a_comparison_that_takes_too_long_leads_to_the_command(ana, database, monkeypatch):
    kept(database, "1", "billing")
    monkeypatch.setattr("resources.dry_run._KEPT", "select pg_sleep(9)")
    monkeypatch.setattr("gateway.pages.deliveries.COMPARE_MS", 20)
    assert "Comparing takes too long for a page" in ana.see("/deliveries").text


def test_dead_writes_are_metrics(ana, ended):
    assert 'aios_outbox_dead{automation="care",target="helpdesk"} 2' in ana.get("/metrics").text.splitlines()
