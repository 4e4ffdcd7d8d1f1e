"""Landing again, from CSV: the same tickets under another automation's name, so that the stages after it see them once."""

from typing import Any

from benchmarks.steps.landing import land, size_mb
from benchmarks.workspace import Workspace


def run(workspace: Workspace) -> dict[str, Any]:
    declared = workspace.declared(tickets=workspace.tickets_csv)
    with workspace.database() as database:
        landed = land(database, declared, source="helpdesk", name=f"{declared.automation.name}_csv")
    return {**landed, "format": "csv", "file_mb": size_mb(workspace.tickets_csv)}
