import numpy as np
from hypothesis import given
from hypothesis import strategies as st

from aios_core.scoring.buckets import RUN_ELEMENTS, SMALLEST, bucket_lengths, runs

COUNTS = st.lists(st.integers(0, 5_000), min_size=1, max_size=200).map(lambda c: np.array(c, np.int64))


@given(COUNTS)
def test_a_bucket_holds_its_row_and_wastes_at_most_a_quarter(counts):
    lengths = bucket_lengths(counts)
    assert (lengths >= counts).all()
    assert (lengths[counts >= SMALLEST] <= counts[counts >= SMALLEST] * 1.25).all()


@given(COUNTS)
def test_a_bucket_depends_on_its_row_alone(counts):
    alone = [int(bucket_lengths(counts[i : i + 1])[0]) for i in range(counts.size)]
    assert bucket_lengths(counts).tolist() == alone


@given(st.integers(0, 1_000_000))
def test_a_row_alone_has_the_same_bucket_as_among_others(count):
    ((length, rows),) = runs(np.array([count], np.int64), 3)
    assert length == bucket_lengths(np.array([count, 7], np.int64))[0]
    assert rows.tolist() == [0]


@given(COUNTS, st.integers(2, 100))
def test_every_row_is_in_one_run_of_its_own_length_and_runs_stay_small(counts, classes):
    seen = []
    for length, rows in runs(counts, classes):
        assert (bucket_lengths(counts[rows]) == length).all()
        assert rows.size == 1 or rows.size * length * classes <= RUN_ELEMENTS
        seen += rows.tolist()
    assert sorted(seen) == list(range(counts.size))
