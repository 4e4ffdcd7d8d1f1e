"""What `aios bench serve` makes of what it saw."""

import math
from array import array

import pytest
from hypothesis import given
from hypothesis import strategies as st

from benchmarks.serve.latency import percentile, percentiles_ms
from benchmarks.serve.load import Observed
from benchmarks.serve.measure import slowest_swap
from benchmarks.serve.ours import sizes_in


def test_percentiles_are_latencies_that_somebody_had() -> None:
    thousand = [n / 1000 for n in range(1, 1001)]

    assert percentiles_ms(thousand[::-1]) == {"p50_ms": 500.0, "p95_ms": 950.0, "p99_ms": 990.0, "p999_ms": 999.0}
    assert percentiles_ms([0.007]) == {"p50_ms": 7.0, "p95_ms": 7.0, "p99_ms": 7.0, "p999_ms": 7.0}
    assert set(percentiles_ms([]).values()) == {None}


@given(st.lists(st.floats(0, 10), min_size=1), st.floats(0.001, 1))
def test_no_fewer_than_the_share_are_at_or_below_a_percentile_and_no_smaller_one_has_that(
    values: list[float], share: float
) -> None:
    ascending = sorted(values)
    found = percentile(ascending, share)

    assert found in values
    assert sum(v <= found for v in values) >= share * len(values) - 1e-9
    assert sum(v < found for v in values) < max(math.ceil(share * len(values)), 1)


def seen(*answers: tuple[float, int]) -> Observed:
    found = Observed(1.0)
    found.finished = array("d", [at for at, _ in answers])
    found.versions = array("l", [version for _, version in answers])
    return found


def test_a_swap_lasts_until_the_last_answer_of_the_version_before() -> None:
    moves = [(10.0, 2), (20.0, 1)]

    assert slowest_swap(seen((9.9, 1), (10.1, 1), (10.4, 1), (10.3, 2), (19.9, 2), (20.2, 2), (21, 1)), moves) == 0.4
    assert slowest_swap(seen((9.9, 1), (10.1, 2), (20.7, 2), (21, 1)), moves) == pytest.approx(0.7)
    assert slowest_swap(seen((9.9, 1), (10.1, 2), (21, 1)), moves) == 0.0
    assert slowest_swap(seen((9.9, 1)), []) is None


def test_batch_sizes_are_read_from_cumulative_buckets_over_all_versions() -> None:
    exposition = """# TYPE aios_infer_batch_rows histogram
aios_infer_batch_rows_bucket{model="m",version="1",le="1"} 10
aios_infer_batch_rows_bucket{model="m",version="1",le="2"} 10
aios_infer_batch_rows_bucket{model="m",version="1",le="4"} 14
aios_infer_batch_rows_bucket{model="m",version="1",le="+Inf"} 15
aios_infer_batch_rows_sum{model="m",version="1"} 99
aios_infer_batch_rows_bucket{model="m",version="2",le="1"} 1
aios_infer_batch_rows_bucket{model="m",version="2",le="2"} 4
aios_infer_batch_rows_bucket{model="m",version="2",le="4"} 4
aios_infer_batch_rows_bucket{model="m",version="2",le="+Inf"} 4
"""
    assert sizes_in(exposition) == {"1": 11, "2": 3, "4": 4, "+Inf": 1}
    assert sizes_in("") == {}
