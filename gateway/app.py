"""The composition root of the gateway: settings in, app out.

What belongs here: opening what the pages use, putting the pages together, and what happens when something goes wrong. What
does not: any page.
"""

import asyncio
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager, suppress
from datetime import UTC, datetime
from functools import cache
from typing import Any

import psycopg
from fastapi import FastAPI
from fastapi.staticfiles import StaticFiles

from aios_core.errors import AiosError
from gateway import hooks
from gateway.access_log import AccessLog
from gateway.decide import routes as decide_routes
from gateway.dependencies import Services
from gateway.documentation import schema
from gateway.edge import Edge
from gateway.failures import handle_errors
from gateway.inference import routes as inference_routes
from gateway.inference.hall import Hall
from gateway.inference.lane import Room
from gateway.inference.service import Inference
from gateway.keys import Keys
from gateway.metrics import Requests
from gateway.pages import (
    agreement,
    alerts,
    batches,
    cases,
    decisions,
    deliveries,
    explanations,
    incidents,
    knowledge,
    leading,
    models,
    operations,
    overview,
    quarantine,
    reports,
    robots,
    session,
    sources,
    steps,
    threads,
    thresholds,
    work,
)
from gateway.rendering import STATIC, Pages
from gateway.security import Sessions
from gateway.settings import FEWEST_WAITING, Settings
from resources.database import Database, open_database
from resources.idempotency import purge
from resources.lake import Lake

LOAD_SECONDS = 20.0  # models are awaited so long at the start
COUNTS_SECONDS = 1.0
PURGE_SECONDS = 3600.0
PAGES = (
    operations,
    session,
    overview,
    cases,
    steps,
    leading,
    work,
    agreement,
    batches,
    decisions,
    deliveries,
    quarantine,
    reports,
    robots,
    sources,
    models,
    threads,
    thresholds,
    explanations,
    incidents,
    alerts,
    knowledge,
)


def create_app(
    settings: Settings,
    *,
    database: Database | None = None,
    lake: Lake | None = None,
    clock: Callable[[], datetime] = lambda: datetime.now(UTC),
    log: AccessLog | None = None,
    room: Room | None = None,
) -> FastAPI:
    """The gateway. Tests hand in their own database, lake and clock; what is handed in is not closed here.

    Models are loaded while the app runs (its lifespan); without it `/v2` says that the gateway is starting.
    """
    opened = database or open_database(settings.deployment)
    storage = lake or Lake(settings.deployment.lake_url)
    requests = Requests(settings.counts)
    logged = log or AccessLog(share=settings.log_share)
    keys = Keys(settings.api_keys, open_here=settings.deployment.name == "local")
    # connections of its own: whatever happens to the models, the console's are free, and the other way round
    models_database = Database(opened.url, max_size=3, timeout_seconds=3)
    hall = Hall(
        models_database,
        lake=storage,
        accelerator=settings.deployment.accelerator,
        requests=requests,
        log=logged,
        room=room or Room(most_waiting=max(FEWEST_WAITING, settings.waiting // settings.workers)),
    )
    inference = Inference(hall, keys=keys, requests=requests, log=logged)
    decisions_database = Database(opened.url, max_size=decide_routes.AT_ONCE + 1, timeout_seconds=5)
    line = decide_routes.Line(_decider(decisions_database, hall, settings, clock))

    @asynccontextmanager
    async def lifespan(_: FastAPI) -> AsyncIterator[None]:
        hall.start()
        # Connections wait in the socket meanwhile: of several processes one would say that the gateway is ready while another
        # refuses. Without a database the console still comes up.
        await asyncio.to_thread(hall.await_ready, LOAD_SECONDS)
        beside = [
            asyncio.create_task(_keep_counts(requests)),
            asyncio.create_task(_every(PURGE_SECONDS, lambda: purge(decisions_database, now=clock()))),
        ]
        yield
        for task in beside:
            task.cancel()
            with suppress(asyncio.CancelledError):
                await task
        requests.lay_down()
        await asyncio.to_thread(line.close)
        await asyncio.to_thread(hall.stop)
        await asyncio.to_thread(logged.close)
        models_database.close()
        decisions_database.close()
        if database is None:
            opened.close()

    app = FastAPI(title="AIOS gateway", docs_url=None, redoc_url=None, openapi_url="/openapi.json", lifespan=lifespan)
    app.openapi = lambda: schema(app)  # type: ignore[method-assign]  # the documented way
    app.state.services = Services(
        settings=settings,
        database=opened,
        lake=storage,
        sessions=Sessions(settings.secret_key, lifetime=settings.session),
        pages=Pages(dagster_url=settings.deployment.dagster_url, deployment=settings.deployment.name),
        requests=requests,
        clock=clock,
        explanations=_explanations(opened, storage, settings),
        knowledge=_knowledge(opened, storage),
    )
    app.state.hall = hall
    app.state.inference = inference
    app.state.line = line
    app.state.hooks = _hooks(decisions_database, settings, clock)
    for module in PAGES:
        app.include_router(module.router, include_in_schema=False)
    app.include_router(inference_routes.router)
    app.include_router(decide_routes.router)
    app.include_router(hooks.router, include_in_schema=False)
    app.mount("/static", StaticFiles(directory=STATIC), name="static")
    app.add_middleware(Edge, requests=requests, log=logged, keys=keys, inference=inference)
    handle_errors(app)
    return app


def _decider(database: Database, hall: Hall, settings: Settings, clock: Callable[[], datetime]) -> Callable[[Any], Any]:
    """Made at the first decision: the policy engine is loaded only where decisions are asked for."""

    @cache
    def made() -> Any:
        from gateway.decide.decider import Decider
        from gateway.decide.declared import Declarations

        folders = settings.deployment.automation_folders
        return Decider(database, hall=hall, declarations=Declarations(folders), clock=clock)

    return lambda asked: made().decide(asked)


def _hooks(database: Database, settings: Settings, clock: Callable[[], datetime]) -> Callable[[], Any]:
    """Made at the first delivery: most gateways never see one."""

    @cache
    def made() -> Any:
        from gateway.decide.declared import Declarations

        return hooks.Hooks(database, declarations=Declarations(settings.deployment.automation_folders), clock=clock)

    return made


def _explanations(database: Database, lake: Lake, settings: Settings) -> Callable[[], Any]:
    """Made when first asked for: it brings models and the policy engine along."""

    @cache
    def made() -> Any:
        from resources.explanations import Explanations

        return Explanations(database, lake=lake, accelerator=settings.deployment.accelerator)

    return made


def _knowledge(database: Database, lake: Lake) -> Callable[[], Any]:
    """Made when first asked for, and one for all: it keeps the index and its encoder in memory."""

    @cache
    def made() -> Any:
        from resources.knowledge_index import KnowledgeSearch

        return KnowledgeSearch(database, lake)

    return made


async def _keep_counts(requests: Requests) -> None:
    """On the loop: a file of some kilobytes is written faster than a thread is found for it."""
    while True:
        await asyncio.sleep(COUNTS_SECONDS)
        with suppress(OSError):
            requests.lay_down()


async def _every(seconds: float, work: Callable[[], object]) -> None:
    """Do it now and then, in a thread; what fails is tried again next time."""
    while True:
        await asyncio.sleep(seconds)
        with suppress(AiosError, OSError, psycopg.Error):
            await asyncio.to_thread(work)
