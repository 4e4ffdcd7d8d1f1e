"""Records that could not be used, with what to do about them."""

from fastapi import APIRouter, Response

from gateway.dependencies import Now, Opened, Reader

router = APIRouter()

SHOWN = 200


@router.get("/quarantine")
def quarantine_page(opened: Opened, person: Reader, now: Now, everything: bool = False) -> Response:
    return opened.pages.render(
        "quarantine.html",
        person=person,
        counts=opened.views.quarantine_counts(),
        entries=opened.views.quarantine(everything=everything, limit=SHOWN),
        everything=everything,
        shown=SHOWN,
        now=now,
    )
