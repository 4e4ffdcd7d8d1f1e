"""Scoring of real questions to a bank: texts of about 60 characters, 77 classes. Left out where the data is not there."""

from typing import Any

from benchmarks.steps.scoring_texts import measure
from benchmarks.workspace import BANKING77, Workspace


def run(workspace: Workspace) -> dict[str, Any]:
    if not (BANKING77 / "banking77_train.csv").is_file():
        return {"skipped": "the real data is not there: shared/data beside the project"}
    return measure(workspace, "banking77")
