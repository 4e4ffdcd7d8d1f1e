"""What stands beside a case, and what the page does by itself: fetch ahead, keep, give back."""

from datetime import timedelta

import pytest

from resources.reviews import ReviewStore
from tests.review_world import NOW, Wanted, automation, record

BATCH = "/batches/escalations/2026-11-20/billing"
JSON = {"accept": "application/json"}
PRIVATE = "call +49 170 1234567 or write to maria@example.com"


@pytest.fixture
def cases(database):
    """Three cases in one batch, the most doubtful first."""
    record(database, [Wanted(ticket_id=f"T{i}", p=0.4 + i / 100) for i in range(3)])
    ReviewStore(database).make_batches(automation=automation(), now=NOW)
    return [c.case_id for c in ReviewStore(database).cases(automation="escalations", batch="2026-11-20/billing")]


def holders(database) -> dict[str, str | None]:
    cases = ReviewStore(database).cases(automation="escalations", batch="2026-11-20/billing")
    return {c.ticket_id: c.standing.claimed_by for c in cases}


# beside the case


def test_a_text_that_changed_since_the_decision_is_announced_and_shown(ana, database, cases):
    ana.submit(BATCH)  # a case that nobody holds is withdrawn by the newer decision
    assert "The text has changed" not in ana.see(f"/cases/{cases[0]}").text
    record(database, [Wanted(ticket_id="T0", version="2", body="Solved, thank you <b>all</b>")])
    page = ana.see(f"/cases/{cases[0]}").text
    assert "The text has changed" in page
    assert "Solved, thank you &lt;b&gt;all&lt;/b&gt;" in page


def test_earlier_tickets_of_the_customer_say_how_they_ended_and_later_ones_are_not_among_them(ana, database, cases):
    with database.connection() as conn:
        conn.execute(
            "update tickets set created_at = created_at - interval '2 days', subject = 'First' where ticket_id = 'T1'"
        )
        conn.execute(
            "update tickets set created_at = created_at + interval '2 days', subject = 'Later' where ticket_id = 'T2'"
        )
        conn.execute(
            "insert into outcomes values ('escalations', 'helpdesk', 'T1', 'roaming', 'helpdesk', 'ben', 'c', %s, %s)",
            (NOW, NOW),
        )
    part = ana.see(f"/cases/{cases[0]}/earlier?bare=1").text
    assert "First" in part
    assert "ended in <strong>Roaming</strong>" in part
    assert "Later" not in part
    assert "<html" not in part
    assert "First" in ana.see(f"/cases/{cases[0]}/earlier").text


def test_tickets_of_other_customers_are_not_shown(ana, database, cases):
    with database.connection() as conn:
        conn.execute(
            "update tickets set created_at = created_at - interval '2 days', requester_id = 'U-2' where ticket_id = 'T1'"
        )
    assert "None within a year" in ana.see(f"/cases/{cases[0]}/earlier").text


# masking


@pytest.mark.parametrize(("roles", "masked"), [([], False), (["lead"], False), (["reviewer"], True)])
def test_texts_are_masked_for_the_declared_roles_only(ana, database, roles, masked):
    of = automation(review={"mask_for": roles})
    earlier = Wanted(ticket_id="T1", subject="from bob@example.com")
    (case_id, _) = record(database, [Wanted(ticket_id="T0", subject=PRIVATE, body=PRIVATE), earlier], of=of)
    ReviewStore(database).make_batches(automation=of, now=NOW)
    with database.connection() as conn:
        conn.execute("update tickets set created_at = created_at - interval '2 days' where ticket_id = 'T1'")
        conn.execute('update customers set attributes = \'{"mail": "maria@example.com"}\'')
        conn.execute(
            "insert into quarantine (automation, source, object, external_id, stage, code, message, payload, payload_hash,"
            " correlation_id) values ('escalations', 'helpdesk', 'tickets', '77', 'canonical', 'x', 'maria@example.com',"
            " 'maria@example.com', 'h', 'c')"
        )
    for path in (f"/cases/{case_id}", f"/cases/{case_id}/earlier", f"/decisions/{case_id}", BATCH, "/quarantine"):
        page = ana.see(path)
        assert page.status_code == 200, path
        assert ("@example.com" not in page.text) is masked, path
        assert ("[e-mail]" in page.text) is masked, path
        assert "1234567" not in page.text or not masked, path


# what the page does by itself


def test_the_next_case_is_fetched_ahead_and_comes_to_nobody_else(ana, ben, cases, database):
    ana.submit(BATCH)
    page = ana.submit(f"/cases/{cases[0]}/ahead")
    assert f'data-case="/cases/{cases[1]}"' in page.text
    assert holders(database) == {"T0": "ana", "T1": "ana", "T2": None}
    assert ben.submit(BATCH).url.path == f"/cases/{cases[2]}"
    answer = ana.post(f"/cases/{cases[0]}/decide", data={"token": ana.token, "queue": "billing"}, headers=JSON).json()
    assert answer["next"] == f"/cases/{cases[1]}"
    assert f'action="/cases/{cases[0]}/undo"' in answer["toast"]
    assert ana.submit(f"/cases/{cases[1]}/ahead").status_code == 204


def test_the_last_verdict_by_script_leads_to_the_batch(ana, cases):
    ana.submit(BATCH)
    for case_id in cases:
        answer = ana.post(
            f"/cases/{case_id}/decide", data={"token": ana.token, "queue": "billing"}, headers=JSON
        ).json()
    assert answer["next"] == BATCH
    assert answer["query"] == f"?after={cases[-1]}"


def test_a_heart_beat_keeps_the_case_and_the_one_fetched_ahead(ana, ben, cases, clock, database):
    ana.submit(BATCH)
    ana.submit(f"/cases/{cases[0]}/ahead")
    clock.on(timedelta(minutes=10))
    beat = ana.submit(f"/cases/{cases[0]}/heartbeat", ahead=cases[1])
    until = (clock.now + timedelta(minutes=15)).isoformat(timespec="microseconds")
    assert beat.json() == {"until": until, "ahead": cases[1]}
    clock.on(timedelta(minutes=10))
    assert ben.submit(BATCH).url.path == f"/cases/{cases[2]}"
    clock.on(timedelta(minutes=10))
    assert ben.submit(BATCH, besides=cases[2]).url.path == f"/cases/{cases[0]}"
    lost = ana.submit(f"/cases/{cases[0]}/heartbeat")
    assert lost.status_code == 409
    assert "ben" in lost.json()["message"]


def test_leaving_the_page_gives_back_what_it_held_and_nothing_else(ana, ben, cases, database):
    ana.submit(BATCH)
    ana.submit(f"/cases/{cases[0]}/ahead")
    ben.submit(BATCH)
    assert ana.submit(f"/cases/{cases[0]}/give-back", ahead=cases[1]).status_code == 204
    assert holders(database) == {"T0": None, "T1": None, "T2": "ben"}
    assert ana.submit(f"/cases/{cases[2]}/give-back", ahead="none").status_code == 204
    assert holders(database)["T2"] == "ben"


def test_a_page_that_is_gone_does_not_give_back_what_the_next_one_has_renewed(ana, cases, clock, database):
    ana.submit(BATCH)
    first = ana.submit(f"/cases/{cases[0]}/heartbeat").json()["until"]
    clock.on(timedelta(seconds=1))
    renewed = ana.submit(f"/cases/{cases[0]}/heartbeat").json()["until"]
    assert ana.submit(f"/cases/{cases[0]}/give-back", until=first).status_code == 204
    assert holders(database)["T0"] == "ana"
    assert ana.submit(f"/cases/{cases[0]}/give-back", until=renewed).status_code == 204
    assert holders(database)["T0"] is None


def test_nothing_of_it_is_taken_without_the_pages_token(ana, cases, database):
    ana.submit(BATCH)
    for step in ("ahead", "heartbeat", "give-back"):
        assert ana.post(f"/cases/{cases[0]}/{step}", data={"token": "x"}).status_code == 403
    assert holders(database) == {"T0": "ana", "T1": None, "T2": None}


def test_a_reviewer_is_not_told_that_a_case_is_there_for_audit_before_it_is_decided(ana, database):
    audited = automation(decisions={"automate": 0.9, "draft": 0.7, "audit_share": 1.0})
    (case,) = record(database, [Wanted(ticket_id="T9", p=0.97)], of=audited)
    told = "random slice that people always see"
    page = ana.see(f"/cases/{case}").text
    assert told not in page
    assert "A person's word is wanted on it." in page
    with database.connection() as conn:
        conn.execute("update users set role = 'lead' where username = 'ana'")
    assert told in ana.see(f"/cases/{case}").text
