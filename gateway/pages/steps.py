"""The steps a person takes on a case: decide, skip, leave, undo, and the quiet ones that the page takes for them.

What belongs here: from a form to one call of the store and on to the next page. What does not: which step is allowed
(`aios_core/review`), and the page (`cases.py`).

Every step works as a plain form that leads to the next page. The page's script sends the same form and asks for JSON: it then shows
the next case, which it has fetched ahead, without loading a page. A case is shown only after its predecessor's verdict is written, so
what is on the screen never runs ahead of what is recorded.
"""

from typing import Annotated

from fastapi import APIRouter, Depends, Form, Request, Response
from fastapi.responses import JSONResponse, RedirectResponse
from pydantic import AwareDatetime

from aios_core.review.form import InvalidForm
from aios_core.review.states import ReviewConflict, UnknownCase
from gateway.dependencies import Now, Opened, Person, Poster, Services, said, to
from gateway.pages.cases import Unsent, after_verdict, shown
from resources.reviews import Case

router = APIRouter()

JSON = "application/json"
FIELD = "form."


async def by_script(request: Request) -> bool:
    return request.headers.get("accept") == JSON


ByScript = Annotated[bool, Depends(by_script)]


async def answered(request: Request) -> dict[str, str]:
    """What the verdict form was answered: its fields are called `form.NAME`."""
    sent = await request.form()
    return {
        name.removeprefix(FIELD): said(value)
        for name, value in sent.items()
        if name.startswith(FIELD) and isinstance(value, str)
    }


Answered = Annotated[dict[str, str], Depends(answered)]


@router.post("/cases/{case_id}/decide")
def decide(
    opened: Opened,
    poster: Poster,
    now: Now,
    scripted: ByScript,
    answers: Answered,
    case_id: str,
    queue: Annotated[str, Form()] = "",
    comment: Annotated[str, Form()] = "",
) -> Response:
    queue, comment = said(queue, longest=200), said(comment)
    try:
        case = opened.reviews.decide(
            case_id, actor=poster.username, queue=queue, comment=comment, form=answers, now=now
        )
    except ReviewConflict as conflict:
        return conflicted(opened, poster, case_id, conflict, queue=queue, comment=comment, now=now)
    except InvalidForm as wrong:
        unsent = Unsent(queue=queue, comment=comment, answers=answers, field=wrong.field, reason=wrong.reason)
        return shown(opened, poster, case_id, now, unsent=unsent)
    return _onward(opened, poster, case, now, scripted=scripted, after=case_id)


@router.post("/cases/{case_id}/skip")
def skip(
    opened: Opened,
    poster: Poster,
    now: Now,
    scripted: ByScript,
    case_id: str,
    comment: Annotated[str, Form()] = "",
) -> Response:
    case = opened.reviews.skip(case_id, actor=poster.username, reason=said(comment), now=now)
    return _onward(opened, poster, case, now, scripted=scripted)


@router.post("/cases/{case_id}/leave")
def leave(opened: Opened, poster: Poster, now: Now, scripted: ByScript, case_id: str) -> Response:
    """The next case, this one given back undecided."""
    case = opened.reviews.release(case_id, actor=poster.username, now=now)
    return _onward(opened, poster, case, now, scripted=scripted)


@router.post("/cases/{case_id}/claim")
def claim(opened: Opened, poster: Poster, now: Now, case_id: str) -> Response:
    try:
        opened.reviews.claim(case_id, actor=poster.username, now=now)
    except ReviewConflict as conflict:
        return conflicted(opened, poster, case_id, conflict, now=now)
    return RedirectResponse(to("cases", case_id), status_code=303)


@router.post("/cases/{case_id}/undo")
def undo(opened: Opened, poster: Poster, now: Now, case_id: str) -> Response:
    try:
        opened.reviews.undo(case_id, actor=poster.username, now=now)
    except ReviewConflict as conflict:
        return conflicted(opened, poster, case_id, conflict, now=now)
    return RedirectResponse(to("cases", case_id), status_code=303)


# what the page does by itself


@router.post("/cases/{case_id}/ahead")
def ahead(opened: Opened, poster: Poster, now: Now, case_id: str) -> Response:
    """The page of the case that comes next, which is claimed with it: nobody else is shown what is about to be decided here."""
    case = opened.reviews.case(case_id)
    if case.batch is None:
        return Response(status_code=204)
    following = opened.reviews.next_case(
        automation=case.automation, batch=case.batch, actor=poster.username, now=now, besides=case_id
    )
    return Response(status_code=204) if following is None else shown(opened, poster, following.case_id, now)


@router.post("/cases/{case_id}/heartbeat")
def heartbeat(
    opened: Opened, poster: Poster, now: Now, case_id: str, ahead: Annotated[str, Form()] = ""
) -> JSONResponse:
    """Keeps the case, and the one fetched ahead, in this person's hands. 409 where the case is theirs no more."""
    try:
        case = opened.reviews.claim(case_id, actor=poster.username, now=now)
    except (ReviewConflict, UnknownCase) as lost:
        return JSONResponse({"message": f"{lost}."}, status_code=409)
    if ahead:
        try:
            opened.reviews.claim(said(ahead), actor=poster.username, now=now)
        except (ReviewConflict, UnknownCase):
            ahead = ""
    expires = case.standing.claim_expires
    return JSONResponse({"until": expires.isoformat(timespec="microseconds") if expires else None, "ahead": ahead})


@router.post("/cases/{case_id}/give-back")
def give_back(
    opened: Opened,
    poster: Poster,
    now: Now,
    case_id: str,
    ahead: Annotated[str, Form()] = "",
    until: Annotated[AwareDatetime | None, Form()] = None,
) -> Response:
    """The page is left: what it held goes back to the others. What is not held, or is no more, harms nothing.

    `until` is the end of the lease as that page knew it. The word comes late where the page was only loaded anew: what
    has been renewed since is kept.
    """
    for held in filter(None, (case_id, said(ahead))):
        try:
            opened.reviews.release(held, actor=poster.username, now=now, until=until)
        except UnknownCase:
            continue
    return Response(status_code=204)


def conflicted(
    opened: Services,
    poster: Person,
    case_id: str,
    conflict: ReviewConflict,
    *,
    queue: str = "",
    comment: str = "",
    now: Now,
) -> Response:
    """Somebody else was first: how it really stands, and what this person chose and wrote."""
    return opened.pages.render(
        "conflict.html",
        status=409,
        person=poster,
        case=opened.reviews.case(case_id),
        standing=conflict.standing,
        message=str(conflict),
        queue=queue,
        comment=comment,
        now=now,
    )


def _onward(opened: Services, poster: Person, case: Case, now: Now, *, scripted: bool, after: str = "") -> Response:
    """On to the next case of the batch; with none left, to the batch."""
    query = f"?after={after}" if after else ""
    page = _next_page(opened, poster, case, now, decided=bool(after))
    if not scripted:
        return RedirectResponse(page + query, status_code=303)
    decided = after_verdict(opened, after, poster, now)
    said_so = opened.pages.text("toast.html", person=poster, after=decided)
    return JSONResponse({"next": page, "query": query, "toast": said_so}, headers={"cache-control": "no-store"})


def _next_page(opened: Services, poster: Person, case: Case, now: Now, *, decided: bool) -> str:
    if case.batch is None:
        return to("cases", case.case_id) if decided else "/"
    following = opened.reviews.next_case(
        automation=case.automation, batch=case.batch, actor=poster.username, now=now, besides=case.case_id
    )
    return to("cases", following.case_id) if following else to("batches", case.automation, case.batch)
