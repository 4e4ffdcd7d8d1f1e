"""My work, and how the queues stand against their service levels."""

from fastapi import APIRouter, Response

from gateway.dependencies import Now, Opened, Reader
from resources.console_work import WorkViews

router = APIRouter()


@router.get("/work")
def work_page(opened: Opened, person: Reader, now: Now) -> Response:
    views = WorkViews(opened.database)
    return opened.pages.render(
        "work.html",
        person=person,
        held=views.held(actor=person.username, now=now),
        recent=views.recent(actor=person.username, now=now),
        now=now,
    )


@router.get("/levels")
def levels_page(opened: Opened, person: Reader, now: Now) -> Response:
    return opened.pages.render("levels.html", person=person, levels=WorkViews(opened.database).levels(now=now), now=now)
