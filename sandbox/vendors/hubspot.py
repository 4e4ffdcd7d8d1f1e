"""HubSpot, below `/hubspot`: tickets and contacts by the CRM's search, batches of tickets read and changed, and notes.

What belongs here: its shapes, and searches as far as anybody here asks them. What does not: facts (`desk.py`).
"""

from typing import Any, Final

from fastapi import APIRouter, Request, Response

from sandbox.vendors.answers import (
    Json,
    VendorRefusal,
    admit,
    answer,
    bearer,
    number,
    paragraphs,
    plain,
    read_json,
    whole,
    written,
)
from sandbox.vendors.desk import Comment, Desk, Person, Ticket, Unchanged

STAGE: Final = {"new": "1", "open": "1", "pending": "2", "hold": "3", "solved": "4", "closed": "4", "deleted": "4"}
PRIORITY: Final = {"low": "LOW", "normal": "MEDIUM", "high": "HIGH", "urgent": "URGENT"}
FORM: Final = "%Y-%m-%dT%H:%M:%S.000Z"
LARGEST_PAGE, MOST = 100, 10_000
LARGEST_BATCH, NOTE_TO_TICKET = 100, 228


class HubspotApi:
    """The endpoints over one sandbox."""

    def __init__(self, desk: Desk) -> None:
        self._desk = desk

    def _admit(self, request: Request, limit: str = "hubspot_app") -> dict[str, str]:
        def refusal(text: str) -> object:
            return {"status": "error", "message": text, "category": "INVALID_AUTHENTICATION"}

        return admit(self._desk.sandbox, limit, proven=bearer(request), refusal=refusal)

    async def search(self, request: Request) -> Response:
        """Objects changed since a millisecond, oldest first; 10,000 of one question and no more."""
        headers, body = self._admit(request, "hubspot"), await read_json(request)
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

    async def read_batch(self, request: Request) -> Response:
        """Tickets or notes by their ids; those that are not there are told apart."""
        headers, body = self._admit(request), await read_json(request)
        kind, wanted = request.path_params["kind"], set(body.get("properties") or ())
        ids = _inputs(body)
        shown = [(one, self._shown(kind, str(one.get("id")))) for one in ids]
        results = [r | {"properties": {k: v for k, v in r["properties"].items() if k in wanted}} for _, r in shown if r]
        missing = [str(one.get("id")) for one, r in shown if r is None]
        return answer(_batch(results, missing), status=207 if missing else 200, headers=headers)

    def _shown(self, kind: str, own: str) -> Json | None:
        if kind == "tickets":
            place = self._desk.place_of(own)
            return None if place is None else _ticket(self._desk.ticket(place))
        number_ = whole(own)
        place = None if number_ is None else self._desk.place_of(str(number_ // 1_000))
        said = [] if place is None else self._desk.comments(place)
        return next((_note(one) for one in said if str(one.comment_id) == own), None)

    async def update_batch(self, request: Request) -> Response:
        """Properties of up to 100 tickets; one that can't be changed stops no other."""
        headers, body = self._admit(request), await read_json(request)
        results, failed = [], []
        for one in _inputs(body):
            place = self._desk.place_of(str(one.get("id")))
            try:
                if place is None:
                    raise Unchanged("not found")
                self._update(place, one.get("properties") or {})
                results.append(_ticket(self._desk.ticket(place)))
            except Unchanged:
                failed.append(str(one.get("id")))
        return answer(_batch(results, failed), status=207 if failed else 200, headers=headers)

    def _update(self, place: int, properties: Json) -> None:
        names = {shown: name for name, shown in PRIORITY.items()}
        tags = properties.get("aios_tags")
        self._desk.write(
            place,
            group_id=whole(properties.get("hs_assigned_team_ids")),
            assignee_id=whole(properties.get("hubspot_owner_id")),
            priority=names.get(str(properties.get("hs_ticket_priority"))),
            tags=None if tags is None else [tag for tag in str(tags).split(";") if tag],
        )

    async def add_note(self, request: Request) -> Response:
        """A note, associated with a ticket."""
        headers, body = self._admit(request), await read_json(request)
        properties = body.get("properties") or {}
        tickets = [
            to["to"]["id"]
            for to in body.get("associations") or ()
            if any(kind.get("associationTypeId") == NOTE_TO_TICKET for kind in to.get("types") or ())
        ]
        place = self._desk.place_of(str(tickets[0])) if tickets else None
        if place is None or not properties.get("hs_timestamp"):
            raise VendorRefusal(400, {"status": "error", "message": "hs_timestamp and a ticket, please"})
        try:
            self._desk.write(place, comment={"body": plain(str(properties.get("hs_note_body"))), "public": False})
        except Unchanged as error:
            raise VendorRefusal(400, {"status": "error", "message": str(error)}) from error
        return answer(_note(self._desk.comments(place)[-1]), status=201, headers=headers)

    async def notes_of(self, request: Request) -> Response:
        """The ids of a ticket's notes."""
        headers, asked = self._admit(request), request.query_params
        place = self._desk.place_of(request.path_params["ticket_id"])
        if place is None:
            raise VendorRefusal(404, {"status": "error", "message": "resource not found"})
        said = self._desk.comments(place)
        start, size = number(asked.get("after"), 0, most=10**9), number(asked.get("limit"), 500, most=500)
        results = [{"id": str(one.comment_id), "type": "ticket_to_note"} for one in said[start : start + size]]
        return answer({"results": results, **_next(start + size, len(said))}, headers=headers)

    async def listing(self, request: Request) -> Response:
        """All objects; here only those that were archived."""
        headers, asked = self._admit(request), request.query_params
        if asked.get("archived") != "true":
            raise VendorRefusal(400, {"status": "error", "message": "this sandbox lists archived objects only"})
        start, size = number(asked.get("after"), 0, most=10**9), number(asked.get("limit"), 10, most=LARGEST_PAGE)
        places = self._desk.changed(0, kept="deleted") if request.path_params["kind"] == "tickets" else []
        results = [_ticket(self._desk.ticket(place)) for place in places[start : start + size]]
        return answer({"results": results, **_next(start + size, len(places))}, headers=headers)


def _inputs(body: Json) -> list[Json]:
    inputs = body.get("inputs")
    if not isinstance(inputs, list) or not 1 <= len(inputs) <= LARGEST_BATCH:
        raise VendorRefusal(400, {"status": "error", "message": f"inputs: from 1 to {LARGEST_BATCH}, please"})
    return inputs


def _batch(results: list[Json], failed: list[str]) -> Json:
    errors = [{"status": "error", "category": "OBJECT_NOT_FOUND", "context": {"ids": failed}}] if failed else []
    return {"status": "COMPLETE", "results": results, **({"numErrors": 1, "errors": errors} if errors else {})}


def _note(said: Comment) -> Json:
    properties = {"hs_note_body": paragraphs(said.body), "hs_timestamp": written(said.at, FORM)}
    return _object(said.comment_id, properties, created=said.at, updated=said.at)


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
        "hubspot_owner_id": None if t.assignee_id is None else str(t.assignee_id),
        "aios_tags": ";".join(t.tags),
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
    routes.add_api_route("/{kind}/batch/read", api.read_batch, methods=["POST"], response_model=None)
    routes.add_api_route("/tickets/batch/update", api.update_batch, methods=["POST"], response_model=None)
    routes.add_api_route("/notes", api.add_note, methods=["POST"], response_model=None)
    routes.add_api_route("/tickets/{ticket_id}/associations/notes", api.notes_of, methods=["GET"], response_model=None)
    routes.add_api_route("/{kind}", api.listing, methods=["GET"], response_model=None)
    return routes
