"""The composition root of the gateway: settings in, app out.

What belongs here: opening what the pages use, putting the pages together, and what happens when something goes wrong. What
does not: any page.
"""

from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from datetime import UTC, datetime
from time import perf_counter
from typing import Any
from urllib.parse import urlencode

import psycopg
from fastapi import FastAPI, Request, Response
from fastapi.exceptions import RequestValidationError
from fastapi.responses import RedirectResponse
from fastapi.staticfiles import StaticFiles
from starlette.exceptions import HTTPException
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from aios_core.decisions.model import UnknownDecision
from aios_core.errors import AiosError, RetryableError
from aios_core.review.states import UnknownCase, UnknownQueue
from gateway.dependencies import Forbidden, Services, SignInNeeded
from gateway.metrics import Requests
from gateway.pages import batches, cases, decisions, operations, overview, quarantine, reports, session
from gateway.rendering import STATIC, Pages
from gateway.security import HEADERS, Sessions
from gateway.settings import Settings
from resources.database import Database, open_database
from resources.lake import Lake
from resources.reviews import UnknownBatch

LARGEST_POST = 256 * 1024
NOT_FOUND = (UnknownCase, UnknownBatch, UnknownDecision)


def create_app(
    settings: Settings,
    *,
    database: Database | None = None,
    lake: Lake | None = None,
    clock: Callable[[], datetime] = lambda: datetime.now(UTC),
) -> FastAPI:
    """The gateway. Tests hand in their own database, lake and clock; what is handed in is not closed here."""
    opened = database or open_database(settings.deployment)
    requests = Requests()

    @asynccontextmanager
    async def lifespan(_: FastAPI) -> AsyncIterator[None]:
        yield
        if database is None:
            opened.close()

    app = FastAPI(title="AIOS gateway", docs_url=None, redoc_url=None, openapi_url=None, lifespan=lifespan)
    app.state.services = Services(
        settings=settings,
        database=opened,
        lake=lake or Lake(settings.deployment.lake_url),
        sessions=Sessions(settings.secret_key, lifetime=settings.session),
        pages=Pages(dagster_url=settings.deployment.dagster_url, deployment=settings.deployment.name),
        requests=requests,
        clock=clock,
    )
    for module in (operations, session, overview, cases, batches, decisions, quarantine, reports):
        app.include_router(module.router)
    app.mount("/static", StaticFiles(directory=STATIC), name="static")
    app.add_middleware(Edge, requests=requests)
    _handle_errors(app)
    return app


class Edge:
    """Around every request: its size is bounded, its time counted, and plain headers are set where a page set none."""

    def __init__(self, app: ASGIApp, *, requests: Requests) -> None:
        self._app = app
        self._requests = requests

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] != "http":
            await self._app(scope, receive, send)
            return
        started, status = perf_counter(), 500

        async def sending(message: Message) -> None:
            nonlocal status
            if message["type"] == "http.response.start":
                status = message["status"]
                present = {key for key, _ in message["headers"]}
                extra = [(k.encode(), v.encode()) for k, v in HEADERS.items() if k.encode() not in present]
                message = {**message, "headers": [*message["headers"], *extra]}
            await send(message)

        try:
            if _too_large(scope):
                await Response("the form is too large, or does not say how large it is\n", status_code=413)(
                    scope, receive, sending
                )
            else:
                await self._app(scope, receive, sending)
        finally:
            route = getattr(scope.get("route"), "path", "other")
            self._requests.seen(method=scope["method"], route=route, status=status, seconds=perf_counter() - started)


def _too_large(scope: Scope) -> bool:
    """A body without a length can't be bounded before it is read: no browser sends a form that way."""
    if scope["method"] in ("GET", "HEAD", "OPTIONS"):
        return False
    headers = dict(scope["headers"])
    length = headers.get(b"content-length", b"")
    return b"transfer-encoding" in headers or not length.isdigit() or int(length) > LARGEST_POST


def _handle_errors(app: FastAPI) -> None:
    def page(request: Request, status: int, title: str, message: str) -> Response:
        pages: Pages = request.app.state.services.pages
        return pages.render(
            "message.html", status=status, person=None, title=title, message=message, link=("/", "To the overview")
        )

    def sign_in(_: Request, error: Exception) -> Response:
        assert isinstance(error, SignInNeeded)
        query: dict[str, Any] = {"next": error.target} | ({"ended": 1, "lost": 1} if error.lost else {})
        return RedirectResponse(f"/sign-in?{urlencode(query)}", status_code=303)

    def aios(request: Request, error: Exception) -> Response:
        if isinstance(error, NOT_FOUND):
            return page(request, 404, "Not found", str(error))
        if isinstance(error, RetryableError):
            return page(request, 503, "Not available just now", f"{error} Nothing was changed; try again.")
        status = 422 if isinstance(error, UnknownQueue) else 500
        return page(request, status, "That did not work", str(error))

    def http(request: Request, error: Exception) -> Response:
        assert isinstance(error, HTTPException)
        text = {404: "There is no page at this address.", 405: "This address takes no such request."}
        return page(request, error.status_code, "Not found" if error.status_code == 404 else "That did not work",
                    text.get(error.status_code, str(error.detail)))  # fmt: skip

    app.add_exception_handler(SignInNeeded, sign_in)
    app.add_exception_handler(Forbidden, lambda r, e: page(r, 403, "Not taken", f"{e}. Reload the page and try again."))
    app.add_exception_handler(AiosError, aios)
    app.add_exception_handler(HTTPException, http)
    app.add_exception_handler(
        RequestValidationError,
        lambda r, e: page(r, 422, "That did not work", "The form is incomplete. Go back and try again."),
    )
    app.add_exception_handler(
        psycopg.OperationalError,
        lambda r, e: page(
            r, 503, "Not available just now", "The database can't be reached. Nothing was changed; try again."
        ),
    )
