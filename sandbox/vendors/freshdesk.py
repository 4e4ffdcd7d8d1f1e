"""Freshdesk, below `/freshdesk`: tickets and contacts by their last change, updates, notes and replies.

What belongs here: Freshdesk's shapes and paging. What does not: facts (`desk.py`).
"""

from typing import Final

from fastapi import APIRouter, Request, Response

from sandbox.vendors.answers import (
    TOKEN,
    Json,
    VendorRefusal,
    admit,
    answer,
    basic,
    number,
    paragraphs,
    plain,
    read_json,
    seconds,
    written,
)
from sandbox.vendors.desk import Comment, Desk, Person, Ticket, Unchanged

STATUS: Final = {"new": 2, "open": 2, "pending": 3, "hold": 3, "solved": 4, "closed": 5, "deleted": 5}
PRIORITY: Final = {"low": 1, "normal": 2, "high": 3, "urgent": 4}
SOURCE: Final = {"email": 1, "web": 2, "voice": 3, "native_messaging": 7}
LARGEST_PAGE, MOST_PAGES = 100, 300


class FreshdeskApi:
    """The endpoints over one sandbox."""

    def __init__(self, desk: Desk) -> None:
        self._desk = desk

    def _admit(self, request: Request) -> dict[str, str]:
        def refusal(text: str) -> object:
            return {"code": "invalid_credentials", "message": text}

        return admit(self._desk.sandbox, "freshdesk", proven=basic(request, TOKEN), refusal=refusal)

    async def tickets(self, request: Request) -> Response:
        """By `updated_at`, oldest first where asked so; at most 300 pages of one question."""
        headers, asked = self._admit(request), request.query_params
        if asked.get("order_by", "created_at") != "updated_at" or asked.get("order_type") != "asc":
            raise VendorRefusal(400, {"description": "this sandbox sorts by updated_at, asc, only"})
        kept = "deleted" if asked.get("filter") == "deleted" else "there"
        places = self._desk.changed(seconds(asked.get("updated_since", "")), kept=kept)
        size, page = self._page(request)
        tickets = self._desk.page(request.url.path, places[(page - 1) * size : page * size])
        described = "description" in asked.get("include", "")
        return answer([_ticket(t, described=described) for t in tickets], headers=headers)

    async def contacts(self, request: Request) -> Response:
        """Contacts changed since a moment."""
        headers = self._admit(request)
        people = self._desk.people(seconds(request.query_params.get("_updated_since", "")))
        size, page = self._page(request)
        return answer([_contact(p) for p in people[(page - 1) * size : page * size]], headers=headers)

    async def ticket(self, request: Request) -> Response:
        """One ticket."""
        headers, place = self._admit(request), self._place(request)
        return answer(_ticket(self._desk.ticket(place), described=True), headers=headers)

    async def update(self, request: Request) -> Response:
        """Change a ticket's fields; its tags are replaced."""
        headers, place, body = self._admit(request), self._place(request), await read_json(request)
        priorities = {number: name for name, number in PRIORITY.items()}
        if "priority" in body and body["priority"] not in priorities:
            raise _invalid("priority", "It should be one of these values: '1,2,3,4'")
        for name in ("group_id", "responder_id"):
            if not isinstance(body.get(name), int | None):
                raise _invalid(name, "Value set is of type String. It should be an Integer")
        self._write(
            place,
            group_id=body.get("group_id"),
            assignee_id=body.get("responder_id"),
            priority=priorities.get(body.get("priority")),
            tags=body.get("tags"),
        )
        return answer(_ticket(self._desk.ticket(place), described=True), headers=headers)

    async def conversations(self, request: Request) -> Response:
        """A ticket's notes and replies."""
        headers, place = self._admit(request), self._place(request)
        size, page = self._page(request)
        said = self._desk.comments(place)[(page - 1) * size : page * size]
        return answer([_conversation(one) for one in said], headers=headers)

    async def add(self, request: Request) -> Response:
        """A note, private unless it says otherwise, or a reply."""
        headers, place, body = self._admit(request), self._place(request), await read_json(request)
        if not isinstance(body.get("body"), str) or not body["body"].strip():
            raise _invalid("body", "It should not be blank as this is a mandatory field")
        public = request.url.path.endswith("/reply") or body.get("private", True) is False
        self._write(place, comment={"body": plain(body["body"]), "public": public})
        return answer(_conversation(self._desk.comments(place)[-1]), status=201, headers=headers)

    def _place(self, request: Request) -> int:
        place = self._desk.place_of(request.path_params["ticket_id"])
        if place is None:
            raise VendorRefusal(404, {"code": "not_found", "message": "no such ticket"})
        return place

    def _write(self, place: int, **fields: object) -> None:
        try:
            self._desk.write(place, **fields)
        except Unchanged as error:
            raise _invalid("ticket", str(error)) from error

    def _page(self, request: Request) -> tuple[int, int]:
        size = number(request.query_params.get("per_page"), 30, most=LARGEST_PAGE)
        page = number(request.query_params.get("page"), 1, most=10**6)
        if page > MOST_PAGES:
            raise VendorRefusal(400, {"description": "page: must be at most 300"})
        return max(size, 1), max(page, 1)


def _ticket(t: Ticket, *, described: bool) -> Json:
    shown = {"description": f"<div>{t.body}</div>", "description_text": t.body} if described else {}
    return {
        "id": t.ticket_id,
        "subject": t.subject,
        "status": STATUS[t.status],
        "priority": PRIORITY[t.priority],
        "source": SOURCE.get(t.channel, 2),
        "group_id": t.group_id,
        "requester_id": t.requester_id,
        "responder_id": t.assignee_id,
        "company_id": None,
        "type": None,
        "tags": list(t.tags),
        "cc_emails": [],
        "custom_fields": {},
        "spam": False,
        "is_escalated": False,
        "created_at": written(t.created),
        "updated_at": written(t.updated),
        **({"deleted": True} if t.status == "deleted" else {}),
        **shown,
    }


def _conversation(said: Comment) -> Json:
    return {
        "id": said.comment_id,
        "body": paragraphs(said.body),
        "body_text": said.body,
        "incoming": False,
        "private": not said.public,
        "user_id": said.author_id,
        "created_at": written(said.at),
        "updated_at": written(said.at),
        "attachments": [],
    }


def _invalid(field: str, message: str) -> VendorRefusal:
    errors = [{"field": field, "message": message, "code": "invalid_value"}]
    return VendorRefusal(400, {"description": "Validation failed", "errors": errors})


def _contact(p: Person) -> Json:
    return {
        "id": p.user_id,
        "name": p.name,
        "email": p.email,
        "phone": p.phone,
        "active": True,
        "unique_external_id": p.account_id,
        "created_at": written(p.created),
        "updated_at": written(p.updated),
    }


def router(desk: Desk) -> APIRouter:
    """All of its paths."""
    api, routes = FreshdeskApi(desk), APIRouter(prefix="/freshdesk/api/v2")
    for method, path, endpoint in (
        ("GET", "/tickets", api.tickets),
        ("GET", "/tickets/{ticket_id}", api.ticket),
        ("PUT", "/tickets/{ticket_id}", api.update),
        ("GET", "/tickets/{ticket_id}/conversations", api.conversations),
        ("POST", "/tickets/{ticket_id}/notes", api.add),
        ("POST", "/tickets/{ticket_id}/reply", api.add),
        ("GET", "/contacts", api.contacts),
    ):
        routes.add_api_route(path, endpoint, methods=[method], response_model=None)
    return routes
