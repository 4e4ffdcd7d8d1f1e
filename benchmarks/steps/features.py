"""Features: canonical tickets joined with what was known of their customers, one partition a day into the lake."""

import time
from datetime import timedelta
from typing import Any

from aios_core.features.build import build_features
from benchmarks.measuring import per_second, timed
from benchmarks.workspace import Workspace
from resources.canonical import CanonicalStore


def run(workspace: Workspace) -> dict[str, Any]:
    automation, lake = workspace.declared().automation, workspace.lake()
    rows, joining = 0, 0.0
    with workspace.database() as database:
        store = CanonicalStore(database)
        with timed() as watch:
            contacts, customers = (
                store.contacts(automation=automation.name),
                store.customers(automation=automation.name),
            )
            for day in workspace.days():
                tickets = store.tickets_for_days(automation=automation.name, start=day, end=day + timedelta(days=1))
                before = time.perf_counter()
                table = build_features(tickets, contacts=contacts, customers=customers, features=automation.features)
                joining += time.perf_counter() - before
                lake.write_partition(table, automation=automation.name, dataset="features", day=day)
                rows += table.num_rows
    if rows != workspace.new:
        raise AssertionError(f"{workspace.new} tickets in the window, but {rows} rows of features")
    return {
        **watch.figures(rows),
        "join_rows_per_s": per_second(rows, joining),
        "partitions": len(workspace.days()),
    }
