"""Drift as the platform measures it: a window's features and scores from the lake against the model version's reference."""

import io
import time
from typing import Any

from benchmarks.measuring import per_second, timed
from benchmarks.workspace import Workspace


def run(workspace: Workspace) -> dict[str, Any]:
    import pyarrow as pa
    import pyarrow.parquet as pq

    from aios_core.monitoring.columns import monitor_columns
    from aios_core.monitoring.drift import measure
    from aios_core.training.files import REFERENCE_FILE
    from benchmarks.steps.training import FOLDER

    automation, lake = workspace.declared().automation, workspace.lake()
    limits = automation.monitoring.model_copy(update={"min_rows": 20})  # a run with few rows is measured too
    reference = pq.read_table(io.BytesIO(lake.get(f"{FOLDER}/{REFERENCE_FILE}")))

    def window(dataset: str) -> pa.Table:
        return pa.concat_tables(
            lake.read_partition(automation=automation.name, dataset=dataset, day=day) for day in workspace.days()
        )

    measure(reference, reference, limits=limits, page=False)  # importing Evidently takes seconds, once in a process
    with timed() as watch:
        frame = monitor_columns(window("features"), window("scores"))
        before = time.perf_counter()
        drift = measure(reference, frame, limits=limits, page=False)
        measuring = time.perf_counter() - before
    if drift.share is None:
        raise AssertionError(f"drift of {frame.num_rows} rows was not measured: {drift.reason}")
    before = time.perf_counter()
    page = measure(reference, frame, limits=limits).html or b""
    return {
        **watch.figures(frame.num_rows),
        "measure_rows_per_s": per_second(frame.num_rows, measuring),
        "columns": len(drift.columns),
        "reference_rows": drift.reference_rows,
        "share": drift.share,
        "with_page_seconds": round(time.perf_counter() - before, 3),
        "page_mb": round(len(page) / 2**20, 1),
    }
