"""Windows into session runs: rectangles of tokens, each row's length decided by that row alone.

What belongs here: padded lengths and the split into runs. What does not: sessions (`text.py`).

As in `aios_core/scoring/buckets.py` a row must meet the session in the same shape each time. An encoder's row costs a thousand
times what a linear row does, so a call a length costs little and padding much: up to 64 tokens there is none, beyond it at
most one part in 32. On banking77 0.1% of the tokens are padding. Runs are small, because what fits into a core's cache is faster.
"""

from collections.abc import Iterator

import numpy as np
import numpy.typing as npt

Ints = npt.NDArray[np.int64]

SHORTEST = 2  # a matrix of one row is multiplied by another kernel, so a lone token would be scored otherwise alone
EXACT = 64
CPU_TOKENS = 256  # of a run; measured best between 128 and 256: 335 rows/s fp32 at 128, 270 at 256, 185 at 512 (MiniLM)
CUDA_TOKENS = 16_384  # a device needs large runs to be busy; not measured, see docs/adr/0009


def padded_lengths(lengths: Ints) -> Ints:
    """The length to which windows of these lengths are padded: their own from 2 to 64 tokens, then 32 steps to each doubling."""
    needed = np.maximum(lengths, SHORTEST)
    power = np.int64(1) << np.floor(np.log2(needed)).astype(np.int64)
    step = np.maximum(power // (EXACT // 2), 1)
    padded: Ints = -(-needed // step) * step
    return padded


def runs(lengths: Ints, *, tokens: int) -> Iterator[tuple[int, Ints]]:
    """(padded length, window numbers) of each session run of about so many tokens; together they cover every window once."""
    if not lengths.size:
        return
    padded = padded_lengths(lengths)
    order = np.argsort(padded, kind="stable")
    distinct, first = np.unique(padded[order], return_index=True)
    for length, windows in zip(distinct.tolist(), np.split(order, first[1:]), strict=True):
        size = max(1, tokens // length)
        for start in range(0, windows.size, size):
            yield length, windows[start : start + size]


def padding_waste(lengths: Ints) -> float:
    """The share of all tokens of a run that are padding."""
    padded = padded_lengths(lengths)
    return float(1.0 - lengths.sum() / padded.sum()) if lengths.size else 0.0
