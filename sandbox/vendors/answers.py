"""What the vendors' modules share of HTTP: who asks, how often, and refusals in the vendor's own words.

What belongs here: admission. What does not: any endpoint.
"""

import base64
import binascii
import html
import re
import secrets
from collections.abc import Callable
from datetime import UTC, datetime
from typing import Any, Final

import orjson
from fastapi import Request, Response

from sandbox.service import Sandbox

TOKEN: Final = "sandbox-token"  # printed at the start; it protects nothing
Json = dict[str, Any]


class VendorRefusal(Exception):
    """A refusal with the vendor's body."""

    def __init__(self, status: int, body: object, headers: dict[str, str] | None = None) -> None:
        super().__init__(f"{status} {body}")
        self.status, self.body, self.headers = status, body, headers or {}


def answer(body: object, *, status: int = 200, headers: dict[str, str] | None = None) -> Response:
    """A JSON response."""
    return Response(orjson.dumps(body), status, headers, media_type="application/json; charset=utf-8")


def admit(sandbox: Sandbox, limit: str, *, proven: bool, refusal: Callable[[str], object]) -> dict[str, str]:
    """Check who asks and how often; the headers that say how the limit stands. Raises VendorRefusal."""
    if not proven:
        raise VendorRefusal(401, refusal("You have to be logged in to perform this action."))
    standing = sandbox.quota.take(limit)
    headers = {"X-RateLimit-Limit": str(standing.limit), "X-RateLimit-Remaining": str(standing.remaining)}
    if standing.retry_after:
        raise VendorRefusal(429, refusal("Rate limit exceeded."), {**headers, "Retry-After": str(standing.retry_after)})
    return headers


def basic(request: Request, username: str, password: str | None = None) -> bool:
    """Whether these were given; without a password any will do."""
    scheme, _, encoded = request.headers.get("authorization", "").partition(" ")
    try:
        given = base64.b64decode(encoded.strip(), validate=True).decode("utf-8", "replace")
    except (binascii.Error, ValueError):
        return False
    name, _, said = given.partition(":")
    fits = secrets.compare_digest(name.encode(), username.encode())
    return (
        scheme.lower() == "basic"
        and fits
        and (password is None or secrets.compare_digest(said.encode(), password.encode()))
    )


def bearer(request: Request, token: str = TOKEN) -> bool:
    """Whether this token was given."""
    return secrets.compare_digest(request.headers.get("authorization", "").encode(), f"Bearer {token}".encode())


def number(text: str | None, default: int, *, most: int) -> int:
    """A parameter that is a whole number."""
    if text is None or not (text.isascii() and text.isdigit() and len(text) < 16):
        return default
    return min(int(text), most)


def seconds(text: str) -> float:
    """Seconds since the epoch of a written moment in UTC; 0 for what is none."""
    try:
        moment = datetime.fromisoformat(text)
    except ValueError:
        return 0.0
    return (moment if moment.tzinfo else moment.replace(tzinfo=UTC)).timestamp()


def written(at: int, form: str = "%Y-%m-%dT%H:%M:%SZ") -> str:
    """A second as a vendor writes it."""
    return datetime.fromtimestamp(at, UTC).strftime(form)


async def read_json(request: Request) -> Json:
    """The request's JSON object."""
    try:
        body = orjson.loads(await request.body())
    except orjson.JSONDecodeError as error:
        raise VendorRefusal(400, {"message": f"invalid JSON: {error}"}) from error
    if not isinstance(body, dict):
        raise VendorRefusal(400, {"message": "the body must be an object"})
    return body


def found(pattern: str, text: str) -> str | None:
    """The first group of a pattern in a query."""
    match = re.search(pattern, text)
    return match[1] if match else None


def plain(markup: str) -> str:
    """The words of simple HTML, paragraphs apart."""
    text = re.sub(r"</p>\s*<p>", "\n\n", markup)
    return html.unescape(re.sub(r"<[^>]*>", "", re.sub(r"<br\s*/?>", "\n", text)))


def paragraphs(text: str) -> str:
    """A text as HTML."""
    return "".join(f"<p>{html.escape(part)}</p>" for part in text.split("\n\n"))


def whole(value: object) -> int | None:
    """An id, however a client wrote it; None where there is none."""
    text = str(value if value is not None else "")
    return int(text) if text.isascii() and text.isdigit() and len(text) < 16 else None
