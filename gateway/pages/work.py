"""My work, and how the queues stand against their service levels."""

from fastapi import APIRouter, Response

from gateway.dependencies import Now, Opened, Reader

router = APIRouter()


@router.get("/work")
def work_page(opened: Opened, person: Reader, now: Now) -> Response:
    mine = opened.reviews.work_of(person.username, now=now)
    held = [c for c in mine if c.standing.state == "claimed" and c.standing.claimed_by == person.username]
    return opened.pages.render(
        "work.html",
        person=person,
        held=held,
        waiting=[c for c in mine if c not in held],
        recent=opened.reviews.recent_of(person.username, now=now),
        now=now,
    )


@router.get("/levels")
def levels_page(opened: Opened, person: Reader, now: Now) -> Response:
    return opened.pages.render("levels.html", person=person, levels=opened.reviews.service_levels(now=now), now=now)
