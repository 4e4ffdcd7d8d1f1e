"""The frozen evaluation set of a version: its held-back newest rows, with what a fit that never saw them says of each.

What belongs here: writing and reading that file, and finding the rows on which two versions can be compared honestly. What does
not: choosing the rows (`aios_core/training/folds.py`) and comparing (`comparison.py`).

The version that is kept was fitted on every row, so scoring its held-back rows anew would have it speak of what it learnt by
heart. Their scores come from the fit that left them out, are frozen with the version, and are what it is judged by.
"""

import io
from collections.abc import Sequence

import numpy as np
import numpy.typing as npt
import pyarrow as pa
import pyarrow.parquet as pq

from aios_core.scoring.schema import DECIMALS

EVALUATION_FILE = "evaluation.parquet"
MAX_ROWS = 20_000  # of the newest: an accuracy is then known to a third of a point, in 1 MB with ten classes
KEY = ("source", "ticket_id", "ticket_version")
Key = tuple[str, str, str]

SCHEMA = pa.schema(
    [
        *(pa.field(name, pa.string()) for name in KEY),
        pa.field("label", pa.string()),
        pa.field("probabilities", pa.list_(pa.float64())),
        pa.field("queue", pa.string()),
    ]
)


def evaluation_table(
    features: pa.Table,
    *,
    classes: Sequence[str],
    labels: npt.NDArray[np.int64],
    probabilities: npt.NDArray[np.float64],
) -> pa.Table:
    """One row a held-back ticket, oldest first; all arguments aligned, probabilities rows x classes."""
    keep = slice(max(0, features.num_rows - MAX_ROWS), None)
    names = np.array(list(classes), dtype=object)
    columns = [features.column(name).combine_chunks()[keep.start :] for name in KEY]
    return pa.Table.from_arrays(
        [
            *columns,
            pa.array(names[labels[keep]], pa.string()),
            pa.array(list(np.round(probabilities[keep], DECIMALS)), pa.list_(pa.float64())),
            pa.array(names[probabilities[keep].argmax(axis=1)], pa.string()),
        ],
        schema=SCHEMA,
    )


def evaluation_bytes(table: pa.Table) -> bytes:
    """The file of a version; equal tables give equal bytes."""
    buffer = io.BytesIO()
    pq.write_table(table, buffer, compression="zstd")
    return buffer.getvalue()


def read_evaluation(content: bytes) -> pa.Table:
    """What `evaluation_bytes` wrote."""
    return pq.read_table(io.BytesIO(content))


def keys_of(table: pa.Table) -> list[Key]:
    """(source, ticket id, ticket version) of each row."""
    return list(zip(*(table.column(name).to_pylist() for name in KEY), strict=True))


def learnt(snapshot: pa.Table) -> set[tuple[str, str]]:
    """(source, ticket id) of what a version was trained on: another version of the same ticket is no new ticket."""
    return set(zip(snapshot.column("source").to_pylist(), snapshot.column("ticket_id").to_pylist(), strict=True))


def common_rows(
    newer: pa.Table, older: pa.Table | None, older_learnt: set[tuple[str, str]]
) -> tuple[list[Key], list[Key]]:
    """Rows of the newer version's evaluation set on which the older one can be heard honestly, in its order.

    First those that the older version held back as well (its frozen scores hold), then those that it never saw, which it has to
    score. What it was only trained on is left out. A ticket whose label has changed since is heard once, with the newer label.
    """
    held_back = set() if older is None else set(keys_of(older))
    frozen, unseen = list[Key](), list[Key]()
    for key in keys_of(newer):
        if key in held_back:
            frozen.append(key)
        elif key[:2] not in older_learnt:
            unseen.append(key)
    return frozen, unseen


def rows_of(table: pa.Table, keys: Sequence[Key]) -> pa.Table:
    """The rows of these keys, in the order of `keys`; keys that the table lacks are an error of the caller."""
    place = {key: number for number, key in enumerate(keys_of(table))}
    return table.take(pa.array([place[key] for key in keys], pa.int64()))
