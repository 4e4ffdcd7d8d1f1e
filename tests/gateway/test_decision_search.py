"""Which model decided a ticket at a moment, and why."""

import json
import re
from datetime import timedelta

import pytest

from resources import decision_search
from resources.reviews import ReviewStore
from tests.review_world import NOW, Wanted, automation, record

LATER = NOW + timedelta(hours=2)


@pytest.fixture
def decided(database):
    """T1 in review, decided by ben an hour later; its second version automated two hours later. T2 automated at once."""
    first, second = record(database, [Wanted(ticket_id="T1"), Wanted(ticket_id="T2", queue="fraud", p=0.97)])
    store = ReviewStore(database)
    store.make_batches(automation=automation(), now=NOW)
    store.decide(first, actor="ben", queue="outage", comment="router <b>", now=NOW + timedelta(hours=1))
    (third,) = record(database, [Wanted(ticket_id="T1", version="2", queue="device", p=0.96)], now=LATER)
    return first, second, third


def at(moment) -> str:
    return f"{moment:%Y-%m-%dT%H:%M}"


def test_what_stood_at_a_moment_is_told_with_version_reason_and_the_persons_verdict(ana, decided):
    before = ana.see(f"/decisions?q=T1&at={at(NOW + timedelta(minutes=30))}").text
    assert "No person had decided it yet" in before
    assert "escalations version 1" in before
    assert "55.0% sure of billing" in before
    after = ana.see(f"/decisions?q=T1&at={at(NOW + timedelta(minutes=90))}").text
    assert "<strong>ben</strong> corrected it as <strong>Outage</strong>" in after
    assert "router &lt;b&gt;" in after
    assert "another decision</a> stands: automate Device" in after
    now = ana.see(f"/decisions?q=T1&at={at(LATER + timedelta(minutes=1))}").text
    assert "It still stands" in now
    assert "96.0% sure of device" in now


def test_before_the_first_decision_nothing_stood_and_the_page_says_when_it_came(ana, decided):
    page = ana.see(f"/decisions?q=T1&at={at(NOW - timedelta(hours=1))}").text
    assert "Nothing was decided yet. It was first decided on" in page
    assert "Nothing was ever decided on a ticket T9" in ana.see(f"/decisions?q=T9&at={at(NOW)}").text


FOUND = {
    "queue=fraud": ["T2"],
    "verdict=review": ["T1"],
    "verdict=automate&queue=device": ["T1"],
    "version=v1": ["T1", "T1", "T2"],
    "version=2": [],
    "automation=other": [],
    f"at={at(NOW + timedelta(minutes=5))}": ["T1", "T2"],
    f"at={at(NOW + timedelta(days=3))}": [],
}


def test_decisions_are_found_by_queue_verdict_version_and_time(ana, decided):
    for query, tickets in FOUND.items():
        page = ana.see(f"/decisions?{query}")
        assert page.status_code == 200, query
        assert sorted(re.findall(r'<td><a href="/decisions/\w+">(T\d)</a></td>', page.text)) == tickets, query
        assert ("No decision fits" in page.text) is (not tickets), query


UNREADABLE = ("at=yesterday", "version=new", "version=99999999999", "at=2026-13-40", "at=0001-01-01T00:00%2B14:00")


def test_what_can_not_be_read_is_said_and_nothing_is_searched(ana, decided):
    for query in UNREADABLE:
        page = ana.see(f"/decisions?q=T1&{query}")
        assert page.status_code == 422, query
        assert 'role="alert"' in page.text, query
        assert "<td>" not in page.text, query


def test_a_search_that_takes_too_long_is_stopped_and_says_so(ana, decided, monkeypatch):
    monkeypatch.setattr(decision_search, "SEARCH_MS", 1)
    monkeypatch.setattr(
        decision_search,
        "_BY_DAY",
        "select pg_sleep(1) from (select 'fraud'::text as queue) d where {conditions} limit %(limit)s",
    )
    page = ana.see("/decisions?queue=fraud")
    assert page.status_code == 200
    assert "took too long and was stopped" in page.text


PAYLOAD = {
    "type": "incident",
    "assignee_id": 77,
    "attachments": [{"file_name": "bill <1>.pdf", "size": 2048, "content_type": "application/pdf", "content_url": "https://x/y?token=s"}],
}  # fmt: skip


def beside(database, of=None) -> str:
    """A decision on a ticket whose helpdesk says more than triage decides by."""
    (decision,) = record(database, [Wanted(ticket_id="T9")], of=of)
    with database.connection() as conn:
        conn.execute("update landing_records set payload = %s where external_id = 'T9'", (json.dumps(PAYLOAD),))
    return decision


def test_what_the_helpdesk_says_beside_is_shown_without_what_would_open_a_file(ana, database):
    page = ana.see(f"/decisions/{beside(database)}").text
    assert "incident" in page
    assert "bill &lt;1&gt;.pdf" in page
    assert "2,048 bytes" in page
    assert "token=s" not in page


def test_names_of_files_are_not_shown_to_who_reads_masked_texts(ana, database):
    of = automation(review={"mask_for": ["reviewer"]})
    assert "bill &lt;1&gt;.pdf" not in ana.see(f"/decisions/{beside(database, of)}").text
