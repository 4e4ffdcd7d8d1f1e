"""Seconds and memory of one step.

What belongs here: the stopwatch and the reading of memory. What does not: what is measured (`steps/`) and starting its
process (`processes.py`).
"""

import re
import resource
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

PROC_STATUS = Path("/proc/self/status")
MB = 1024 * 1024


@dataclass(slots=True)
class Watch:
    """A block's seconds, those its process spent computing, and its memory at the start: libraries loaded, nothing done."""

    seconds: float = 0.0
    cpu_seconds: float = 0.0
    rss_before_mb: float = 0.0

    def figures(self, rows: int) -> dict[str, Any]:
        """What every step says of itself."""
        return {
            "rows": rows,
            "seconds": round(self.seconds, 3),
            "rows_per_s": per_second(rows, self.seconds),
            "cpu_seconds": round(self.cpu_seconds, 3),
            "rss_before_mb": self.rss_before_mb,
        }


@contextmanager
def timed() -> Iterator[Watch]:
    """Measure a block. Import what it needs before: a process that has been up for a while does not pay for that."""
    watch = Watch(rss_before_mb=current_rss_mb())
    before, computed = time.perf_counter(), time.process_time()
    try:
        yield watch
    finally:
        watch.seconds = time.perf_counter() - before
        watch.cpu_seconds = time.process_time() - computed


def per_second(rows: int, seconds: float) -> float:
    """Rows a second, rounded to what can be told apart."""
    return round(rows / max(seconds, 1e-9), 1)


def peak_rss_mb() -> float:
    """The highest resident memory of this process so far, in MB (2**20 bytes).

    Linux keeps `ru_maxrss` through exec, so that a child's starts at what its parent had: a benchmark under pytest would
    measure pytest. VmHWM belongs to the program that runs now. Elsewhere getrusage has to do.
    """
    return round(_status_mb("VmHWM") or _rusage_mb(), 1)


def current_rss_mb() -> float:
    """Resident memory now; where the system does not say, the highest so far."""
    return round(_status_mb("VmRSS") or _rusage_mb(), 1)


def _status_mb(field: str) -> float | None:
    try:
        found = re.search(rf"^{field}:\s+(\d+) kB", PROC_STATUS.read_text(), re.MULTILINE)
    except OSError:
        return None
    return int(found.group(1)) / 1024 if found else None


def _rusage_mb() -> float:
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    return peak / (MB if sys.platform == "darwin" else 1024)
