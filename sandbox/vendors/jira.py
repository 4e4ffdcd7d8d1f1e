"""Jira Service Management, below `/jira`: requests by JQL.

What belongs here: its shapes, and JQL as far as anybody here asks it. What does not: facts (`desk.py`).
"""

import html
from typing import Final

from fastapi import APIRouter, Request, Response

from sandbox.vendors.answers import TOKEN, Json, VendorRefusal, admit, answer, basic, found, number, seconds, written
from sandbox.vendors.desk import Desk, Ticket

CATEGORY: Final = {"new": "new", "solved": "done", "closed": "done"}
PRIORITY: Final = {"low": "Low", "normal": "Medium", "high": "High", "urgent": "Highest"}
FORM: Final = "%Y-%m-%dT%H:%M:%S.000+0000"
LARGEST_PAGE = 100


class JiraApi:
    """The endpoints over one sandbox."""

    def __init__(self, desk: Desk) -> None:
        self._desk = desk

    async def search(self, request: Request) -> Response:
        """Requests updated since a minute, in that order; pages by an opaque token."""
        headers = admit(
            self._desk.sandbox,
            "jira",
            proven=basic(request, "agent@example.com", TOKEN),
            refusal=lambda text: {"errorMessages": [text], "errors": {}},
        )
        asked = request.query_params
        since = found(r'updated >= "([^"]+)"', asked.get("jql", ""))
        if since is None or "ORDER BY updated ASC" not in asked.get("jql", ""):
            raise VendorRefusal(400, {"errorMessages": ['this sandbox reads `updated >= "…" ORDER BY updated ASC`']})
        start = number((asked.get("nextPageToken") or "").removeprefix("next-") or None, 0, most=10**9)
        size = number(asked.get("maxResults"), 50, most=LARGEST_PAGE)
        places = self._desk.changed(seconds(since))
        last = start + size >= len(places)
        issues = [_issue(t) for t in self._desk.page(request.url.path, places[start : start + size])]
        more = {} if last else {"nextPageToken": f"next-{start + size}"}
        return answer({"issues": issues, "isLast": last, **more}, headers=headers)


def _issue(t: Ticket) -> Json:
    category = CATEGORY.get(t.status, "indeterminate")
    return {
        "id": str(t.ticket_id),
        "key": f"CARE-{t.ticket_id}",
        "fields": {
            "summary": t.subject,
            "status": {"name": t.status.capitalize(), "statusCategory": {"key": category}},
            "priority": {"name": PRIORITY[t.priority]},
            "labels": list(t.tags),
            "reporter": {"accountId": str(t.requester_id)},
            "assignee": None if t.assignee_id is None else {"accountId": str(t.assignee_id)},
            "customfield_10050": None if t.group_id is None else {"id": str(t.group_id)},
            "created": written(t.created, FORM),
            "updated": written(t.updated, FORM),
            "resolutiondate": None if t.solved is None or category != "done" else written(t.solved, FORM),
        },
        "renderedFields": {"description": "".join(f"<p>{html.escape(p)}</p>" for p in t.body.split("\n\n"))},
    }


def router(desk: Desk) -> APIRouter:
    """All of its paths."""
    routes = APIRouter(prefix="/jira/rest/api/3")
    routes.add_api_route("/search/jql", JiraApi(desk).search, methods=["GET"], response_model=None)
    return routes
