"""Landing: files to `landing_records`, page by page, each page committed together with its cursor."""

from pathlib import Path
from typing import Any

import pyarrow.parquet as pq

from benchmarks.measuring import timed
from benchmarks.workspace import Workspace
from resources.connectors.factory import open_connector
from resources.database import Database
from resources.declarations import Declared
from resources.landing import LandingStore, pull


def run(workspace: Workspace) -> dict[str, Any]:
    with workspace.database() as database:
        declared = workspace.declared()
        tickets = land(database, declared, source="helpdesk")
        customers = land(database, declared, source="crm")
    rows = pq.read_metadata(workspace.tickets_parquet).num_rows
    if tickets["rows"] != rows:
        raise AssertionError(f"{rows} tickets in the file, {tickets['rows']} landed: landing lost or doubled some")
    return {**tickets, "format": "parquet", "file_mb": size_mb(workspace.tickets_parquet), "customers": customers}


def land(database: Database, declared: Declared, *, source: str, name: str | None = None) -> dict[str, Any]:
    """Pull one source to its end, under the automation's name or another."""
    automation, store = declared.automation, LandingStore(database)
    connector = open_connector(automation.sources[source], folder=declared.folder, expand=lambda text: text)
    try:
        with timed() as watch:
            pulled = pull(connector, store, automation=name or automation.name, source=source)
    finally:
        connector.close()
    if pulled.rejected or pulled.duplicates:
        raise AssertionError(f"{source}: {pulled.rejected} rejected, {pulled.duplicates} duplicates in clean files")
    return {**watch.figures(pulled.landed), "pages": pulled.pages}


def size_mb(path: Path) -> float:
    return round(path.stat().st_size / 2**20, 1)
