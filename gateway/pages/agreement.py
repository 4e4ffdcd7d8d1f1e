"""How far reviewers agree, how fast they decide, and which labels are in dispute.

What belongs here: the page. What does not: the measures (`aios_core/review/agreement.py`, `resources/review_agreement.py`).
"""

from fastapi import APIRouter, Response

from gateway.dependencies import Now, Opened, Reader
from resources.review_agreement import WINDOW, AgreementStore, measured, pairs_of, queues_of
from resources.review_cases import LEADS

router = APIRouter()


@router.get("/agreement")
def agreement_page(opened: Opened, person: Reader, now: Now) -> Response:
    """Of each automation, over the last 90 days. Who is how fast, and who agrees with whom, is for leads; one's own line is for oneself."""
    store, lead = AgreementStore(opened.database), person.user.role in LEADS
    found = []
    for automation in sorted(opened.views.automations()):
        window = {"since": now - WINDOW, "until": now}
        compared = store.compared(automation=automation, **window)
        worked = store.worked(automation=automation, **window)
        found.append(
            {
                "automation": automation,
                "whole": measured(compared),
                "queues": queues_of(compared),
                "pairs": pairs_of(compared) if lead else [],
                "people": [one for one in worked if lead or one.actor == person.username],
                "disputed": store.in_dispute(automation=automation, until=now),
            }
        )
    return opened.pages.render("agreement.html", person=person, found=found, days=WINDOW.days)
