"""HubSpot, below `/hubspot`: tickets and contacts by the CRM's search.

What belongs here: its shapes, and searches as far as anybody here asks them. What does not: facts (`desk.py`).
"""

from typing import Any, Final

from fastapi import APIRouter, Request, Response

from sandbox.vendors.answers import Json, VendorRefusal, admit, answer, bearer, number, read_json, written
from sandbox.vendors.desk import Desk, Person, Ticket

STAGE: Final = {"new": "1", "open": "1", "pending": "2", "hold": "3", "solved": "4", "closed": "4", "deleted": "4"}
PRIORITY: Final = {"low": "LOW", "normal": "MEDIUM", "high": "HIGH", "urgent": "URGENT"}
FORM: Final = "%Y-%m-%dT%H:%M:%S.000Z"
LARGEST_PAGE, MOST = 100, 10_000


class HubspotApi:
    """The endpoints over one sandbox."""

    def __init__(self, desk: Desk) -> None:
        self._desk = desk

    def _admit(self, request: Request) -> dict[str, str]:
        def refusal(text: str) -> object:
            return {"status": "error", "message": text, "category": "INVALID_AUTHENTICATION"}

        return admit(self._desk.sandbox, "hubspot", proven=bearer(request), refusal=refusal)

    async def search(self, request: Request) -> Response:
        """Objects changed since a millisecond, oldest first; 10,000 of one question and no more."""
        headers, body = self._admit(request), await read_json(request)
        try:
            since = float(body["filterGroups"][0]["filters"][0]["value"]) / 1000
            ascending = body["sorts"][0]["direction"] == "ASCENDING"
        except (KeyError, IndexError, TypeError, ValueError) as error:
            raise VendorRefusal(400, {"status": "error", "message": f"filterGroups or sorts: {error!r}"}) from error
        if not ascending:
            raise VendorRefusal(400, {"status": "error", "message": "this sandbox sorts ascending only"})
        start, size = number(str(body.get("after", "0")), 0, most=10**9), min(int(body.get("limit", 10)), LARGEST_PAGE)
        if start + size > MOST:
            raise VendorRefusal(400, {"status": "error", "message": "ctx: paging through more than 10000 results"})
        path = request.url.path
        if request.path_params["kind"] == "tickets":
            places = self._desk.changed(since)
            total, found = len(places), [_ticket(t) for t in self._desk.page(path, places[start : start + size])]
        else:
            people = self._desk.people(since)
            total, found = len(people), [_contact(p) for p in people[start : start + size]]
        wanted = set(body.get("properties") or ())
        results = [r | {"properties": {k: v for k, v in r["properties"].items() if k in wanted}} for r in found]
        return answer({"total": total, "results": results, **_next(start + size, total)}, headers=headers)

    async def listing(self, request: Request) -> Response:
        """All objects; here only those that were archived."""
        headers, asked = self._admit(request), request.query_params
        if asked.get("archived") != "true":
            raise VendorRefusal(400, {"status": "error", "message": "this sandbox lists archived objects only"})
        start, size = number(asked.get("after"), 0, most=10**9), number(asked.get("limit"), 10, most=LARGEST_PAGE)
        places = self._desk.changed(0, kept="deleted") if request.path_params["kind"] == "tickets" else []
        results = [_ticket(self._desk.ticket(place)) for place in places[start : start + size]]
        return answer({"results": results, **_next(start + size, len(places))}, headers=headers)


def _next(start: int, total: int) -> Json:
    return {"paging": {"next": {"after": str(start)}}} if start < total else {}


def _object(own: int, properties: dict[str, Any], *, created: int, updated: int, archived: bool = False) -> Json:
    times = {"createdAt": written(created, FORM), "updatedAt": written(updated, FORM)}
    return {"id": str(own), "properties": properties, **times, "archived": archived}


def _ticket(t: Ticket) -> Json:
    properties = {
        "subject": t.subject,
        "content": t.body,
        "hs_pipeline_stage": STAGE[t.status],
        "hs_ticket_priority": PRIORITY[t.priority],
        "source_type": t.channel.upper(),
        "hs_assigned_team_ids": None if t.group_id is None else str(t.group_id),
        "contact": str(t.requester_id),
        "createdate": written(t.created, FORM),
        "hs_lastmodifieddate": written(t.updated, FORM),
    }
    return _object(t.ticket_id, properties, created=t.created, updated=t.updated, archived=t.status == "deleted")


def _contact(p: Person) -> Json:
    properties = {
        "email": p.email,
        "phone": p.phone,
        "plan": p.plan,
        "account_id": p.account_id,
        "createdate": written(p.created, FORM),
        "lastmodifieddate": written(p.updated, FORM),
    }
    return _object(p.user_id, properties, created=p.created, updated=p.updated)


def router(desk: Desk) -> APIRouter:
    """All of its paths."""
    api, routes = HubspotApi(desk), APIRouter(prefix="/hubspot/crm/v3/objects")
    routes.add_api_route("/{kind}/search", api.search, methods=["POST"], response_model=None)
    routes.add_api_route("/{kind}", api.listing, methods=["GET"], response_model=None)
    return routes
