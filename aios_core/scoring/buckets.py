"""Padding: rows of different lengths become a few rectangles, each row's shape decided by that row alone.

What belongs here: bucket lengths and the split of a batch into session runs. What does not: ids, weights and sessions.

A decision is replayed byte for byte, alone, long after it was made in a batch. A sum of floats depends on its length (how
it is cut into vector registers), so a row must meet the session in the same shape each time: its bucket is a function of its
own number of entries, and nothing is ever padded to the longest row of a batch. Nothing is truncated either.
"""

import threading
from collections.abc import Iterator

import numpy as np
import numpy.typing as npt

SMALLEST = 16
RUN_ELEMENTS = 2_000_000  # ids x classes a run: 8 MB of gathered coefficients, measured best between 1M and 4M


class Padding:
    """How much of the rectangles was real: `entries` of `cells` so far."""

    def __init__(self) -> None:
        self.entries, self.cells = 0, 0
        self._lock = threading.Lock()

    def add(self, entries: int, cells: int) -> None:
        with self._lock:
            self.entries += entries
            self.cells += cells


def bucket_lengths(counts: npt.NDArray[np.int64]) -> npt.NDArray[np.int64]:
    """The padded length of rows with these many entries: 16, then four steps to each doubling (20, 24, 28, 32, 40 …)."""
    needed = np.maximum(counts, SMALLEST)
    power = np.int64(1) << (np.floor(np.log2(needed)).astype(np.int64))
    step = np.maximum(power // 4, 1)
    lengths: npt.NDArray[np.int64] = power + -(-(needed - power) // step) * step
    return lengths


def runs(counts: npt.NDArray[np.int64], classes: int) -> Iterator[tuple[int, npt.NDArray[np.int64]]]:
    """(padded length, row numbers) of each session run; together they cover every row once."""
    if counts.size <= 1:  # the online path: 5 µs instead of 40
        yield from ((_length(count), np.zeros(1, np.int64)) for count in counts.tolist())
        return
    lengths = bucket_lengths(counts)
    order = np.argsort(lengths, kind="stable")
    distinct, first = np.unique(lengths[order], return_index=True)
    for length, rows in zip(distinct.tolist(), np.split(order, first[1:]), strict=True):
        size = max(1, RUN_ELEMENTS // (length * classes))
        for start in range(0, rows.size, size):
            yield length, rows[start : start + size]


def _length(count: int) -> int:
    """`bucket_lengths` of one row."""
    needed = max(count, SMALLEST)
    power = 1 << (needed.bit_length() - 1)
    step = max(power // 4, 1)
    return power - (power - needed) // step * step
