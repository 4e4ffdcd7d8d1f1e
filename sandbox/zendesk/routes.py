"""Zendesk's endpoints: exports, tickets, comments, update-many with its jobs, fields, groups and users.

What belongs here: HTTP in, HTTP out. What does not: shapes (`payloads.py`), state (`sandbox/service.py`) and error bodies (`errors.py`).

Paths are without `.json`; the app drops that suffix, since the vendor takes both.
"""

import base64
import binascii
import secrets
from collections.abc import Callable
from typing import Any, Final

import orjson
from fastapi import APIRouter, Request, Response

from sandbox.clock import SECOND, iso
from sandbox.helpdesk.changes import Change, ChangeError, read_change
from sandbox.helpdesk.lifecycle import CLOSED
from sandbox.helpdesk.store import FIRST_TICKET_ID, Position
from sandbox.service import Sandbox
from sandbox.world.queues import PRIORITIES
from sandbox.zendesk import cursors, help_center
from sandbox.zendesk.errors import ZendeskError, bad_request, conflict, invalid, not_found, throttled, unauthenticated
from sandbox.zendesk.people import FIRST_USER_ID, SERVICE_USER_ID

LARGEST_PAGE: Final = 1_000
LARGEST_BATCH: Final = 100
LATE_RECORDS: Final = 3

Json = dict[str, Any]


def answer(body: object, *, status: int = 200, headers: dict[str, str] | None = None) -> Response:
    """A JSON response."""
    return Response(orjson.dumps(body), status, headers, media_type="application/json; charset=utf-8")


async def read_json(request: Request) -> Json:
    """The request's JSON object."""
    try:
        body = orjson.loads(await request.body())
    except orjson.JSONDecodeError as error:
        raise bad_request("InvalidJSON", f"Unparseable JSON: {error}") from error
    if not isinstance(body, dict):
        raise bad_request("InvalidFormat", "The body must be a JSON object")
    return body


def whole_number(text: str | None, name: str, default: int) -> int:
    """A query parameter that is a number of 0 or more."""
    if text is None:
        return default
    if not (text.isascii() and text.isdigit() and len(text) <= 12):
        raise bad_request("InvalidValue", f"{name} {text[:40]!r} is not a whole number")
    return int(text)


class ZendeskApi:
    """The endpoints over one sandbox."""

    def __init__(self, sandbox: Sandbox) -> None:
        self._sandbox = sandbox

    # -- admission ----------------------------------------------------------------------------------------------------

    def admit(self, request: Request, limit: str | None = None) -> dict[str, str]:
        """Check who asks and how often; returns the headers that say how the limit stands."""
        self._authenticate(request.headers.get("authorization", ""))
        quota = self._sandbox.quota
        standing = quota.take("account")
        headers = {"X-Rate-Limit": str(standing.limit), "X-Rate-Limit-Remaining": str(standing.remaining)}
        if not standing.retry_after and limit is not None:
            standing = quota.take(limit)
            headers["Zendesk-RateLimit-" + limit] = f"total={standing.limit}; remaining={standing.remaining}; resets=60"
        if standing.retry_after:
            raise throttled(standing.limit, standing.retry_after)
        return headers

    def _authenticate(self, header: str) -> None:
        scheme, _, encoded = header.partition(" ")
        credentials = self._sandbox.settings.credentials
        try:
            given = base64.b64decode(encoded.strip(), validate=True)
        except (binascii.Error, ValueError):
            given = b""
        expected = f"{credentials.zendesk_email}/token:{credentials.zendesk_token}".encode()
        if scheme.lower() != "basic" or not secrets.compare_digest(given, expected):
            raise unauthenticated()

    # -- exports ------------------------------------------------------------------------------------------------------

    async def export_tickets(self, request: Request) -> Response:
        """Tickets in the order of their last change, from a moment or a cursor on."""
        headers = self.admit(request, "incremental")
        now = self._sandbox.tick()
        position, size = self._start(request, now)
        store, payloads = self._sandbox.helpdesk, self._sandbox.payloads
        until = self._sandbox.exportable(now)
        places, after, end = store.changed_after(position, until=until, limit=size)
        tickets = [payloads.ticket(place) for place in places]
        page: Json = {"tickets": self._disturb(request.url.path, tickets, places)}
        if "users" in request.query_params.get("include", "").split(","):
            requesters = sorted({ticket["requester_id"] for ticket in tickets})
            page["users"] = [self._sandbox.people.user(user_id, now=now // SECOND) for user_id in requesters]
        return answer(page | self._links(request, after, end), headers=headers)

    def _disturb(self, path: str, tickets: list[Json], places: list[int]) -> list[Json]:
        """Some records twice, or an old version after the new one, if a fault says so."""
        faults, payloads, store = self._sandbox.faults, self._sandbox.payloads, self._sandbox.helpdesk
        if tickets and faults.page_fault("duplicates", path):
            tickets = tickets + [payloads.ticket(place) for place in faults.choose(1 + len(places) // 20, places)]
        outdated = [place for place in places if store.versions[place] > 1]
        if outdated and faults.page_fault("late", path):
            tickets = tickets + [payloads.first_version(place) for place in faults.choose(LATE_RECORDS, outdated)]
        return tickets

    async def export_users(self, request: Request) -> Response:
        """Users in the order of their last change."""
        headers = self.admit(request, "incremental")
        now = self._sandbox.tick()
        position, size = self._start(request, now)
        until = self._sandbox.exportable(now) // SECOND
        start = (position.at // SECOND, position.ticket_id)
        found, end = self._sandbox.people.updated_after(start, until=until, limit=size)
        after = Position(found[-1][0] * SECOND, found[-1][1]) if found else position
        users = [self._sandbox.people.user(user_id, now=until) for _, user_id in found]
        return answer({"users": users} | self._links(request, after, end), headers=headers)

    def _start(self, request: Request, now: int) -> tuple[Position, int]:
        size = whole_number(request.query_params.get("per_page"), "per_page", LARGEST_PAGE)
        if not 1 <= size <= LARGEST_PAGE:
            raise bad_request("InvalidValue", f"per_page {size} is not between 1 and {LARGEST_PAGE}")
        if (cursor := request.query_params.get("cursor")) is not None:
            try:
                return cursors.decode(cursor), size
            except cursors.CursorError as error:
                raise bad_request("InvalidValue", str(error)) from error
        if "start_time" not in request.query_params:
            raise bad_request("InvalidValue", "start_time or cursor is required")
        start = whole_number(request.query_params["start_time"], "start_time", 0)
        if start * SECOND > now - 60 * SECOND:
            raise ZendeskError(
                422,
                {
                    "error": "StartTimeTooRecent",
                    "description": "Too recent start_time. Use a start_time older than 1 minute",
                },
            )
        return Position(start * SECOND), size

    def _links(self, request: Request, after: Position, end: bool) -> Json:
        cursor = cursors.encode(after)
        url = request.url.include_query_params(cursor=cursor).remove_query_params("start_time")
        return {
            "after_cursor": cursor,
            "after_url": str(url.replace(path=f"{url.path}.json")),
            "before_cursor": None,
            "before_url": None,
            "end_of_stream": end,
        }

    # -- help center --------------------------------------------------------------------------------------------------

    async def list_articles(self, request: Request) -> Response:
        """Published articles and drafts, by cursor."""
        headers = self.admit(request)
        return answer(help_center.listing(self._sandbox.help_center, request), headers=headers)

    async def export_articles(self, request: Request) -> Response:
        """Articles in the order of their last change, from a second on."""
        headers = self.admit(request)
        return answer(help_center.export(self._sandbox.help_center, request), headers=headers)

    # -- tickets ------------------------------------------------------------------------------------------------------

    def _place(self, text: str) -> int:
        self._sandbox.tick()
        number = int(text) if text.isascii() and text.isdigit() and len(text) < 16 else 0
        place = self._sandbox.helpdesk.place_of(number)
        if place is None:
            raise not_found()
        return place

    async def show_ticket(self, request: Request) -> Response:
        """One ticket."""
        headers = self.admit(request)
        place = self._place(request.path_params["ticket_id"])
        return answer({"ticket": self._sandbox.payloads.ticket(place)}, headers=headers)

    async def show_many(self, request: Request) -> Response:
        """The tickets of `ids` that there are, at most 100; unknown ones are left out, as the vendor does."""
        headers = self.admit(request)
        ids = [part.strip() for part in request.query_params.get("ids", "").split(",") if part.strip()]
        if not 1 <= len(ids) <= LARGEST_BATCH:
            raise bad_request("InvalidValue", f"ids names {len(ids)} tickets; give from 1 to {LARGEST_BATCH}")
        self._sandbox.tick()
        store, payloads = self._sandbox.helpdesk, self._sandbox.payloads
        numbers = [whole_number(text, "ids", 0) for text in ids]
        places = [place for number in numbers if (place := store.place_of(number)) is not None]
        tickets = [payloads.ticket(place) for place in places]
        body = {"tickets": tickets, "next_page": None, "previous_page": None, "count": len(tickets)}
        return answer(body, headers=headers)

    async def show_comments(self, request: Request) -> Response:
        """A ticket's comments."""
        headers = self.admit(request)
        comments = self._sandbox.payloads.comments(self._place(request.path_params["ticket_id"]))
        body = {"comments": comments, "next_page": None, "previous_page": None, "count": len(comments)}
        return answer(body, headers=headers)

    async def create_ticket(self, request: Request) -> Response:
        """Open a ticket. The world does not know its queue, so no agent will ever touch it."""
        headers = self.admit(request)
        ticket = (await read_json(request)).get("ticket")
        try:
            wanted = read_change(ticket)
        except ChangeError as error:
            raise invalid(error) from error
        if wanted.comment is None:
            raise invalid(ChangeError("base", "BlankValue", "Description: cannot be blank"))
        requester = ticket.get("requester_id") if isinstance(ticket, dict) else None
        customer = requester - FIRST_USER_ID if isinstance(requester, int) else 0
        if not 0 <= customer < len(self._sandbox.world.customers):
            raise invalid(ChangeError("requester_id", "InvalidValue", "Requester: is invalid"))
        ticket_id = self._sandbox.create(
            wanted.subject or wanted.comment.body[:80],
            wanted.comment.body,
            customer=customer,
            priority=wanted.priority or PRIORITIES[1],
        )
        named = {name: ticket[name] for name in ("tags", "external_id") if ticket.get(name)}
        if named:
            self._sandbox.change(ticket_id - FIRST_TICKET_ID, read_change(named), key=None)
        body = {"ticket": self._sandbox.payloads.ticket(ticket_id - FIRST_TICKET_ID)}
        return answer(body, status=201, headers=headers)

    async def delete_ticket(self, request: Request) -> Response:
        """Delete a ticket."""
        headers = self.admit(request)
        place = self._place(request.path_params["ticket_id"])
        self._sandbox.delete(place + FIRST_TICKET_ID)
        return Response(status_code=204, headers=headers)

    async def update_ticket(self, request: Request) -> Response:
        """Change one ticket."""
        headers = self.admit(request, "updates")
        fields = (await read_json(request)).get("ticket")
        place = self._place(request.path_params["ticket_id"])
        key = request.headers.get("idempotency-key")
        self._update(place, fields, key=key, job_id=None)
        ticket = self._sandbox.payloads.ticket(place)
        return answer({"ticket": ticket, "audit": self._audit(place, fields)}, headers=headers)

    def _update(self, place: int, fields: object, *, key: str | None, job_id: str | None) -> None:
        sandbox = self._sandbox
        try:
            change = read_change(fields)
            problem = self._problem(place, change)
        except ChangeError as error:
            problem = invalid(error)
        if problem is not None:
            sandbox.refuse(place + FIRST_TICKET_ID, fields, str(problem.body["error"]), key=key, job_id=job_id)
            raise problem
        sandbox.change(place, change, key=key, job_id=job_id)

    def _problem(self, place: int, change: Change) -> ZendeskError | None:
        store = self._sandbox.helpdesk
        if store.status[place] == CLOSED:
            return invalid(ChangeError("status", "ClosedTicket", "Status: closed prevents ticket update"))
        if change.updated_stamp is not None and change.updated_stamp != iso(store.updated[place]):
            return conflict()
        return None

    def _audit(self, place: int, fields: object) -> Json:
        store = self._sandbox.helpdesk
        audit_id = (place + FIRST_TICKET_ID) * 1_000 + 500 + store.versions[place]
        changed = (
            [name for name in fields if name not in ("comment", "safe_update", "updated_stamp")]
            if isinstance(fields, dict)
            else []
        )
        return {
            "id": audit_id,
            "ticket_id": place + FIRST_TICKET_ID,
            "author_id": SERVICE_USER_ID,
            "created_at": iso(store.updated[place]),
            "metadata": {"system": {}, "custom": {}},
            "events": [
                {"id": audit_id + number, "type": "Change", "field_name": name} for number, name in enumerate(changed)
            ],
            "via": {"channel": "api", "source": {"from": {}, "to": {}, "rel": None}},
        }

    async def update_many(self, request: Request) -> Response:
        """Change up to 100 tickets: each in its own way, or all alike with `?ids=`."""
        headers = self.admit(request, "updates")
        body = await read_json(request)
        wanted = self._wanted(request.query_params.get("ids"), body)
        if len(wanted) > LARGEST_BATCH:
            raise bad_request("TooManyValues", f"{len(wanted)} tickets in one job; the limit is {LARGEST_BATCH}")
        sandbox = self._sandbox
        sandbox.tick()
        key = request.headers.get("idempotency-key")
        job_id = sandbox.next_job()
        sandbox.keep_job([self._one_of_many(fields, key, job_id) for fields in wanted])
        queued = self._job(request, job_id, done=False)
        return answer({"job_status": queued}, headers=headers)

    def _wanted(self, ids: str | None, body: Json) -> list[Json]:
        if ids is not None:
            fields = body.get("ticket")
            if not isinstance(fields, dict):
                raise bad_request("InvalidFormat", 'with ?ids= the body must be {"ticket": {…}}')
            return [{**fields, "id": whole_number(text.strip(), "ids", 0)} for text in ids.split(",") if text.strip()]
        tickets = body.get("tickets")
        if not isinstance(tickets, list) or not all(isinstance(item, dict) for item in tickets):
            raise bad_request("InvalidFormat", 'the body must be {"tickets": [{"id": …, …}, …]}')
        return tickets

    def _one_of_many(self, fields: Json, key: str | None, job_id: str) -> Json:
        ticket_id = fields.get("id")
        result: Json = {"id": ticket_id, "action": "update"}
        key = str(fields.get("idempotency_key") or key) if fields.get("idempotency_key") or key else None
        place = self._sandbox.helpdesk.place_of(ticket_id) if isinstance(ticket_id, int) else None
        if place is None:
            self._sandbox.refuse(
                int(ticket_id) if isinstance(ticket_id, int) else 0, fields, "TicketNotFound", key=key, job_id=job_id
            )
            return result | {
                "success": False,
                "status": "Failed",
                "error": "TicketNotFound",
                "details": "Ticket not found",
            }
        try:
            self._update(place, fields, key=key, job_id=job_id)
        except ZendeskError as error:
            details = orjson.dumps(error.body.get("details") or error.body.get("description")).decode()
            return result | {"success": False, "status": "Failed", "error": error.body["error"], "details": details}
        return result | {"success": True, "status": "Updated"}

    async def show_job(self, request: Request) -> Response:
        """How an update-many job stands."""
        headers = self.admit(request)
        job_id = request.path_params["job_id"]
        job = self._sandbox.jobs.get(job_id)
        if job is None:
            raise not_found()
        done = self._sandbox.monotonic() - job["taken_at"] >= self._sandbox.settings.job_seconds
        return answer({"job_status": self._job(request, job_id, done=done)}, headers=headers)

    def _job(self, request: Request, job_id: str, *, done: bool) -> Json:
        job = self._sandbox.jobs[job_id]
        return {
            "id": job_id,
            "job_type": "Bulk Ticket Update",
            "url": f"{request.base_url}api/v2/job_statuses/{job_id}.json",
            "total": len(job["results"]),
            "progress": len(job["results"]) if done else 0,
            "status": "completed" if done else "queued",
            "message": f"Completed at {iso(job['at'] // SECOND)}" if done else None,
            "results": job["results"] if done else None,
        }

    # -- tables -------------------------------------------------------------------------------------------------------

    async def show_groups(self, request: Request) -> Response:
        """All groups: one a queue."""
        headers = self.admit(request)
        groups = self._sandbox.payloads.groups()
        return answer(
            {"groups": groups, "next_page": None, "previous_page": None, "count": len(groups)}, headers=headers
        )

    async def show_ticket_fields(self, request: Request) -> Response:
        """System and custom fields."""
        headers = self.admit(request)
        fields = self._sandbox.payloads.ticket_fields()
        body = {"ticket_fields": fields, "next_page": None, "previous_page": None, "count": len(fields)}
        return answer(body, headers=headers)

    async def show_me(self, request: Request) -> Response:
        """The user whose token this is."""
        headers = self.admit(request)
        user = self._sandbox.people.user(SERVICE_USER_ID, now=self._sandbox.tick() // SECOND)
        return answer({"user": user}, headers=headers)

    async def show_user(self, request: Request) -> Response:
        """One user."""
        headers = self.admit(request)
        text = request.path_params["user_id"]
        if not (text.isdigit() and len(text) < 16 and self._sandbox.people.exists(int(text))):
            raise not_found()
        return answer(
            {"user": self._sandbox.people.user(int(text), now=self._sandbox.tick() // SECOND)}, headers=headers
        )


def zendesk_router(sandbox: Sandbox) -> APIRouter:
    """All of Zendesk's paths over one sandbox."""
    api, router = ZendeskApi(sandbox), APIRouter(prefix="/api/v2")
    routes: tuple[tuple[str, str, Callable[[Request], Any]], ...] = (
        ("GET", "/incremental/tickets/cursor", api.export_tickets),
        ("GET", "/incremental/users/cursor", api.export_users),
        ("GET", "/help_center/articles", api.list_articles),
        ("GET", "/help_center/incremental/articles", api.export_articles),
        ("GET", "/tickets/show_many", api.show_many),
        ("PUT", "/tickets/update_many", api.update_many),
        ("POST", "/tickets", api.create_ticket),
        ("GET", "/tickets/{ticket_id}", api.show_ticket),
        ("PUT", "/tickets/{ticket_id}", api.update_ticket),
        ("DELETE", "/tickets/{ticket_id}", api.delete_ticket),
        ("GET", "/tickets/{ticket_id}/comments", api.show_comments),
        ("GET", "/job_statuses/{job_id}", api.show_job),
        ("GET", "/groups", api.show_groups),
        ("GET", "/ticket_fields", api.show_ticket_fields),
        ("GET", "/users/me", api.show_me),
        ("GET", "/users/{user_id}", api.show_user),
    )
    for method, path, endpoint in routes:
        router.add_api_route(path, endpoint, methods=[method], response_model=None)
    return router
