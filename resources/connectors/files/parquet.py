"""Rows of Parquet files, batch by batch."""

from collections.abc import Iterator
from pathlib import Path
from typing import Any

from resources.connectors.files.streams import FileUnreadable

BATCH = 2000


def parquet_columns(path: Path) -> list[str]:
    """Top-level columns. Raises FileUnreadable, without a file name."""
    import pyarrow as pa
    import pyarrow.parquet as pq

    try:
        return list(pq.read_schema(path).names)
    except (pa.ArrowException, OSError) as error:
        raise FileUnreadable(f"not a readable Parquet file: {error}; write it again") from error


def parquet_rows(path: Path, *, start: int) -> Iterator[dict[str, Any]]:
    """Rows from number `start` on; whole row groups before it are not read."""
    import pyarrow as pa
    import pyarrow.parquet as pq

    try:
        with pq.ParquetFile(path) as file:
            groups, before = _from_group(file.metadata, start)
            if not groups:
                return
            for batch in file.iter_batches(batch_size=BATCH, row_groups=groups):
                if before + batch.num_rows > start:
                    yield from batch.slice(max(0, start - before)).to_pylist()
                before += batch.num_rows
    except (pa.ArrowException, OSError) as error:
        raise FileUnreadable(f"broken after row {start:,}: {error}; write it again") from error


def _from_group(metadata: Any, start: int) -> tuple[list[int], int]:
    before = 0
    for group in range(metadata.num_row_groups):
        rows = metadata.row_group(group).num_rows
        if before + rows > start:
            return list(range(group, metadata.num_row_groups)), before
        before += rows
    return [], before
