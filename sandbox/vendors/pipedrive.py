"""Pipedrive, below `/pipedrive`: persons by their last change.

What belongs here: its shapes and cursors. What does not: facts (`desk.py`).
"""

from fastapi import APIRouter, Request, Response

from sandbox.vendors.answers import TOKEN, VendorRefusal, admit, answer, number, seconds, written
from sandbox.vendors.desk import Desk

LARGEST_PAGE = 500


class PipedriveApi:
    """The endpoints over one sandbox."""

    def __init__(self, desk: Desk) -> None:
        self._desk = desk

    async def persons(self, request: Request) -> Response:
        """Persons updated since a moment, oldest change first."""
        headers = admit(
            self._desk.sandbox,
            "pipedrive",
            proven=request.headers.get("x-api-token") == TOKEN,
            refusal=lambda text: {"success": False, "error": text},
        )
        asked = request.query_params
        if asked.get("sort_by") != "update_time" or asked.get("sort_direction") != "asc":
            raise VendorRefusal(400, {"success": False, "error": "this sandbox sorts by update_time, asc, only"})
        people = self._desk.people(seconds(asked.get("updated_since", "")))
        start, size = number(asked.get("cursor"), 0, most=10**9), number(asked.get("limit"), 100, most=LARGEST_PAGE)
        data = [
            {
                "id": p.user_id,
                "name": p.name,
                "emails": [{"value": p.email, "primary": True, "label": "work"}],
                "phones": [{"value": p.phone, "primary": True, "label": "work"}],
                "custom_fields": {"account_id": p.account_id, "plan": p.plan},
                "add_time": written(p.created),
                "update_time": written(p.updated),
                "is_deleted": False,
            }
            for p in people[start : start + size]
        ]
        following = str(start + size) if start + size < len(people) else None
        return answer({"success": True, "data": data, "additional_data": {"next_cursor": following}}, headers=headers)


def router(desk: Desk) -> APIRouter:
    """All of its paths."""
    routes = APIRouter(prefix="/pipedrive/api/v2")
    routes.add_api_route("/persons", PipedriveApi(desk).persons, methods=["GET"], response_model=None)
    return routes
