"""Large days: never half there, and a run that was killed goes on where it stopped."""

import json
import os
import random
import signal
import subprocess
import sys
import time
import uuid
from datetime import date
from pathlib import Path

import pyarrow as pa
import pytest

from resources.chunks import ChunkedDay, stamp_of, write_day
from resources.lake import Lake, LakeError

PROJECT = Path(__file__).parents[2]
DAY = date(2026, 11, 20)
WHERE = {"automation": "triage", "dataset": "scores", "day": DAY}
SCHEMA = pa.schema([("n", pa.int64())])


@pytest.fixture(params=["folder", "memory"])
def lake(request, tmp_path):
    return Lake({"folder": str(tmp_path / "lake"), "memory": f"memory://{uuid.uuid4().hex}"}[request.param])


def day(lake, rows=95, stamp="s1", chunk_rows=10):
    return ChunkedDay(lake=lake, stamp=stamp, rows=rows, chunk_rows=chunk_rows, **WHERE)


def made(start, stop, factor=1):
    for at in range(start, stop, 4):
        yield pa.RecordBatch.from_pydict({"n": [factor * n for n in range(at, min(at + 4, stop))]}, schema=SCHEMA)


def numbers(lake):
    return lake.read_partition(**WHERE).column("n").to_pylist()


def test_a_day_of_chunks_reads_as_one(lake):
    assert write_day(day(lake), made, schema=SCHEMA)
    assert numbers(lake) == list(range(95))
    assert lake.has_partition(**WHERE)
    assert lake.rows_of(**WHERE) == 95
    scanned = lake.scan(automation="triage", dataset="scores", start=DAY, end=date(2026, 11, 21), batch_size=7)
    assert [n for batch in scanned for n in batch.column(0).to_pylist()] == list(range(95))
    lake.delete_partition(**WHERE)
    assert not lake.has_partition(**WHERE)
    assert lake.paths("triage") == []


@pytest.mark.parametrize(("start", "stop"), [(0, 95), (13, 57), (20, 30), (94, 200), (40, 40)])
def test_a_range_of_rows_is_read_across_files(lake, start, stop):
    write_day(day(lake), made, schema=SCHEMA)
    found = lake.scan_rows(start=start, stop=stop, batch_size=4, **WHERE)
    assert [n for batch in found for n in batch.column(0).to_pylist()] == list(range(start, min(stop, 95)))


def test_until_the_last_chunk_the_day_is_what_it_was(lake):
    chunked = day(lake)

    def breaking(start, stop):
        if start == 50:
            raise RuntimeError("the model broke")
        return made(start, stop)

    with pytest.raises(RuntimeError):
        write_day(chunked, breaking, schema=SCHEMA)
    assert not lake.has_partition(**WHERE)
    lake.write_partition(pa.table({"n": [1, 2]}), **WHERE)  # and an old day stays readable while a new one is made
    assert not write_day(day(lake, stamp="s2"), made, schema=SCHEMA, shard=(0, 2))
    assert numbers(lake) == [1, 2]
    asked = []
    assert write_day(chunked, lambda a, b: asked.append(a) or made(a, b), schema=SCHEMA) is True
    assert numbers(lake) == list(range(95))
    assert [path for path in lake.paths("triage") if "s2" in path or "part-0" in path] == []


def test_a_second_run_makes_only_what_is_missing(lake):
    chunked, asked = day(lake), []

    def stopping(start, stop):
        asked.append(start)
        if start == 40:
            raise KeyboardInterrupt
        return made(start, stop)

    with pytest.raises(KeyboardInterrupt):
        write_day(chunked, stopping, schema=SCHEMA)
    assert asked == [0, 10, 20, 30, 40]
    assert write_day(chunked, lambda a, b: asked.append(a) or made(a, b), schema=SCHEMA)
    assert asked[5:] == [40, 50, 60, 70, 80, 90]
    assert write_day(chunked, lambda a, b: pytest.fail("all is there"), schema=SCHEMA)


def test_chunks_of_other_models_or_features_are_not_taken_over(lake):
    write_day(day(lake, stamp=stamp_of(versions=[1], features="a")), made, schema=SCHEMA)
    other = stamp_of(versions=[2], features="a")
    assert len({stamp_of(versions=[1], features="a"), other, stamp_of(versions=[1], features="b")}) == 3
    write_day(day(lake, stamp=other), lambda a, b: made(a, b, factor=2), schema=SCHEMA)
    assert numbers(lake) == [2 * n for n in range(95)]
    assert all(other in path or path.endswith("parts.json") for path in lake.paths("triage"))


@pytest.mark.parametrize("shards", [1, 2, 3, 12])
def test_shards_in_any_order_make_the_day_between_them(lake, shards):
    order = list(range(shards))
    random.Random(shards).shuffle(order)
    asked = []
    for place, shard in enumerate(order):
        assert not lake.has_partition(**WHERE)
        complete = write_day(
            day(lake), lambda a, b: asked.append(a) or made(a, b), schema=SCHEMA, shard=(shard, shards)
        )
        assert complete == (place == shards - 1 or len(asked) == 10)
        if complete:
            break
    assert sorted(asked) == list(range(0, 95, 10))
    assert numbers(lake) == list(range(95))


def test_a_shard_that_can_not_be_is_refused(lake):
    for shard in ((2, 2), (-1, 2), (0, 0)):
        with pytest.raises(LakeError, match="count from 0"):
            write_day(day(lake), made, schema=SCHEMA, shard=shard)


def test_a_chunk_with_too_few_or_too_many_rows_is_not_committed(lake):
    for wrong in (made(0, 9), made(0, 11)):
        with pytest.raises(LakeError, match="materialize it again"):
            day(lake).write(0, wrong, schema=SCHEMA)
    assert day(lake).missing() == list(range(10))


def test_the_identity_of_a_day_changes_when_it_is_written_again(lake):
    lake.write_partition(pa.table({"n": [1]}), **WHERE)
    before = lake.identity(**WHERE)
    assert lake.identity(**WHERE) == before
    time.sleep(0.02)
    lake.write_partition(pa.table({"n": [2]}), **WHERE)
    assert lake.identity(**WHERE) != before


CHILD = """
import sys, time
from resources.chunks import write_day
from resources.lake import Lake
from tests.resources.test_chunks import SCHEMA, day, made

def slow(start, stop):
    for batch in made(start, stop):
        time.sleep(0.004)
        yield batch
    with open(sys.argv[2], "a") as log:
        print(start, file=log)

write_day(day(Lake(sys.argv[1]), rows=300), slow, schema=SCHEMA)
"""


def test_a_run_killed_again_and_again_goes_on_and_the_day_is_whole(tmp_path):
    lake, log = Lake(tmp_path / "lake"), tmp_path / "log"
    log.touch()
    command = [sys.executable, "-c", CHILD, str(lake.url), str(log)]
    for kill in range(3):
        before = len(log.read_text().split())
        child = subprocess.Popen(command, cwd=PROJECT)
        while len(log.read_text().split()) < before + 4:
            assert child.poll() is None
            time.sleep(0.003)
        time.sleep(0.007 * kill)  # somewhere in the next chunk
        os.kill(child.pid, signal.SIGKILL)
        child.wait()
        assert not lake.has_partition(**WHERE)
    assert subprocess.run(command, cwd=PROJECT, check=False).returncode == 0
    assert numbers(lake) == list(range(300))
    assert json.loads(lake.get("triage/scores/day=2026-11-20/parts.json"))["rows"] == 300
    committed = [int(line) for line in log.read_text().split()]
    assert set(committed) == set(range(0, 300, 10))
    assert len(committed) <= 30 + 3  # at most the chunk under way was made twice
