"""The HTTP client under every vendor: time-outs, bounded retries with jitter that honour Retry-After, typed errors.

What belongs here: what is the same for all vendors. What does not: paths, paging and payloads (a file a vendor).
"""

import random
import ssl
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from email.utils import parsedate_to_datetime
from functools import cache
from typing import Any, Literal

import httpx
import orjson

from aios_core.errors import ConfigurationError, RetryableError
from resources.connectors.failures import (
    Again,
    SourceDenied,
    SourceMalformed,
    SourceRefused,
    SourceThrottled,
    SourceUnavailable,
)
from resources.connectors.traffic import Traffic, Unlimited

RETRIED_STATUSES = frozenset({408, 425, 429, 500, 502, 503, 504})


@dataclass(frozen=True, slots=True, kw_only=True)
class RetryPolicy:
    """How long one call is tried: at most `attempts`, waiting at most `max_wait` seconds before each."""

    attempts: int = 6
    base_seconds: float = 0.25
    max_wait: float = 20.0
    max_retry_after: float = 90.0

    def wait(self, attempt: int, *, retry_after: float | None, chance: float) -> float:
        """Seconds before try `attempt + 1`. `chance` in [0, 1) is the jitter; what the server asks for is the least."""
        backoff = min(self.max_wait, self.base_seconds * 2**attempt) * (0.5 + chance / 2)
        return backoff if retry_after is None else retry_after + chance * min(1.0, self.base_seconds)


@dataclass(frozen=True, slots=True, kw_only=True)
class Patience:
    """How long a vendor is waited for."""

    timeout_seconds: float = 30.0
    policy: RetryPolicy = RetryPolicy()


PATIENT = Patience()
HURRIED = Patience(timeout_seconds=6.0, policy=RetryPolicy(attempts=1))


@dataclass(frozen=True, slots=True, kw_only=True)
class Answer:
    """A parsed JSON body and the headers it came with."""

    body: Any
    headers: Mapping[str, str]


@cache
def _trusted() -> ssl.SSLContext:
    """The certificates that are trusted, read once a process: a client of its own would spend 50 ms on them."""
    return httpx.create_ssl_context()


class HttpClient:
    """One vendor's base URL with its credentials. Answers are parsed JSON objects."""

    def __init__(
        self,
        *,
        name: str,
        base_url: str,
        headers: Mapping[str, str] | None = None,
        auth: tuple[str, str] | httpx.Auth | None = None,
        timeout_seconds: float = 30.0,
        policy: RetryPolicy | None = None,
        traffic: Traffic | None = None,
        transport: httpx.BaseTransport | None = None,
        sleep: Callable[[float], None] = time.sleep,
        chance: Callable[[], float] = random.random,
    ) -> None:
        if not base_url.startswith(("http://", "https://")):
            raise ConfigurationError(f"{name}: `{base_url}` is not a URL; it starts with https:// or http://")
        self.name = name
        self.base_url = base_url.rstrip("/")
        self._policy = policy or RetryPolicy()
        self._traffic = traffic or Unlimited()
        self._sleep = sleep
        self._chance = chance
        self._client = httpx.Client(
            base_url=self.base_url,
            headers={"User-Agent": "aios", "Accept": "application/json", **(headers or {})},
            auth=auth,
            timeout=httpx.Timeout(timeout_seconds, connect=10.0),
            transport=transport,
            verify=_trusted(),
        )

    def request(
        self,
        method: str,
        path: str,
        *,
        params: Mapping[str, str | int] | None = None,
        json: Any = None,
        form: Mapping[str, str] | None = None,
        headers: Mapping[str, str] | None = None,
        repeatable: bool = True,
        parse: Callable[[bytes], Any] = orjson.loads,
    ) -> dict[str, Any]:
        """The answer's JSON object; see `exchange`."""
        sent = {"params": params, "json": json, "form": form, "headers": headers}
        answer = self.exchange(method, path, **sent, repeatable=repeatable, top="object", parse=parse)
        body: dict[str, Any] = answer.body
        return body

    def exchange(
        self,
        method: str,
        path: str,
        *,
        params: Mapping[str, str | int] | None = None,
        json: Any = None,
        form: Mapping[str, str] | None = None,
        headers: Mapping[str, str] | None = None,
        repeatable: bool = True,
        top: Literal["object", "any", "text"] = "any",
        parse: Callable[[bytes], Any] = orjson.loads,
    ) -> Answer:
        """The answer's JSON with its headers; `text`: its body as it is. `parse` raises ValueError for what is not JSON.

        `repeatable=False` is for writes that must not happen twice: they are retried only where the server refused them
        before doing anything (429, 503) or was never reached.
        """
        attempt = 0
        while True:
            try:
                with self._traffic.call(method, path):
                    return self._once(method, path, top, parse, params=params, json=json, form=form, headers=headers)
            except Again as again:
                attempt += 1
                if attempt >= self._policy.attempts or not (repeatable or again.untouched):
                    raise again.error from again.__cause__
                wait = self._policy.wait(attempt, retry_after=again.retry_after, chance=self._chance())
                if again.retry_after is not None and again.retry_after > self._policy.max_retry_after:
                    raise again.error from again.__cause__
            self._sleep(wait)

    def get(self, path: str, **params: str | int) -> dict[str, Any]:
        return self.request("GET", path, params=params)

    def close(self) -> None:
        self._client.close()

    def _once(self, method: str, path: str, top: str, parse: Callable[[bytes], Any], **call: Any) -> Answer:
        where = f"{self.name}: {method} {self.base_url}{path}"
        content = orjson.dumps(call["json"]) if call["json"] is not None else None
        headers = {**(call["headers"] or {}), **({"Content-Type": "application/json"} if content is not None else {})}
        try:
            response = self._client.request(
                method, path, params=call["params"], content=content, data=call["form"], headers=headers
            )
        except (httpx.ConnectError, httpx.ConnectTimeout, httpx.PoolTimeout) as error:
            reason = str(error) or type(error).__name__
            message = f"{where}: can't connect: {reason}; is its URL right, and is it up?"
            raise Again(SourceUnavailable(message), unsent=True) from error
        except (httpx.RemoteProtocolError, httpx.DecodingError) as error:
            raise Again(SourceMalformed(f"{where}: the answer was cut off: {error}; try again later")) from error
        except httpx.TransportError as error:
            reason = str(error) or type(error).__name__
            raise Again(SourceUnavailable(f"{where}: no answer: {reason}; try again later")) from error
        self._traffic.told(method, path, response.headers)
        _raise_for_status(response, where)
        body = response.text if top == "text" else _parsed(response, where, top, parse)
        return Answer(body=body, headers=response.headers)


def _raise_for_status(response: httpx.Response, where: str) -> None:
    status = response.status_code
    if status < 400:
        return
    said = _said(response)
    if status in RETRIED_STATUSES:
        retry_after = _retry_after(response)
        if status == 429:
            wait = retry_after or 0.0
            error: RetryableError = SourceThrottled(
                f"{where}: throttled, asks to wait {wait:g} s; lower the schedule's rate or wait", retry_after=wait
            )
        else:
            error = SourceUnavailable(f"{where}: answered {status}: {said}; try again later")
        raise Again(error, retry_after=retry_after, untouched=status in (429, 503))
    if status in (401, 403):
        raise SourceDenied(f"{where}: answered {status}: {said}; check the credentials and their permissions")
    raise SourceRefused(f"{where}: answered {status}: {said}", status=status)


def _parsed(response: httpx.Response, where: str, top: str, parse: Callable[[bytes], Any]) -> Any:
    if not response.content:
        return {}
    try:
        body = parse(response.content)
    except ValueError as error:
        raise Again(SourceMalformed(f"{where}: the answer is not JSON: {error}; try again later")) from error
    if top == "object" and not isinstance(body, dict):
        raise Again(SourceMalformed(f"{where}: the answer is not a JSON object; is its URL right?"))
    return body


def _retry_after(response: httpx.Response) -> float | None:
    """Seconds to wait; the header holds seconds or a date."""
    header = response.headers.get("Retry-After")
    if header is None:
        return None
    try:
        return max(0.0, float(header))
    except ValueError:
        pass
    try:
        told = parsedate_to_datetime(header)
        sent = parsedate_to_datetime(response.headers["Date"])  # the server's own clock, not ours
        return max(0.0, (told - sent).total_seconds())
    except (KeyError, TypeError, ValueError):
        return None


def _said(response: httpx.Response) -> str:
    """The first 200 characters of an error body, on one line."""
    return " ".join(response.text[:200].split()) or response.reason_phrase
