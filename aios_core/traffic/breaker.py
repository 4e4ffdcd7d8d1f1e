"""A circuit breaker: who does not answer is left alone for a while, then tried by one call, then by all.

What belongs here: the states and what follows from a call. What does not: where they are kept (`resources/breakers.py`) and what counts as
a failure, which the caller says. Being throttled is none: whoever says "later" is well.
"""

from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from typing import Literal

State = Literal["closed", "open", "half_open"]


@dataclass(frozen=True, slots=True, kw_only=True)
class BreakerRules:
    """Opens after so many failures in a row. The pause doubles each time a probe fails; a probe that says nothing is over in time."""

    failures: int = 5
    pause: timedelta = timedelta(seconds=15)
    longest_pause: timedelta = timedelta(minutes=5)
    probe: timedelta = timedelta(seconds=60)


@dataclass(frozen=True, slots=True, kw_only=True)
class Breaker:
    """How it stands. `until` is when an open one may be probed, or a probe counts as lost. Times are aware UTC."""

    state: State = "closed"
    failures: int = 0
    opened: int = 0  # times in a row, without a success between
    until: datetime | None = None
    why: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class Admission:
    """Whether a call may pass, and how the breaker stands after that answer. `wait` is how long to leave it alone."""

    passes: bool
    breaker: Breaker
    wait: timedelta = timedelta(0)


def admit(breaker: Breaker, *, now: datetime, rules: BreakerRules) -> Admission:
    """Closed: everybody. Open: nobody, until the pause is over. Then one call is the probe, and the others wait for what it says."""
    if breaker.state == "closed":
        return Admission(passes=True, breaker=breaker)
    if breaker.until is not None and now < breaker.until:
        return Admission(passes=False, breaker=breaker, wait=breaker.until - now)
    return Admission(passes=True, breaker=replace(breaker, state="half_open", until=now + rules.probe))


def failed(breaker: Breaker, *, now: datetime, rules: BreakerRules, why: str = "") -> Breaker:
    """After a call that failed. What was under way when it opened changes nothing any more."""
    if breaker.state == "open":
        return breaker
    failures = breaker.failures + 1
    if breaker.state == "closed" and failures < rules.failures:
        return replace(breaker, failures=failures, why=why)
    pause = min(rules.pause * (1 << min(breaker.opened, 16)), rules.longest_pause)
    return Breaker(state="open", failures=failures, opened=breaker.opened + 1, until=now + pause, why=why)


def succeeded(breaker: Breaker) -> Breaker:
    """After a call that was answered: a probe closes it; a late answer to what was asked before it opened does not."""
    return breaker if breaker.state == "open" else Breaker()
