import subprocess
import sys
import uuid
from datetime import date

import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from hypothesis import given
from hypothesis import strategies as st

from resources.lake import Lake, LakeError, LakeMissing, partition_path

DAY = date(2026, 11, 20)
WHERE = {"automation": "triage", "dataset": "features"}


@pytest.fixture(params=["folder", "file", "memory"])
def lake(request, tmp_path):
    folder = tmp_path / "a lake"
    return Lake(
        {"folder": str(folder), "file": folder.as_uri(), "memory": f"memory://{uuid.uuid4().hex}"}[request.param]
    )


def rows(*numbers):
    return pa.table({"n": pa.array(numbers, pa.int64())})


def test_a_day_is_written_read_and_replaced(lake):
    first = lake.write_partition(rows(1, 2, 3), day=DAY, **WHERE)
    assert first.path == "triage/features/day=2026-11-20/part-0.parquet"
    assert (first.rows, first.bytes > 0) == (3, True)
    assert lake.read_partition(day=DAY, **WHERE).equals(rows(1, 2, 3))
    lake.write_partition(rows(9), day=DAY, **WHERE)
    assert lake.read_partition(day=DAY, **WHERE).equals(rows(9))
    assert lake.paths("triage") == [first.path]


def test_batches_are_streamed_into_one_file(lake):
    batches = (rows(*range(i, i + 10)).to_batches()[0] for i in range(0, 50, 10))
    written = lake.write_partition(batches, day=DAY, **WHERE)
    assert written.rows == 50
    assert lake.read_partition(day=DAY, **WHERE).column("n").to_pylist() == list(range(50))


def test_a_day_without_batches_has_no_file_and_with_a_schema_an_empty_one(lake):
    lake.write_partition(rows(1), day=DAY, **WHERE)
    assert lake.write_partition(iter(()), day=DAY, **WHERE).rows == 0
    assert not lake.has_partition(day=DAY, **WHERE)
    with pytest.raises(LakeMissing, match="materialize that day first"):
        lake.read_partition(day=DAY, **WHERE)
    lake.write_partition(iter(()), day=DAY, schema=rows().schema, **WHERE)
    assert lake.read_partition(day=DAY, **WHERE).equals(rows())


def test_a_scan_gives_the_days_in_order_without_the_end_and_passes_over_gaps(lake):
    for day in (23, 20, 21):
        lake.write_partition(rows(day), day=date(2026, 11, day), **WHERE)
    found = lake.scan(start=DAY, end=date(2026, 11, 23), **WHERE)
    assert [batch.column(0).to_pylist() for batch in found] == [[20], [21]]
    assert list(lake.scan(start=DAY, end=DAY, **WHERE)) == []


def test_a_scan_reads_the_columns_and_batch_size_asked_for(lake):
    lake.write_partition(pa.table({"n": list(range(25)), "text": ["x"] * 25}), day=DAY, **WHERE)
    batches = list(lake.scan(start=DAY, end=date(2026, 11, 21), columns=["n"], batch_size=10, **WHERE))
    assert [batch.num_rows for batch in batches] == [10, 10, 5]
    assert batches[0].schema.names == ["n"]


def test_a_writer_that_fails_half_way_leaves_the_old_rows_and_no_rubbish(lake):
    lake.write_partition(rows(1), day=DAY, **WHERE)

    def breaking():
        yield rows(2).to_batches()[0]
        raise RuntimeError("the model broke")

    with pytest.raises(RuntimeError, match="the model broke"):
        lake.write_partition(breaking(), day=DAY, **WHERE)
    assert lake.read_partition(day=DAY, **WHERE).equals(rows(1))
    assert lake.paths(".tmp") == []


def test_a_writer_killed_half_way_leaves_the_old_rows(tmp_path):
    lake = Lake(tmp_path)
    lake.write_partition(rows(1), day=DAY, **WHERE)
    code = """
import os, sys, signal, pyarrow as pa
from datetime import date
from resources.lake import Lake
def batches():
    yield pa.table({"n": pa.array([2], pa.int64())}).to_batches()[0]
    os.kill(os.getpid(), signal.SIGKILL)
Lake(sys.argv[1]).write_partition(batches(), automation="triage", dataset="features", day=date(2026, 11, 20))
"""
    done = subprocess.run([sys.executable, "-c", code, str(tmp_path)], timeout=60)
    assert done.returncode == -9
    assert lake.read_partition(day=DAY, **WHERE).equals(rows(1))
    assert lake.paths("triage") == [partition_path("triage", "features", DAY)]


def test_artifacts_are_put_got_listed_and_deleted(lake):
    lake.put("reports/a.html", b"<p>")
    lake.put("reports/a.html", b"<b>")
    assert lake.get("reports/a.html") == b"<b>"
    assert lake.exists("reports/a.html")
    assert not lake.exists("reports")
    assert lake.paths("reports") == ["reports/a.html"]
    lake.delete("reports")
    lake.delete("reports")
    assert not lake.exists("reports/a.html")
    assert lake.paths("reports") == []
    with pytest.raises(LakeMissing, match=r"reports/a\.html"):
        lake.get("reports/a.html")


@pytest.mark.parametrize("path", ["../secret", "a/../../b", "/etc/passwd", "", "a\x00b", "a\\..\\b"])
def test_a_path_can_not_leave_the_lake(lake, path):
    for use in (lake.get, lake.exists, lake.delete, lambda p: lake.put(p, b"")):
        with pytest.raises(LakeError, match="not a path inside the lake"):
            use(path)


def test_a_damaged_partition_is_named(lake):
    lake.put(partition_path("triage", "features", DAY), b"PAR1 no")
    with pytest.raises(LakeError, match="day=2026-11-20.*materialize that day again"):
        lake.read_partition(day=DAY, **WHERE)


def test_a_lake_over_a_file_is_named(tmp_path):
    (tmp_path / "lake").write_text("not a folder")
    with pytest.raises(LakeError, match="can't be written"):
        Lake(tmp_path / "lake").put("a", b"")


@given(st.binary(max_size=200), st.binary(max_size=200))
def test_the_last_content_put_is_what_is_got(first, second):
    lake = Lake("memory://" + uuid.uuid4().hex)
    lake.put("x/y", first)
    lake.put("x/y", second)
    assert lake.get("x/y") == second


def test_lists_of_floats_are_written_as_they_are_and_come_back_to_the_bit(tmp_path):
    lake = Lake(tmp_path)
    values = pa.array([[0.1, 2.5e-7], [], None, [1.0]], pa.list_(pa.float32()))
    words = pa.array(
        [[{"term": "bill", "weight": 1.5}], [], None, []],
        pa.list_(pa.struct([("term", pa.string()), ("weight", pa.float64())])),
    )
    table = pa.table({"id": ["a", "a", "a", "a"], "p": values, "sure": [0.5, 0.5, None, 1.0], "terms": words})
    lake.write_partition(table, automation="a", dataset="scores", day=date(2026, 1, 1))
    assert lake.read_partition(automation="a", dataset="scores", day=date(2026, 1, 1)).equals(table)
    group = pq.ParquetFile(tmp_path / partition_path("a", "scores", date(2026, 1, 1))).metadata.row_group(0)
    columns = {group.column(i).path_in_schema: group.column(i) for i in range(group.num_columns)}
    assert columns["p.list.element"].compression == "UNCOMPRESSED"
    assert "RLE_DICTIONARY" not in columns["p.list.element"].encodings
    assert columns["id"].compression == columns["sure"].compression == "ZSTD"
    assert "RLE_DICTIONARY" in columns["id"].encodings
