"""What a robot left, beside its decision, for those who may see it."""

from aios_core.decisions.actions import OutboxAction
from resources.robots.running import Ended
from resources.robots.store import RobotRuns
from tests.gateway.conftest import Browser
from tests.review_world import NOW, Wanted, automation, record


def kept(database, lake, of=None) -> tuple[str, int]:
    (decision,) = record(database, [Wanted(ticket_id="T1", p=0.97)], of=of)
    action = OutboxAction(target="helpdesk", kind="assign", external_id="T1", payload={}, idempotency_key="k",
                          decision_id=decision)  # fmt: skip
    ended = Ended(status="by_hand", message="Element 'id:queue' not found.",
                  evidence={"log.html": b"<html><script>1</script></html>", "output.xml": b"<robot/>", "page.png": b"\x89PNG"})  # fmt: skip
    runs = RobotRuns(database, lake)
    return decision, runs.keep(
        action, ended, automation="escalations", robot="legacy_desk", account="desk", started=NOW, now=NOW
    )


def test_a_decisions_page_links_the_evidence_and_it_opens_in_a_sandbox(ana, database, lake):
    decision, run = kept(database, lake)
    page = ana.see(f"/decisions/{decision}").text
    assert "Element &#39;id:queue&#39; not found." in page
    assert f'href="/robots/{run}/log.html"' in page
    log = ana.see(f"/robots/{run}/log.html")
    assert log.headers["content-security-policy"].startswith("sandbox ")
    assert ana.see(f"/robots/{run}/page.png").headers["content-type"] == "image/png"
    assert ana.see(f"/robots/{run}/output.xml").headers["content-type"].startswith("text/plain")


def test_what_is_not_there_is_said(ana, database, lake):
    _, run = kept(database, lake)
    assert ana.get(f"/robots/{run}/given.json").status_code == 404
    assert ana.get("/robots/99999/log.html").status_code == 404


def test_who_is_shown_masked_tickets_is_not_shown_a_picture_of_one(app, ana, database, lake):
    of = automation(review={"mask_for": ["reviewer"]})
    decision, run = kept(database, lake, of)
    assert f"/robots/{run}/page.png" in ana.see(f"/decisions/{decision}").text
    assert ana.get(f"/robots/{run}/page.png").status_code == 403
    with database.connection() as conn:
        conn.execute("insert into users values ('lea', 'x', 'lead')")
    assert Browser(app).as_person("lea").get(f"/robots/{run}/page.png").status_code == 200
