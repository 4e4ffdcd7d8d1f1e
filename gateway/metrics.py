"""Counts in Prometheus' text format.

What belongs here: this process's request counts and their rendering. What does not: the numbers of the database
(`resources/console.py`).
"""

import threading
from collections import Counter
from collections.abc import Iterable, Mapping
from typing import Any

from resources.console import ConsoleViews

BUCKETS = (0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 5.0)

GAUGES = {
    "aios_review_cases": "Review cases not decided yet.",
    "aios_review_batches": "Review batches by state.",
    "aios_review_oldest_case_seconds": "Age of the oldest undecided review case.",
    "aios_outbox_pending": "Actions waiting to be sent.",
    "aios_quarantine_open": "Quarantined records not replayed or dropped.",
    "aios_incidents_open": "Open incidents by remedy.",
}


class Requests:
    """Requests of this process by method, route and status, and how long they took. Safe to share between threads."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._count: Counter[tuple[str, str, int]] = Counter()
        self._slots: dict[str, list[int]] = {}
        self._seconds: Counter[str] = Counter()

    def seen(self, *, method: str, route: str, status: int, seconds: float) -> None:
        with self._lock:
            self._count[(method, route, status)] += 1
            self._seconds[route] += seconds  # type: ignore[assignment]  # Counter adds floats as well as ints
            slots = self._slots.setdefault(route, [0] * (len(BUCKETS) + 1))
            slots[sum(seconds > limit for limit in BUCKETS)] += 1

    def exposition(self) -> str:
        with self._lock:
            count, slots, seconds = dict(self._count), {r: list(s) for r, s in self._slots.items()}, dict(self._seconds)
        lines = _head("aios_http_requests_total", "counter", "Requests by method, route and status.")
        for (method, route, status), n in sorted(count.items()):
            lines.append(_line("aios_http_requests_total", {"method": method, "route": route, "status": status}, n))
        lines += _head("aios_http_request_seconds", "histogram", "Time to answer, by route.")
        for route, found in sorted(slots.items()):
            total = 0
            for limit, n in zip([*map(str, BUCKETS), "+Inf"], found, strict=True):
                total += n
                lines.append(_line("aios_http_request_seconds_bucket", {"route": route, "le": limit}, total))
            lines.append(_line("aios_http_request_seconds_sum", {"route": route}, round(seconds[route], 6)))
            lines.append(_line("aios_http_request_seconds_count", {"route": route}, total))
        return "\n".join(lines) + "\n"


def exposition(views: ConsoleViews) -> str:
    """What waits in the database, as gauges."""
    lines: list[str] = []
    for metric, rows in views.gauges().items():
        lines += _head(metric, "gauge", GAUGES[metric])
        for row in rows:
            lines.append(_line(metric, {k: v for k, v in row.items() if k != "value"}, row["value"]))
    return "\n".join(lines) + "\n"


def _head(metric: str, kind: str, help_: str) -> list[str]:
    return [f"# HELP {metric} {help_}", f"# TYPE {metric} {kind}"]


def _line(metric: str, labels: Mapping[str, Any], value: float) -> str:
    return f"{metric}{{{','.join(_label(k, v) for k, v in _sorted(labels))}}} {value}"


def _sorted(labels: Mapping[str, Any]) -> Iterable[tuple[str, Any]]:
    return sorted(labels.items())


def _label(key: str, value: Any) -> str:
    text = str(value).replace("\\", r"\\").replace('"', r"\"").replace("\n", r"\n")
    return f'{key}="{text}"'
