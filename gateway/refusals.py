"""Why a machine's request was not answered: one shape, with a stable code.

What belongs here: the refusal, its JSON, and its form for the routes that FastAPI answers. What does not: the console's pages,
which speak HTML (`gateway/app.py`).

The shape is flat, `{"error": message, "code": code}`: clients of the Open Inference Protocol show `error` as the text that it is
there, and everything else of ours says the same in the same place.
"""

from typing import Any

import orjson

from aios_core.errors import AiosError

JSON = b"application/json"
BODY_TOO_LARGE = "request.too_large"


class Refused(AiosError):
    """A request that is not answered as asked. `status` is HTTP's, `code` is ours and stays."""

    def __init__(
        self, status: int, code: str, message: str, *, retry_after: int | None = None, details: Any = None
    ) -> None:
        super().__init__(message)
        self.status = status
        self.code = code  # type: ignore[misc]  # finer than its class
        self.retry_after = retry_after
        self.details = details

    def body(self, correlation_id: str = "") -> bytes:
        """The one shape of an error."""
        said: dict[str, Any] = {"error": str(self), "code": self.code}
        if self.details is not None:
            said["details"] = self.details
        if correlation_id:
            said["correlation_id"] = correlation_id
        return orjson.dumps(said, default=str)

    def headers(self) -> list[tuple[bytes, bytes]]:
        """What goes into the head beside the content type."""
        return [] if self.retry_after is None else [(b"retry-after", str(self.retry_after).encode())]


SCHEMA: dict[str, Any] = {
    "type": "object",
    "required": ["error", "code"],
    "properties": {
        "error": {"type": "string", "description": "What was wrong, where, and the way out"},
        "code": {"type": "string", "description": "Stable: programs may depend on it"},
        "details": {"description": "More, where there is more: each wrong field, say"},
        "correlation_id": {"type": "string"},
    },
}
