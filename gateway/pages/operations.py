"""For machines: is the process alive, can it work, and what does it count."""

from fastapi import APIRouter
from fastapi.responses import JSONResponse, PlainTextResponse

from aios_core.errors import AiosError
from aios_core.events.types import VERSION, UnknownEventType, schema_of
from gateway.dependencies import Opened
from gateway.metrics import exposition

router = APIRouter()


@router.get("/health")
def health() -> dict[str, str]:
    """Alive: says nothing about what it depends on, so that a database's fault doesn't restart the gateway."""
    return {"status": "ok"}


@router.get("/ready")
def ready(opened: Opened) -> JSONResponse:
    """Able to work: the database answers and has this code's schema."""
    try:
        state = opened.database.schema().kind
    except AiosError as error:
        return JSONResponse({"status": "unavailable", "reason": str(error)}, status_code=503)
    if state != "current":
        return JSONResponse({"status": "unavailable", "reason": f"the database schema is {state}"}, status_code=503)
    return JSONResponse({"status": "ok"})


@router.get("/metrics")
def metrics(opened: Opened) -> PlainTextResponse:
    """Prometheus text: this process's requests, and what waits in the database."""
    text = opened.requests.exposition() + exposition(opened.views)
    return PlainTextResponse(text, media_type="text/plain; version=0.0.4; charset=utf-8")


@router.get(f"/events/schemas/{{type_}}/v{VERSION}.json", include_in_schema=False)
async def event_schema(opened: Opened, type_: str) -> JSONResponse:
    """The JSON schema of an event's data: where its `dataschema` points to."""
    try:
        return JSONResponse(schema_of(type_, console=opened.settings.deployment.gateway_url))
    except UnknownEventType as error:
        return JSONResponse({"message": str(error)}, status_code=404)
