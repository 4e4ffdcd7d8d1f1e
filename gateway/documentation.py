"""The machine API's schema, `/openapi.json`: what programs may rely on.

What belongs here: what FastAPI's own schema gets wrong of ours. What does not: a route's own description.
"""

from typing import Any

from fastapi import FastAPI
from fastapi.openapi.utils import get_openapi

from gateway.refusals import SCHEMA

DESCRIPTION = """
Inference after the Open Inference Protocol v2, and decisions on single tickets. Every error has the shape
`{"error": message, "code": stable code}`. `X-Correlation-Id` and `traceparent` are taken from the request, made where they are
absent (the former), and returned.
"""


def schema(app: FastAPI) -> dict[str, Any]:
    """OpenAPI 3.1 of the routes that are in it. The console's pages are not."""
    if app.openapi_schema is None:
        found = get_openapi(title="AIOS gateway", version="1", description=DESCRIPTION, routes=app.routes)
        components = found.setdefault("components", {})
        components["securitySchemes"] = {"key": {"type": "http", "scheme": "bearer"}}
        components.setdefault("schemas", {})["Error"] = SCHEMA
        for unused in ("HTTPValidationError", "ValidationError"):
            components["schemas"].pop(unused, None)
        for path, methods in found["paths"].items():
            for method in methods.values():
                _own_errors(method)
                if path not in ("/v2", "/v2/health/live", "/v2/health/ready"):
                    method["security"] = [{"key": []}]
        app.openapi_schema = found
    return app.openapi_schema


def _own_errors(method: dict[str, Any]) -> None:
    error = {"application/json": {"schema": {"$ref": "#/components/schemas/Error"}}}
    for status, response in method["responses"].items():
        if status == "422" or response.get("content", {}).get("application/json", {}).get("schema") == SCHEMA:
            response["content"] = error
