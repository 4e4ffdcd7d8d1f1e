"""Faults on purpose: what a real vendor does to its clients on a bad day.

What belongs here: which fault hits which request, and doing to a response what the fault says. What does not: the vendors'
own errors (their routes) and quota (`quota.py`).

Faults hit vendors' paths only, never the control plane. One-shots come first, in order, each for the next request that it
fits; then the rates are drawn from a seed of their own.
"""

import asyncio
import random
from collections import Counter
from collections.abc import Awaitable, Callable, Mapping, MutableMapping
from dataclasses import dataclass, field
from typing import Any, Final

import orjson

Scope = MutableMapping[str, Any]
Message = MutableMapping[str, Any]
Receive = Callable[[], Awaitable[Message]]
Send = Callable[[Message], Awaitable[None]]
App = Callable[[Scope, Receive, Send], Awaitable[None]]

RESPONSE_FAULTS: Final = (
    "429",
    "5xx",
    "slow",
    "timeout",
    "truncated",
    "malformed",
    "lost_response",
    "hung",
    "expired_token",
    "new_field",
)
PAGE_FAULTS: Final = ("duplicates", "late")
KINDS: Final = (*RESPONSE_FAULTS, *PAGE_FAULTS, "deletions")
NUMBERS: Final = {"retry_after": 1.0, "slow_ms": 400.0, "timeout_ms": 30_000.0}
PRESETS: Final = {
    "light": "429=0.03,5xx=0.02,slow=0.05,truncated=0.01,malformed=0.01,duplicates=0.05,late=0.05,retry_after=1,slow_ms=150",
    "heavy": "429=0.15,5xx=0.10,slow=0.10,truncated=0.05,malformed=0.05,lost_response=0.05,expired_token=0.05,"
    "duplicates=0.3,late=0.3,retry_after=1,slow_ms=300",
}
VENDOR_PATHS: Final = (
    *("/api/v2", "/services"),
    *("/freshdesk/", "/servicenow/", "/jira/", "/hubspot/", "/intercom/", "/pipedrive/", "/legacy"),
)
TOKEN_PATH: Final = "/services/oauth2/token"


class FaultError(ValueError):
    """The faults asked for can't be read; the message says which and what would be accepted."""


class Aborted(Exception):
    """Raised after part of a response was sent, so that the server drops the connection."""


@dataclass(frozen=True, slots=True, kw_only=True)
class FaultPlan:
    """How often each fault happens (0 to 1), which ones come next, and on which paths: `only` is a part of them, `PATCH /table` of a method's."""

    rates: Mapping[str, float] = field(default_factory=dict)
    next: tuple[str, ...] = ()
    only: str = ""
    retry_after: float = NUMBERS["retry_after"]
    slow_ms: float = NUMBERS["slow_ms"]
    timeout_ms: float = NUMBERS["timeout_ms"]


def parse_faults(text: str) -> FaultPlan:
    """Read `429=0.05,slow=0.1,slow_ms=300`, or the name of a preset (`light`, `heavy`)."""
    pairs: dict[str, Any] = {}
    for item in filter(None, PRESETS.get(text.strip(), text).split(",")):
        name, _, value = item.strip().partition("=")
        pairs[name] = value or "1"
    return plan_from(
        {
            "rates": {name: value for name, value in pairs.items() if name in KINDS},
            **{n: v for n, v in pairs.items() if n not in KINDS},
        }
    )


def plan_from(raw: Mapping[str, Any]) -> FaultPlan:
    """Check a plan's JSON."""
    unknown = set(raw) - {"rates", "next", "only", "delete", *NUMBERS}
    if unknown:
        raise FaultError(f"unknown fault setting {min(unknown)!r}; use rates, next, only, delete or {', '.join(NUMBERS)}, and the kinds {', '.join(KINDS)}")  # fmt: skip
    rates = {name: _number(name, value, highest=1.0) for name, value in dict(raw.get("rates") or {}).items()}
    following = tuple(str(kind) for kind in raw.get("next") or ())
    for kind in (*rates, *following):
        if kind not in KINDS:
            raise FaultError(f"unknown fault {kind!r}; use one of {', '.join(KINDS)}")
    numbers = {name: _number(name, raw.get(name, default), highest=600_000.0) for name, default in NUMBERS.items()}
    return FaultPlan(rates=rates, next=following, only=str(raw.get("only") or ""), **numbers)


def _number(name: str, value: object, *, highest: float) -> float:
    try:
        number = float(value)  # type: ignore[arg-type]
    except (TypeError, ValueError):
        number = -1.0
    if not 0.0 <= number <= highest:
        raise FaultError(f"fault setting {name}={value!r}: give a number from 0 to {highest:g}")
    return number


class Faults:
    """Decides which request is hit, and counts."""

    def __init__(self, plan: FaultPlan, *, seed: int) -> None:
        self._random = random.Random(seed)
        self.counts: Counter[str] = Counter()
        self.requests = 0
        self.configure(plan)

    def configure(self, plan: FaultPlan) -> None:
        """Replace the plan; counts go on."""
        self.plan = plan
        self.pending = list(plan.next)

    def response_fault(self, path: str, method: str = "") -> str | None:
        """The fault that hits this request's response, if any."""
        return self._draw(RESPONSE_FAULTS, path, method)

    def page_fault(self, kind: str, path: str) -> bool:
        """Whether this page of an export gets records that do not belong there."""
        return self._draw((kind,), path) is not None

    def _draw(self, kinds: tuple[str, ...], path: str, method: str = "") -> str | None:
        of_method, _, part = self.plan.only.rpartition(" ")
        if part not in path or (of_method and method and of_method != method):
            return None
        for position, kind in enumerate(self.pending):
            if kind in kinds and fits(kind, path):
                self.counts[kind] += 1
                return self.pending.pop(position)
        for kind in kinds:
            rate = self.plan.rates.get(kind, 0.0)
            if rate and fits(kind, path) and self._random.random() < rate:
                self.counts[kind] += 1
                return kind
        return None

    def choose(self, count: int, among: list[int]) -> list[int]:
        """Some of these, for a page's duplicates or for deletions."""
        return self._random.sample(among, min(count, len(among)))


def fits(kind: str, path: str) -> bool:
    """A token expires on a data call, not while asking for a new one."""
    signed = path.startswith("/services") and path != TOKEN_PATH
    return kind != "expired_token" or signed or path.startswith("/servicenow/api")


class FaultMiddleware:
    """Does to responses what the plan says."""

    def __init__(self, app: App, *, faults: Callable[[], Faults], expire_tokens: Callable[[], None]) -> None:
        self._app = app
        self._faults = faults
        self._expire_tokens = expire_tokens

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """One request."""
        if scope["type"] != "http" or not scope["path"].startswith(VENDOR_PATHS):
            await self._app(scope, receive, send)
            return
        faults = self._faults()
        faults.requests += 1
        kind, plan, path = faults.response_fault(scope["path"], scope["method"]), faults.plan, scope["path"]
        if kind == "429":
            await respond(send, 429, throttled_body(path), {"Retry-After": f"{plan.retry_after:g}"})
        elif kind == "5xx":
            await respond(send, 503, unavailable_body(path), {})
        elif kind == "timeout":
            await asyncio.sleep(plan.timeout_ms / 1_000)
            await respond(send, 504, unavailable_body(path), {})
        elif kind == "hung":
            await self._app(scope, receive, swallow)
            await asyncio.sleep(plan.timeout_ms / 1_000)
            await respond(send, 504, unavailable_body(path), {})
        elif kind == "truncated":
            await self._app(scope, receive, Truncating(send))
            raise Aborted("response cut short on purpose")
        elif kind == "malformed":
            await self._app(scope, receive, Malforming(send))
        elif kind == "new_field":
            await self._app(scope, receive, Widening(send))
        elif kind == "lost_response":
            await self._app(scope, receive, swallow)
            await respond(send, 502, unavailable_body(path), {})
        else:
            if kind == "slow":
                await asyncio.sleep(plan.slow_ms / 1_000)
            elif kind == "expired_token":
                self._expire_tokens()
            await self._app(scope, receive, send)


async def swallow(message: Message) -> None:
    """The response gets lost on its way; what the request did stays done."""


class Truncating:
    """Promises the whole body and sends half of it."""

    def __init__(self, send: Send) -> None:
        self._send = send

    async def __call__(self, message: Message) -> None:
        """One message of the response."""
        if message["type"] == "http.response.body":
            body = message.get("body", b"")
            message = {"type": "http.response.body", "body": body[: len(body) // 2], "more_body": True}
        await self._send(message)


class Malforming:
    """Sends a body that is complete by its length and broken as JSON."""

    def __init__(self, send: Send) -> None:
        self._send = send
        self._start: Message = {}

    async def __call__(self, message: Message) -> None:
        """One message of the response."""
        if message["type"] == "http.response.start":
            self._start = message
            return
        body = message.get("body", b"")
        body = body[: max(1, len(body) * 2 // 3)]
        headers = [(name, value) for name, value in self._start["headers"] if name.lower() != b"content-length"]
        await self._send({**self._start, "headers": [*headers, (b"content-length", str(len(body)).encode())]})
        await self._send({"type": "http.response.body", "body": body})


class Widening:
    """Every item of an answer's list has one field more than before, as after a release of the vendor's."""

    def __init__(self, send: Send) -> None:
        self._send = send
        self._start: Message = {}

    async def __call__(self, message: Message) -> None:
        """One message of the response."""
        if message["type"] == "http.response.start":
            self._start = message
            return
        body = widened(message.get("body", b""))
        headers = [(name, value) for name, value in self._start["headers"] if name.lower() != b"content-length"]
        await self._send({**self._start, "headers": [*headers, (b"content-length", str(len(body)).encode())]})
        await self._send({"type": "http.response.body", "body": body})


def widened(body: bytes) -> bytes:
    """The same JSON, its list's items with `release_channel`; what holds no list of objects is left as it is."""
    try:
        content = orjson.loads(body)
    except orjson.JSONDecodeError:
        return body
    lists = [content] if isinstance(content, list) else list(content.values()) if isinstance(content, dict) else []
    for items in (found for found in lists if isinstance(found, list)):
        for item in items:
            if isinstance(item, dict):
                item["release_channel"] = "stable"
    return orjson.dumps(content)


async def respond(send: Send, status: int, body: object, headers: Mapping[str, str]) -> None:
    """A whole JSON response."""
    content = orjson.dumps(body)
    lines = {"content-type": "application/json; charset=utf-8", "content-length": str(len(content)), **headers}
    encoded = [(name.lower().encode(), value.encode()) for name, value in lines.items()]
    await send({"type": "http.response.start", "status": status, "headers": encoded})
    await send({"type": "http.response.body", "body": content})


def throttled_body(path: str) -> object:
    """Each vendor's words for "too many requests"."""
    if path.startswith("/services"):
        return [{"message": "TotalRequests Limit exceeded.", "errorCode": "REQUEST_LIMIT_EXCEEDED"}]
    return {"error": "APIRateLimitExceeded", "description": "Number of allowed API requests per minute exceeded"}


def unavailable_body(path: str) -> object:
    """Each vendor's words for "try again later"."""
    if path.startswith("/services"):
        return [{"message": "The server is temporarily unavailable.", "errorCode": "SERVER_UNAVAILABLE"}]
    return {
        "error": "ServiceUnavailable",
        "description": "The service is temporarily unavailable. Please try again later.",
    }
