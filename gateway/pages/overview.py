"""The front page: what waits, for how long, and how much time is left."""

from fastapi import APIRouter, Response
from itertools import groupby

from aios_core.review.service_level import service_level
from gateway.dependencies import Now, Opened, Reader

router = APIRouter()


@router.get("/")
@router.get("/batches")
def overview(opened: Opened, person: Reader, now: Now) -> Response:
    batches = opened.reviews.batches(states=("open", "done"))
    rows = [
        {
            "batch": b,
            "level": service_level(waiting_since=b.waiting_since, due_at=b.due_at, now=now),
            "age": now - b.waiting_since,
        }
        for b in batches
    ]
    undecided = [r for r in rows if r["batch"].left]
    by_automation = {
        name: list(group)
        for name, group in groupby(sorted(undecided, key=lambda r: r["batch"].automation), lambda r: r["batch"].automation)
    }
    return opened.pages.render(
        "overview.html",
        person=person,
        totals=opened.views.overview(actor=person.username, since=now.replace(hour=0, minute=0, second=0, microsecond=0)),
        late=sum(r["level"].level == "late" for r in undecided),
        automations=by_automation,
        closing=[r["batch"] for r in rows if not r["batch"].left],
        incidents=opened.views.incidents(),
        now=now,
    )
