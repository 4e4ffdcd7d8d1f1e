"""The scores of one day: features from the lake, through pools of workers, into the lake; a large day in chunks.

What belongs here: which rows go through which version, and how a day is cut. What does not: which versions decide
(`aios_assets/scoring.py`), the pools (`workers.py`) and where chunks lie (`chunks.py`).
"""

from collections import Counter
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field
from datetime import date

import pyarrow as pa
import pyarrow.compute as pc

from aios_core.scoring.schema import SCORE_SCHEMA
from aios_core.scoring.stream import score_parallel
from resources.ahead import ahead
from resources.chunks import CHUNK_ROWS, ChunkedDay, stamp_of, write_day
from resources.lake import Lake
from resources.workers import ProcessWorkers, ThreadWorkers

AHEAD = 8  # scored batches that wait for the writer, which writes many at once

Route = Callable[[pa.RecordBatch], pa.RecordBatch]


@dataclass(frozen=True, slots=True, kw_only=True)
class Scorer:
    """One version's pool, and the rows of a batch that it scores; `route` None: all of them."""

    version: int
    pool: ThreadWorkers | ProcessWorkers
    route: Route | None = None


@dataclass(slots=True)
class Progress:
    """What has been scored so far, for metadata and logs; `told` is called after every batch."""

    rows: int = 0
    batches: int = 0
    queues: Counter[str] = field(default_factory=Counter)
    versions: Counter[int] = field(default_factory=Counter)
    told: Callable[["Progress"], None] = lambda _: None

    def add(self, version: int, batch: pa.RecordBatch) -> None:
        self.rows += batch.num_rows
        self.batches += 1
        self.versions[version] += batch.num_rows
        for entry in pc.value_counts(batch.column("queue")).to_pylist():
            self.queues[entry["values"]] += entry["counts"]
        self.told(self)


@dataclass(frozen=True, slots=True, kw_only=True)
class DayScores:
    """How days are scored: by these versions, in the order given, `batch_size` rows at a time."""

    lake: Lake
    automation: str
    model: str
    scorers: Sequence[Scorer]
    batch_size: int
    dataset: str = "scores"
    chunk_rows: int = CHUNK_ROWS
    columns: Sequence[str] | None = None  # of the features: those that are read; default: all
    depends_on: str = ""  # whatever else decides a row's version: the canary's share

    def write(self, day: date, progress: Progress, *, shard: tuple[int, int] = (0, 1)) -> int:
        """Score one day, or a shard of it (see `chunks.write_day`); returns the day's rows, 0 while other shards are missing.

        A day without features gets no scores. A day of more than `chunk_rows` rows goes on where an earlier run with the same
        versions and features was stopped; `progress` counts what is scored now.
        """
        where = {"automation": self.automation, "day": day}
        if not self.lake.has_partition(dataset="features", **where):
            self.lake.delete_partition(dataset=self.dataset, **where)
            return 0
        rows = self.lake.rows_of(dataset="features", **where)
        if rows <= self.chunk_rows and shard[1] == 1:
            scored = ahead(self._scored(day, 0, rows, progress), most=AHEAD)
            return self.lake.write_partition(scored, dataset=self.dataset, schema=SCORE_SCHEMA, **where).rows
        stamp = stamp_of(
            model=self.model,
            versions=[scorer.version for scorer in self.scorers],
            features=self.lake.identity(dataset="features", **where),
            chunk_rows=self.chunk_rows,
            columns=SCORE_SCHEMA.names,
            depends_on=self.depends_on,
        )
        chunked = ChunkedDay(
            lake=self.lake, dataset=self.dataset, stamp=stamp, rows=rows, chunk_rows=self.chunk_rows, **where
        )
        complete = write_day(
            chunked,
            lambda start, stop: ahead(self._scored(day, start, stop, progress), most=AHEAD),
            schema=SCORE_SCHEMA,
            shard=shard,
        )
        return rows if complete else 0

    def _scored(self, day: date, start: int, stop: int, progress: Progress) -> Iterator[pa.RecordBatch]:
        """Rows [start, stop) of the day's features, scored: those of the first version, then those of the next."""
        for scorer in self.scorers:
            batches = self.lake.scan_rows(
                automation=self.automation,
                dataset="features",
                day=day,
                start=start,
                stop=stop,
                columns=self.columns,
                batch_size=self.batch_size,  # so that the first one is scored while the rest is read
            )
            routed = batches if scorer.route is None else map(scorer.route, batches)
            for batch in score_parallel(routed, pool=scorer.pool, batch_size=self.batch_size):
                progress.add(scorer.version, batch)
                yield batch
