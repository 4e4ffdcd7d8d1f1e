import pyarrow as pa
from hypothesis import given, settings
from hypothesis import strategies as st

from aios_core.scoring.model import ScoringModel
from aios_core.scoring.stream import rebatch, score_stream
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
    whole = MODEL.score_batch(new, explain=3)
    streamed = score_stream(new.to_batches(max_chunksize=arriving), model=MODEL, batch_size=size, explain=3)
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


MODEL = ScoringModel.from_files(small_files(), open_session)
