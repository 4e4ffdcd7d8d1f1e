"""Cutting columns into levels, and the law that counts of windows add up."""

import numpy as np
import pandas as pd
import pyarrow as pa
import pytest
from hypothesis import given
from hypothesis import strategies as st

from aios_core.monitoring.errors import MonitorError
from aios_core.monitoring.levels import MISSING, NEW, compare, count, levels_of, spread

numbers = st.lists(st.one_of(st.none(), st.floats(allow_nan=True, allow_infinity=True, width=32)), max_size=60)
words = st.lists(
    st.one_of(st.none(), st.sampled_from(["a", "b", "(missing)", "(new)", "", "é🎉", "x" * 90])), max_size=60
)


def column(values, dtype=object):
    return pa.chunked_array([pa.array(pd.Series(values, dtype=dtype), from_pandas=False)])


@given(reference=numbers, first=numbers, second=numbers)
def test_counts_of_two_windows_add_up_to_those_of_both_together(reference, first, second):
    levels = levels_of(column(reference, float))
    parts = [count(levels, column(v, float), name="c") for v in (first, second)]
    together = count(levels, column(first + second, float), name="c")
    assert (sum(parts) == together).all()
    assert together.sum() == len(first) + len(second)


@given(reference=words, current=words)
def test_no_row_is_lost_between_levels_and_comparison(reference, current):
    levels = levels_of(column(reference))
    before, after = count(levels, column(reference), name="c"), count(levels, column(current), name="c")
    compared = compare(levels, before, after)
    assert compared.reference.sum() == len(reference)
    assert compared.current.sum() == len(current)
    assert len(set(compared.labels)) == len(compared.labels)


def test_deciles_hold_a_tenth_of_the_reference_each():
    values = column(np.random.default_rng(1).lognormal(4, 1, 5_000), float)
    levels = levels_of(values)
    counts = count(levels, values, name="c")
    assert len(counts) == 13
    assert (abs(counts[:10] - 500) <= 1).all()


def test_a_number_column_with_few_values_is_compared_value_by_value():
    levels = levels_of(column([1, 1, 2, 3], int))
    counts = count(levels, column([1, 2, 2, 2.5, None], float), name="c")
    assert counts.tolist() == [1, 2, 0, 0, 1, 1]  # 1, 2, 3, rest, new (2.5), missing


def test_a_value_that_fills_most_of_the_reference_is_a_level_of_its_own():
    reference = column(np.r_[np.linspace(0.2, 0.9, 40), np.ones(960)], float)
    fallen = column(np.full(1_000, 0.5), float)
    levels = levels_of(reference)
    compared = compare(levels, count(levels, reference, name="c"), count(levels, fallen, name="c"))
    assert compared.labels == ("01: below 1", "02: from 1")
    assert compared.reference.tolist() == [40, 960]
    assert compared.current.tolist() == [1_000, 0]


def test_levels_are_named_as_intervals_in_their_order():
    values = column(np.r_[np.zeros(300), np.arange(1, 701)], float)
    levels = levels_of(values)
    counts = count(levels, values, name="c")
    assert compare(levels, counts, counts).labels[:3] == ("01: to 0", "03: over 0 to 100", "04: over 100 to 200")


def test_a_constant_that_changes_is_seen_as_new():
    levels = levels_of(column([3.0] * 50, float))
    compared = compare(
        levels, count(levels, column([3.0] * 50, float), name="c"), count(levels, column([2.0] * 50, float), name="c")
    )
    assert compared.labels == ("01: 3", NEW)
    assert compared.current.tolist() == [0, 50]


def test_infinities_count_as_missing():
    levels = levels_of(column([1.0, np.inf, -np.inf, np.nan], float))
    assert count(levels, column([np.inf, 1.0], float), name="c").tolist() == [1, 0, 0, 1]


def test_a_column_without_any_value_calls_everything_new():
    levels = levels_of(column([None, None]))
    assert count(levels, column(["a", None]), name="c").tolist() == [0, 1, 1]


def test_text_in_a_number_column_is_an_error_that_names_the_column():
    levels = levels_of(column([1.0, 2.0], float))
    with pytest.raises(MonitorError, match="column crm_tenure: the model's reference holds numbers"):
        count(levels, column(["many"]), name="crm_tenure")


def test_thin_queues_are_joined_until_each_level_expects_ten_rows():
    names = [f"queue-{i:02d}" for i in range(77) for _ in range(60)]
    reference, current = column(names), column(names[::23])  # 4,620 rows and 201
    levels = levels_of(reference)
    compared = compare(levels, count(levels, reference, name="queue"), count(levels, current, name="queue"))
    expected = compared.reference / compared.reference.sum() * compared.current.sum()
    assert 15 <= len(compared.labels) <= 20
    assert expected.min() >= 10


def test_a_category_called_like_one_of_our_levels_stays_apart():
    values = column([MISSING] * 30 + [None] * 30 + [""] * 30)
    levels = levels_of(values)
    counts = count(levels, values, name="c")
    assert set(compare(levels, counts, counts).labels) == {"'(missing)'", "''", MISSING}


@given(st.lists(st.integers(0, 10_000_000), min_size=1, max_size=50), st.integers(1, 5_000))
def test_spreading_keeps_shares_to_within_a_row(counts, rows):
    before = np.array(counts, dtype=np.int64)
    after = spread(before, rows)
    if before.sum() <= rows:
        assert (after == before).all()
    else:
        assert after.sum() == rows
        assert (abs(after - before * (rows / before.sum())) < 1 + 1e-6).all()
