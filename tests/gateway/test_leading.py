"""Several people on one case: opinions, leads, notes, assignments, the verdict form; and how far people agree."""

import pytest

from resources.reviews import ReviewStore
from resources.users import UserStore
from tests.gateway.conftest import Browser
from tests.review_world import NOW, Wanted, automation, record

BATCH = "/batches/escalations/2026-11-20/billing"
JSON = {"accept": "application/json"}
FORM = [
    {"name": "cause", "label": "Whose fault", "kind": "choice", "options": ["ours", "theirs"], "required": True, "when_queue": ["billing"]},
    {"name": "amount", "label": "Amount", "kind": "number", "help": "In euros."},
]  # fmt: skip


def opened(database, **review) -> list[str]:
    """Two cases in one batch of an automation with these rules."""
    of = automation(review=review)
    ids = record(database, [Wanted(ticket_id=f"T{i}", p=0.4 + i / 100) for i in range(2)], of=of)
    ReviewStore(database).make_batches(automation=of, now=NOW)
    return ids


@pytest.fixture
def lead(ben, database):
    with database.connection() as conn:
        conn.execute("update users set role = 'lead' where username = 'ben'")
    return ben.as_person("ben")


@pytest.fixture
def cleo(app, database):
    UserStore(database).add("cleo", "correct horse battery")
    return Browser(app).as_person("cleo")


def standing(database, case_id: str):
    return ReviewStore(database).case(case_id).standing


def test_a_second_opinion_is_given_without_the_first_and_seen_after(ana, ben, database):
    (case, _) = opened(database, quorum=2)
    ana.submit(f"/cases/{case}/decide", queue="outage", comment="No signal in Springfield.")
    assert standing(database, case).state == "waiting"
    assert "waits for another person" in ana.see(f"/cases/{case}").text
    page = ben.see(f"/cases/{case}").text
    assert "2 people must agree" in page
    assert "Springfield" not in page
    assert "by ana" not in page
    ben.submit(f"/cases/{case}/decide", queue="outage")
    assert standing(database, case).verdict_queue == "outage"
    assert "Springfield" in ben.see(f"/cases/{case}").text


def test_nobody_gives_two_opinions(ana, database):
    (case, _) = opened(database, quorum=2)
    ana.submit(f"/cases/{case}/decide", queue="outage")
    assert ana.submit(f"/cases/{case}/decide", queue="billing").status_code == 409
    assert len(standing(database, case).opinions) == 1


def test_an_opinion_can_be_taken_back(ana, database):
    (case, _) = opened(database, quorum=2)
    ana.submit(f"/cases/{case}/decide", queue="outage")
    ana.submit(f"/cases/{case}/undo")
    assert standing(database, case).opinions == ()


def test_where_opinions_differ_a_lead_settles_it(ana, lead, cleo, database):
    (case, _) = opened(database, quorum=2)
    ana.submit(f"/cases/{case}/decide", queue="outage")
    cleo.submit(f"/cases/{case}/decide", queue="fraud")
    assert "a lead settles it" in ana.see(f"/cases/{case}").text
    page = lead.see(f"/cases/{case}").text
    assert "your word settles it" in page
    assert "by ana" in page
    assert "by cleo" in page
    lead.submit(f"/cases/{case}/decide", queue="fraud")
    assert standing(database, case).verdict_queue == "fraud"


def test_a_lead_sends_a_verdict_back_and_the_reason_is_shown(ana, lead, database):
    (case, _) = opened(database)
    ana.submit(f"/cases/{case}/decide", queue="outage")
    assert "Send the verdict back" not in ana.see(f"/cases/{case}").text
    assert ana.submit(f"/cases/{case}/reject", reason="x").status_code == 403
    assert lead.submit(f"/cases/{case}/reject", reason="  ").status_code == 422
    lead.submit(f"/cases/{case}/reject", reason="Read the second <b>mail</b>.")
    assert standing(database, case).state == "waiting"
    assert "Read the second &lt;b&gt;mail&lt;/b&gt;." in ana.see(f"/cases/{case}").text
    assert "sent back" in ana.see("/work").text


def test_a_lead_settles_over_others_and_says_why(ana, lead, database):
    (case, _) = opened(database)
    ana.submit(f"/cases/{case}/decide", queue="outage")
    assert ana.submit(f"/cases/{case}/override", queue="fraud", reason="x").status_code == 403
    lead.submit(f"/cases/{case}/override", queue="fraud", reason="The card was stolen.")
    assert (standing(database, case).verdict_queue, standing(database, case).overridden) == ("fraud", True)
    page = ana.see(f"/cases/{case}").text
    assert "Decided by a lead" in page
    assert "settled it as a lead: Fraud" in page


def test_a_case_is_left_to_one_person_who_alone_gets_it(ana, ben, database):
    (case, other) = opened(database)
    ana.submit(BATCH)
    ana.submit(f"/cases/{case}/reassign", person="ben", reason="Speaks Dutch.")
    assert "Left to <strong>ben</strong>" in ana.see(f"/cases/{case}").text
    assert ana.submit(BATCH).url.path == f"/cases/{other}"
    assert "left to me" in ben.see("/work").text
    assert ben.submit("/next").url.path == f"/cases/{case}"
    assert ana.submit(f"/cases/{other}/reassign", person="nobody").status_code == 422


def test_a_note_stands_in_the_history_without_a_verdict(ana, database):
    (case, _) = opened(database)
    ana.see("/")
    page = ana.submit(f"/cases/{case}/comment", text="Called twice <i>already</i>.").text
    assert "noted: <bdi>Called twice &lt;i&gt;already&lt;/i&gt;.</bdi>" in page
    assert standing(database, case).state == "waiting"


def test_the_form_is_asked_where_its_queue_is_chosen_and_what_was_written_stays(ana, database):
    (case, other) = opened(database, form=FORM)
    page = ana.see(f"/cases/{case}").text
    assert "Whose fault" in page
    assert "In euros." in page
    refused = ana.submit(f"/cases/{case}/decide", queue="billing", comment="see invoice", **{"form.amount": "12.50"})
    assert refused.status_code == 422
    assert "An answer is needed" in refused.text
    assert 'aria-invalid="true"' in refused.text
    assert "see invoice" in refused.text
    assert 'value="12.50"' in refused.text
    assert standing(database, case).state != "decided"
    ana.submit(f"/cases/{case}/decide", queue="billing", **{"form.amount": "12.50", "form.cause": "ours"})
    assert dict(standing(database, case).form) == {"amount": 12.5, "cause": "ours"}
    ana.submit(f"/cases/{other}/decide", queue="outage")
    assert standing(database, other).verdict_queue == "outage"


def test_a_script_gets_the_page_with_what_is_missing(ana, database):
    (case, _) = opened(database, form=FORM)
    ana.see("/")
    answer = ana.post(f"/cases/{case}/decide", data={"token": ana.token, "queue": "billing"}, headers=JSON)
    assert (answer.status_code, answer.headers["content-type"].split(";")[0]) == (422, "text/html")
    assert "choose it again" in answer.text


def test_the_most_urgent_case_is_one_click_away_and_nothing_says_so(ana, database):
    ana.see("/")
    assert "There is no case for you now" in ana.submit("/next").text
    (case, _) = opened(database)
    assert "Take the most urgent case" in ana.see("/").text
    assert ana.submit("/next").url.path == f"/cases/{case}"


def test_agreement_is_told_by_queue_and_who_agrees_with_whom_to_leads_alone(ana, lead, cleo, database):
    cases = opened(database, quorum=2)
    assert "Nothing to compare" in ana.see("/agreement").text
    for case, (one, other) in zip(cases, (("outage", "outage"), ("outage", "fraud")), strict=True):
        ana.submit(f"/cases/{case}/decide", queue=one)
        cleo.submit(f"/cases/{case}/decide", queue=other)
    page = ana.see("/agreement").text
    assert "2 cases compared" in page
    assert "50.0%" in page
    assert "Pairs of people" not in page
    assert "<td>cleo</td>" not in page
    page = lead.see("/agreement").text
    assert "Pairs of people" in page
    assert "<td>cleo</td>" in page
