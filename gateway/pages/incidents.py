"""Incidents: what degraded, what was done about it and when, and the button that ends one.

What belongs here: the pages. What does not: the rows (`resources/incidents.py`) and the timeline
(`aios_core/monitoring/timeline.py`).

Everybody who is signed in may read. Closing lifts what was held to review, so it is for leads and administrators.
"""

from typing import Annotated

from fastapi import APIRouter, Form, Path, Response
from fastapi.responses import RedirectResponse

from aios_core.monitoring.timeline import seconds_to_move, timeline
from gateway.dependencies import Now, Opened, Person, Poster, Reader, Services, said, to
from resources.incidents import IncidentStore

router = APIRouter()

CLOSES = ("lead", "admin")
SHOWN = 200

Number = Annotated[int, Path(ge=1, le=2**63 - 1)]


@router.get("/incidents")
def incidents_page(opened: Opened, person: Reader, now: Now, everything: bool = False) -> Response:
    found = IncidentStore(opened.database).list(open_only=not everything, limit=SHOWN)
    return opened.pages.render(
        "incidents.html", person=person, incidents=found, everything=everything, shown=SHOWN, now=now
    )


@router.get("/incidents/{incident_id}")
def incident_page(opened: Opened, person: Reader, incident_id: Number) -> Response:
    return _page(opened, person, incident_id)


@router.post("/incidents/{incident_id}/close")
def close(opened: Opened, poster: Poster, now: Now, incident_id: Number, why: Annotated[str, Form()] = "") -> Response:
    store = IncidentStore(opened.database)
    if poster.user.role not in CLOSES:
        store.get(incident_id)
        return _page(
            opened, poster, incident_id, status=403, problem="Only a lead or an administrator closes incidents."
        )
    if not said(why):
        return _page(
            opened, poster, incident_id, status=422, problem="Say why it is over: it is kept with the incident."
        )
    store.close(incident_id, actor=f"person:{poster.username}", why=said(why), now=now)
    return RedirectResponse(to("incidents", str(incident_id)), status_code=303)


def _page(opened: Services, person: Person, incident_id: int, *, status: int = 200, problem: str = "") -> Response:
    store = IncidentStore(opened.database)
    story = store.story(incident_id)
    return opened.pages.render(
        "incident.html",
        status=status,
        person=person,
        story=story,
        entries=timeline(story),
        seconds=seconds_to_move(story),
        corrections=store.corrections(incident_id, limit=SHOWN),
        shown=SHOWN,
        may_close=person.user.role in CLOSES,
        problem=problem,
    )
