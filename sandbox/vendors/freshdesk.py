"""Freshdesk, below `/freshdesk`: tickets and contacts by their last change.

What belongs here: Freshdesk's shapes and paging. What does not: facts (`desk.py`).
"""

from typing import Final

from fastapi import APIRouter, Request, Response

from sandbox.vendors.answers import TOKEN, Json, VendorRefusal, admit, answer, basic, number, seconds, written
from sandbox.vendors.desk import Desk, Person, Ticket

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
        headers = self._admit(request)
        place = self._desk.place_of(request.path_params["ticket_id"])
        if place is None:
            raise VendorRefusal(404, {"code": "not_found", "message": "no such ticket"})
        return answer(_ticket(self._desk.ticket(place), described=True), headers=headers)

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
    for path, endpoint in (
        ("/tickets", api.tickets),
        ("/tickets/{ticket_id}", api.ticket),
        ("/contacts", api.contacts),
    ):
        routes.add_api_route(path, endpoint, methods=["GET"], response_model=None)
    return routes
