"""A training set as one frozen file whose id is the hash of its content.

What belongs here: serialization and identity. What does not: which rows are in it, and where it is kept.
"""

import hashlib
import io
import json
from datetime import datetime
from typing import Any

import pyarrow as pa

from aios_core.errors import ModelError

_ORDER = ("created_at", "source", "ticket_id", "ticket_version")


def snapshot_bytes(table: pa.Table) -> tuple[bytes, str]:
    """Parquet of the rows in a fixed order, and 16 hex digits of the hash of what they say.

    The id depends on the values alone: not on the order of rows, on chunks, or on the version of the Parquet writer.
    """
    import pyarrow.parquet as pq

    by = [(name, "ascending") for name in _ORDER if name in table.column_names]
    ordered = table.sort_by(by) if by else table
    digest = hashlib.sha256()
    for name in ordered.column_names:
        values = json.dumps(ordered.column(name).to_pylist(), default=_plain, ensure_ascii=False)
        digest.update(f"{name}\x1f{len(values)}\x1f{values}".encode("utf-8", "surrogatepass"))
    buffer = io.BytesIO()
    pq.write_table(ordered, buffer, compression="zstd")
    return buffer.getvalue(), digest.hexdigest()[:16]


def snapshot_from_bytes(content: bytes) -> pa.Table:
    """The table of `snapshot_bytes`. Raises ModelError where it is not one."""
    import pyarrow.parquet as pq

    try:
        return pq.read_table(pa.BufferReader(content))
    except (pa.ArrowInvalid, OSError) as error:
        raise ModelError(
            f"the training snapshot can't be read as Parquet ({error}); materialize the training set again"
        ) from error


def _plain(value: Any) -> str:
    return value.isoformat() if isinstance(value, datetime) else str(value)
