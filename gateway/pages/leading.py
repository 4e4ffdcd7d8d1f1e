"""Steps on a case beside the verdict: leave it to somebody, note something, send a verdict back, settle it as a lead, take the next one.

What belongs here: from a form to one call of the store. What does not: the verdict (`steps.py`), and who may do what
(`aios_core/review`).
"""

from typing import Annotated

from fastapi import APIRouter, Form, Response
from fastapi.responses import RedirectResponse

from aios_core.review.states import ReviewConflict
from gateway.dependencies import Now, Opened, Poster, said, to
from gateway.pages.steps import conflicted

router = APIRouter()

Words = Annotated[str, Form()]


@router.post("/cases/{case_id}/reassign")
def reassign(
    opened: Opened, poster: Poster, now: Now, case_id: str, person: Words = "", reason: Words = ""
) -> Response:
    """Leave it to one person, who alone gets it."""
    try:
        case = opened.reviews.reassign(
            case_id, actor=poster.username, to=said(person, longest=200), reason=said(reason), now=now
        )
    except ReviewConflict as conflict:
        return conflicted(opened, poster, case_id, conflict, comment=said(reason), now=now)
    return _back(case.case_id)


@router.post("/cases/{case_id}/comment")
def comment(opened: Opened, poster: Poster, now: Now, case_id: str, text: Words = "") -> Response:
    """A note for whoever opens the case next."""
    return _back(opened.reviews.comment(case_id, actor=poster.username, text=said(text), now=now).case_id)


@router.post("/cases/{case_id}/reject")
def reject(opened: Opened, poster: Poster, now: Now, case_id: str, reason: Words = "") -> Response:
    """A lead sends the verdict back; the case waits again and shows why."""
    try:
        case = opened.reviews.reject(case_id, actor=poster.username, reason=said(reason), now=now)
    except ReviewConflict as conflict:
        return conflicted(opened, poster, case_id, conflict, comment=said(reason), now=now)
    return _back(case.case_id)


@router.post("/cases/{case_id}/override")
def override(opened: Opened, poster: Poster, now: Now, case_id: str, queue: Words = "", reason: Words = "") -> Response:
    """A lead settles it, over what others said."""
    queue, why = said(queue, longest=200), said(reason)
    try:
        case = opened.reviews.override(case_id, actor=poster.username, queue=queue, comment=why or None, now=now)
    except ReviewConflict as conflict:
        return conflicted(opened, poster, case_id, conflict, queue=queue, comment=why, now=now)
    return _back(case.case_id)


@router.post("/next")
def next_case(opened: Opened, poster: Poster, now: Now, automation: Words = "", queue: Words = "") -> Response:
    """The most urgent case that this person may take, over all open batches."""
    case = opened.reviews.next_for(
        poster.username, now=now, automation=said(automation) or None, queue=said(queue) or None
    )
    return RedirectResponse(to("cases", case.case_id) if case else "/?nothing=1", status_code=303)


def _back(case_id: str) -> Response:
    return RedirectResponse(to("cases", case_id), status_code=303)
