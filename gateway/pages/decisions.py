"""Search for decisions, and one decision explained."""

from fastapi import APIRouter, Response
from fastapi.responses import RedirectResponse

from gateway.dependencies import Opened, Reader, said, to

router = APIRouter()


@router.get("/decisions")
def search(opened: Opened, person: Reader, q: str = "") -> Response:
    query = said(q, longest=300)
    found = opened.views.search(query) if query else []
    if len(found) == 1 and found[0]["decision_id"] == query:
        return RedirectResponse(to("decisions", query), status_code=303)
    recent = opened.views.recent_decisions() if not query else []
    return opened.pages.render("decisions.html", person=person, query=query, found=found, recent=recent)


@router.get("/decisions/{decision_id}")
def decision_page(opened: Opened, person: Reader, decision_id: str) -> Response:
    decision = opened.views.decision(decision_id)
    return opened.pages.render(
        "decision.html", person=person, decision=decision, **opened.views.decision_trail(decision)
    )
