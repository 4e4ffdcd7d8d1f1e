"""Percentiles of latencies: exact ones, from every request.

What belongs here: the arithmetic. What does not: taking the times (`load.py`).
"""

import math
from collections.abc import Sequence

MILLISECONDS = 1e3
PERCENTILES = {"p50_ms": 0.5, "p95_ms": 0.95, "p99_ms": 0.99, "p999_ms": 0.999}


def percentile(ascending: Sequence[float], share: float) -> float | None:
    """The nearest-rank percentile: a latency that some request really had. None where there is none."""
    if not ascending:
        return None
    return ascending[max(math.ceil(share * len(ascending)), 1) - 1]


def percentiles_ms(seconds: Sequence[float]) -> dict[str, float | None]:
    """p50, p95, p99 and p99.9 in milliseconds."""
    ascending = sorted(seconds)
    found = {name: percentile(ascending, share) for name, share in PERCENTILES.items()}
    return {name: None if value is None else round(value * MILLISECONDS, 3) for name, value in found.items()}
