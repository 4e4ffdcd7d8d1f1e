"""ServiceNow, below `/servicenow`: incidents and users by the Table API.

What belongs here: its shapes and encoded queries, as far as anybody here asks them. What does not: facts (`desk.py`).
"""

from typing import Final

from fastapi import APIRouter, Request, Response

from sandbox.vendors.answers import TOKEN, Json, VendorRefusal, admit, answer, basic, found, number, seconds, written
from sandbox.vendors.desk import Desk, Person, Ticket

STATE: Final = {"new": "1", "open": "2", "pending": "3", "hold": "3", "solved": "6", "closed": "7"}
PRIORITY: Final = {"low": "4", "normal": "3", "high": "2", "urgent": "1"}
FORM: Final = "%Y-%m-%d %H:%M:%S"
LARGEST = 10_000


class ServicenowApi:
    """The endpoints over one sandbox."""

    def __init__(self, desk: Desk) -> None:
        self._desk = desk

    async def rows(self, request: Request) -> Response:
        """Rows of a table changed since a moment, in the order of their change."""
        headers = admit(
            self._desk.sandbox,
            "servicenow",
            proven=basic(request, "aios", TOKEN),
            refusal=lambda text: {"error": {"message": text, "detail": None}, "status": "failure"},
        )
        asked = request.query_params
        query = asked.get("sysparm_query", "")
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


def _incident(t: Ticket) -> Json:
    return {
        "sys_id": f"{t.ticket_id:032x}",
        "number": f"INC{t.ticket_id:07d}",
        "short_description": t.subject,
        "description": t.body,
        "state": STATE[t.status],
        "priority": PRIORITY[t.priority],
        "contact_type": t.channel,
        "assignment_group": "" if t.group_id is None else str(t.group_id),
        "assigned_to": "" if t.assignee_id is None else f"{t.assignee_id:032x}",
        "caller_id": f"{t.requester_id:032x}",
        "sys_tags": "",
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
    routes = APIRouter(prefix="/servicenow/api/now")
    routes.add_api_route("/table/{table}", ServicenowApi(desk).rows, methods=["GET"], response_model=None)
    return routes
