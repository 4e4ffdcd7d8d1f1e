"""Drift of a large window: sketches, Evidently's tests and page over them, against Evidently's own `DataDriftPreset` on the rows.

`aios bench drift --json` (`--detection` adds whether real worlds' drifts are seen, `drift_detection.py`), or `python -m benchmarks.drift [--rows 1000000] [--columns 15] [--no-evidently]`, which prints JSON. Two thirds
of the columns are numbers. Each side reads the same Parquet files in a process of its own and is timed from the files to its
page, imports left out; ours streams the window in batches. The exact PSI is the formula over the whole window's counts.
"""

import argparse
import json
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np

from benchmarks.measuring import peak_rss_mb, per_second

REFERENCE_ROWS = 100_000
CHUNK = 100_000
BATCH = 50_000
YEAR = 365
TIMEOUT_SECONDS = 1_800


def measure(
    *,
    rows: int = 1_000_000,
    columns: int = 15,
    evidently: bool = True,
    detection: bool = False,
    progress: Callable[[str], None] = lambda _: None,
) -> dict[str, Any]:
    """Both sides in one run; without `evidently` its keys are absent, with `detection` there are those of `drift_detection`."""
    with tempfile.TemporaryDirectory(prefix="aios-bench-") as name:
        folder = Path(name)
        write(folder / "reference.parquet", min(rows, REFERENCE_ROWS), columns, seed=0)
        write(folder / "current.parquet", rows, columns, seed=1)
        found = {"rows": rows, "columns": columns, **_apart("ours", folder)}
        if evidently:
            theirs = _apart("theirs", folder)
            found |= {
                "evidently_seconds": theirs["seconds"],
                "evidently_peak_rss_mb": theirs["peak_rss_mb"],
                "speedup": round(theirs["seconds"] / found["seconds"], 1),
            }
    if detection:
        from benchmarks import drift_detection

        found |= drift_detection.measure(progress=progress)
    return found


def write(path: Path, rows: int, columns: int, *, seed: int) -> None:
    """Columns of one distribution in row groups, so that neither writing nor reading needs them all at once."""
    import pyarrow as pa
    import pyarrow.parquet as pq

    rng = np.random.default_rng(seed)
    with pq.ParquetWriter(path, _table(rng, 0, columns).schema) as writer:
        for start in range(0, rows, CHUNK):
            writer.write_table(pa.table(_table(rng, min(CHUNK, rows - start), columns)))


def _table(rng: np.random.Generator, rows: int, columns: int) -> Any:
    import pyarrow as pa

    channels = np.array(["email", "web", "phone", "chat"])
    return pa.table({
        f"c{i:02d}": pa.array(channels[rng.integers(0, 4, rows)] if i % 3 == 2 else rng.lognormal(4, 1, rows),
                              pa.string() if i % 3 == 2 else pa.float64())
        for i in range(columns)
    })  # fmt: skip


def ours(folder: Path) -> dict[str, Any]:
    """Cuts and sketch of the reference, a streamed sketch of the window, Evidently's scores and page; then a year's merge."""
    import pyarrow as pa
    import pyarrow.parquet as pq

    from aios_core.automation import Monitoring
    from aios_core.monitoring.drift import measure_sketches
    from aios_core.monitoring.sketch import cuts_of, empty, merge, sketch

    limits = Monitoring()
    few = pa.table(_table(np.random.default_rng(2), 500, len(pq.read_schema(folder / "reference.parquet"))))
    warm = cuts_of(few)
    measure_sketches(warm, sketch(warm, few), sketch(warm, few), limits=limits)
    started = time.perf_counter()
    reference = pq.read_table(folder / "reference.parquet")
    cuts = cuts_of(reference)
    before = sketch(cuts, reference)
    del reference
    after = empty(cuts)
    with pq.ParquetFile(folder / "current.parquet", pre_buffer=False) as file:
        for batch in file.iter_batches(batch_size=BATCH):
            after = merge([after, sketch(cuts, pa.Table.from_batches([batch]))])
    sketched = time.perf_counter()
    found = measure_sketches(cuts, before, after, limits=limits)
    ended = time.perf_counter()
    merge([after] * YEAR)
    merged = time.perf_counter()
    exact = {name: _psi(before.counts[name], after.counts[name]) for name in cuts.columns}
    return {
        "seconds": round(ended - started, 3),
        "rows_per_s": per_second(after.rows, ended - started),
        "sketch_seconds": round(sketched - started, 3),
        "page_bytes": len(found.html or b""),
        "drifted": len(found.drifted),
        "max_psi_error": round(max(abs(found.columns[name].score - exact[name]) for name in exact), 6),
        "merge_365_days_seconds": round(merged - ended, 4),
    }


def theirs(folder: Path) -> dict[str, Any]:
    """Evidently's preset with its defaults on all rows, to its page."""
    import pandas as pd
    from evidently import DataDefinition, Dataset, Report
    from evidently.presets import DataDriftPreset

    def report(reference: pd.DataFrame, current: pd.DataFrame) -> int:
        numbers = [c for c in reference.columns if reference[c].dtype.kind == "f"]
        texts = [c for c in reference.columns if c not in numbers]
        definition = DataDefinition(numerical_columns=numbers, categorical_columns=texts)
        both = [Dataset.from_pandas(frame, data_definition=definition) for frame in (current, reference)]
        return len(Report([DataDriftPreset()], include_tests=True).run(*both).get_html_str(as_iframe=False))

    few = pd.read_parquet(folder / "reference.parquet").head(500)
    report(few, few)
    started = time.perf_counter()
    size = report(pd.read_parquet(folder / "reference.parquet"), pd.read_parquet(folder / "current.parquet"))
    return {"seconds": round(time.perf_counter() - started, 3), "page_bytes": size}


def _psi(reference: np.ndarray, current: np.ndarray) -> float:
    """sum((p - q) ln(p / q)) over levels that either side has rows in; an empty side counts as Evidently's 0.0001."""
    seen = (reference > 0) | (current > 0)
    p, q = reference[seen] / reference.sum(), current[seen] / current.sum()
    p, q = np.where(p == 0, 1e-4, p), np.where(q == 0, 1e-4, q)
    return float(((p - q) * np.log(p / q)).sum())


def _apart(side: str, folder: Path) -> dict[str, Any]:
    """One side in a process of its own, for its memory."""
    command = [sys.executable, "-m", "benchmarks.drift", "--side", side, "--folder", str(folder)]
    done = subprocess.run(command, stdout=subprocess.PIPE, check=True, timeout=TIMEOUT_SECONDS)
    found: dict[str, Any] = json.loads(done.stdout.decode().strip().splitlines()[-1])
    return found


def main(arguments: list[str] | None = None) -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--rows", type=int, default=1_000_000)
    parser.add_argument("--columns", type=int, default=15)
    parser.add_argument("--no-evidently", action="store_true", help="leave out Evidently's own preset on all rows")
    parser.add_argument("--side", choices=["ours", "theirs"], help=argparse.SUPPRESS)
    parser.add_argument("--folder", type=Path, help=argparse.SUPPRESS)
    given = parser.parse_args(arguments)
    if given.side:
        found = {"ours": ours, "theirs": theirs}[given.side](given.folder) | {"peak_rss_mb": peak_rss_mb()}
    else:
        found = measure(rows=given.rows, columns=given.columns, evidently=not given.no_evidently)
    print(json.dumps(found))


if __name__ == "__main__":
    main()
