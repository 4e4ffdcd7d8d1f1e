"""What every call to a vendor passes: its circuit breaker, and the quota that all processes with the same credential share.

What belongs here: the order of the two, waiting, and what an answer means for them. What does not: HTTP (`http.py`), and which request counts
towards which of a vendor's limits (a `Quota`, a file a vendor).

Throttled is not broken: a 429 pauses everybody with this credential and leaves the breaker alone.
"""

import hashlib
import time
from collections.abc import Callable, Mapping
from contextlib import AbstractContextManager, nullcontext, suppress
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from email.utils import parsedate_to_datetime
from typing import TYPE_CHECKING, Protocol

from aios_core.traffic.breaker import Breaker
from aios_core.traffic.quota import Limit
from resources.breakers import Breakers
from resources.connectors.failures import Again, SourceMalformed, SourceThrottled, SourceUnavailable
from resources.database import Database
from resources.quotas import Place, Quotas

if TYPE_CHECKING:
    from types import TracebackType

LONGEST_WAIT = 150.0  # seconds for a place under a quota
LOOK_AGAIN = 1.0  # seconds; a place taken by a process that died, or by one whose answer came early, is free before it was said to be


@dataclass(frozen=True, slots=True, kw_only=True)
class Quota:
    """A vendor's limits. `counts` names those that a request (method, path) counts towards; `told` reads them from an
    answer's headers.

    `known` are limits that are sure without being told; what neither knows is not limited by us.
    """

    counts: Callable[[str, str], tuple[str, ...]] = lambda _method, _path: ()
    told: Callable[[str, str, Mapping[str, str]], tuple[Limit, ...]] = lambda _method, _path, _headers: ()
    known: Mapping[str, Limit] = field(default_factory=dict)


class Traffic(Protocol):
    """What a call passes."""

    def call(self, method: str, path: str) -> AbstractContextManager[object]:
        """Around one try; returns once it may be sent. Raises BreakerOpen, SourceThrottled."""
        ...

    def told(self, method: str, path: str, headers: Mapping[str, str]) -> None:
        """The headers of an answer to this request."""
        ...


class Unlimited:
    """Nothing is limited and nothing shared: for a client alone."""

    def call(self, method: str, path: str) -> AbstractContextManager[object]:  # noqa: ARG002 (the protocol's)
        return nullcontext()

    def told(self, method: str, path: str, headers: Mapping[str, str]) -> None:
        pass


class SharedTraffic:
    """One vendor and credential, as all processes on this database see them."""

    def __init__(
        self,
        database: Database,
        *,
        vendor: str,
        url: str,
        credential: str,
        quota: Quota,
        answer_seconds: float = 45.0,
        longest_wait: float = LONGEST_WAIT,
        clock: Callable[[], datetime],
        sleep: Callable[[float], None] = time.sleep,
    ) -> None:
        self.name = f"{vendor} {url}"
        # who reads this database must not learn a credential from it
        self.key = f"{self.name} {hashlib.blake2b(credential.encode(), digest_size=6).hexdigest()}"
        self._quota = quota
        self._quotas, self._breakers = Quotas(database), Breakers(database)
        self._answer = timedelta(seconds=answer_seconds)
        self._longest = longest_wait
        self._clock = clock
        self._clean = False  # nothing was wrong at the last call, so its success has nothing to mend
        self._sleep = sleep
        self._quotas.know(self.key, list(quota.known.values()))
        self._limits: dict[str, Limit] = {**quota.known, **self._quotas.learnt(self.key)}
        self.clock_offset: float | None = None  # seconds that the vendor's clock is ahead of ours

    def call(self, method: str, path: str) -> "_Call":
        return _Call(self, [self._limits[n] for n in self._quota.counts(method, path) if n in self._limits])

    def told(self, method: str, path: str, headers: Mapping[str, str]) -> None:
        with suppress(KeyError, TypeError, ValueError):
            self.clock_offset = (parsedate_to_datetime(headers["date"]) - self._clock()).total_seconds()
        new = [limit for limit in self._quota.told(method, path, headers) if self._limits.get(limit.name) != limit]
        if new:
            self._quotas.learn(self.key, new)
            self._limits |= {limit.name: limit for limit in new}

    def standing(self) -> dict[str, str]:
        """Each limit with how much of it is used now."""
        used = self._quotas.used(self.key, list(self._limits.values()))
        return {n: f"{used[n]} of {limit.requests} in {limit.seconds:g} s" for n, limit in self._limits.items()}

    def admitted(self, limits: list[Limit]) -> Place:
        """A place under every limit, waited for."""
        self._clean = self._breakers.admit(self.name, now=self._clock()) == Breaker()
        waited = 0.0
        while (place := self._quotas.take(self.key, limits, answer_within=self._answer)).wait:
            if waited >= self._longest:
                raise SourceThrottled(
                    f"{self.name}: no place under its quota for {waited:.0f} s; lower the schedule's rate or wait",
                    retry_after=place.wait,
                )
            pause = min(place.wait, LOOK_AGAIN)
            self._sleep(pause)
            waited += pause
        return place

    def ended(self, place: Place, limits: list[Limit], error: BaseException | None) -> None:
        """What an answer, or its absence, means for quota and breaker."""
        failure = error.error if isinstance(error, Again) else None
        if isinstance(error, Again) and error.unsent:
            self._quotas.unused(place)
        elif place.slots:
            self._quotas.answered(place, limits)
        if isinstance(failure, SourceThrottled):
            self._quotas.pause(self.key, failure.retry_after)
        if isinstance(failure, SourceUnavailable | SourceMalformed):
            self._breakers.failed(self.name, now=self._clock(), why=str(failure))
        elif not self._clean and (error is None or isinstance(error, Exception)):
            self._breakers.succeeded(self.name, now=self._clock())


class _Call:
    def __init__(self, traffic: SharedTraffic, limits: list[Limit]) -> None:
        self._traffic, self._limits, self._place = traffic, limits, Place()

    def __enter__(self) -> None:
        self._place = self._traffic.admitted(self._limits)

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: "TracebackType | None"
    ) -> None:
        self._traffic.ended(self._place, self._limits, error)
