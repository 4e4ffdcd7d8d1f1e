"""The console's pages about incidents, and the one thing that can be done there: to end one."""

from datetime import timedelta

import pytest

from resources.incidents import IncidentStore
from resources.modes import ModeStore
from resources.monitoring import MonitorStore
from tests.aios_assets.rolled_back import World
from tests.gateway.conftest import Browser, hashed_once
from tests.review_world import NOW, Wanted, record


@pytest.fixture
def held(database):
    """Fraud goes to people since an hour."""
    when = NOW - timedelta(hours=1)
    incident = MonitorStore(database).open_incident(
        automation="escalations", remedy="narrow", queue="fraud", reason="Fraud is <not> well.", evidence={"rollbacks": 0},
        actor="run:abc", now=when,
    )  # fmt: skip
    ModeStore(database).set(automation="escalations", queue="fraud", mode="review_only", reason="r", actor="run:abc",
                            incident_id=incident, now=when)  # fmt: skip
    return incident


@pytest.fixture
def lea(app, database):
    """A lead."""
    with database.connection() as conn:
        conn.execute("insert into users values ('lea', %s, 'lead')", (hashed_once(),))
    return Browser(app).as_person("lea")


def test_open_incidents_are_listed_and_closed_ones_on_request(ana, held, database):
    page = ana.get("/incidents").text
    assert f'<a href="/incidents/{held}">{held}</a>' in page
    assert "Fraud is &lt;not&gt; well." in page
    assert 'aria-current="page">Incidents' in page
    IncidentStore(database).close(held, actor="person:ada", why="w", now=NOW)
    assert "No incident is open." in ana.get("/incidents").text
    assert '<span class="tag good">closed</span>' in ana.get("/incidents?everything=1").text


def test_the_overview_leads_to_the_incident(ana, held):
    assert f'<a href="/incidents/{held}">' in ana.get("/").text


def test_an_incident_shows_its_timeline_with_links(ana, held):
    page = ana.get(f"/incidents/{held}").text
    assert "A run began to narrow queue fraud." in page
    assert "Queue fraud goes to people only." in page
    assert "/runs/abc" in page
    assert "A lead or an administrator closes it." in page
    assert "<form" not in page.split("<main")[1]


def test_a_repaired_rollback_shows_what_was_made_good(ana, database):
    world = World(database, {})
    record(database, [Wanted(ticket_id="T1", p=0.95), Wanted(ticket_id="T2", p=0.95)])
    found = world.roll_back()
    world.since(found)
    ids = [row[0] for row in world.rows("select decision_id from decisions order by ticket_id")]
    with database.connection() as conn:
        conn.execute(
            "insert into corrections values (%s, %s, 'corrected', 'fraud', %s, %s)",
            (found.incident_id, ids[0], ids[1], NOW),
        )
    world.store.finish(found.incident_id, run_id="r9", new=1, now=NOW)
    page = ana.get(f"/incidents/{found.incident_id}").text
    assert "<strong>1</strong> corrected" in page
    assert f'<a href="/decisions/{ids[0]}">T1</a>' in page
    assert "1 decisions since its promotion were looked at again under version 1" in page
    assert f'<a href="/decisions/{ids[1]}">Another decision</a> corrects it' in ana.get(f"/decisions/{ids[0]}").text
    assert f'Made instead of <a href="/decisions/{ids[0]}">a decision</a>' in ana.get(f"/decisions/{ids[1]}").text


def test_a_lead_closes_an_incident_and_the_queue_is_automated_again(lea, held, database):
    lea.see(f"/incidents/{held}")
    page = lea.submit(f"/incidents/{held}/close", why="the new product has a queue of its own")
    assert "lea closed it: the new product has a queue of its own" in page.text
    assert "Queue fraud is automated again." in page.text
    assert ModeStore(database).current("escalations") == {"fraud": "normal"}


def test_closing_without_a_reason_changes_nothing_and_says_so(lea, held, database):
    lea.see(f"/incidents/{held}")
    answer = lea.submit(f"/incidents/{held}/close", why="  ")
    assert (answer.status_code, "Say why it is over" in answer.text) == (422, True)
    assert IncidentStore(database).get(held).closed_at is None


def test_a_reviewer_closes_nothing(ana, held, database):
    answer = ana.submit(f"/incidents/{held}/close", why="I want to")
    assert (answer.status_code, "Only a lead or an administrator" in answer.text) == (403, True)
    assert IncidentStore(database).get(held).closed_at is None


def test_a_form_from_elsewhere_closes_nothing(lea, held, database):
    lea.token = "forged"
    assert lea.submit(f"/incidents/{held}/close", why="w").status_code == 403
    assert IncidentStore(database).get(held).closed_at is None


@pytest.mark.parametrize(("path", "status"), [("/incidents/404", 404), ("/incidents/0", 422), ("/incidents/x", 422)])
def test_what_is_not_there_says_so(ana, path, status):
    assert ana.get(path).status_code == status


def test_strangers_are_sent_to_the_sign_in(browser, held):
    for path in ("/incidents", f"/incidents/{held}"):
        assert browser.get(path, follow_redirects=False).headers["location"].startswith("/sign-in")
