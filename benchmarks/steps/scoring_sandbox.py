"""Scoring of the sandbox's tickets: texts of about 300 characters, ten classes."""

from typing import Any

from benchmarks.steps.scoring_texts import measure
from benchmarks.workspace import Workspace


def run(workspace: Workspace) -> dict[str, Any]:
    return measure(workspace, "sandbox")
