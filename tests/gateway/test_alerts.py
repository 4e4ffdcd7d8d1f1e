"""The console's page about alerts: what fires, and who may do what about it."""

from datetime import timedelta

import pytest

from resources.alerts import AlertStore
from tests.gateway.conftest import Browser, hashed_once
from tests.resources.alerting import fail_job, look_at, mend_jobs, watched
from tests.review_world import NOW


@pytest.fixture
def lea(app, database):
    """A lead."""
    with database.connection() as conn:
        conn.execute("insert into users values ('lea', %s, 'lead')", (hashed_once(),))
    return Browser(app).as_person("lea")


@pytest.fixture
def alert(database):
    """The assess job crashed."""
    fail_job(database, "<b>assess</b>", at=NOW)
    (made,) = look_at(database, watched(), at=NOW).fired
    return made


def test_a_quiet_page_says_so_and_whether_anybody_looked(ana, database):
    assert "The signals were not read yet" in ana.get("/alerts").text
    look_at(database, watched(), at=NOW)
    page = ana.get("/alerts").text
    assert "Nothing needs attention." in page
    assert 'aria-current="page">Alerts' in page


def test_nobody_looking_is_said_loudly(ana, database):
    look_at(database, watched(), at=NOW - timedelta(hours=2))
    assert "Nobody looks at Escalations" in ana.get("/alerts").text


def test_what_fires_is_shown_with_its_cost_what_to_do_and_whose_it_is(ana, alert):
    page = ana.get("/alerts").text
    for part in (
        "Monitor failed",
        "&lt;b&gt;assess&lt;/b&gt;",
        "A monitor that crashed says nothing",
        "Read the run",
        "owner team:care",
    ):
        assert part in page  # fmt: skip


def test_an_alert_has_its_timeline(ana, alert):
    page = ana.get(f"/alerts/{alert}").text
    assert "Fired" in page
    assert "Told" in page
    assert ana.get("/alerts/999").status_code == 404


def test_whoever_is_signed_in_may_acknowledge(ana, alert, database):
    ana.see("/alerts")
    page = ana.submit(f"/alerts/{alert}/acknowledge", note="on it").text
    assert "Acknowledged by ana" in page
    assert "on it" in page
    assert AlertStore(database).get(alert).acknowledged_by == "person:ana"


def test_what_is_over_can_not_be_acknowledged(ana, alert, database):
    mend_jobs(database, at=NOW)
    look_at(database, watched(), at=NOW)
    ana.see("/alerts")
    answer = ana.submit(f"/alerts/{alert}/acknowledge")
    assert answer.status_code == 409
    assert "nothing to acknowledge" in answer.text


def test_a_lead_silences_with_a_reason_and_ends_it(lea, alert, database):
    lea.see("/alerts")
    page = lea.submit(f"/alerts/{alert}/silence", hours="4", reason="maintenance").text
    assert "Firing, silenced" in page
    assert "maintenance" in page
    (silence,) = AlertStore(database).silences(now=NOW)
    assert silence.until == NOW + timedelta(hours=4)
    assert "Firing, silenced" not in lea.submit(f"/alerts/silences/{silence.silence_id}/end").text


def test_a_silence_needs_a_reason(lea, alert, database):
    lea.see("/alerts")
    answer = lea.submit(f"/alerts/{alert}/silence", hours="4", reason="  ")
    assert answer.status_code == 422
    assert "a silence needs a reason" in answer.text
    assert AlertStore(database).silences(now=NOW) == []


def test_a_reviewer_silences_nothing(ana, alert, database):
    assert "Silence</button>" not in ana.see("/alerts").text
    assert ana.submit(f"/alerts/{alert}/silence", hours="4", reason="quiet please").status_code == 403
    assert AlertStore(database).silences(now=NOW) == []


def test_a_form_of_another_site_is_not_taken(ana, alert, database):
    answer = ana.post(f"/alerts/{alert}/acknowledge", data={"token": "forged"})
    assert answer.status_code == 403
    assert AlertStore(database).get(alert).acknowledged_by is None


def test_strangers_see_nothing(browser, alert):
    assert browser.get("/alerts", follow_redirects=False).headers["location"].startswith("/sign-in")


def test_messages_that_were_not_delivered_and_firing_alerts_are_counted(ana, alert):
    assert "Messages not delivered" in ana.get("/alerts").text
    text = ana.get("/metrics").text
    assert 'aios_alerts_firing{automation="escalations",rule="monitor_failed",severity="critical"} 1' in text
    assert 'aios_alert_messages{automation="escalations",channel="chat",state="pending"} 1' in text
    assert "aios_alerts_looked_at_seconds" in text
