"""Intercom, below `/intercom`: conversations by search and one by one, their parts, and tags.

What belongs here: its shapes, and searches as far as anybody here asks them. What does not: facts (`desk.py`).
"""

import html
from typing import Final

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
)
from sandbox.vendors.desk import Comment, Desk, Person, Ticket, Unchanged

STATE: Final = {"pending": "snoozed", "hold": "snoozed", "solved": "closed", "closed": "closed"}
LARGEST_PAGE = 150


class IntercomApi:
    """The endpoints over one sandbox."""

    def __init__(self, desk: Desk) -> None:
        self._desk = desk

    def _admit(self, request: Request) -> dict[str, str]:
        return admit(
            self._desk.sandbox,
            "intercom",
            proven=bearer(request),
            refusal=lambda text: {"type": "error.list", "errors": [{"code": "unauthorized", "message": text}]},
        )

    async def conversation(self, request: Request) -> Response:
        """One conversation with its parts."""
        headers, place = self._admit(request), self._place(request)
        return answer(self._shown(place), headers=headers)

    async def manage(self, request: Request) -> Response:
        """An assignment to a team or a person."""
        headers, place, body = self._admit(request), self._place(request), await self._by_admin(request)
        to, kind = whole(body.get("assignee_id")), body.get("type")
        if body.get("message_type") != "assignment" or kind not in ("team", "admin") or to is None:
            raise _refused(400, "parameter_invalid", "this sandbox assigns to a team or an admin only")
        self._write(place, **{"group_id" if kind == "team" else "assignee_id": to})
        return answer(self._shown(place), headers=headers)

    async def reply(self, request: Request) -> Response:
        """A note of an admin's, or a comment that the customer sees."""
        headers, place, body = self._admit(request), self._place(request), await self._by_admin(request)
        if body.get("message_type") not in ("note", "comment") or not isinstance(body.get("body"), str):
            raise _refused(400, "parameter_invalid", "message_type is note or comment, with a body")
        public = body["message_type"] == "comment"
        self._write(place, comment={"body": plain(body["body"]), "public": public})
        return answer(self._shown(place), headers=headers)

    async def tag(self, request: Request) -> Response:
        """A tag that there is, put on a conversation."""
        headers, place, body = self._admit(request), self._place(request), await self._by_admin(request)
        name = str(body.get("id") or "").removeprefix("tag-")
        if not name:
            raise _refused(404, "tag_not_found", "Resource Not Found")
        self._write(place, additional_tags=[name])
        return answer({"type": "tag", "id": f"tag-{name}", "name": name}, headers=headers)

    async def make_tag(self, request: Request) -> Response:
        """The tag of this name, made where there is none."""
        headers, body = self._admit(request), await read_json(request)
        if not isinstance(body.get("name"), str):
            raise _refused(400, "parameter_invalid", "name, please")
        return answer({"type": "tag", "id": f"tag-{body['name']}", "name": body["name"]}, headers=headers)

    async def _by_admin(self, request: Request) -> Json:
        body = await read_json(request)
        if whole(body.get("admin_id")) is None:
            raise _refused(400, "parameter_not_found", "admin_id, please")
        return body

    def _place(self, request: Request) -> int:
        place = self._desk.place_of(request.path_params["conversation_id"])
        if place is None:
            raise _refused(404, "not_found", "Resource Not Found")
        return place

    def _shown(self, place: int) -> Json:
        ticket = self._desk.ticket(place)
        person = self._desk.person(ticket.requester_id, now=self._desk.sandbox.tick() // 1_000_000)
        parts = [_part(one) for one in self._desk.comments(place)]
        listed = {"type": "conversation_part.list", "conversation_parts": parts, "total_count": len(parts)}
        return _conversation(ticket, person) | {"conversation_parts": listed}

    def _write(self, place: int, **fields: object) -> None:
        try:
            self._desk.write(place, **fields)
        except Unchanged as error:
            raise _refused(400, "parameter_invalid", str(error)) from error

    async def search(self, request: Request) -> Response:
        """Conversations changed after a second, the newest change first, as the vendor gives them."""
        headers, body = self._admit(request), await read_json(request)
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


def _refused(status: int, code: str, message: str) -> VendorRefusal:
    return VendorRefusal(status, {"type": "error.list", "errors": [{"code": code, "message": message}]})


def _part(said: Comment) -> Json:
    return {
        "type": "conversation_part",
        "id": str(said.comment_id),
        "part_type": "comment" if said.public else "note",
        "body": paragraphs(said.body),
        "created_at": said.at,
        "author": {"type": "admin", "id": str(said.author_id), "name": f"Agent {said.author_id}"},
    }


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
    api, routes = IntercomApi(desk), APIRouter(prefix="/intercom")
    for method, path, endpoint in (
        ("POST", "/conversations/search", api.search),
        ("GET", "/conversations/{conversation_id}", api.conversation),
        ("POST", "/conversations/{conversation_id}/parts", api.manage),
        ("POST", "/conversations/{conversation_id}/reply", api.reply),
        ("POST", "/conversations/{conversation_id}/tags", api.tag),
        ("POST", "/tags", api.make_tag),
    ):
        routes.add_api_route(path, endpoint, methods=[method], response_model=None)
    return routes
