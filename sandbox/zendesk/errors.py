"""The vendor's error bodies.

What belongs here: what Zendesk says when it refuses. What does not: deciding to refuse (`routes.py`).
"""

from collections.abc import Mapping

from sandbox.helpdesk.changes import ChangeError

JsonObject = dict[str, object]


class ZendeskError(Exception):
    """A refusal: status, body and headers as the vendor sends them."""

    def __init__(self, status: int, body: JsonObject, headers: Mapping[str, str] | None = None) -> None:
        super().__init__(f"{status} {body}")
        self.status = status
        self.body = body
        self.headers = dict(headers or {})


def unauthenticated() -> ZendeskError:
    """No or wrong credentials."""
    return ZendeskError(401, {"error": "Couldn't authenticate you"}, {"WWW-Authenticate": 'Basic realm="Web Password"'})


def not_found() -> ZendeskError:
    """No such record."""
    return ZendeskError(404, {"error": "RecordNotFound", "description": "Not found"})


def throttled(limit: int, retry_after: int) -> ZendeskError:
    """Too many requests in this minute."""
    body: JsonObject = {
        "error": "APIRateLimitExceeded",
        "description": "Number of allowed API requests per minute exceeded",
    }
    return ZendeskError(
        429, body, {"X-Rate-Limit": str(limit), "X-Rate-Limit-Remaining": "0", "Retry-After": str(retry_after)}
    )


def bad_request(error: str, description: str) -> ZendeskError:
    """The request itself can't be read."""
    return ZendeskError(400, {"error": error, "description": description})


def invalid(error: ChangeError) -> ZendeskError:
    """The record can't take these values."""
    details = {error.field: [{"description": error.description, "error": error.code}]}
    return ZendeskError(422, {"error": "RecordInvalid", "description": "Record validation errors", "details": details})


def conflict() -> ZendeskError:
    """A safe update of a ticket that has changed meanwhile."""
    return ZendeskError(
        409,
        {
            "error": "UpdateConflict",
            "description": "Safe Update prevented the update due to outdated ticket data. "
            "Please fetch the latest ticket data and try again.",
        },
    )
