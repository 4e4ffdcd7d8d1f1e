"""One case: what a person needs to decide it, and the steps they can take."""

from dataclasses import dataclass
from datetime import datetime
from typing import Annotated

from fastapi import APIRouter, Form, Response
from fastapi.responses import RedirectResponse

from aios_core.review.states import ReviewConflict, UnknownCase
from gateway.dependencies import Now, Opened, Person, Poster, Reader, Services, said, to
from resources.console import top
from resources.reviews import Batch, Case

router = APIRouter()

TOP = 3


@dataclass(frozen=True, slots=True, kw_only=True)
class Choice:
    """A queue to choose with one key. `probability` is None where the model gave none."""

    queue: str
    probability: float | None


@router.get("/cases/{case_id}")
def case_page(opened: Opened, person: Reader, now: Now, case_id: str, after: str = "") -> Response:
    case = opened.reviews.case(case_id)
    context = opened.views.case_context(case_id=case_id, decision_id=case.decision_id)
    queues = opened.reviews.choices(case_id)
    choices = first_choices(queues, context.decision.probabilities)
    chosen = {c.queue for c in choices}
    return opened.pages.render(
        "case.html",
        person=person,
        case=case,
        context=context,
        choices=choices,
        others=[q for q in queues if q not in chosen],
        batch=_batch(opened, case),
        held_by_other=case.standing.held_by_other(person.username, now),
        may_undo=may_undo(case, person, now),
        after=after_verdict(opened, after, person, now),
        now=now,
    )


@router.post("/cases/{case_id}/decide")
def decide(
    opened: Opened,
    poster: Poster,
    now: Now,
    case_id: str,
    queue: Annotated[str, Form()] = "",
    comment: Annotated[str, Form()] = "",
) -> Response:
    queue, comment = said(queue, longest=200), said(comment)
    try:
        case = opened.reviews.decide(case_id, actor=poster.username, queue=queue, comment=comment, now=now)
    except ReviewConflict as conflict:
        return _conflict(opened, poster, case_id, conflict, queue=queue, comment=comment, now=now)
    return _on_to_next(opened, poster, case, now, after=case_id)


@router.post("/cases/{case_id}/skip")
def skip(opened: Opened, poster: Poster, now: Now, case_id: str, comment: Annotated[str, Form()] = "") -> Response:
    case = opened.reviews.skip(case_id, actor=poster.username, reason=said(comment), now=now)
    return _on_to_next(opened, poster, case, now)


@router.post("/cases/{case_id}/leave")
def leave(opened: Opened, poster: Poster, now: Now, case_id: str) -> Response:
    """The next case, this one given back undecided."""
    case = opened.reviews.release(case_id, actor=poster.username, now=now)
    return _on_to_next(opened, poster, case, now)


@router.post("/cases/{case_id}/claim")
def claim(opened: Opened, poster: Poster, now: Now, case_id: str) -> Response:
    try:
        opened.reviews.claim(case_id, actor=poster.username, now=now)
    except ReviewConflict as conflict:
        return _conflict(opened, poster, case_id, conflict, queue="", comment="", now=now)
    return RedirectResponse(to("cases", case_id), status_code=303)


@router.post("/cases/{case_id}/undo")
def undo(opened: Opened, poster: Poster, now: Now, case_id: str) -> Response:
    try:
        opened.reviews.undo(case_id, actor=poster.username, now=now)
    except ReviewConflict as conflict:
        return _conflict(opened, poster, case_id, conflict, queue="", comment="", now=now)
    return RedirectResponse(to("cases", case_id), status_code=303)


def first_choices(queues: list[str], probabilities: tuple[tuple[str, float], ...]) -> list[Choice]:
    """The likeliest queues that may be chosen; without a score the first ones as declared."""
    likely = [Choice(queue=q, probability=p) for q, p in top(probabilities, len(probabilities)) if q in set(queues)]
    return likely[:TOP] or [Choice(queue=q, probability=None) for q in queues[:TOP]]


def may_undo(case: Case, person: Person, now: datetime) -> bool:
    standing = case.standing
    mine = standing.state == "decided" and standing.decided_by == person.username and not standing.closed
    return mine and standing.decided_at is not None and now <= standing.decided_at + case.undo


def after_verdict(opened: Services, case_id: str, person: Person, now: datetime) -> Case | None:
    """The case just decided, while its verdict can be undone: shown with the way back."""
    if not case_id:
        return None
    try:
        case = opened.reviews.case(said(case_id))
    except UnknownCase:
        return None
    return case if may_undo(case, person, now) else None


def _on_to_next(opened: Services, poster: Person, case: Case, now: datetime, *, after: str = "") -> Response:
    query = f"?after={after}" if after else ""
    if case.batch is None:
        return RedirectResponse((to("cases", after) if after else "/") + query, status_code=303)
    following = opened.reviews.next_case(
        automation=case.automation, batch=case.batch, actor=poster.username, now=now, besides=case.case_id
    )
    page = to("cases", following.case_id) if following else to("batches", case.automation, case.batch)
    return RedirectResponse(page + query, status_code=303)


def _conflict(
    opened: Services, poster: Person, case_id: str, conflict: ReviewConflict, *, queue: str, comment: str, now: datetime
) -> Response:
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


def _batch(opened: Services, case: Case) -> Batch | None:
    return opened.reviews.batch(automation=case.automation, batch=case.batch) if case.batch else None
