"""Jira Service Management, below `/jira`: requests by JQL, changes of their fields, and comments by the service desk's API.

What belongs here: its shapes, and JQL as far as anybody here asks it. What does not: facts (`desk.py`).
"""

import html
from typing import Final

from fastapi import APIRouter, Request, Response

from sandbox.vendors.answers import (
    TOKEN,
    Json,
    VendorRefusal,
    admit,
    answer,
    basic,
    found,
    number,
    read_json,
    seconds,
    whole,
    written,
)
from sandbox.vendors.desk import Comment, Desk, Ticket, Unchanged

CATEGORY: Final = {"new": "new", "solved": "done", "closed": "done"}
PRIORITY: Final = {"low": "Low", "normal": "Medium", "high": "High", "urgent": "Highest"}
FORM: Final = "%Y-%m-%dT%H:%M:%S.000+0000"
LARGEST_PAGE = 100


class JiraApi:
    """The endpoints over one sandbox."""

    def __init__(self, desk: Desk) -> None:
        self._desk = desk

    def _admit(self, request: Request) -> dict[str, str]:
        return admit(
            self._desk.sandbox,
            "jira",
            proven=basic(request, "agent@example.com", TOKEN),
            refusal=lambda text: {"errorMessages": [text], "errors": {}},
        )

    async def issue(self, request: Request) -> Response:
        """One request."""
        headers, place = self._admit(request), self._place(request)
        return answer(_issue(self._desk.ticket(place)), headers=headers)

    async def edit(self, request: Request) -> Response:
        """Fields set, labels added and removed."""
        headers, place, body = self._admit(request), self._place(request), await read_json(request)
        fields, labels = body.get("fields") or {}, (body.get("update") or {}).get("labels") or []
        names = {shown: name for name, shown in PRIORITY.items()}
        priority = (fields.get("priority") or {}).get("name")
        if priority is not None and priority not in names:
            raise _invalid("priority", "Specify a valid 'id' or 'name' for priority")
        self._write(
            place,
            group_id=whole((fields.get("customfield_10050") or {}).get("id")),
            assignee_id=whole((fields.get("assignee") or {}).get("accountId")),
            priority=names.get(priority),
            additional_tags=[one["add"] for one in labels if "add" in one] or None,
            remove_tags=[one["remove"] for one in labels if "remove" in one] or None,
        )
        return Response(status_code=204, headers=headers)

    async def comments(self, request: Request) -> Response:
        """A request's comments, public or internal or both."""
        headers, place, asked = self._admit(request), self._place(request), request.query_params
        wanted = {shown for shown, name in ((True, "public"), (False, "internal")) if asked.get(name, "true") == "true"}
        said = [one for one in self._desk.comments(place) if one.public in wanted]
        start, size = number(asked.get("start"), 0, most=10**6), number(asked.get("limit"), 50, most=50)
        shown = [_comment(one) for one in said[start : start + size]]
        last = start + size >= len(said)
        page = {"size": len(shown), "start": start, "limit": size, "isLastPage": last, "values": shown}
        return answer(page, headers=headers)

    async def comment(self, request: Request) -> Response:
        """A new comment; the customer sees it only where it says `public`."""
        headers, place, body = self._admit(request), self._place(request), await read_json(request)
        if not isinstance(body.get("body"), str) or not body["body"].strip():
            raise _invalid("comment", "Comment body can not be empty!")
        self._write(place, comment={"body": body["body"], "public": body.get("public", True) is not False})
        return answer(_comment(self._desk.comments(place)[-1]), status=201, headers=headers)

    def _place(self, request: Request) -> int:
        place = self._desk.place_of(request.path_params["key"].removeprefix("CARE-"))
        if place is None:
            raise VendorRefusal(
                404, {"errorMessages": ["Issue does not exist or you do not have permission to see it."]}
            )
        return place

    def _write(self, place: int, **fields: object) -> None:
        try:
            self._desk.write(place, **fields)
        except Unchanged as error:
            raise _invalid("issue", str(error)) from error

    async def search(self, request: Request) -> Response:
        """Requests updated since a minute, in that order; pages by an opaque token."""
        headers, asked = self._admit(request), request.query_params
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


def _comment(said: Comment) -> Json:
    return {
        "id": str(said.comment_id),
        "body": said.body,
        "public": said.public,
        "author": {"accountId": str(said.author_id), "displayName": f"Agent {said.author_id}"},
        "created": {"iso8601": written(said.at, FORM)},
    }


def _invalid(field: str, message: str) -> VendorRefusal:
    return VendorRefusal(400, {"errorMessages": [], "errors": {field: message}})


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
    api, routes = JiraApi(desk), APIRouter(prefix="/jira/rest")
    for method, path, endpoint in (
        ("GET", "/api/3/search/jql", api.search),
        ("GET", "/api/3/issue/{key}", api.issue),
        ("PUT", "/api/3/issue/{key}", api.edit),
        ("GET", "/servicedeskapi/request/{key}/comment", api.comments),
        ("POST", "/servicedeskapi/request/{key}/comment", api.comment),
    ):
        routes.add_api_route(path, endpoint, methods=[method], response_model=None)
    return routes
