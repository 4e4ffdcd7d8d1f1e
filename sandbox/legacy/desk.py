"""The legacy desk, below `/legacy`: the same tickets as the helpdesk's, behind web forms, without any API.

What belongs here: its sessions, its steps and how it can be broken. What does not: markup (`pages.py`) and facts (`sandbox/vendors/desk.py`).

`POST /sandbox/legacy` breaks it: `changed` renames a field of the form, `lose_session` ends a session so many steps from now,
`session_seconds` sets how long one lasts.
"""

import secrets
from dataclasses import dataclass
from html import escape
from typing import Final
from urllib.parse import parse_qs

from fastapi import APIRouter, Request, Response
from fastapi.responses import HTMLResponse, RedirectResponse

from sandbox.control import answer, read_object
from sandbox.legacy import pages
from sandbox.service import ServiceError
from sandbox.vendors.desk import Desk, Ticket, Unchanged

USER: Final = "robot"
PASSWORD: Final = "sandbox-password"  # it protects nothing
COOKIE: Final = "teledesk"


@dataclass(slots=True)
class Broken:
    """How it is broken at the moment."""

    changed: bool = False
    lose_session: int | None = None
    session_seconds: float = 600.0


class LegacyDesk:
    """The pages over one sandbox."""

    def __init__(self, desk: Desk) -> None:
        self._desk = desk
        self._sessions: dict[str, float] = {}
        self._broken = Broken()

    async def home(self, request: Request) -> Response:
        """Search, or sign in."""
        return HTMLResponse(pages.search() if self._signed_in(request) else pages.sign_in())

    async def login(self, request: Request) -> Response:
        """Begin a session."""
        given = await _form(request)
        if not (secrets.compare_digest(given.get("user", "").encode(), USER.encode())
                and secrets.compare_digest(given.get("password", "").encode(), PASSWORD.encode())):  # fmt: skip
            return HTMLResponse(pages.sign_in("Wrong user or password."), 403)
        token = secrets.token_hex(16)
        self._sessions[token] = self._desk.sandbox.monotonic()
        found = RedirectResponse("/legacy/", 303)
        found.set_cookie(COOKIE, token, httponly=True)
        return found

    async def logout(self, request: Request) -> Response:
        """End the session."""
        self._sessions.pop(request.cookies.get(COOKIE, ""), None)
        return RedirectResponse("/legacy/", 303)

    async def ticket(self, request: Request) -> Response:
        """A ticket's form, or with POST the page that asks once more."""
        if not self._signed_in(request):
            return HTMLResponse(pages.sign_in("Your session has expired."))
        place = self._desk.place_of(request.query_params.get("no", "").strip())
        if place is None:
            return HTMLResponse(pages.search("No such ticket."), 404)
        one = self._desk.ticket(place)
        if request.method == "GET":
            return HTMLResponse(pages.ticket(one, self._desk.comments(place), changed=self._broken.changed))
        given = await _form(request)
        return HTMLResponse(
            pages.confirm(one, {n: v for n, v in given.items() if n in ("queue", "department", "note")})
        )

    async def confirm(self, request: Request) -> Response:
        """Write, where the answer was not to cancel."""
        if not self._signed_in(request):
            return HTMLResponse(pages.sign_in("Your session has expired."))
        given, place = await _form(request), self._desk.place_of(request.query_params.get("no", "").strip())
        if place is None:
            return HTMLResponse(pages.search("No such ticket."), 404)
        one = self._desk.ticket(place)
        if given.get("answer") != "Do not cancel":
            return RedirectResponse(f"/legacy/ticket?no={one.ticket_id}", 303)
        return self._write(place, one, given)

    def _write(self, place: int, one: Ticket, given: dict[str, str]) -> Response:
        group, note = given.get("queue") or given.get("department") or "", given.get("note", "").strip()
        try:
            self._desk.write(
                place,
                group_id=int(group) if group.isdigit() and int(group) else None,
                comment={"body": note, "public": False} if note else None,
            )
        except Unchanged as error:
            return HTMLResponse(pages.page("Error", f'<p class="error" id="error">{escape(str(error))}</p>'), 409)
        return HTMLResponse(pages.saved(one))

    async def control(self, request: Request) -> Response:
        """How it is broken, and breaking it."""
        given = await read_object(request) if request.method == "POST" else {}
        if unknown := set(given) - set(Broken.__dataclass_fields__):
            raise ServiceError(f"unknown setting {min(unknown)!r}; use {', '.join(Broken.__dataclass_fields__)}")
        for name, value in given.items():
            setattr(self._broken, name, value)
        return answer({name: getattr(self._broken, name) for name in Broken.__dataclass_fields__})

    def _signed_in(self, request: Request) -> bool:
        token, now = request.cookies.get(COOKIE, ""), self._desk.sandbox.monotonic()
        begun = self._sessions.get(token)
        if begun is not None and self._broken.lose_session is not None:
            self._broken.lose_session -= 1
            if self._broken.lose_session < 0:
                self._broken.lose_session = None
                self._sessions.clear()
        if self._sessions.get(token, -1e9) + self._broken.session_seconds < now:
            self._sessions.pop(token, None)
            return False
        return True


async def _form(request: Request) -> dict[str, str]:
    body = (await request.body()).decode("utf-8", "replace")
    return {name: values[-1].replace("\r\n", "\n") for name, values in parse_qs(body, keep_blank_values=True).items()}


def router(desk: Desk) -> APIRouter:
    """The desk's paths."""
    one, found = LegacyDesk(desk), APIRouter()
    found.add_api_route("/legacy", one.home, methods=["GET"], response_model=None)
    found.add_api_route("/legacy/login", one.login, methods=["POST"], response_model=None)
    found.add_api_route("/legacy/logout", one.logout, methods=["GET"], response_model=None)
    found.add_api_route("/legacy/ticket", one.ticket, methods=["GET", "POST"], response_model=None)
    found.add_api_route("/legacy/confirm", one.confirm, methods=["POST"], response_model=None)
    found.add_api_route("/sandbox/legacy", one.control, methods=["GET", "POST"], response_model=None)
    return found
