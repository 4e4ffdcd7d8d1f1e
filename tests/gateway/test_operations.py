import re

from resources.reviews import ReviewStore
from tests.review_world import NOW, Wanted, automation, record


def test_health_and_readiness_need_no_sign_in(browser):
    assert browser.get("/health").json() == {"status": "ok"}
    assert browser.get("/ready").json() == {"status": "ok"}


def test_an_older_schema_is_not_ready(browser, database):
    with database.connection() as conn:
        conn.execute("delete from schema_migrations where version = (select max(version) from schema_migrations)")
    response = browser.get("/ready")
    assert response.status_code == 503
    assert response.json()["reason"] == "the database schema is older"


def test_metrics_count_requests_and_what_waits(ana, database):
    record(database, [Wanted(ticket_id="T1"), Wanted(ticket_id="T2")])
    ReviewStore(database).make_batches(automation=automation(), now=NOW)
    ana.get("/cases/nothing")
    ana.get("/no/such/address")
    lines = ana.get("/metrics").text.splitlines()
    assert 'aios_review_cases{automation="escalations",state="waiting"} 2' in lines
    assert 'aios_review_batches{automation="escalations",state="open"} 1' in lines
    assert 'aios_http_requests_total{method="GET",route="/cases/{case_id}",status="404"} 1' in lines
    assert 'aios_http_requests_total{method="GET",route="other",status="404"} 1' in lines
    assert 'aios_http_request_seconds_count{route="/cases/{case_id}"} 1' in lines


def test_every_line_of_the_metrics_is_prometheus_text(ana, database):
    record(database, [Wanted(ticket_id="T1")])
    ana.get("/")
    sample = re.compile(r'[a-z_]+\{([a-z]+="([^"\\\n]|\\.)*",?)*\} [0-9.e+-]+')
    for line in ana.get("/metrics").text.splitlines():
        assert line.startswith("# ") or sample.fullmatch(line), line


def test_static_files_are_served_with_their_type(browser):
    assert browser.get("/static/console.css").headers["content-type"].startswith("text/css")
    assert "javascript" in browser.get("/static/console.js").headers["content-type"]
    assert browser.get("/static/../app.py").status_code == 404


def test_the_schema_that_an_event_points_to_is_served_to_everybody(browser):
    found = browser.get("/events/schemas/decision.recorded/v1.json")
    assert (found.status_code, found.json()["title"]) == (200, "aios.decision.recorded")
    assert browser.get("/events/schemas/decision.forgotten/v1.json").status_code == 404
