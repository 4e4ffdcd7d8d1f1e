"""A URL that takes events one by one.

What belongs here: one signed request, and what its answer means. What does not: when it comes again (`resources/events.py`).
"""

import email.utils
from collections.abc import Callable, Sequence
from datetime import UTC, datetime, timedelta
from typing import Final

import httpx

from aios_core.declaration.events import EventWebhook
from aios_core.errors import ConfigurationError
from aios_core.events.envelope import STRUCTURED, CloudEvent, structured
from aios_core.events.signing import signed
from aios_core.traffic.breaker import BreakerRules
from resources.breakers import BreakerOpen, Breakers
from resources.database import Database
from resources.deployments import expand
from resources.event_sinks.base import Outcome, SinkUnavailable

LATER: Final = (408, 425, 429)  # a 4xx that says: not now
LONGEST_PAUSE: Final = timedelta(hours=1)


class _NoAnswer(Exception):
    """The receiver is to blame: it was not there, took too long, or failed."""


class WebhookReceiver:
    """One URL, behind a breaker that all processes share. Never follows a redirect: what is signed goes where it was declared to go."""

    def __init__(
        self,
        settings: EventWebhook,
        *,
        database: Database,
        clock: Callable[[], datetime] = lambda: datetime.now(UTC),  # signatures and pauses are real time
    ) -> None:
        self._settings, self._clock = settings, clock
        self._url = expand(settings.url)
        self._secrets = [expand(secret) for secret in settings.secrets]
        self._headers = {name: expand(value) for name, value in settings.headers.items()}
        rules = BreakerRules(probe=timedelta(seconds=2 * settings.timeout_seconds))
        self._breakers = Breakers(database, rules=rules)
        self._client = httpx.Client(timeout=settings.timeout_seconds, follow_redirects=False)

    def send(self, events: Sequence[CloudEvent]) -> list[Outcome]:
        return [self._send(event) for event in events]

    def close(self) -> None:
        self._client.close()

    def _send(self, event: CloudEvent) -> Outcome:
        body = structured(event)
        made = signed(event_id=event.id, at=self._clock(), body=body, secrets=self._secrets)
        headers = {**self._headers, **made, "content-type": STRUCTURED}
        try:
            with self._breakers.guard(f"events:{self._url}", clock=self._clock, failures=(_NoAnswer,)):
                return self._asked(body, headers)
        except BreakerOpen as error:
            raise SinkUnavailable(str(error)) from error
        except _NoAnswer as error:
            return Outcome(status="retry", message=str(error))

    def _asked(self, body: bytes, headers: dict[str, str]) -> Outcome:
        try:
            # the answer's body says nothing that counts, and may have no end
            with self._client.stream("POST", self._url, content=body, headers=headers) as answer:
                return self._understood(answer.status_code, answer.headers.get("retry-after"))
        except httpx.InvalidURL as error:
            raise ConfigurationError(f"events: {self._settings.url} is no URL: {error}") from error
        except httpx.UnsupportedProtocol as error:
            raise ConfigurationError(f"events: {self._settings.url}: {error}") from error
        except httpx.HTTPError as error:
            raise _NoAnswer(f"{type(error).__name__}: {error}") from error

    def _understood(self, status: int, retry_after: str | None) -> Outcome:
        if 200 <= status < 300:
            return Outcome(status="taken")
        told = f"the receiver answered {status}"
        if status in LATER or (status == 503 and retry_after):
            return Outcome(status="retry", message=told, pause=_pause(retry_after, self._clock()))
        if status >= 500:
            raise _NoAnswer(told)
        if 300 <= status < 400:
            return Outcome(status="refused", message=f"{told}, a redirect: declare the URL that it leads to")
        return Outcome(status="refused", message=told)


def _pause(retry_after: str | None, now: datetime) -> timedelta | None:
    """Seconds or a date, as the receiver says it; at most an hour."""
    if not retry_after:
        return None
    try:
        pause = timedelta(seconds=float(retry_after))
    except (ValueError, OverflowError):
        try:
            pause = email.utils.parsedate_to_datetime(retry_after) - now
        except (ValueError, TypeError):
            return None
    return min(max(pause, timedelta(0)), LONGEST_PAUSE)
