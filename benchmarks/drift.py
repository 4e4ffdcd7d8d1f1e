"""Drift of a window by size: how long it takes, how much of that is Evidently, and how much memory it peaks at.

`python -m benchmarks.drift [--rows 100000] [--columns 15] [--no-page]` prints JSON. Two thirds of the columns are numbers.
"""

import argparse
import json
import resource
import time

import numpy as np
import pandas as pd

from aios_core.automation import Monitoring
from aios_core.monitoring import report
from aios_core.monitoring.drift import measure

REFERENCE_ROWS = 5_000


def frame(rows: int, columns: int, seed: int) -> pd.DataFrame:
    rng = np.random.default_rng(seed)
    return pd.DataFrame({
        f"c{i:02d}": rng.choice(["email", "web", "phone", "chat"], rows) if i % 3 == 2 else rng.lognormal(4, 1, rows)
        for i in range(columns)
    })  # fmt: skip


def run(rows: int, columns: int, *, page: bool = True) -> dict[str, object]:
    """One measurement after a small one that warms up the imports."""
    reference, current = frame(REFERENCE_ROWS, columns, 0), frame(rows, columns, 1)
    limits = Monitoring()
    started = time.perf_counter()
    measure(reference, current.head(limits.min_rows), limits=limits, page=False)
    warm_up = time.perf_counter() - started
    spent: list[float] = []
    timed_run = report._run  # noqa: SLF001 - the boundary to Evidently is what is to be timed

    def timed(*args: object, **more: object) -> object:
        begun = time.perf_counter()
        result = timed_run(*args, **more)
        spent.append(time.perf_counter() - begun)
        return result

    report._run = timed  # noqa: SLF001
    try:
        started = time.perf_counter()
        found = measure(reference, current, limits=limits, page=page)
        seconds = time.perf_counter() - started
    finally:
        report._run = timed_run  # noqa: SLF001
    return {
        "rows": rows,
        "columns": columns,
        "seconds": round(seconds, 3),
        "evidently_seconds": round(sum(spent), 3),
        "first_call_seconds": round(warm_up, 3),
        "rows_per_s": round(rows / seconds),
        "page_bytes": len(found.html or b""),
        "drifted": len(found.drifted),
        "peak_rss_mb": resource.getrusage(resource.RUSAGE_SELF).ru_maxrss // 1024,
    }


def main(arguments: list[str] | None = None) -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--rows", type=int, default=100_000)
    parser.add_argument("--columns", type=int, default=15)
    parser.add_argument("--no-page", action="store_true", help="leave out Evidently's HTML page")
    given = parser.parse_args(arguments)
    print(json.dumps(run(given.rows, given.columns, page=not given.no_page)))


if __name__ == "__main__":
    main()
