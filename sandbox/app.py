"""The ASGI app: all vendors and the control plane on one port.

What belongs here: putting routers, faults and error bodies together. What does not: any endpoint.
"""

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

from fastapi import FastAPI, Request, Response

from sandbox import control, status
from sandbox.faults import App, FaultMiddleware, Receive, Scope, Send
from sandbox.legacy import desk as legacy
from sandbox.salesforce.routes import SalesforceError, salesforce_router
from sandbox.salesforce.routes import answer as salesforce_answer
from sandbox.service import Sandbox
from sandbox.vendors import freshdesk, hubspot, intercom, jira, pipedrive, servicenow
from sandbox.vendors.answers import VendorRefusal
from sandbox.vendors.answers import answer as vendor_answer
from sandbox.vendors.desk import Desk
from sandbox.zendesk.errors import ZendeskError
from sandbox.zendesk.routes import answer as zendesk_answer
from sandbox.zendesk.routes import zendesk_router


class DropJsonSuffix:
    """Zendesk takes `/tickets.json` and `/tickets` alike."""

    def __init__(self, app: App) -> None:
        self._app = app

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """One request."""
        if scope["type"] == "http" and scope["path"].startswith("/api/v2/"):
            path = scope["path"].removesuffix(".json")
            scope = {**scope, "path": path, "raw_path": path.encode()}
        elif scope["type"] == "http" and len(scope["path"]) > 1:
            scope = {**scope, "path": scope["path"].rstrip("/") or "/"}
        await self._app(scope, receive, send)


def create_app(sandbox: Sandbox) -> FastAPI:
    """The app over one sandbox, which it closes at its end."""

    @asynccontextmanager
    async def lifespan(_: FastAPI) -> AsyncIterator[None]:
        yield
        sandbox.close()

    app = FastAPI(title="AIOS sandbox", openapi_url=None, lifespan=lifespan)
    app.include_router(zendesk_router(sandbox))
    app.include_router(salesforce_router(sandbox))
    desk = Desk(sandbox)
    for vendor in (freshdesk, servicenow, jira, hubspot, intercom, pipedrive):
        app.include_router(vendor.router(desk))
    app.include_router(legacy.router(desk))
    app.include_router(control.control_router(sandbox))
    app.include_router(status.router(sandbox))
    app.add_api_route("/", control.index, response_model=None)
    app.add_exception_handler(ZendeskError, _zendesk_refusal)
    app.add_exception_handler(SalesforceError, _salesforce_refusal)
    app.add_exception_handler(VendorRefusal, _vendor_refusal)
    app.add_exception_handler(404, _no_such_path)
    for error in control.CONTROL_ERRORS:
        app.add_exception_handler(error, _control_refusal)
    app.add_middleware(FaultMiddleware, faults=lambda: sandbox.faults, expire_tokens=sandbox.expire_tokens)
    app.add_middleware(DropJsonSuffix)
    return app


async def _zendesk_refusal(_: Request, error: Exception) -> Response:
    assert isinstance(error, ZendeskError)
    return zendesk_answer(error.body, status=error.status, headers=error.headers)


async def _salesforce_refusal(_: Request, error: Exception) -> Response:
    assert isinstance(error, SalesforceError)
    return salesforce_answer(error.body, status=error.status)


async def _vendor_refusal(_: Request, error: Exception) -> Response:
    assert isinstance(error, VendorRefusal)
    return vendor_answer(error.body, status=error.status, headers=error.headers)


async def _control_refusal(_: Request, error: Exception) -> Response:
    return control.answer({"error": str(error)}, status=400)


async def _no_such_path(request: Request, _: Exception) -> Response:
    if request.url.path.startswith("/services"):
        return salesforce_answer(
            [{"message": "The requested resource does not exist", "errorCode": "NOT_FOUND"}], status=404
        )
    return zendesk_answer({"error": "InvalidEndpoint", "description": "Not found"}, status=404)
