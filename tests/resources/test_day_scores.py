"""A day's scores through pools and chunks: whole, in order, resumed, and shared between versions."""

from datetime import date

import pyarrow as pa
import pytest

from aios_core.scoring.model import ScoringModel
from resources.chunks import CHUNK_ROWS
from resources.day_scores import DayScores, Progress, Scorer
from resources.lake import Lake
from resources.runtime import open_session
from resources.workers import ThreadWorkers
from tests.aios_core.training.making import FACTS, small_files, table, tickets

DAY = date(2026, 11, 20)
FEATURES = {"automation": "triage", "dataset": "features", "day": DAY}
SCORES = {"automation": "triage", "dataset": "scores", "day": DAY}
TEXTS, _, CUSTOMERS = tickets(300, seed=8)
ROWS = table(TEXTS, facts=CUSTOMERS, spec=FACTS)


def loaded(version=1):
    return ScoringModel.from_files(small_files(), open_session, name="triage", version=version)


@pytest.fixture
def lake(tmp_path):
    lake = Lake(tmp_path)
    lake.write_partition(ROWS, **FEATURES)
    return lake


@pytest.fixture
def pool():
    with ThreadWorkers(loaded(), workers=2) as pool:
        yield pool


def scoring(lake, *pools, chunk_rows=CHUNK_ROWS, **settings):
    scorers = [Scorer(version=i + 1, pool=pool) for i, pool in enumerate(pools)]
    return DayScores(
        lake=lake,
        automation="triage",
        model="triage",
        scorers=scorers,
        batch_size=16,
        chunk_rows=chunk_rows,
        **settings,
    )


class Counting(Progress):
    """Progress that stops the run once so many batches are through."""

    def __init__(self, stop_at=None):
        super().__init__(told=self.look)
        self.stop_at = stop_at

    def look(self, _):
        if self.batches == self.stop_at:
            raise KeyboardInterrupt


def test_chunks_change_no_score_and_no_order(lake, pool):
    progress = Progress()
    assert scoring(lake, pool).write(DAY, progress) == 300
    whole = lake.read_partition(**SCORES)
    assert lake.parts(**SCORES) == ["triage/scores/day=2026-11-20/part-0.parquet"]
    assert whole.column("ticket_id").to_pylist() == ROWS.column("ticket_id").to_pylist()
    assert (progress.rows, progress.batches, progress.versions) == (300, 19, {1: 300})
    assert sum(progress.queues.values()) == 300
    assert scoring(lake, pool, chunk_rows=70).write(DAY, Progress()) == 300
    assert len(lake.parts(**SCORES)) == 5
    assert lake.read_partition(**SCORES).combine_chunks().equals(whole.combine_chunks())
    assert scoring(lake, pool).write(DAY, Progress()) == 300
    assert lake.paths("triage/scores") == ["triage/scores/day=2026-11-20/part-0.parquet"]


def test_a_stopped_run_goes_on_with_the_same_version_and_features_only(lake, pool):
    chunked = scoring(lake, pool, chunk_rows=64)
    with pytest.raises(KeyboardInterrupt):
        chunked.write(DAY, Counting(stop_at=10))  # two chunks of four batches, and two batches
    assert not lake.has_partition(**SCORES)
    rest = Progress()
    assert chunked.write(DAY, rest) == 300
    assert rest.rows == 300 - 128
    again = Progress()
    assert chunked.write(DAY, again) == 300
    assert again.rows == 0
    lake.write_partition(ROWS.slice(0, 200), **FEATURES)
    changed = Progress()
    assert chunked.write(DAY, changed) == 200
    assert changed.rows == 200
    other = Progress()
    assert scoring(lake, pool, chunk_rows=64, depends_on="another canary").write(DAY, other) == 200
    assert other.rows == 200


def test_shards_share_a_day(lake, pool):
    chunked = scoring(lake, pool, chunk_rows=64)
    first, second = Progress(), Progress()
    assert chunked.write(DAY, first, shard=(1, 2)) == 0
    assert not lake.has_partition(**SCORES)
    assert chunked.write(DAY, second, shard=(0, 2)) == 300
    assert (first.rows, second.rows) == (128, 172)
    assert lake.read_partition(**SCORES).column("ticket_id").to_pylist() == ROWS.column("ticket_id").to_pylist()


def test_two_versions_share_a_day(lake, pool):
    def every_third(batch, *, mine):
        numbers = [int(t[1:]) for t in batch.column("ticket_id").to_pylist()]
        return batch.filter(pa.array([(n % 3 == 0) == mine for n in numbers], pa.bool_()))

    with ThreadWorkers(loaded(2), workers=1) as canary:
        scorers = [
            Scorer(version=1, pool=pool, route=lambda batch: every_third(batch, mine=False)),
            Scorer(version=2, pool=canary, route=lambda batch: every_third(batch, mine=True)),
        ]
        progress = Progress()
        shared = DayScores(
            lake=lake, automation="triage", model="triage", scorers=scorers, batch_size=16, chunk_rows=64
        )
        assert shared.write(DAY, progress) == 300
    found = lake.read_partition(**SCORES)
    assert progress.versions == {1: 200, 2: 100}
    by_ticket = dict(zip(found.column("ticket_id").to_pylist(), found.column("model_version").to_pylist(), strict=True))
    assert by_ticket == {f"t{n}": 2 if n % 3 == 0 else 1 for n in range(300)}


def test_a_day_without_features_has_no_scores(lake, pool):
    scoring(lake, pool, chunk_rows=64).write(DAY, Progress())
    lake.delete_partition(**FEATURES)
    assert scoring(lake, pool).write(DAY, Progress()) == 0
    assert lake.paths("triage") == []
