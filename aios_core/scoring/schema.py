"""The score table: what one scored row says, whatever the kind of model.

What belongs here: the schema and the assembly of its columns. What does not: how probabilities come about.
"""

from collections.abc import Sequence

import numpy as np
import numpy.typing as npt
import pyarrow as pa

DECIMALS = 6  # of probabilities; fewer digits than float32 carries, so that records stay readable

KEYS = ("source", "ticket_id", "ticket_version", "correlation_id")
TERM = pa.struct([pa.field("term", pa.string()), pa.field("weight", pa.float64())])

SCORE_SCHEMA = pa.schema(
    [
        *(pa.field(key, pa.string()) for key in KEYS),
        pa.field("model_name", pa.string()),
        pa.field("model_version", pa.int64()),
        pa.field("probabilities", pa.list_(pa.float64())),
        pa.field("queue", pa.string()),
        pa.field("confidence", pa.float64()),
        pa.field("unseen_share", pa.float64()),
        pa.field("text_length", pa.int64()),
        pa.field("terms", pa.list_(TERM)),
        pa.field("novelty", pa.float64()),
        pa.field("stage", pa.string()),
    ]
)


def score_batch(
    features: pa.RecordBatch,
    *,
    name: str,
    version: int,
    classes: Sequence[str],
    probabilities: npt.NDArray[np.floating],
    unseen_share: npt.NDArray[np.float64],
    text_length: npt.NDArray[np.int64],
    terms: pa.ListArray | None = None,
    novelty: npt.NDArray[np.float64] | None = None,
    stage: pa.Array | None = None,
) -> pa.RecordBatch:
    """Scores aligned with `features`. `queue` is the argmax before rounding; `confidence` its rounded probability."""
    rows, width = probabilities.shape
    best = probabilities.argmax(axis=1) if rows else np.empty(0, np.int64)
    rounded = np.round(probabilities.astype(np.float64), DECIMALS)
    offsets = pa.array(np.arange(rows + 1, dtype=np.int32) * width)
    queues = pa.DictionaryArray.from_arrays(pa.array(best.astype(np.int32)), pa.array(list(classes), pa.string()))
    columns = [
        *(features.column(key) for key in KEYS),
        pa.array([name] * rows, pa.string()),
        pa.array(np.full(rows, version, np.int64)),
        pa.ListArray.from_arrays(offsets, pa.array(rounded.ravel())),
        queues.dictionary_decode(),
        pa.array(rounded[np.arange(rows), best]),
        pa.array(np.round(unseen_share, DECIMALS)),
        pa.array(text_length, pa.int64()),
        terms if terms is not None else empty_terms(rows),
        pa.nulls(rows, pa.float64()) if novelty is None else pa.array(np.round(novelty, DECIMALS)),
        pa.nulls(rows, pa.string()) if stage is None else stage,
    ]
    return pa.RecordBatch.from_arrays(columns, schema=SCORE_SCHEMA)


def empty_terms(rows: int) -> pa.ListArray:
    """No terms for any row."""
    return pa.ListArray.from_arrays(pa.array(np.zeros(rows + 1, np.int32)), pa.array([], TERM))
