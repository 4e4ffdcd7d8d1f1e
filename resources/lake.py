"""The lake: partitioned Parquet and artifacts, on a local disk or an object store.

What belongs here: paths, atomic writes, streaming reads. What does not: what the tables mean, and state (Postgres has that).

Layout: `<automation>/<dataset>/day=YYYY-MM-DD/part-0.parquet`; artifacts are put under paths of their own. Whatever is
written appears whole or not at all: it goes to a temporary name first and is moved over the old one when complete, so a
killed writer leaves the last good content, and two writers leave one of the two.

A large day may be several files instead (`chunks.py`): then `parts.json` beside them lists them, and a day is what its list says.
"""

import contextlib
import hashlib
import json
import os
import uuid
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass
from datetime import date, timedelta
from itertools import chain
from pathlib import Path, PurePosixPath
from typing import IO, Any

import fsspec
import pyarrow as pa
import pyarrow.parquet as pq
from fsspec.implementations.local import LocalFileSystem

from aios_core.errors import PermanentError

ROW_GROUP = 65_536
WRITTEN_AT_ONCE = (
    16_384  # rows; in pieces of 512 writing takes half as long again, and larger ones leave more for the end
)
TEMPORARY = ".tmp"


class LakeError(PermanentError):
    """A path in the lake is missing, damaged or not allowed; the message names it."""

    code = "lake.invalid"


class LakeMissing(LakeError):
    """There is nothing at this path."""

    code = "lake.missing"


@dataclass(frozen=True, slots=True)
class LakeFile:
    """What was written: path relative to the lake, rows, bytes."""

    path: str
    rows: int
    bytes: int


class Lake:
    """One lake by URL (`s3://bucket/prefix`, `memory://name`) or folder. Making one touches nothing."""

    def __init__(self, url: str | os.PathLike[str]) -> None:
        self.url = os.fspath(url)
        self._opened: tuple[Any, str] | None = None

    def write_partition(
        self,
        rows: pa.Table | Iterable[pa.RecordBatch],
        *,
        automation: str,
        dataset: str,
        day: date,
        schema: pa.Schema | None = None,
    ) -> LakeFile:
        """Replace one day by these rows. Batches are streamed: memory is set by their size.

        No batches and no `schema` means that the day has no rows: its file is removed, and `scan` passes it over.
        """
        path = partition_path(automation, dataset, day)
        if isinstance(rows, pa.Table):
            schema, batches = rows.schema, iter(rows.to_batches())
        else:
            batches = iter(rows)
            if schema is None:
                first = next(batches, None)
                if first is None:
                    self.delete_partition(automation=automation, dataset=dataset, day=day)
                    return LakeFile(path, 0, 0)
                schema, batches = first.schema, chain([first], batches)
        written = self.write_file(path, batches, schema=schema)
        for listed in self.parts(automation=automation, dataset=dataset, day=day):
            if listed != path:  # the day was in several files: from here on it is this one
                self.delete(parts_path(automation, dataset, day))
                self.delete(chunks_folder(automation, dataset, day))
                break
        return written

    def write_file(self, path: str, batches: Iterable[pa.RecordBatch], *, schema: pa.Schema) -> LakeFile:
        """One Parquet file, streamed, replacing what was there."""
        written = self._replace(path, lambda file: _write_parquet(file, schema, batches))
        return LakeFile(path, written, self._size(path))

    def parts(self, *, automation: str, dataset: str, day: date) -> list[str]:
        """The day's files, in order of their rows; none where the day was never written."""
        with contextlib.suppress(LakeMissing):
            return list(json.loads(self.get(parts_path(automation, dataset, day)))["parts"])
        path = partition_path(automation, dataset, day)
        return [path] if self.exists(path) else []

    def read_partition(
        self, *, automation: str, dataset: str, day: date, columns: Sequence[str] | None = None
    ) -> pa.Table:
        """One day's rows. Raises LakeMissing where the day was never written."""
        wanted = list(columns) if columns is not None else None
        tables = []
        parts = self.parts(automation=automation, dataset=dataset, day=day)
        for path in parts or [partition_path(automation, dataset, day)]:
            with self._open_parquet(path) as file:
                tables.append(file.read(columns=wanted))
        return tables[0] if len(tables) == 1 else pa.concat_tables(tables)

    def has_partition(self, *, automation: str, dataset: str, day: date) -> bool:
        """Whether the day was written."""
        return bool(self.parts(automation=automation, dataset=dataset, day=day))

    def delete_partition(self, *, automation: str, dataset: str, day: date) -> None:
        """Remove one day; nothing happens where it was never written."""
        self.delete(parts_path(automation, dataset, day))  # first: a list without its files would be a damaged day
        self.delete(chunks_folder(automation, dataset, day))
        self.delete(partition_path(automation, dataset, day))

    def rows_of(self, *, automation: str, dataset: str, day: date) -> int:
        """How many rows the day has; 0 where it was never written."""
        rows = 0
        for path in self.parts(automation=automation, dataset=dataset, day=day):
            with self._open_parquet(path) as file:
                rows += file.metadata.num_rows
        return rows

    def identity(self, *, automation: str, dataset: str, day: date) -> str:
        """Changes whenever the day is written again, by what the store says of its files (size, and entity tag or time)."""
        fs, found = self._root()[0], []
        for path in self.parts(automation=automation, dataset=dataset, day=day):
            info = fs.info(self._at(path)[1])
            stamp = next((str(info[key]) for key in ("ETag", "etag", "mtime", "created") if info.get(key)), "")
            found.append([path, info.get("size"), stamp])
        return hashlib.sha256(json.dumps(found).encode()).hexdigest()

    def scan(
        self,
        *,
        automation: str,
        dataset: str,
        start: date,
        end: date,
        columns: Sequence[str] | None = None,
        batch_size: int = ROW_GROUP,
    ) -> Iterator[pa.RecordBatch]:
        """Rows of the days in [start, end), in order of days, streamed; days that were never written are passed over."""
        for offset in range((end - start).days):
            day = start + timedelta(days=offset)
            for path in self.parts(automation=automation, dataset=dataset, day=day):
                with self._open_parquet(path) as file:
                    yield from file.iter_batches(
                        batch_size=batch_size, columns=list(columns) if columns is not None else None
                    )

    def scan_rows(
        self,
        *,
        automation: str,
        dataset: str,
        day: date,
        start: int,
        stop: int,
        columns: Sequence[str] | None = None,
        batch_size: int = ROW_GROUP,
    ) -> Iterator[pa.RecordBatch]:
        """Rows [start, stop) of one day, streamed; row groups outside are not read."""
        first = 0
        for path in self.parts(automation=automation, dataset=dataset, day=day):
            with self._open_parquet(path) as file:
                sizes = [file.metadata.row_group(i).num_rows for i in range(file.metadata.num_row_groups)]
                starts = [first + sum(sizes[:i]) for i in range(len(sizes))]
                groups = [i for i, at in enumerate(starts) if at < stop and at + sizes[i] > start]
                at = starts[groups[0]] if groups else first
                first += sum(sizes)
                if not groups:
                    continue
                for batch in file.iter_batches(
                    batch_size=batch_size, columns=list(columns) if columns is not None else None, row_groups=groups
                ):
                    low, high = max(start - at, 0), min(stop - at, batch.num_rows)
                    at += batch.num_rows
                    if low < high:
                        yield batch.slice(low, high - low)

    def put(self, path: str, content: bytes) -> LakeFile:
        """Write an artifact, replacing what was there."""

        def write(file: IO[bytes]) -> int:
            file.write(content)
            return 0

        self._replace(path, write)
        return LakeFile(path, 0, len(content))

    def get(self, path: str) -> bytes:
        """An artifact's content. Raises LakeMissing."""
        fs, target = self._at(path)
        try:
            content: bytes = fs.cat_file(target)
        except (FileNotFoundError, IsADirectoryError) as error:
            raise LakeMissing(f"{path}: there is no such file in the lake {self.url}") from error
        return content

    def exists(self, path: str) -> bool:
        """Whether there is a file at this path."""
        fs, target = self._at(path)
        return bool(fs.isfile(target))

    def paths(self, folder: str) -> list[str]:
        """All files under a folder, relative to the lake, sorted; empty where the folder is not there."""
        fs, target = self._at(folder)
        root = self._root()[1].rstrip("/") + "/"
        return sorted(found.removeprefix(root) for found in fs.find(target)) if fs.isdir(target) else []

    def delete(self, path: str) -> None:
        """Remove a file, or a folder with all that is in it; nothing happens where there is none."""
        fs, target = self._at(path)
        if fs.exists(target):
            fs.rm(target, recursive=True)

    def _root(self) -> tuple[Any, str]:
        if self._opened is None:
            url = self.url if "://" in self.url else str(Path(self.url).absolute())
            self._opened = fsspec.core.url_to_fs(url)
        return self._opened

    def _at(self, path: str) -> tuple[Any, str]:
        parts = PurePosixPath(path).parts
        if not parts or path.startswith("/") or ".." in parts or "\0" in path or "\\" in path:
            raise LakeError(f"{path!r} is not a path inside the lake; give a relative one without `..`")
        fs, root = self._root()
        return fs, "/".join([root.rstrip("/"), *parts])

    def _size(self, path: str) -> int:
        fs, target = self._at(path)
        return int(fs.size(target))

    def _replace(self, path: str, write: Callable[[IO[bytes]], int]) -> int:
        fs, target = self._at(path)
        temporary = f"{self._root()[1].rstrip('/')}/{TEMPORARY}/{uuid.uuid4().hex}"
        try:
            fs.makedirs(temporary.rsplit("/", 1)[0], exist_ok=True)
            with fs.open(temporary, "wb") as file:
                result = write(file)
                _to_disk(file)
            fs.makedirs(target.rsplit("/", 1)[0], exist_ok=True)
            if isinstance(fs, LocalFileSystem):
                Path(temporary).replace(target)
            else:
                fs.mv(temporary, target)
        except BaseException as error:
            with contextlib.suppress(OSError):
                fs.rm_file(temporary)
            if isinstance(error, OSError):
                raise LakeError(f"{path}: can't be written to the lake {self.url}: {error}") from error
            raise
        return result

    @contextlib.contextmanager
    def _open_parquet(self, path: str) -> Iterator[Any]:
        fs, target = self._at(path)
        try:
            with fs.open(target, "rb") as file, pq.ParquetFile(file) as parquet:
                yield parquet
        except FileNotFoundError as error:
            raise LakeMissing(
                f"{path}: there is no such partition in the lake {self.url}; materialize that day first"
            ) from error
        except (pa.ArrowInvalid, pa.ArrowNotImplementedError) as error:
            raise LakeError(f"{path}: can't be read as Parquet ({error}); materialize that day again") from error


def partition_path(automation: str, dataset: str, day: date) -> str:
    """Where one day of a dataset lies."""
    return f"{automation}/{dataset}/day={day.isoformat()}/part-0.parquet"


def parts_path(automation: str, dataset: str, day: date) -> str:
    """Where the list of a day's files lies, for a day of several."""
    return f"{automation}/{dataset}/day={day.isoformat()}/parts.json"


def chunks_folder(automation: str, dataset: str, day: date) -> str:
    """Where the files of such a day lie."""
    return f"{automation}/{dataset}/day={day.isoformat()}/chunks"


def _write_parquet(file: IO[bytes], schema: pa.Schema, batches: Iterable[pa.RecordBatch]) -> int:
    rows = 0
    with pq.ParquetWriter(file, schema, **_layout(schema)) as writer:
        for table in _gathered(batches):
            if rows:  # in pieces, while others work on the next: the end has little to wait for
                _to_disk(file)
            writer.write_table(table, row_group_size=ROW_GROUP)
            rows += table.num_rows
    return rows


def _layout(schema: pa.Schema) -> dict[str, Any]:
    """Lists of floats are written as they are: looking for repetitions takes most of a writer's time, and finds few."""
    leaves = {path: kind for field in schema for path, kind in _leaves(field.name, field.type)}
    lists = {path for path, kind in leaves.items() if "." in path and pa.types.is_floating(kind)}
    return {
        "compression": {path: "none" if path in lists else "zstd" for path in leaves},
        "use_dictionary": [path for path, kind in leaves.items() if not pa.types.is_floating(kind)],
        "write_statistics": [path for path in leaves if path not in lists],
    }


def _leaves(path: str, kind: pa.DataType) -> Iterator[tuple[str, pa.DataType]]:
    """(path, type) of what a column consists of, as Parquet names it."""
    if pa.types.is_list(kind):
        yield from _leaves(f"{path}.list.element", kind.value_type)
    elif pa.types.is_struct(kind):
        for field in kind:
            yield from _leaves(f"{path}.{field.name}", field.type)
    else:
        yield path, kind


def _gathered(batches: Iterable[pa.RecordBatch]) -> Iterator[pa.Table]:
    """The same rows in tables large enough to be written at full speed."""
    waiting: list[pa.RecordBatch] = []
    rows = 0
    for batch in batches:
        waiting.append(batch)
        rows += batch.num_rows
        if rows >= WRITTEN_AT_ONCE:
            yield pa.Table.from_batches(waiting)
            waiting, rows = [], 0
    if waiting:
        yield pa.Table.from_batches(waiting)


def _to_disk(file: IO[bytes]) -> None:
    """A rename may reach the disk before the content does; object stores and memory have no file to sync."""
    file.flush()
    with contextlib.suppress(AttributeError, OSError):
        os.fsync(file.fileno())
