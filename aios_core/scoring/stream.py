"""A stream of feature batches to a stream of score batches, in order, with memory set by the batch size.

What belongs here: cutting and joining batches. What does not: the scoring of one batch (`model.py`), reading and writing.
"""

from collections.abc import Iterable, Iterator

import pyarrow as pa

from aios_core.scoring.model import ScoringModel


def score_stream(
    batches: Iterable[pa.RecordBatch], *, model: ScoringModel, batch_size: int, explain: int = 5
) -> Iterator[pa.RecordBatch]:
    """Score every row once, in the order given, `batch_size` rows at a time (the last one may be smaller).

    How the rows arrive in batches makes no difference to any score.
    """
    for batch in rebatch(batches, batch_size):
        yield model.score_batch(batch, explain=explain)


def rebatch(batches: Iterable[pa.RecordBatch], size: int) -> Iterator[pa.RecordBatch]:
    """The same rows in batches of `size`; holds at most one incoming batch and one outgoing one."""
    waiting: list[pa.RecordBatch] = []
    rows = 0
    for batch in batches:
        start = 0
        while batch.num_rows - start >= size - rows:
            take = size - rows
            yield _joined([*waiting, batch.slice(start, take)])
            waiting, rows, start = [], 0, start + take
        if start < batch.num_rows:
            waiting.append(batch.slice(start))
            rows += batch.num_rows - start
    if waiting:
        yield _joined(waiting)


def _joined(parts: list[pa.RecordBatch]) -> pa.RecordBatch:
    return parts[0] if len(parts) == 1 else pa.Table.from_batches(parts).combine_chunks().to_batches()[0]
