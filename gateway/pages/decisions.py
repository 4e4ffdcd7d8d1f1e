"""Search for decisions, what stood for a ticket at a moment, and one decision explained."""

from datetime import UTC, datetime

from fastapi import APIRouter, Response
from fastapi.responses import RedirectResponse

from aios_core.decisions.model import VERDICTS
from gateway.dependencies import Opened, Reader, said, to
from gateway.pages.cases import draft_for
from resources.agents.store import transcript_of_decision
from resources.console_case import masked_customer, masked_decision, masked_ticket
from resources.decision_search import Stood, Wanted
from resources.robots.store import RobotRuns

router = APIRouter()

LONGEST = 300
LARGEST_VERSION = 2**31 - 1


@router.get("/decisions")
def search(
    opened: Opened,
    person: Reader,
    *,
    q: str = "",
    at: str = "",
    automation: str = "",
    queue: str = "",
    verdict: str = "",
    version: str = "",
) -> Response:
    """`at` is a moment in UTC unless it says otherwise; with a ticket, the page says what stood for it then."""
    wanted, problem = read(q=q, at=at, automation=automation, queue=queue, verdict=verdict, version=version)
    found = opened.search.find(wanted) if wanted.anything and not problem else []
    if found and len(found) == 1 and found[0]["decision_id"] == wanted.words:
        return RedirectResponse(to("decisions", wanted.words), status_code=303)
    stood: list[Stood] = []
    first = None
    if wanted.words and wanted.at and not problem:
        stood = opened.search.stood(wanted.words, at=wanted.at)
        first = None if stood else opened.search.first(wanted.words)
    automations = opened.views.automations()
    return opened.pages.render(
        "decisions.html",
        status=422 if problem else 200,
        person=person,
        wanted=wanted,
        asked={"at": at, "version": version},
        problem=problem,
        found=found,
        stood=stood,
        first=first,
        recent=[] if wanted.anything or problem else opened.views.recent_decisions(),
        automations=list(automations),
        queues=sorted({q for queues in automations.values() for q in queues}),
        verdicts=VERDICTS,
    )


@router.get("/decisions/{decision_id}")
def decision_page(opened: Opened, person: Reader, decision_id: str) -> Response:
    decision = opened.views.decision(decision_id)
    trail = opened.views.decision_trail(decision)
    masked = person.user.role in trail["mask_for"]
    if masked:
        decision = masked_decision(decision)
        # names of files and accounts can be names of people
        trail |= {
            "ticket": masked_ticket(trail["ticket"]),
            "customer": masked_customer(trail["customer"]),
            "details": None,
        }
    draft = draft_for(opened, decision_id, masked=masked)
    return opened.pages.render(
        "decision.html",
        person=person,
        decision=decision,
        masked=masked,
        draft=draft,
        agent=transcript_of_decision(opened.database, decision_id),
        robots=RobotRuns(opened.database, opened.lake).of_decision(decision_id),
        **trail,
    )


def read(*, q: str, at: str, automation: str, queue: str, verdict: str, version: str) -> tuple[Wanted, str]:
    """What a person typed, and what is wrong with it."""
    problem = ""
    moment = number = None
    if at.strip():
        try:
            moment = datetime.fromisoformat(at.strip())
            moment = (moment if moment.tzinfo else moment.replace(tzinfo=UTC)).astimezone(UTC)
        except (ValueError, OverflowError):
            problem = f"`{said(at, longest=40)}` is no moment; write it as 2026-11-20 14:05 (UTC)."
    digits = version.strip().removeprefix("v")
    if digits:
        if digits.isascii() and digits.isdigit() and len(digits) <= 10 and int(digits) <= LARGEST_VERSION:
            number = int(digits)
        else:
            problem = f"`{said(version, longest=40)}` is no model version; write its number."
    wanted = Wanted(
        words=said(q, longest=LONGEST),
        automation=said(automation, longest=LONGEST),
        queue=said(queue, longest=LONGEST),
        verdict=said(verdict, longest=LONGEST),
        version=number,
        at=moment,
    )
    return wanted, problem
