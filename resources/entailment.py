"""An entailment checker over HTTP: how likely each sentence follows from its source.

What belongs here: one bounded question, and every way in which there is no answer. What does not: what follows from an answer
(`aios_core/drafting/verification/check.py`) and masking, which is done before.
"""

import json
import math
import time
from collections.abc import Callable, Sequence
from datetime import datetime, timedelta
from typing import Any, Final

import httpx

from aios_core.automation import Entailment
from aios_core.drafting.verification.check import EntailmentUnavailable
from aios_core.errors import ConfigurationError
from aios_core.traffic.breaker import BreakerRules
from resources import clock
from resources.breakers import BreakerOpen, Breakers
from resources.database import Database
from resources.deployments import expand

MOST_BYTES: Final = 1_000_000


class EntailmentChecker:
    """One checker. Called with (premise, sentence) pairs, gives a probability each; raises EntailmentUnavailable.

    One try a question, behind a breaker that all processes share: a reply does not wait for it longer than declared.
    """

    def __init__(self, settings: Entailment, *, database: Database, now: Callable[[], datetime] = clock.now) -> None:
        self._settings, self._now = settings, now
        self._breakers = Breakers(database, rules=BreakerRules(probe=timedelta(seconds=settings.timeout_seconds)))
        self._client: httpx.Client | None = None

    def __call__(self, pairs: Sequence[tuple[str, str]]) -> list[float]:
        try:
            url = expand(self._settings.url)
            headers = {} if self._settings.key is None else {"Authorization": f"Bearer {expand(self._settings.key)}"}
        except ConfigurationError as error:
            raise EntailmentUnavailable(str(error)) from error
        asked = {"pairs": [{"premise": premise, "hypothesis": said} for premise, said in pairs]}
        try:
            with self._breakers.guard(f"entailment:{url}", clock=self._now, failures=(EntailmentUnavailable,)):
                return _shares(self._asked(url, asked, headers), len(pairs))
        except BreakerOpen as error:
            raise EntailmentUnavailable(str(error)) from error

    def close(self) -> None:
        """Close its connections."""
        if self._client is not None:
            self._client.close()

    def _asked(self, url: str, content: dict[str, Any], headers: dict[str, str]) -> bytes:
        """The answer's body, within the whole time: a time-out alone starts anew with each byte."""
        seconds = self._settings.timeout_seconds
        self._client = self._client or httpx.Client(timeout=seconds)
        until, body = time.monotonic() + seconds, b""
        try:
            with self._client.stream("POST", url, json=content, headers=headers) as answer:
                if answer.status_code != 200:
                    raise EntailmentUnavailable(f"the entailment checker answered {answer.status_code}")
                for chunk in answer.iter_bytes():
                    body += chunk
                    if time.monotonic() > until:
                        raise EntailmentUnavailable(f"the entailment checker did not finish within {seconds:g} s")
                    if len(body) > MOST_BYTES:
                        raise EntailmentUnavailable(f"the entailment checker sent more than {MOST_BYTES:,} bytes")
        except (httpx.HTTPError, httpx.InvalidURL) as error:
            raise EntailmentUnavailable(
                f"the entailment checker gave no answer: {type(error).__name__}: {error}"
            ) from error
        return body


def _shares(body: bytes, count: int) -> list[float]:
    """The probabilities in an answer, if it is one."""
    try:
        said = json.loads(body)
        shares = [float(share) for share in said["entailment"]]
    except (ValueError, TypeError, KeyError, RecursionError) as error:
        raise EntailmentUnavailable("the entailment checker's answer has no list `entailment` of numbers") from error
    if len(shares) != count or not all(math.isfinite(share) and 0 <= share <= 1 for share in shares):
        raise EntailmentUnavailable(f"the entailment checker's answer is not {count} numbers from 0 to 1")
    return shares
