import pytest

from aios_core.errors import ModelError
from aios_core.training.snapshot import snapshot_bytes, snapshot_from_bytes
from tests.aios_core.training.making import table, tickets


def test_the_id_is_that_of_the_content_whatever_the_order_of_rows_and_chunks():
    rows = table(tickets(50)[0])
    content, snapshot = snapshot_bytes(rows)
    import pyarrow as pa

    shuffled = pa.concat_tables([rows.slice(30), rows.slice(0, 30)])
    assert snapshot_bytes(shuffled)[1] == snapshot
    assert snapshot_from_bytes(content).equals(rows.combine_chunks())
    assert snapshot_bytes(rows.slice(1))[1] != snapshot


def test_what_is_no_snapshot_is_refused():
    with pytest.raises(ModelError, match="materialize the training set again"):
        snapshot_from_bytes(b"not parquet")
