"""The score table: what one scored row says, whatever the kind of model.

What belongs here: the schema, the assembly of its columns, and reading probabilities back. What does not: how they come about.

Probabilities are written as the session gave them, in float32; whoever decides or shows rounds them (`rounded`). Terms are no
part of a score: few scores are ever looked at, and each is explained where it is decided on (`ScoringModel.terms`).
"""

from collections.abc import Sequence

import numpy as np
import numpy.typing as npt
import pyarrow as pa
import pyarrow.compute as pc

TERMS = 5  # that a decision keeps, at most
DECIMALS = 6  # of probabilities in records; fewer digits than float32 carries, so that records stay readable

KEYS = ("source", "ticket_id", "ticket_version", "correlation_id")
TERM = pa.struct([pa.field("term", pa.string()), pa.field("weight", pa.float64())])

SCORE_SCHEMA = pa.schema(
    [
        *(pa.field(key, pa.string()) for key in KEYS),
        pa.field("model_name", pa.string()),
        pa.field("model_version", pa.int64()),
        pa.field("probabilities", pa.list_(pa.float32())),
        pa.field("queue", pa.string()),
        pa.field("confidence", pa.float64()),
        pa.field("unseen_share", pa.float64()),
        pa.field("text_length", pa.int64()),
        pa.field("novelty", pa.float64()),
        pa.field("stage", pa.string()),
    ]
)
EXPLAINED_SCHEMA = SCORE_SCHEMA.append(pa.field("terms", pa.list_(TERM)))


def score_batch(
    features: pa.RecordBatch,
    *,
    name: str,
    version: int,
    classes: Sequence[str],
    probabilities: npt.NDArray[np.floating],
    unseen_share: npt.NDArray[np.float64],
    text_length: npt.NDArray[np.int64],
    novelty: npt.NDArray[np.float64] | None = None,
    stage: pa.Array | None = None,
) -> pa.RecordBatch:
    """Scores aligned with `features`. `queue` is the likeliest class; `confidence` its rounded probability."""
    rows, width = probabilities.shape
    best = probabilities.argmax(axis=1) if rows else np.empty(0, np.int64)
    sure = probabilities[np.arange(rows), best].astype(np.float64)
    offsets = pa.array(np.arange(rows + 1, dtype=np.int32) * width)
    queues = pa.DictionaryArray.from_arrays(pa.array(best.astype(np.int32)), pa.array(list(classes), pa.string()))
    columns = [
        *(features.column(key) for key in KEYS),
        pa.repeat(pa.scalar(name, pa.string()), rows),
        pa.repeat(pa.scalar(version, pa.int64()), rows),
        pa.ListArray.from_arrays(offsets, pa.array(np.ascontiguousarray(probabilities, np.float32).ravel())),
        queues.dictionary_decode(),
        pa.array(np.round(sure, DECIMALS)),
        pa.array(np.round(unseen_share, DECIMALS)),
        pa.array(text_length, pa.int64()),
        pa.nulls(rows, pa.float64()) if novelty is None else pa.array(np.round(novelty, DECIMALS)),
        pa.nulls(rows, pa.string()) if stage is None else stage,
    ]
    return pa.RecordBatch.from_arrays(columns, schema=SCORE_SCHEMA)


def explained(scores: pa.RecordBatch, terms: pa.ListArray | None) -> pa.RecordBatch:
    """The scores with their terms beside them, none where a kind knows none."""
    named = empty_terms(scores.num_rows) if terms is None else terms
    return pa.RecordBatch.from_arrays([*scores.columns, named], schema=EXPLAINED_SCHEMA)


def as_scores(table: pa.Table) -> pa.Table:
    """A score table as this code writes it, whatever an earlier one wrote: it had terms, and probabilities in float64."""
    return table.select([name for name in SCORE_SCHEMA.names if name in table.column_names]).cast(
        pa.schema([field for field in SCORE_SCHEMA if field.name in table.column_names])
    )


def rounded(probabilities: pa.ListArray) -> pa.ListArray:
    """The lists as float64 of so many decimals as a record keeps."""
    values = np.round(probabilities.flatten().cast(pa.float64()).to_numpy(zero_copy_only=False), DECIMALS)
    lengths = pc.fill_null(probabilities.value_lengths(), 0).to_numpy(zero_copy_only=False)
    offsets = np.concatenate([[0], np.cumsum(lengths)]).astype(np.int32)
    return pa.ListArray.from_arrays(pa.array(offsets), pa.array(values, from_pandas=True))


def empty_terms(rows: int) -> pa.ListArray:
    """No terms for any row."""
    return pa.ListArray.from_arrays(pa.array(np.zeros(rows + 1, np.int32)), pa.array([], TERM))
