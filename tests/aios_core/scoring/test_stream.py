import time
from concurrent.futures import ThreadPoolExecutor
from random import Random

import pyarrow as pa
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from aios_core.scoring.model import ScoringModel
from aios_core.scoring.session import OutOfMemory
from aios_core.scoring.stream import RowTooLarge, rebatch, score_parallel, score_stream
from resources.runtime import open_session
from tests.aios_core.training.making import small, small_files

SCHEMA = pa.schema([("n", pa.int64())])


@given(st.lists(st.integers(0, 20), max_size=12), st.integers(1, 15))
def test_rows_are_cut_anew_without_loss_or_change_of_order(sizes, size):
    rows = list(range(sum(sizes)))
    batches, start = [], 0
    for count in sizes:
        batches.append(pa.RecordBatch.from_arrays([pa.array(rows[start : start + count], pa.int64())], schema=SCHEMA))
        start += count
    out = list(rebatch(batches, size))
    assert [n for batch in out for n in batch.column(0).to_pylist()] == rows
    assert all(batch.num_rows == size for batch in out[:-1])
    assert all(0 < batch.num_rows <= size for batch in out)


@settings(max_examples=10, deadline=None)
@given(st.integers(1, 90), st.integers(1, 90))
def test_how_rows_arrive_makes_no_difference_to_any_score(arriving, size):
    _, new, _ = small()
    whole = MODEL.score_batch(new)
    streamed = score_stream(new.to_batches(max_chunksize=arriving), model=MODEL, batch_size=size)
    assert pa.Table.from_batches(streamed).equals(pa.Table.from_batches([whole]))


def test_a_stream_reads_no_further_ahead_than_it_must():
    _, new, _ = small()
    read = []

    def arriving():
        for batch in new.to_batches(max_chunksize=10):
            read.append(batch.num_rows)
            yield batch

    stream = score_stream(arriving(), model=MODEL, batch_size=20)
    next(stream)
    assert sum(read) == 20


class Late:
    """A pool that answers in any order, and counts what it holds."""

    def __init__(self, in_flight, seed):
        self.in_flight, self.chance, self.held, self.most = in_flight, Random(seed), 0, 0
        self.executor = ThreadPoolExecutor(in_flight)

    def submit(self, batch):
        self.held += 1
        self.most = max(self.most, self.held)
        return self.executor.submit(self.answer, batch, self.chance.random() / 500)

    def answer(self, batch, seconds):
        time.sleep(seconds)
        return batch

    def taken(self, batches):
        for batch in batches:
            self.held -= 1
            yield batch


@settings(max_examples=15, deadline=None)
@given(st.integers(0, 40), st.integers(1, 5), st.integers(0, 9))
def test_a_pool_answers_in_order_and_holds_no_more_than_it_says(count, in_flight, seed):
    rows = pa.RecordBatch.from_arrays([pa.array(range(count), pa.int64())], schema=SCHEMA)
    pool, read = Late(in_flight, seed), []

    def arriving():
        for start in range(count):
            read.append(start)
            yield rows.slice(start, 1)

    answered = []
    for batch in pool.taken(score_parallel(arriving(), pool=pool, batch_size=1)):
        answered += batch.column(0).to_pylist()
        assert len(read) <= len(answered) + in_flight  # back-pressure: reading waits for the caller
    assert answered == list(range(count))
    assert pool.most <= in_flight


def test_an_error_in_a_worker_reaches_the_caller_and_stops_the_reading():
    class Failing(Late):
        def answer(self, batch, seconds):
            raise ValueError(f"row {batch.column(0)[0]}")

    rows = pa.RecordBatch.from_arrays([pa.array(range(50), pa.int64())], schema=SCHEMA)
    pool = Failing(2, 1)
    with pytest.raises(ValueError, match="row 0"):
        list(score_parallel([rows], pool=pool, batch_size=1))
    assert pool.held <= 2


class Narrow:
    """A model whose session has room for so many characters."""

    def __init__(self, room, error):
        self.room, self.error, self.calls = room, error, []

    def score_batch(self, features):
        self.calls.append(features.num_rows)
        if sum(map(len, features.column("text").to_pylist())) > self.room:
            raise self.error
        return MODEL.score_batch(features)


@pytest.mark.parametrize("error", [MemoryError(), OutOfMemory("BFCArena: failed to allocate 12 bytes")])
def test_a_batch_that_is_too_large_is_halved_until_it_fits_and_changes_no_score(error):
    _, new, _ = small()
    batch = new.combine_chunks().to_batches()[0]
    narrow = Narrow(300, error)
    scored = list(score_stream([batch], model=narrow, batch_size=200))
    assert pa.Table.from_batches(scored).equals(pa.Table.from_batches([MODEL.score_batch(batch)]))
    assert len(narrow.calls) > 20
    assert 200 in narrow.calls


def test_a_row_that_does_not_fit_alone_is_named():
    _, new, _ = small()
    ticket = new.column("ticket_id")[0].as_py()
    with pytest.raises(RowTooLarge, match=f"ticket_id {ticket}") as caught:
        list(score_stream(new.to_batches(), model=Narrow(0, MemoryError()), batch_size=50))
    assert caught.value.code == "model.row_too_large"


MODEL = ScoringModel.from_files(small_files(), open_session)
