"""A version's golden rows: inputs with the probabilities that the version itself gave when it was made.

What belongs here: reading them and comparing a loaded model with them. What does not: making them (`aios_core/training/golden.py`).

They prove that what is loaded is what was exported, on this machine and this runtime, and warm its sessions on the way.
Hardware differs in the last digits, a wrong graph in the first ones.
"""

import numpy as np
import pyarrow as pa

from aios_core.errors import ModelError
from aios_core.scoring.model import ScoringModel

GOLDEN_FILE = "golden.parquet"
PROBABILITIES = "probabilities"
MAX_ROWS = 16
MAX_BYTES = 16 * 2**20
TOLERANCE = 1e-3  # a version whose kernels differ more between machines states `golden_tolerance` in its manifest
_OUT = "restore it from a copy, or train and register the model again"


def read_golden(content: bytes) -> pa.Table:
    """The rows: feature columns and `probabilities`, a list of one number a class. Raises ModelError where they are no such rows."""
    import pyarrow.parquet as pq

    try:
        with pq.ParquetFile(pa.BufferReader(content)) as file:
            meta = file.metadata
            unpacked = sum(meta.row_group(i).total_byte_size for i in range(meta.num_row_groups))
            if not 0 < meta.num_rows <= MAX_ROWS or unpacked > MAX_BYTES:
                raise ModelError(
                    f"{GOLDEN_FILE} has {meta.num_rows:,} rows of {unpacked:,} bytes; 1 to {MAX_ROWS} rows and {MAX_BYTES:,} "
                    f"bytes are allowed: {_OUT}"
                )
            table = file.read()
    except (pa.ArrowException, OSError) as error:
        raise ModelError(f"{GOLDEN_FILE} can't be read as Parquet ({error}); {_OUT}") from error
    if PROBABILITIES not in table.column_names or not pa.types.is_list(table.schema.field(PROBABILITIES).type):
        raise ModelError(f"{GOLDEN_FILE} has no list column `{PROBABILITIES}`; {_OUT}")
    return table


def check(model: ScoringModel, golden: bytes) -> None:
    """Score the golden rows (`golden.parquet`'s content) and compare. Raises ModelError that names the row that differs most."""
    table = read_golden(golden)
    expected = table.column(PROBABILITIES).to_pylist()
    found = _scored(model, table)
    allowed = float(model.manifest.get("golden_tolerance", TOLERANCE))
    where = f"model {model.name or '(new)'} version {model.version}"
    for row, (told, given) in enumerate(zip(expected, found, strict=True)):
        if not len(told) == len(given) == len(model.classes):
            raise ModelError(
                f"{where}: golden row {row} has {len(told)} probabilities, the graph gives {len(given)} and the manifest names "
                f"{len(model.classes)} classes; {_OUT}"
            )
    got, want = np.array(found, np.float64), np.array(expected, np.float64)
    # what a graph can't answer is NaN, and must stay so
    differ = np.where(np.isnan(got) & np.isnan(want), 0.0, np.abs(got - want))
    errors = np.where(np.isnan(differ), np.inf, differ).max(axis=1)
    worst = int(errors.argmax())
    if errors[worst] > allowed:
        raise ModelError(
            f"{where}: golden row {worst} scores {np.round(found[worst], 4).tolist()} where the version was exported with "
            f"{np.round(expected[worst], 4).tolist()} (off by {errors[worst]:.2g}, {allowed:g} is allowed); {_OUT}"
        )


def _scored(model: ScoringModel, table: pa.Table) -> list[list[float]]:
    try:
        scores = model.score_batch(table.drop_columns([PROBABILITIES]))
    except (pa.ArrowException, ValueError, IndexError, KeyError, TypeError) as error:
        raise ModelError(
            f"model {model.name or '(new)'} version {model.version} can't score its golden rows "
            f"({type(error).__name__}: {error}); {_OUT}"
        ) from error
    rows: list[list[float]] = scores.column("probabilities").to_pylist()
    return rows
