"""What happens when something goes wrong: a page for people, one shape of JSON for machines.

What belongs here: from an exception to a response. What does not: the exceptions.
"""

from typing import Any
from urllib.parse import urlencode

import psycopg
from fastapi import FastAPI, Request, Response
from fastapi.exceptions import RequestValidationError
from fastapi.responses import RedirectResponse
from starlette.exceptions import HTTPException

from aios_core.decisions.model import UnknownDecision
from aios_core.errors import AiosError, RetryableError
from aios_core.review.form import InvalidForm
from aios_core.review.states import NotAllowed, UnknownCase, UnknownQueue
from gateway.dependencies import Forbidden, SignInNeeded
from gateway.edge import is_machine
from gateway.refusals import Refused
from gateway.rendering import Pages
from resources.alerts import UnknownAlert
from resources.monitoring import UnknownIncident
from resources.review_steps import EmptyNote, UnknownPerson
from resources.reviews import UnknownBatch

NOT_FOUND = (UnknownCase, UnknownBatch, UnknownDecision, UnknownIncident, UnknownAlert)
REFUSED: dict[type[AiosError], int] = {
    NotAllowed: 403,
    UnknownQueue: 422,
    UnknownPerson: 422,
    EmptyNote: 422,
    InvalidForm: 422,
}
NO_DATABASE = "The database can't be reached. Nothing was changed; try again."


def handle_errors(app: FastAPI) -> None:
    """Register every handler."""
    app.add_exception_handler(SignInNeeded, _sign_in)
    app.add_exception_handler(
        Forbidden, lambda r, e: _page(r, 403, "Not taken", f"{e}. Reload the page and try again.")
    )
    app.add_exception_handler(AiosError, _aios)
    app.add_exception_handler(HTTPException, _http)
    app.add_exception_handler(RequestValidationError, _invalid)
    app.add_exception_handler(psycopg.OperationalError, _database)
    app.add_exception_handler(Exception, _unforeseen)


def json_refusal(request: Request, refused: Refused) -> Response:
    """A refusal as a machine reads it."""
    trace = getattr(request.state, "trace", None)
    headers = {name.decode(): value.decode() for name, value in refused.headers()}
    body = refused.body(trace.correlation_id if trace else "")
    return Response(body, status_code=refused.status, headers=headers, media_type="application/json")


def _machine(request: Request) -> bool:
    return is_machine(request.url.path)


def _page(request: Request, status: int, title: str, message: str) -> Response:
    pages: Pages = request.app.state.services.pages
    return pages.render(
        "message.html", status=status, person=None, title=title, message=message, link=("/", "To the overview")
    )


def _sign_in(_: Request, error: Exception) -> Response:
    assert isinstance(error, SignInNeeded)
    query: dict[str, Any] = {"next": error.target} | ({"ended": 1, "lost": 1} if error.lost else {})
    return RedirectResponse(f"/sign-in?{urlencode(query)}", status_code=303)


def _aios(request: Request, error: Exception) -> Response:
    assert isinstance(error, AiosError)
    if isinstance(error, Refused):
        return json_refusal(request, error)
    if _machine(request):
        status, again = (503, 1) if isinstance(error, RetryableError) else (500, None)
        return json_refusal(request, Refused(status, error.code, str(error), retry_after=again))
    if isinstance(error, NOT_FOUND):
        return _page(request, 404, "Not found", str(error))
    if isinstance(error, RetryableError):
        return _page(request, 503, "Not available just now", f"{error} Nothing was changed; try again.")
    status = next((status for kind, status in REFUSED.items() if isinstance(error, kind)), 500)
    return _page(request, status, "That did not work", str(error))


def _http(request: Request, error: Exception) -> Response:
    assert isinstance(error, HTTPException)
    if _machine(request):
        known = {404: ("route.unknown", "there is no such address; see /openapi.json"),
                 405: ("route.method", "this address takes no such request; see /openapi.json")}  # fmt: skip
        code, message = known.get(error.status_code, ("request.invalid", str(error.detail)))
        response = json_refusal(request, Refused(error.status_code, code, message))
        response.headers.update(error.headers or {})
        return response
    text = {404: "There is no page at this address.", 405: "This address takes no such request."}
    title = "Not found" if error.status_code == 404 else "That did not work"
    return _page(request, error.status_code, title, text.get(error.status_code, str(error.detail)))


def _invalid(request: Request, error: Exception) -> Response:
    assert isinstance(error, RequestValidationError)
    if not _machine(request):
        return _page(request, 422, "That did not work", "The form is incomplete. Go back and try again.")
    wrong = [{"where": ".".join(map(str, e["loc"])), "what": e["msg"]} for e in error.errors()[:50]]
    first = f"{wrong[0]['where']}: {wrong[0]['what']}" if wrong else "the request does not fit its schema"
    return json_refusal(request, Refused(422, "request.invalid", first, details=wrong))


def _unforeseen(request: Request, _: Exception) -> Response:
    """A fault of ours: told without its text, which may hold anything; the server's log has it."""
    if _machine(request):
        text = "an error of the gateway; its log has it under this correlation id"
        return json_refusal(request, Refused(500, "gateway.failed", text))
    return _page(
        request, 500, "That did not work", "An error of the gateway; its log has it. Nothing more is known here."
    )


def _database(request: Request, _: Exception) -> Response:
    if _machine(request):
        return json_refusal(request, Refused(503, "database.unavailable", NO_DATABASE, retry_after=1))
    return _page(request, 503, "Not available just now", NO_DATABASE)
