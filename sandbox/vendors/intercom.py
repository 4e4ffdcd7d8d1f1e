"""Intercom, below `/intercom`: conversations by search.

What belongs here: its shapes, and searches as far as anybody here asks them. What does not: facts (`desk.py`).
"""

import html
from typing import Final

from fastapi import APIRouter, Request, Response

from sandbox.vendors.answers import Json, VendorRefusal, admit, answer, bearer, number, read_json
from sandbox.vendors.desk import Desk, Person, Ticket

STATE: Final = {"pending": "snoozed", "hold": "snoozed", "solved": "closed", "closed": "closed"}
LARGEST_PAGE = 150


class IntercomApi:
    """The endpoints over one sandbox."""

    def __init__(self, desk: Desk) -> None:
        self._desk = desk

    async def search(self, request: Request) -> Response:
        """Conversations changed after a second, the newest change first, as the vendor gives them."""
        headers = admit(
            self._desk.sandbox,
            "intercom",
            proven=bearer(request),
            refusal=lambda text: {"type": "error.list", "errors": [{"code": "unauthorized", "message": text}]},
        )
        body = await read_json(request)
        query = body.get("query") or {}
        if (
            query.get("field") != "updated_at"
            or query.get("operator") != ">"
            or not isinstance(query.get("value"), int)
        ):
            raise VendorRefusal(400, {"type": "error.list", "errors": [{"message": "updated_at > SECONDS, please"}]})
        pages = body.get("pagination") or {}
        start = number(pages.get("starting_after"), 0, most=10**9)
        size = min(int(pages.get("per_page", 20)), LARGEST_PAGE)
        places = self._desk.changed(query["value"] + 1)[::-1]
        now = self._desk.sandbox.tick() // 1_000_000
        shown = [
            _conversation(t, self._desk.person(t.requester_id, now=now))
            for t in self._desk.page(request.url.path, places[start : start + size])
        ]
        more = {"next": {"per_page": size, "starting_after": str(start + size)}} if start + size < len(places) else {}
        listed = {"type": "pages", "per_page": size, **more}
        found = {"type": "conversation.list", "pages": listed, "total_count": len(places), "conversations": shown}
        return answer(found, headers=headers)


def _conversation(t: Ticket, p: Person) -> Json:
    return {
        "type": "conversation",
        "id": str(t.ticket_id),
        "created_at": t.created,
        "updated_at": t.updated,
        "state": STATE.get(t.status, "open"),
        "open": t.status not in STATE,
        "priority": "priority" if t.priority in ("high", "urgent") else "not_priority",
        "team_assignee_id": t.group_id,
        "admin_assignee_id": t.assignee_id,
        "source": {
            "type": t.channel,
            "subject": html.escape(t.subject),
            "body": "".join(f"<p>{html.escape(part)}</p>" for part in t.body.split("\n\n")),
            "author": {"type": "user", "id": str(p.user_id), "name": p.name, "email": p.email},
            "attachments": [],
        },
        "contacts": {
            "type": "contact.list",
            "contacts": [{"type": "contact", "id": str(p.user_id), "external_id": p.account_id}],
        },
        "tags": {"type": "tag.list", "tags": [{"type": "tag", "id": name, "name": name} for name in t.tags]},
        "custom_attributes": {},
    }


def router(desk: Desk) -> APIRouter:
    """All of its paths."""
    routes = APIRouter(prefix="/intercom")
    routes.add_api_route("/conversations/search", IntercomApi(desk).search, methods=["POST"], response_model=None)
    return routes
