"""Scoring of texts alone and its ceiling, as `benchmarks/score.py` measures them."""

from typing import Any

from benchmarks.score import measure as measure_scoring
from benchmarks.workspace import Workspace

MAX_TRAINED = 4_000
SHARE = 5  # it scores its rows a dozen times over


def measure(workspace: Workspace, text: str) -> dict[str, Any]:
    """Rows/s from Parquet to Parquet, with the ceiling: the same tokenization and session in a bare loop."""
    rows = max(1, workspace.rows // SHARE)
    trained = max(400, min(MAX_TRAINED, workspace.rows // SHARE))
    found = measure_scoring(rows=rows, long_rows=0, text=text, train=trained, turns=3, sklearn=False)
    return {**found, "seconds": round(rows / found["rows_per_s"], 6)}
