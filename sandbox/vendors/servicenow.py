"""ServiceNow, below `/servicenow`: incidents and users by the Table API, read and changed, signed in to by name or by OAuth.

What belongs here: its shapes and encoded queries, as far as anybody here asks them. What does not: facts (`desk.py`).
"""

import secrets
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
from sandbox.vendors.desk import Comment, Desk, Person, Ticket, Unchanged

STATE: Final = {"new": "1", "open": "2", "pending": "3", "hold": "3", "solved": "6", "closed": "7"}
PRIORITY: Final = {"low": "4", "normal": "3", "high": "2", "urgent": "1"}
# the vendor's own table: what impact and urgency make of a priority
MADE: Final = {("1", "1"): "1", ("1", "2"): "2", ("1", "3"): "3", ("2", "1"): "2", ("2", "2"): "3", ("2", "3"): "4",
               ("3", "1"): "3", ("3", "2"): "4", ("3", "3"): "5"}  # fmt: skip
OF_PRIORITY: Final = {"1": ("1", "1"), "2": ("2", "1"), "3": ("2", "2"), "4": ("2", "3")}
FORM: Final = "%Y-%m-%d %H:%M:%S"
LARGEST = 10_000


class ServicenowApi:
    """The endpoints over one sandbox."""

    def __init__(self, desk: Desk) -> None:
        self._desk = desk

    def _admit(self, request: Request) -> dict[str, str]:
        sandbox, (scheme, _, token) = self._desk.sandbox, request.headers.get("authorization", "").partition(" ")
        known = scheme.lower() == "bearer" and sandbox.tokens.get(f"now {token}", 0.0) > sandbox.monotonic()
        return admit(
            sandbox,
            "servicenow",
            proven=known or basic(request, "aios", TOKEN),
            refusal=lambda text: {"error": {"message": text, "detail": None}, "status": "failure"},
        )

    async def token(self, request: Request) -> Response:
        """OAuth by client credentials."""
        form = await request.form()
        if (form.get("client_id"), form.get("client_secret")) != ("aios", TOKEN):
            raise VendorRefusal(401, {"error": "server_error", "error_description": "access_denied"})
        sandbox = self._desk.sandbox
        token, lasts = secrets.token_hex(8), sandbox.settings.token_seconds
        sandbox.tokens = {**sandbox.tokens, f"now {token}": sandbox.monotonic() + lasts}
        return answer({"access_token": token, "token_type": "Bearer", "expires_in": int(lasts)})

    async def row(self, request: Request) -> Response:
        """One incident, as it stands or, by PATCH, after a change of all that the body names."""
        headers = self._admit(request)
        place = self._place(request.path_params["sys_id"])
        if request.method == "PATCH":
            self._change(place, await read_json(request))
        return answer({"result": _incident(self._desk.ticket(place))}, headers=headers)

    def _place(self, sys_id: str) -> int:
        try:
            place = self._desk.place_of(str(int(sys_id, 16)))
        except ValueError:
            place = None
        if place is None:
            raise VendorRefusal(404, {"error": {"message": "No Record found"}, "status": "failure"})
        return place

    def _change(self, place: int, body: Json) -> None:
        now = _incident(self._desk.ticket(place))
        made = MADE.get((str(body.get("impact", now["impact"])), str(body.get("urgency", now["urgency"]))))
        names = {number: name for name, number in PRIORITY.items()}
        try:
            if "impact" in body or "urgency" in body:
                self._desk.write(place, priority=names.get(made or "", "low"))
            assignee = None if "assigned_to" not in body else int(body["assigned_to"] or "0", 16)
            tags = None if "u_tags" not in body else [tag for tag in str(body["u_tags"]).split(",") if tag]
            fields = {"group_id": whole(body.get("assignment_group")), "assignee_id": assignee, "tags": tags}
            texts = [(name, body[name]) for name in ("comments", "work_notes") if body.get(name)]
            said = [{"body": str(text), "public": name == "comments"} for name, text in texts]
            if any(value is not None for value in fields.values()) or said:
                self._desk.write(place, **fields, comment=said[0] if said else None)
            for one in said[1:]:
                self._desk.write(place, comment=one)
        except Unchanged as error:
            raise VendorRefusal(403, {"error": {"message": "Operation Failed", "detail": str(error)}}) from error

    def _journal(self, query: str, fields: list[str]) -> list[Json]:
        """Rows by id with their journal fields as people see them."""
        place = self._place(found(r"sys_id=([0-9a-f]{32})", query) or "")
        said = self._desk.comments(place)
        shown = {"sys_id": f"{self._desk.ticket(place).ticket_id:032x}"}
        shown["comments"] = _entries([one for one in said if one.public], "Additional comments")
        shown["work_notes"] = _entries([one for one in said if not one.public], "Work notes")
        return [{name: shown.get(name, "") for name in fields}]

    def _entries(self, query: str) -> list[Json]:
        """The journal's rows of one incident, the oldest first; none of one that is not there."""
        try:
            place = self._place(found(r"element_id=([0-9a-f]{32})", query) or "")
        except VendorRefusal:
            return []
        own = f"{self._desk.ticket(place).ticket_id:032x}"
        return [
            {
                "sys_id": f"{one.comment_id:032x}",
                "element_id": own,
                "element": "comments" if one.public else "work_notes",
                "value": one.body,
                "sys_created_on": written(one.at, FORM),
                "sys_created_by": "aios",
            }
            for one in self._desk.comments(place)
        ]

    async def rows(self, request: Request) -> Response:
        """Rows of a table changed since a moment, in the order of their change."""
        headers, asked = self._admit(request), request.query_params
        query = asked.get("sysparm_query", "")
        if query.startswith("sys_id=") and asked.get("sysparm_display_value") == "true":
            return answer({"result": self._journal(query, asked.get("sysparm_fields", "").split(","))}, headers=headers)
        if request.path_params["table"] == "sys_journal_field":
            start = number(asked.get("sysparm_offset"), 0, most=10**9)
            end = start + number(asked.get("sysparm_limit"), LARGEST, most=LARGEST)
            return answer({"result": self._entries(query)[start:end]}, headers=headers)
        if "ORDERBYsys_updated_on" not in query:
            raise VendorRefusal(400, {"error": {"message": "this sandbox orders by sys_updated_on only"}})
        since = seconds(found(r"sys_updated_on>=([^^]+)", query) or "")
        start = number(asked.get("sysparm_offset"), 0, most=10**9)
        end = start + number(asked.get("sysparm_limit"), LARGEST, most=LARGEST)
        match request.path_params["table"]:
            case "incident":
                places = self._desk.changed(since)[start:end]
                rows = [_incident(t) for t in self._desk.page(request.url.path, places)]
            case "sys_user":
                rows = [_user(p) for p in self._desk.people(since)[start:end]]
            case table:
                raise VendorRefusal(400, {"error": {"message": f"Invalid table {table}"}, "status": "failure"})
        return answer({"result": rows}, headers=headers)


def _entries(said: list[Comment], kind: str) -> str:
    """A journal field's display value: its entries, the newest first."""
    return "".join(f"{written(one.at, FORM)} - AIOS ({kind})\n{one.body}\n\n" for one in reversed(said))


def _incident(t: Ticket) -> Json:
    impact, urgency = OF_PRIORITY[PRIORITY[t.priority]]
    return {
        "sys_id": f"{t.ticket_id:032x}",
        "number": f"INC{t.ticket_id:07d}",
        "short_description": t.subject,
        "description": t.body,
        "state": STATE[t.status],
        "priority": PRIORITY[t.priority],
        "impact": impact,
        "urgency": urgency,
        "contact_type": t.channel,
        "assignment_group": "" if t.group_id is None else str(t.group_id),
        "assigned_to": "" if t.assignee_id is None else f"{t.assignee_id:032x}",
        "caller_id": f"{t.requester_id:032x}",
        "sys_tags": "",
        "u_tags": ",".join(t.tags),
        "sys_created_on": written(t.created, FORM),
        "sys_updated_on": written(t.updated, FORM),
        "resolved_at": "" if t.solved is None else written(t.solved, FORM),
    }


def _user(p: Person) -> Json:
    return {
        "sys_id": f"{p.user_id:032x}",
        "name": p.name,
        "email": p.email,
        "phone": p.phone,
        "employee_number": p.account_id,
        "sys_created_on": written(p.created, FORM),
        "sys_updated_on": written(p.updated, FORM),
    }


def router(desk: Desk) -> APIRouter:
    """All of its paths."""
    api, routes = ServicenowApi(desk), APIRouter(prefix="/servicenow")
    routes.add_api_route("/oauth_token.do", api.token, methods=["POST"], response_model=None)
    routes.add_api_route("/api/now/table/{table}", api.rows, methods=["GET"], response_model=None)
    routes.add_api_route("/api/now/table/incident/{sys_id}", api.row, methods=["GET", "PATCH"], response_model=None)
    return routes
