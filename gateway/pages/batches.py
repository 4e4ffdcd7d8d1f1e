"""One batch: how far it is, its cases, and the way to the next one."""

from typing import Annotated

from fastapi import APIRouter, Form, Response
from fastapi.responses import RedirectResponse

from aios_core.review.service_level import service_level
from gateway.dependencies import Now, Opened, Poster, Reader, said, to
from gateway.pages.cases import after_verdict

router = APIRouter()

SHOWN = 500


@router.get("/batches/{automation}/{batch:path}")
def batch_page(opened: Opened, person: Reader, now: Now, automation: str, batch: str, after: str = "") -> Response:
    found = opened.reviews.batch(automation=automation, batch=batch)
    rows = opened.views.batch_rows(automation=automation, batch=batch, limit=SHOWN)
    others = [b for b in opened.reviews.batches(automation=automation) if b.left and b.batch != batch]
    return opened.pages.render(
        "batch.html",
        person=person,
        batch=found,
        level=service_level(waiting_since=found.waiting_since, due_at=found.due_at, now=now),
        rows=rows,
        masked=person.user.role in opened.views.masked_for(automation),
        shown=SHOWN,
        skipped=opened.views.skipped(automation=automation, batch=batch, actor=person.username),
        next_batch=others[0] if others else None,
        after=after_verdict(opened, after, person, now),
        now=now,
    )


@router.post("/batches/{automation}/{batch:path}")
def work_on_batch(
    opened: Opened,
    poster: Poster,
    now: Now,
    automation: str,
    batch: str,
    step: Annotated[str, Form()] = "next",
    besides: Annotated[str, Form()] = "",
) -> Response:
    """`next` claims the next case, `skipped` also those this person skipped, `finish` closes the batch."""
    opened.reviews.batch(automation=automation, batch=batch)
    if step == "finish":
        opened.reviews.finish(automation=automation, batch=batch, now=now)
        return RedirectResponse(to("batches", automation, batch), status_code=303)
    case = opened.reviews.next_case(
        automation=automation,
        batch=batch,
        actor=poster.username,
        now=now,
        besides=said(besides) or None,
        take_skipped=step == "skipped",
    )
    return RedirectResponse(to("cases", case.case_id) if case else to("batches", automation, batch), status_code=303)
