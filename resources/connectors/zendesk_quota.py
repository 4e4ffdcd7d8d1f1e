"""Zendesk's limits: which request counts towards which, and how its answers tell them.

What belongs here: names and numbers of one vendor. What does not: counting (`resources/quotas.py`).

The numbers are those of the Suite Professional plan; an account's own are read from its answers (`X-Rate-Limit` and
`Zendesk-RateLimit-…: total=…`), and hold from the first answer on.
"""

import re
from collections.abc import Mapping

from aios_core.traffic.quota import Limit
from resources.connectors.traffic import Quota

MINUTE = 60.0
ACCOUNT, EXPORTS, UPDATES = "account", "exports", "updates"
KNOWN = {
    ACCOUNT: Limit(name=ACCOUNT, requests=700, seconds=MINUTE),
    EXPORTS: Limit(name=EXPORTS, requests=10, seconds=MINUTE),
    UPDATES: Limit(name=UPDATES, requests=100, seconds=MINUTE),
}
_TOTAL = re.compile(r"\btotal=(\d+)")


def _counts(method: str, path: str) -> tuple[str, ...]:
    if path.startswith("/api/v2/incremental/"):
        return (ACCOUNT, EXPORTS)
    if method in ("PUT", "POST", "DELETE") and path.startswith("/api/v2/tickets"):
        return (ACCOUNT, UPDATES)
    return (ACCOUNT,)


def _told(method: str, path: str, headers: Mapping[str, str]) -> tuple[Limit, ...]:
    found = {}
    if headers.get("x-rate-limit", "").isdigit():
        found[ACCOUNT] = int(headers["x-rate-limit"])
    narrow = [name for name in _counts(method, path) if name != ACCOUNT]
    for name, value in headers.items():
        total = _TOTAL.search(value) if name.lower().startswith("zendesk-ratelimit-") else None
        if total and narrow:
            found[narrow[0]] = int(total[1])
    return tuple(Limit(name=name, requests=n, seconds=MINUTE) for name, n in found.items() if n > 0)


ZENDESK = Quota(counts=_counts, told=_told, known=KNOWN)
