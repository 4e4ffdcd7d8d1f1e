"""Quotas: so many requests in so many seconds, counted as the strictest server counts them.

What belongs here: limits, and how long to wait. What does not: keeping the count (`resources/quotas.py`) and which request counts towards
which limit (a connector's own).

A server counts a request when it arrives, which we never learn: somewhere between sending it and having its answer. So a request counts from
the moment it is sent until one window after its answer came. Whatever the server's clock and way of counting (a sliding or a fixed window), it never
sees more than the limit; what that costs is the time of an answer in each window.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta


@dataclass(frozen=True, slots=True, kw_only=True)
class Limit:
    """At most `requests` in any `seconds`. `name` is what the vendor limits: the account, an endpoint, one record."""

    name: str
    requests: int
    seconds: float

    @property
    def window(self) -> timedelta:
        return timedelta(seconds=self.seconds)


def free_at(limit: Limit, counting_until: Sequence[datetime], *, now: datetime) -> datetime | None:
    """When one more request may be sent at the earliest; None: now. `counting_until` are the ends of those that count."""
    ends = sorted(end for end in counting_until if end > now)
    over = len(ends) - limit.requests
    return None if over < 0 else ends[over]
