"""Canonical: landed records through mapping and Great Expectations to tickets, customers and outcomes."""

from typing import Any

from benchmarks.measuring import timed
from benchmarks.workspace import Workspace
from resources.canonical import CanonicalStore


def run(workspace: Workspace) -> dict[str, Any]:
    import great_expectations  # noqa: F401 - its import takes seconds, and is no part of the stage

    automation = workspace.declared().automation
    with workspace.database() as database:
        store = CanonicalStore(database)
        with timed() as watch:
            progress = store.catch_up(automation=automation, sources=tuple(automation.sources))
    if progress.quarantined:
        raise AssertionError(f"{progress.quarantined} clean records in quarantine: {progress.failed_expectations}")
    return {**watch.figures(progress.read), "written": progress.written, "outcomes": progress.outcomes}
