"""A large day in chunks that are committed one by one, so that a run that was killed goes on where it stopped.

What belongs here: where chunks lie, which are there, and making a day of them. What does not: what is in them.

A chunk is one Parquet file, whole or absent like any file of the lake, in a folder named after everything that its content depends
on (`stamp`): model versions, the features' identity, how rows are cut. No reader looks there. When all chunks are there, the list
`parts.json` is replaced in one move, and from then on the day is what the list says; until then it is what it was.
Runs may share a day, each with chunks of its own: whichever finds them complete makes the list, and doing it twice changes nothing.
"""

import hashlib
import json
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass
from datetime import date
from typing import Any

import pyarrow as pa

from resources.lake import Lake, LakeError, chunks_folder, parts_path

CHUNK_ROWS = 262_144


@dataclass(frozen=True, slots=True, kw_only=True)
class ChunkedDay:
    """One day of a dataset being made. `rows` is how many there are to be, `stamp` names what their content depends on."""

    lake: Lake
    automation: str
    dataset: str
    day: date
    stamp: str
    rows: int
    chunk_rows: int = CHUNK_ROWS

    @property
    def count(self) -> int:
        return -(-self.rows // self.chunk_rows)

    def bounds(self, chunk: int) -> tuple[int, int]:
        """The rows [start, stop) of a chunk."""
        return chunk * self.chunk_rows, min((chunk + 1) * self.chunk_rows, self.rows)

    def missing(self) -> list[int]:
        """Chunks that are not committed yet."""
        there = set(self.lake.paths(self._folder))
        return [chunk for chunk in range(self.count) if self._path(chunk) not in there]

    def write(self, chunk: int, batches: Iterable[pa.RecordBatch], *, schema: pa.Schema) -> None:
        """Commit one chunk. Raises LakeError, with nothing committed, where it has not as many rows as it must."""
        start, stop = self.bounds(chunk)
        self.lake.write_file(self._path(chunk), _exactly(batches, stop - start, self._path(chunk)), schema=schema)

    def commit(self) -> bool:
        """Make the chunks the day, if all are there."""
        if self.missing():
            return False
        where = {"automation": self.automation, "dataset": self.dataset, "day": self.day}
        listed = {"stamp": self.stamp, "rows": self.rows, "parts": [self._path(chunk) for chunk in range(self.count)]}
        before = self.lake.parts(**where)
        self.lake.put(parts_path(**where), json.dumps(listed).encode())
        for path in {*before, *self.lake.paths(chunks_folder(**where))} - set(listed["parts"]):
            self.lake.delete(path)
        return True

    @property
    def _folder(self) -> str:
        return f"{chunks_folder(self.automation, self.dataset, self.day)}/{self.stamp}"

    def _path(self, chunk: int) -> str:
        return f"{self._folder}/{chunk:06d}.parquet"


def write_day(
    day: ChunkedDay,
    make: Callable[[int, int], Iterable[pa.RecordBatch]],
    *,
    schema: pa.Schema,
    shard: tuple[int, int] = (0, 1),
) -> bool:
    """Make the day's chunks that are missing, in order, and then the day; True where it is complete.

    `make(start, stop)` gives the rows of a chunk. `shard` (i, n) makes every n-th chunk only, from the i-th on: n runs with the same
    day make all of it between them.
    """
    index, shards = shard
    if not 0 <= index < shards:
        raise LakeError(f"shard {index} of {shards}: shards count from 0 to one less than there are")
    for chunk in day.missing():
        if chunk % shards == index:
            day.write(chunk, make(*day.bounds(chunk)), schema=schema)
    return day.commit()


def stamp_of(**depends_on: Any) -> str:
    """A folder's name for everything that a day's content depends on."""
    return hashlib.sha256(json.dumps(depends_on, sort_keys=True).encode()).hexdigest()[:24]


def _exactly(batches: Iterable[pa.RecordBatch], rows: int, path: str) -> Iterator[pa.RecordBatch]:
    given = 0
    for batch in batches:
        given += batch.num_rows
        yield batch
    if given != rows:
        raise LakeError(
            f"{path}: {given} rows were made for {rows}; the day's features changed meanwhile: materialize it again"
        )
