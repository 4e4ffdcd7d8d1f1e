"""What a robot left behind: its log and pictures, out of the lake.

What belongs here: handing out one file of evidence. What does not: the list of runs, which stands with its decision (`decisions.py`).

A picture shows a ticket as the robot saw it, unmasked: who is shown masked tickets is not shown it.
"""

from fastapi import APIRouter, Response

from gateway.dependencies import Opened, Reader
from gateway.security import HEADERS, REPORT_POLICY
from resources.robots.evidence import content_type
from resources.robots.store import RobotRuns

router = APIRouter()


@router.get("/robots/{run_id}/{name}")
def evidence(opened: Opened, person: Reader, run_id: int, name: str) -> Response:
    runs = RobotRuns(opened.database, opened.lake)
    found = runs.run(run_id)
    content = runs.file(run_id, name)
    if found is None or content is None:
        return _message(opened, person, 404, "No such evidence", f"Robot run {run_id} left no file called {name}.")
    masked = set(opened.views.masked_for(found.automation))
    if found.decision_id is not None:  # the declaration that was decided under may mask more than the newest
        masked |= opened.views.decision_trail(opened.views.decision(found.decision_id))["mask_for"]
    if person.user.role in masked:
        told = "It shows the ticket with everything that is masked for you. Ask a lead."
        return _message(opened, person, 403, "Not for your eyes", told)
    headers = HEADERS | {"content-security-policy": REPORT_POLICY, "cache-control": "private, max-age=3600"}
    return Response(content, media_type=content_type(name), headers=headers)


def _message(opened: Opened, person: Reader, status: int, title: str, message: str) -> Response:
    link = ("/decisions", "Decisions")
    return opened.pages.render("message.html", status=status, person=person, title=title, message=message, link=link)
