"""Counts in Prometheus' text format, added up over the processes of one gateway.

What belongs here: counters and histograms, the file in which each process lays down its own, and their rendering. What does
not: the numbers of the database (`resources/console.py`).

A process writes its file once a second and before it answers a scrape itself. A scrape adds up files only, those of processes
that have ended included: so the sum never falls, whichever process answers, which is what a counter promises.
"""

import os
import threading
from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path
from typing import Any

import orjson

from resources.console import ConsoleViews

BUCKETS = (0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 5.0)
SIZES = (1, 2, 4, 8, 16, 32, 64, 128, 256, 512, 1024)

GAUGES = {
    "aios_review_cases": "Review cases not decided yet.",
    "aios_review_batches": "Review batches by state.",
    "aios_review_oldest_case_seconds": "Age of the oldest undecided review case.",
    "aios_outbox_pending": "Actions waiting to be sent.",
    "aios_outbox_dead": "Actions that failed for good and were not sent again.",
    "aios_quarantine_open": "Quarantined records not replayed or dropped.",
    "aios_incidents_open": "Open incidents by remedy.",
    "aios_alerts_firing": "Firing alerts by rule and severity.",
    "aios_alerts_looked_at_seconds": "When the signals were looked at last, as seconds since 1970: old means that nobody looks.",
    "aios_source_read_seconds": "When a source was last read to its end, as seconds since 1970.",
    "aios_source_failing": "1 where a source's last read ended in an error.",
    "aios_breaker_open": "1 where what is asked did not answer and is left alone, 0.5 while it is being tried.",
    "aios_quota_left": "Requests that a vendor's limit has left now.",
    "aios_alert_messages": "Messages about alerts that wait or were given up, by state.",
}
HTTP_COUNT, HTTP_SECONDS = "aios_http_requests_total", "aios_http_request_seconds"
BATCH_ROWS, SWAPS, LOAD_FAILURES = "aios_infer_batch_rows", "aios_model_swaps_total", "aios_model_load_failures_total"
ANSWERED = "aios_infer_requests_total"
HELP = {
    HTTP_COUNT: "Requests by method, route and status.",
    HTTP_SECONDS: "Time to answer, by route.",
    ANSWERED: "Inference requests by model, version and status.",
    BATCH_ROWS: "Rows scored together in one call, by model and version.",
    SWAPS: "How often a model began to answer with another version.",
    LOAD_FAILURES: "Versions that an alias points to and that could not be loaded.",
}

Labels = tuple[tuple[str, str], ...]


class Count:
    """A counter of this process. Adding is not locked: each is added to by one thread."""

    __slots__ = ("n",)

    def __init__(self) -> None:
        self.n = 0


class Histogram:
    """Slots and a sum. As `Count`, added to by one thread."""

    __slots__ = ("bounds", "slots", "total")

    def __init__(self, bounds: Sequence[float]) -> None:
        self.bounds = bounds
        self.slots = [0] * (len(bounds) + 1)
        self.total = 0.0

    def seen(self, value: float) -> None:
        place = 0
        for bound in self.bounds:
            if value <= bound:
                break
            place += 1
        self.slots[place] += 1
        self.total += value


class Requests:
    """What this process counts. `folder` is where the processes of one gateway lay down theirs; None: there is one process."""

    def __init__(self, folder: Path | None = None) -> None:
        self._lock = threading.Lock()
        self._counts: dict[tuple[str, Labels], Count] = {}
        self._histograms: dict[tuple[str, Labels], Histogram] = {}
        self._folder = folder

    def count(self, metric: str, **labels: object) -> Count:
        """The counter of these labels, the same at every call."""
        key = (metric, _labels(labels))
        with self._lock:
            return self._counts.setdefault(key, Count())

    def histogram(self, metric: str, bounds: Sequence[float], **labels: object) -> Histogram:
        """The histogram of these labels, the same at every call."""
        key = (metric, _labels(labels))
        with self._lock:
            return self._histograms.setdefault(key, Histogram(bounds))

    def seen(self, *, method: str, route: str, status: int, seconds: float) -> None:
        """One request that was answered, by the loop of this process."""
        self.count(HTTP_COUNT, method=method, route=route, status=status).n += 1
        self.histogram(HTTP_SECONDS, BUCKETS, route=route).seen(seconds)

    def lay_down(self) -> None:
        """Write this process's counts where the others find them; whole or not at all."""
        if self._folder is None:
            return
        path = self._folder / f"{os.getpid()}.json"
        draft = path.with_suffix(f".{threading.get_ident()}.tmp")
        draft.write_bytes(orjson.dumps(self._snapshot()))
        draft.replace(path)

    def exposition(self) -> str:
        """Everything counted, of all processes."""
        if self._folder is None:
            return _text([self._snapshot()])
        self.lay_down()
        return _text([orjson.loads(path.read_bytes()) for path in sorted(self._folder.glob("*.json"))])

    def _snapshot(self) -> dict[str, Any]:
        with self._lock:
            return {
                "counts": [[metric, labels, count.n] for (metric, labels), count in self._counts.items()],
                "histograms": [
                    [metric, labels, list(h.bounds), list(h.slots), h.total]
                    for (metric, labels), h in self._histograms.items()
                ],
            }


def exposition(views: ConsoleViews) -> str:
    """What waits in the database, as gauges."""
    lines: list[str] = []
    for metric, rows in views.gauges().items():
        lines += _head(metric, "gauge", GAUGES[metric])
        for row in rows:
            lines.append(_line(metric, [(k, v) for k, v in sorted(row.items()) if k != "value"], row["value"]))
    return "\n".join(lines) + "\n"


def _text(snapshots: Sequence[Mapping[str, Any]]) -> str:
    counts: dict[tuple[str, Labels], int] = {}
    histograms: dict[tuple[str, Labels], tuple[list[float], list[int], float]] = {}
    for snapshot in snapshots:
        for metric, labels, n in snapshot["counts"]:
            key = (metric, _frozen(labels))
            counts[key] = counts.get(key, 0) + n
        for metric, labels, bounds, slots, total in snapshot["histograms"]:
            key = (metric, _frozen(labels))
            _, known, before = histograms.get(key, (bounds, [0] * len(slots), 0.0))
            histograms[key] = (bounds, [a + b for a, b in zip(known, slots, strict=True)], before + total)
    lines: list[str] = []
    for metric, labelled in _by_metric(counts):
        lines += _head(metric, "counter", HELP[metric])
        lines += [_line(metric, labels, counts[metric, labels]) for labels in labelled]
    for metric, labelled in _by_metric(histograms):
        lines += _head(metric, "histogram", HELP[metric])
        for labels in labelled:
            lines += _histogram(metric, labels, *histograms[metric, labels])
    return "\n".join(lines) + "\n"


def _by_metric(found: Iterable[tuple[str, Labels]]) -> Iterable[tuple[str, list[Labels]]]:
    grouped: dict[str, list[Labels]] = {}
    for metric, labels in sorted(found):
        grouped.setdefault(metric, []).append(labels)
    return grouped.items()


def _histogram(
    metric: str, labels: Labels, bounds: Sequence[float], slots: Sequence[int], total: float
) -> Iterable[str]:
    seen = 0
    for bound, n in zip([*map(str, bounds), "+Inf"], slots, strict=True):
        seen += n
        yield _line(f"{metric}_bucket", [*labels, ("le", bound)], seen)
    yield _line(f"{metric}_sum", labels, round(total, 6))
    yield _line(f"{metric}_count", labels, seen)


def _head(metric: str, kind: str, help_: str) -> list[str]:
    return [f"# HELP {metric} {help_}", f"# TYPE {metric} {kind}"]


def _line(metric: str, labels: Iterable[tuple[str, Any]], value: float) -> str:
    return f"{metric}{{{','.join(_label(k, v) for k, v in labels)}}} {value}"


def _label(key: str, value: Any) -> str:
    text = str(value).replace("\\", r"\\").replace('"', r"\"").replace("\n", r"\n")
    return f'{key}="{text}"'


def _labels(given: Mapping[str, object]) -> Labels:
    return tuple(sorted((key, str(value)) for key, value in given.items()))


def _frozen(labels: Iterable[Sequence[str]]) -> Labels:
    return tuple((key, value) for key, value in labels)
