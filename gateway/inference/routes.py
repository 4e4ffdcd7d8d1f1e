"""The Open Inference Protocol's routes: health, metadata, configuration, and what `infer` takes and gives, as a schema.

What belongs here: the routes that are asked now and then. What does not: answering `infer`, which goes past the router
(`gateway/edge.py`, `service.py`); its route stands here so that the schema has it.
"""

from importlib.metadata import PackageNotFoundError, version
from typing import Annotated, Any

from fastapi import APIRouter, Path, Request
from fastapi.responses import JSONResponse, Response
from pydantic import BaseModel, Field

from gateway.deadlines import DEADLINE
from gateway.inference.hall import Hall, Loaded, Serving
from gateway.inference.signature import OUTPUTS, TYPES
from gateway.refusals import SCHEMA, Refused

router = APIRouter(prefix="/v2", tags=["Open Inference Protocol v2"])

Name = Annotated[str, Path(description="The model's name in the registry", min_length=1, max_length=200)]
Version = Annotated[int, Path(description="A version's number", ge=1, le=2**31 - 1)]

ERRORS: dict[int, str] = {
    400: "Not a request of this model: wrong names, shapes, types or values",
    401: "No API key, or one that is not known",
    404: "No such model or version",
    413: "More rows, text or bytes than one request may have",
    429: "More requests than can be served; Retry-After says when to try again",
    500: "The model could not score this",
    503: "Not loaded yet, or no champion",
    504: "The time given was up before the work was started",
}


def errors(*statuses: int) -> dict[int | str, dict[str, Any]]:
    """Responses in the one shape of errors, for a route's documentation."""
    return {s: {"description": ERRORS[s], "content": {"application/json": {"schema": SCHEMA}}} for s in statuses}


class Server(BaseModel):
    name: str
    version: str
    extensions: list[str]


class Live(BaseModel):
    live: bool


class Ready(BaseModel):
    ready: bool


class ModelReady(BaseModel):
    name: str
    ready: bool


class TensorMetadata(BaseModel):
    name: str
    datatype: str
    shape: list[int]
    parameters: dict[str, Any] = Field(default_factory=dict)


class ModelMetadata(BaseModel):
    name: str
    versions: list[str]
    platform: str
    inputs: list[TensorMetadata]
    outputs: list[TensorMetadata]
    parameters: dict[str, Any]


class Indexed(BaseModel):
    name: str
    version: str
    state: str
    reason: str


@router.get("", name="Server metadata")
def server() -> Server:
    try:
        number = version("aios")
    except PackageNotFoundError:  # run from its folder, not installed
        number = "0"
    return Server(name="aios", version=number, extensions=["binary_tensor_data", "model_configuration", "parameters"])


@router.get("/health/live", name="Server live")
def live() -> Live:
    return Live(live=True)


@router.get("/health/ready", name="Server ready", response_model=Ready, responses={503: {"model": Ready}})
def ready(request: Request) -> JSONResponse:
    found = hall(request).ready
    return JSONResponse({"ready": found}, status_code=200 if found else 503)


@router.get("/models/{name}", name="Model metadata", responses=errors(401, 404, 503))
@router.get("/models/{name}/versions/{version}", name="Version metadata", responses=errors(401, 404, 503))
def metadata(request: Request, name: Name, version: Version | None = None) -> ModelMetadata:
    serving = model(request, name)
    loaded = known(request, name, version)
    found = loaded.signature.metadata(name, serving.state.versions, loaded.version)
    return ModelMetadata.model_validate(found)


@router.get("/models/{name}/config", name="Model configuration", responses=errors(401, 404, 503))
@router.get("/models/{name}/versions/{version}/config", name="Version configuration", responses=errors(401, 404, 503))
def config(request: Request, name: Name, version: Version | None = None) -> dict[str, Any]:
    return known(request, name, version).signature.config(name)


@router.get(
    "/models/{name}/ready",
    name="Model ready",
    response_model=ModelReady,
    responses={503: {"model": ModelReady}, **errors(401, 404)},
)
@router.get(
    "/models/{name}/versions/{version}/ready",
    name="Version ready",
    response_model=ModelReady,
    responses={503: {"model": ModelReady}, **errors(401, 404)},
)
def model_ready(request: Request, name: Name, version: Version | None = None) -> JSONResponse:
    serving = model(request, name)
    if version is not None and version not in serving.state.versions:
        raise unknown_version(serving, version)
    found = serving.champion is not None if version is None else version in serving.loaded
    return JSONResponse({"name": name, "ready": found}, status_code=200 if found else 503)


@router.post("/repository/index", name="Repository index", responses=errors(401))
def index(request: Request) -> list[Indexed]:
    return [
        Indexed(
            name=name,
            version=str(number),
            state="READY" if number in serving.loaded else "UNAVAILABLE",
            reason="" if number in serving.loaded else "nothing points to it; it is loaded when it is asked for",
        )
        for name, serving in sorted(hall(request).serving.items())
        for number in serving.state.versions
    ]


_PARAMETERS = {"type": "object", "additionalProperties": True}
_TENSOR_IN = {
    "type": "object",
    "required": ["name", "shape", "datatype"],
    "properties": {
        "name": {"type": "string", "description": "A feature column of the model, as its metadata lists them"},
        "shape": {
            "type": "array",
            "items": {"type": "integer"},
            "minItems": 1,
            "maxItems": 2,
            "description": "[rows] or [rows, 1]",
        },
        "datatype": {"type": "string", "enum": sorted({t for types in TYPES.values() for t in types})},
        "parameters": {**_PARAMETERS, "description": "`binary_data_size`: bytes of this tensor after the JSON"},
        "data": {"type": "array", "description": "One value a row; null is what is not known"},
    },
}
_REQUEST = {
    "type": "object",
    "required": ["inputs"],
    "properties": {
        "id": {"type": "string", "maxLength": 256},
        "parameters": {
            **_PARAMETERS,
            "description": "`binary_data_output`: tensors after the JSON; `timeout`: microseconds",
        },
        "inputs": {"type": "array", "minItems": 1, "items": _TENSOR_IN},
        "outputs": {
            "type": "array",
            "items": {
                "type": "object",
                "required": ["name"],
                "properties": {"name": {"type": "string", "enum": list(OUTPUTS)}, "parameters": _PARAMETERS},
            },
        },
    },
    "example": {"inputs": [{"name": "text", "shape": [1], "datatype": "BYTES", "data": ["My card was charged twice"]}]},
}
_RESPONSE = {
    "type": "object",
    "required": ["model_name", "model_version", "outputs"],
    "properties": {
        "model_name": {"type": "string"},
        "model_version": {"type": "string"},
        "id": {"type": "string"},
        "outputs": {
            "type": "array",
            "items": {
                "type": "object",
                "required": ["name", "shape", "datatype"],
                "properties": {
                    "name": {"type": "string"},
                    "shape": {"type": "array", "items": {"type": "integer"}},
                    "datatype": {"type": "string"},
                    "parameters": {"type": "object"},
                    "data": {"type": "array"},
                },
            },
        },
    },
}
_INFER: dict[str, Any] = {
    "responses": {
        200: {
            "description": "One row of each output for each row of the inputs",
            "content": {
                "application/json": {"schema": _RESPONSE},
                "application/octet-stream": {"schema": {"type": "string", "format": "binary"}},
            },
        },
        **errors(400, 401, 404, 413, 429, 500, 503, 504),
    },
    "openapi_extra": {
        "requestBody": {"required": True, "content": {"application/json": {"schema": _REQUEST}}},
        "parameters": [
            {
                "name": DEADLINE.decode(),
                "in": "header",
                "required": False,
                "description": "Milliseconds that the caller is willing to wait",
                "schema": {"type": "integer", "minimum": 1, "maximum": 600_000},
            }
        ],
    },
    "response_class": Response,
}


@router.post("/models/{name}/infer", name="Infer", **_INFER)
@router.post("/models/{name}/versions/{version}/infer", name="Infer by version", **_INFER)
def infer(request: Request, name: Name, version: Version | None = None) -> Response:
    """Only what the short way does not take comes here: a version's number that can't be one."""
    raise unknown_version(model(request, name), version)


def hall(request: Request) -> Hall:
    found: Hall = request.app.state.hall
    return found


def model(request: Request, name: str) -> Serving:
    """The model as it is served. Raises Refused."""
    found = hall(request).serving.get(name)
    if found is None:
        hall(request).find(name, None)  # says why
        raise Refused(404, "model.unknown", f"there is no model {name[:80]}")
    return found


def known(request: Request, name: str, number: int | None) -> Loaded:
    """The version that is loaded, or the champion. Raises Refused."""
    serving = model(request, name)
    if number is not None and number not in serving.state.versions:
        raise unknown_version(serving, number)
    found = hall(request).find(name, number)
    if found is None:
        raise Refused(
            503,
            "model.not_ready",
            f"model {name} version {number} is registered and not loaded; it is loaded when `infer` asks for it",
            retry_after=1,
        )
    return found


def unknown_version(serving: Serving, number: int | None) -> Refused:
    """404, with the versions that there are."""
    there = ", ".join(map(str, serving.state.versions[-10:]))
    return Refused(404, "model.unknown_version", f"model {serving.state.name} has no version {number}; it has {there}")
