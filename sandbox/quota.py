"""Rate limits as the vendors have them: so many requests a minute, counted over a sliding minute of wall time.

What belongs here: counting. What does not: which request counts towards which limit (the vendors' routes).
"""

import math
from collections import deque
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Final, Literal

WINDOW: Final = 60.0

QuotaName = Literal["real", "generous"]
LIMITS: Final[dict[QuotaName, dict[str, int]]] = {
    # Zendesk Suite Professional: 700 requests a minute an account, 10 incremental exports, 100 ticket updates
    "real": {"account": 700, "incremental": 10, "updates": 100}
    # Freshdesk Pro 400; HubSpot's search 5 a second, an app's other requests 100 in ten; Intercom 1,000; the others have budgets that differ by account
    | {
        "freshdesk": 400,
        "hubspot": 300,
        "hubspot_app": 600,
        "intercom": 1_000,
        "servicenow": 600,
        "jira": 600,
        "pipedrive": 600,
    },
    "generous": dict.fromkeys(("account", "incremental", "updates"), 6_000)
    | dict.fromkeys(("freshdesk", "hubspot", "hubspot_app", "intercom", "servicenow", "jira", "pipedrive"), 6_000),
}


@dataclass(frozen=True, slots=True)
class Standing:
    """How a limit stands after a request: `retry_after` seconds is 0 if the request may pass."""

    limit: int
    remaining: int
    retry_after: int


class Quota:
    """Counts requests by limit."""

    def __init__(self, limits: Mapping[str, int], *, monotonic: Callable[[], float]) -> None:
        self._limits = limits
        self._monotonic = monotonic
        self._taken: dict[str, deque[float]] = {name: deque() for name in limits}
        self.refused: dict[str, int] = {}

    def take(self, name: str) -> Standing:
        """Count one request, unless the limit is reached."""
        now, limit, taken = self._monotonic(), self._limits[name], self._taken[name]
        while taken and taken[0] <= now - WINDOW:
            taken.popleft()
        if len(taken) >= limit:
            self.refused[name] = self.refused.get(name, 0) + 1
            return Standing(limit, 0, max(1, math.ceil(taken[0] + WINDOW - now)))
        taken.append(now)
        return Standing(limit, limit - len(taken), 0)
