import re
from datetime import timedelta

import pytest

from resources.reviews import ReviewStore
from tests.review_world import NOW, Wanted, automation, record

BATCH = "/batches/escalations/2026-11-20/billing"


@pytest.fixture
def cases(database):
    """Three cases in one batch, the most doubtful first."""
    record(database, [Wanted(ticket_id=f"T{i}", p=0.4 + i / 100) for i in range(3)])
    ReviewStore(database).make_batches(automation=automation(), now=NOW)
    return [c.case_id for c in ReviewStore(database).cases(automation="escalations", batch="2026-11-20/billing")]


def standing(database, case_id):
    return ReviewStore(database).case(case_id).standing


# overview and batch


def test_the_overview_shows_what_waits_and_how_much_time_is_left(ana, cases, clock):
    clock.on(timedelta(hours=7))
    page = ana.see("/").text
    assert "3 of 3 to decide" in page
    assert "1 h 00 min left" in page
    assert "oldest waits 7 h 00 min" in page


def test_a_late_batch_is_called_late(ana, cases, clock):
    clock.on(timedelta(hours=10))
    assert "late by 2 h 00 min" in ana.see("/").text


def test_an_empty_overview_says_that_nothing_waits(ana):
    assert "Nothing waits for you" in ana.see("/").text


def test_starting_a_batch_claims_its_first_case(ana, cases, database):
    response = ana.submit(BATCH)
    assert response.url.path == f"/cases/{cases[0]}"
    assert standing(database, cases[0]).claimed_by == "ana"


def test_looking_at_a_case_claims_nothing(ana, cases, database):
    ana.see(f"/cases/{cases[0]}")
    assert standing(database, cases[0]).state == "waiting"


# deciding


def test_the_case_page_shows_all_that_a_verdict_needs(ana, cases):
    page = ana.see(f"/cases/{cases[0]}").text
    for expected in (
        "Charged twice this month",
        "Family 20 GB",
        "40.0%",
        "36.0%",
        "charged twice",
        "below",
        "Threshold",
    ):
        assert expected in page, expected
    assert re.findall(r'name="queue" value="(\w+)" data-key="([123])', page) == [
        ("billing", "1"),
        ("outage", "2"),
        ("roaming", "3"),
    ]


def test_a_verdict_leads_to_the_next_case_and_offers_undo(ana, cases, database):
    ana.submit(BATCH)
    response = ana.submit(f"/cases/{cases[0]}/decide", queue="outage", comment="called them")
    assert standing(database, cases[0]).verdict_queue == "outage"
    assert standing(database, cases[0]).comment == "called them"
    assert response.url.path == f"/cases/{cases[1]}"
    assert f'action="/cases/{cases[0]}/undo"' in response.text


def test_undo_brings_the_case_back(ana, cases, database):
    ana.submit(BATCH)
    ana.submit(f"/cases/{cases[0]}/decide", queue="outage")
    response = ana.submit(f"/cases/{cases[0]}/undo")
    assert response.url.path == f"/cases/{cases[0]}"
    assert standing(database, cases[0]).verdict_queue is None
    assert "Which queue?" in response.text


def test_undo_too_late_says_so_and_keeps_the_verdict(ana, cases, database, clock):
    ana.submit(BATCH)
    ana.submit(f"/cases/{cases[0]}/decide", queue="outage")
    clock.on(timedelta(minutes=11))
    response = ana.submit(f"/cases/{cases[0]}/undo")
    assert response.status_code == 409
    assert "too late to undo" in response.text
    assert standing(database, cases[0]).verdict_queue == "outage"


def test_skip_goes_on_and_gives_the_case_back(ana, cases, database):
    ana.submit(BATCH)
    response = ana.submit(f"/cases/{cases[0]}/skip")
    assert response.url.path == f"/cases/{cases[1]}"
    assert standing(database, cases[0]).state == "waiting"


def test_next_goes_on_without_counting_as_a_skip(ana, cases):
    ana.submit(BATCH)
    assert ana.submit(f"/cases/{cases[0]}/leave").url.path == f"/cases/{cases[1]}"
    assert ana.submit(f"/cases/{cases[1]}/leave").url.path == f"/cases/{cases[0]}"


def test_the_last_verdict_leads_to_the_batch_which_can_be_sent_at_once(ana, cases, database):
    ana.submit(BATCH)
    for case_id in cases:
        response = ana.submit(f"/cases/{case_id}/decide", queue="billing")
    assert response.url.path == BATCH
    assert "Everything is decided" in response.text
    assert "sent on at <time" in response.text
    assert "being sent on" in ana.submit(BATCH, step="finish").text
    assert ReviewStore(database).finished_batches("escalations", now=NOW) == ["2026-11-20/billing"]


def test_the_second_of_two_people_is_told_who_was_first_and_what_they_chose_themselves(ana, ben, cases, database):
    ana.submit(BATCH)
    ben.see(f"/cases/{cases[0]}")
    ana.submit(f"/cases/{cases[0]}/decide", queue="billing")
    response = ben.submit(f"/cases/{cases[0]}/decide", queue="fraud", comment="stolen card")
    assert response.status_code == 409
    for expected in ("Already decided", "ana already decided", "<strong>Fraud</strong>", "stolen card"):
        assert expected in response.text, expected
    assert standing(database, cases[0]).verdict_queue == "billing"


def test_a_case_in_somebodys_hands_can_be_read_but_not_decided(ana, ben, cases):
    ana.submit(BATCH)
    page = ben.see(f"/cases/{cases[0]}").text
    assert "<strong>ana</strong> is deciding this case" in page
    assert "/decide" not in page
    assert ben.submit(f"/cases/{cases[0]}/decide", queue="fraud").status_code == 409


def test_a_queue_that_does_not_exist_is_refused(ana, cases, database):
    response = ana.submit(f"/cases/{cases[0]}/decide", queue="refunds\0")
    assert response.status_code == 422
    assert "no queue &#39;refunds&#39;" in response.text
    assert standing(database, cases[0]).state == "waiting"


def test_a_case_without_a_score_still_offers_queues(ana, database):
    (case_id,) = record(database, [Wanted(ticket_id="T9", scored=False)])
    page = ana.see(f"/cases/{case_id}").text
    assert 'value="billing" data-key="1' in page
    assert "so a person decides" in page


def test_markup_in_a_ticket_is_text(ana, database):
    (case_id,) = record(
        database,
        [
            Wanted(
                ticket_id="T1", subject="<script>alert(1)</script>", body='"><img src=x onerror=alert(1)>\n\n  مرحبا 🎉'
            )
        ],
    )
    page = ana.see(f"/cases/{case_id}").text
    assert "<script>alert" not in page
    assert "<img src=x" not in page
    assert "&lt;script&gt;alert(1)&lt;/script&gt;" in page
    assert "\n\n  مرحبا 🎉" in page


# decisions, quarantine, reports


def test_a_decision_is_explained(ana, cases):
    page = ana.see(f"/decisions/{cases[0]}").text
    for expected in ("T0", "40.0%", "Automate from", "90.0%", "charged twice", "escalations version 1", "/runs/run-1",
                     automation().version, "aios decision replay"):  # fmt: skip
        assert expected in page, expected


def test_decisions_are_found_by_ticket_id(ana, cases):
    assert f"/decisions/{cases[1]}" in ana.see("/decisions?q=T1").text
    assert f"/decisions/{cases[2]}" not in ana.see("/decisions?q=T1").text
    assert "No decision on a ticket T77" in ana.see("/decisions?q=T77").text
    assert ana.see(f"/decisions?q={cases[1]}").url.path == f"/decisions/{cases[1]}"


def test_the_quarantine_lists_open_records_with_their_cause(ana, database):
    with database.connection() as conn:
        conn.execute(
            "insert into quarantine (automation, source, object, external_id, stage, code, message, payload, payload_hash,"
            " correlation_id) values ('escalations', 'helpdesk', 'tickets', '77', 'canonical', 'ticket.no_date',"
            " 'ticket 77: created_at is empty', '<b>{}</b>', 'h', 'c')"
        )
    page = ana.see("/quarantine").text
    for expected in ("ticket.no_date", "ticket 77: created_at is empty", "&lt;b&gt;{}&lt;/b&gt;"):
        assert expected in page, expected


def test_a_report_is_served_in_a_sandbox(ana, database, lake):
    lake.put("escalations/reports/day=2026-11-20/v1.html", b"<html><script>draw()</script></html>")
    with database.connection() as conn:
        conn.execute(
            "insert into monitor_days (automation, day, model_name, model_version, rows, columns, share, flagged, report)"
            " values ('escalations', '2026-11-20', 'escalations', 1, 500, '{}', 0.4, true, %s)",
            ("escalations/reports/day=2026-11-20/v1.html",),
        )
    assert "/reports/escalations/reports/day%3D2026-11-20/v1.html" in ana.see("/reports").text
    response = ana.get("/reports/escalations/reports/day%3D2026-11-20/v1.html")
    assert response.text == "<html><script>draw()</script></html>"
    policy = response.headers["content-security-policy"]
    assert policy.startswith("sandbox allow-scripts")
    assert "allow-same-origin" not in policy


@pytest.mark.parametrize(
    "path", ["..%2Fgateway.secret", "%2e%2e/x.html", "a/..%2f..%2fx.html", "%2Fetc%2Fpasswd.html", "a%5C..%5Cx.html",
             "escalations/tickets/part-0.parquet", "nothing.html", "a//b.html", "x%00.html"]
)  # fmt: skip
def test_nothing_but_a_report_can_be_read_from_the_lake(ana, lake, tmp_path, path):
    (tmp_path / "x.html").write_text("secret")
    lake.put("escalations/tickets/part-0.parquet", b"secret")
    response = ana.get(f"/reports/{path}")
    assert response.status_code == 404
    assert "secret" not in response.text.replace("gateway.secret", "")


@pytest.mark.parametrize("path", ["/cases/none", "/decisions/none", "/batches/escalations/none", "/nowhere"])
def test_what_is_not_there_is_said_plainly(ana, path):
    response = ana.see(path)
    assert response.status_code == 404
    assert "Not found" in response.text
