"""Scoring of texts alone and its ceiling, as `benchmarks/scoring.py` measures them."""

from typing import Any

from benchmarks.steps.published import printed_by
from benchmarks.workspace import Workspace

MAX_TRAINED = 4_000
SHARE = 5  # it scores its rows six times over


def measure(workspace: Workspace, text: str) -> dict[str, Any]:
    """Rows/s from Parquet to Parquet, with the ceiling: the same tokenization and session in a bare loop."""
    rows = max(1, workspace.rows // SHARE)
    trained = max(400, min(MAX_TRAINED, workspace.rows // SHARE))
    found = printed_by("benchmarks.scoring", ["--text", text, "--rows", str(rows), "--train", str(trained)])
    return {**found, "seconds": round(found["rows"] / found["rows_per_s"], 3)}
