"""Records that could not be used, with what to do about them."""

from fastapi import APIRouter, Response

from gateway.dependencies import Now, Opened, Reader

router = APIRouter()

SHOWN = 200


@router.get("/quarantine")
def quarantine_page(opened: Opened, person: Reader, now: Now, everything: bool = False) -> Response:
    entries = opened.views.quarantine(everything=everything, limit=SHOWN)
    automations = {e["automation"] for e in entries}
    return opened.pages.render(
        "quarantine.html",
        person=person,
        counts=opened.views.quarantine_counts(),
        entries=entries,
        masked={a for a in automations if person.user.role in opened.views.masked_for(a)},
        everything=everything,
        shown=SHOWN,
        now=now,
    )
