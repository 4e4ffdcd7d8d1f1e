"""The front page: what waits, for how long, and how much time is left."""

from dataclasses import dataclass
from datetime import timedelta

from fastapi import APIRouter, Response

from aios_core.review.service_level import ServiceLevel, service_level
from gateway.dependencies import Now, Opened, Reader
from resources.reviews import Batch

router = APIRouter()


@dataclass(frozen=True, slots=True, kw_only=True)
class Line:
    """One open batch as the page lists it."""

    batch: Batch
    level: ServiceLevel
    age: timedelta


@router.get("/")
@router.get("/batches")
def overview(opened: Opened, person: Reader, now: Now, *, nothing: bool = False) -> Response:
    batches = opened.reviews.batches(states=("open", "done"))
    lines = [
        Line(
            batch=b,
            level=service_level(waiting_since=b.waiting_since, due_at=b.due_at, now=now),
            age=now - b.waiting_since,
        )
        for b in batches
        if b.left
    ]
    automations: dict[str, list[Line]] = {}
    for line in lines:
        automations.setdefault(line.batch.automation, []).append(line)
    midnight = now.replace(hour=0, minute=0, second=0, microsecond=0)
    return opened.pages.render(
        "overview.html",
        person=person,
        nothing=nothing,
        totals=opened.views.overview(actor=person.username, since=midnight),
        late=sum(line.level.level == "late" for line in lines),
        automations=dict(sorted(automations.items())),
        closing=[b for b in batches if not b.left],
        incidents=opened.views.incidents(),
        now=now,
    )
