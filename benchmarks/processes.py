"""Starts a step's process and brings back its result, however the process ends.

What belongs here: the parent's side of a step. What does not: the child's side (`child.py`) and the order of steps.
"""

import json
import signal
import subprocess
import sys
from collections import deque
from pathlib import Path
from typing import Any

from benchmarks.workspace import PROJECT

SHOWN_LINES = 12


def run_step(name: str, module: str, folder: Path, *, timeout_seconds: float) -> dict[str, Any]:
    """The step's result, or {"error": ...}; `log` holds the end of what it printed where it failed."""
    result, log = folder / f"{name}.result.json", folder / f"{name}.log"
    command = [sys.executable, "-m", "benchmarks.child", module, str(folder), str(result)]
    try:
        with log.open("wb") as output:
            ended = subprocess.run(
                command,
                cwd=PROJECT,
                stdin=subprocess.DEVNULL,
                stdout=output,
                stderr=output,
                timeout=timeout_seconds,
                check=False,
            )
    except subprocess.TimeoutExpired:
        return {"error": f"not done after {timeout_seconds:g} s; measure fewer --rows", "log": _tail(log)}
    try:
        found: dict[str, Any] = json.loads(result.read_text(encoding="utf-8"))
    except (OSError, ValueError):
        return {"error": _how_it_ended(ended.returncode), "log": _tail(log)}
    return {**found, "log": _tail(log)} if "error" in found else found


def _how_it_ended(code: int) -> str:
    if code >= 0:
        return f"its process ended with code {code} and left no result"
    name = signal.Signals(-code).name
    hint = "; was memory short? measure fewer --rows" if -code == signal.SIGKILL else ""
    return f"its process was ended by {name}{hint}"


def _tail(log: Path) -> list[str]:
    try:
        with log.open(encoding="utf-8", errors="replace") as lines:
            return [line.rstrip() for line in deque(lines, maxlen=SHOWN_LINES)]
    except OSError:
        return []
