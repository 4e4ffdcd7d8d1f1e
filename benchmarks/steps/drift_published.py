"""Drift as `benchmarks/drift.py` measures it: the comparison alone, on columns made for it."""

import importlib.util
from typing import Any

from benchmarks.steps.published import printed_by
from benchmarks.workspace import Workspace

MODULE = "benchmarks.drift"


def run(workspace: Workspace) -> dict[str, Any]:
    if importlib.util.find_spec(MODULE) is None:
        return {"skipped": f"there is no {MODULE}"}
    return printed_by(MODULE, ["--rows", str(workspace.rows), "--no-evidently"])
