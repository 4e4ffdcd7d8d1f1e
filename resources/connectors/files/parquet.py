"""Rows of Parquet files, batch by batch."""

from collections.abc import Iterator
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any

from resources.connectors.files.places import File
from resources.connectors.files.streams import FileUnreadable

if TYPE_CHECKING:
    import numpy as np
    import numpy.typing as npt
    import pyarrow as pa
    import pyarrow.parquet as pq

BATCH = 2000


@contextmanager
def opened(file: File) -> "Iterator[pq.ParquetFile]":
    """The file with its footer read. Raises FileUnreadable, without a file name."""
    import pyarrow as pa
    import pyarrow.parquet as pq

    source = file.open_anywhere()
    try:
        try:
            # from a store, what is wanted of a group comes in few large requests
            parquet = pq.ParquetFile(source, pre_buffer=file.local is None)
        except (pa.ArrowException, OSError) as error:
            raise FileUnreadable(f"not a readable Parquet file: {error}; write it again") from error
        with parquet:
            yield parquet
    finally:
        if file.local is None:
            source.close()


def parquet_columns(parquet: "pq.ParquetFile") -> list[str]:
    """Top-level columns."""
    return list(parquet.schema_arrow.names)


def parquet_rows(parquet: "pq.ParquetFile", *, start: int, at_once: bool) -> Iterator[dict[str, Any]]:
    """Rows from number `start` on; whole row groups before it are not read. `at_once`: groups need not be asked for one by one."""
    import pyarrow as pa

    try:
        groups, before = _from_group(parquet.metadata, start)
        # what is buffered ahead is buffered for all groups asked for together: of a large object that is all of it
        for together in [groups] if at_once and groups else [[group] for group in groups]:
            for batch in parquet.iter_batches(batch_size=BATCH, row_groups=together):
                if before + batch.num_rows > start:
                    yield from _rows(batch.slice(max(0, start - before)))
                before += batch.num_rows
    except (pa.ArrowException, OSError) as error:
        raise FileUnreadable(f"broken after row {start:,}: {error}; write it again") from error


def _rows(batch: "pa.RecordBatch") -> Iterator[dict[str, Any]]:
    """As `to_pylist` gives them, which asks each value for its type: a column of one type is a list at once."""
    names = batch.schema.names
    for values in zip(*map(column_values, batch.columns), strict=True):
        yield dict(zip(names, values, strict=True))


def column_values(column: "pa.Array") -> list[Any]:
    """As they stand in a payload; times in UTC as texts in ISO 8601, which is what JSON makes of them."""
    import pyarrow as pa

    kind = column.type
    whole = column.null_count == 0 and (
        pa.types.is_integer(kind) or pa.types.is_float64(kind) or pa.types.is_boolean(kind)
    )
    if whole or pa.types.is_string(kind):  # texts keep their nulls
        found: list[Any] = column.to_numpy(zero_copy_only=False).tolist()
        return found
    if pa.types.is_timestamp(kind) and kind.tz == "UTC" and kind.unit in ("s", "ms", "us"):
        return _moments(column.view(pa.timestamp(kind.unit)).cast(pa.timestamp("us")).to_numpy(zero_copy_only=False))
    return list(column.to_pylist())


def _moments(naive: "npt.NDArray[np.datetime64]") -> list[str | None]:
    """In ISO 8601, as they will stand in the payload; a year after 9999 has five digits, and is refused where a time is asked for."""
    import numpy as np

    whole = not (naive.astype(np.int64)[~np.isnat(naive)] % 1_000_000).any()
    said = np.datetime_as_string(naive, unit="s" if whole else "us").tolist()
    return [None if s == "NaT" else s.removesuffix(".000000") + "+00:00" for s in said]


def _from_group(metadata: Any, start: int) -> tuple[list[int], int]:
    before = 0
    for group in range(metadata.num_row_groups):
        rows = metadata.row_group(group).num_rows
        if before + rows > start:
            return list(range(group, metadata.num_row_groups)), before
        before += rows
    return [], before
