"""A stream of feature batches to a stream of score batches, in order, with memory set by the batch size.

What belongs here: cutting and joining batches, keeping a pool busy, and halving a batch that is too large. What does not: the
scoring of one batch (`model.py`), the pools (`resources/workers.py`), reading and writing.
"""

from collections import deque
from collections.abc import Callable, Iterable, Iterator
from concurrent.futures import Future
from typing import Protocol

import pyarrow as pa

from aios_core.errors import ModelError
from aios_core.scoring.schema import KEYS


class RowTooLarge(ModelError):
    """One row alone needs more memory than there is."""

    code = "model.row_too_large"


class ScoresBatches(Protocol):
    """A loaded version (`model.py`), or what stands for one."""

    def score_batch(self, features: pa.RecordBatch) -> pa.RecordBatch: ...


class Pool(Protocol):
    """Workers that hold one version. `in_flight` batches are enough to keep them busy; more would only wait in memory."""

    @property
    def in_flight(self) -> int: ...

    def submit(self, batch: pa.RecordBatch) -> "Future[pa.RecordBatch]": ...


def score_stream(
    batches: Iterable[pa.RecordBatch], *, model: ScoresBatches, batch_size: int
) -> Iterator[pa.RecordBatch]:
    """Score every row once, in the order given, `batch_size` rows at a time (the last one may be smaller).

    How the rows arrive in batches makes no difference to any score. Raises RowTooLarge.
    """
    for batch in rebatch(batches, batch_size):
        yield in_halves(batch, model.score_batch)


def score_parallel(batches: Iterable[pa.RecordBatch], *, pool: Pool, batch_size: int) -> Iterator[pa.RecordBatch]:
    """As `score_stream`, by a pool: reading, scoring and whatever the caller does with the scores overlap.

    At most `pool.in_flight` batches are held at once; a caller that takes no scores stops the reading.
    """
    waiting: deque[Future[pa.RecordBatch]] = deque()
    try:
        for batch in rebatch(batches, batch_size):
            waiting.append(pool.submit(batch))
            if len(waiting) >= pool.in_flight:
                yield waiting.popleft().result()
        while waiting:
            yield waiting.popleft().result()
    finally:
        for future in waiting:
            future.cancel()


def in_halves(batch: pa.RecordBatch, score: Callable[[pa.RecordBatch], pa.RecordBatch]) -> pa.RecordBatch:
    """Score a batch; where memory does not suffice, its halves one after the other. Raises RowTooLarge for a single row."""
    try:
        return score(batch)
    except MemoryError as error:
        if batch.num_rows <= 1:
            raise RowTooLarge(
                f"{_named(batch)} can't be scored alone: {error or 'no memory'}; shorten its text (`checks.max_text_chars` keeps such "
                "tickets out), or give the process more memory"
            ) from error
    half = batch.num_rows // 2
    parts = [in_halves(part, score) for part in (batch.slice(0, half), batch.slice(half))]
    return _joined(parts)


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


def _named(batch: pa.RecordBatch) -> str:
    known = [f"{key} {batch.column(key)[0].as_py()}" for key in KEYS if key in batch.schema.names and batch.num_rows]
    return ", ".join(known) or "a row"
