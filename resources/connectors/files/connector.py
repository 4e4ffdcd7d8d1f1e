"""The file connector: new and grown files become pages; what can't be read is said at the end, after all that can be.

What belongs here: what is read of each file, what makes a row's id and version, and pages with their cursor. What does not: where the
files are (`places.py`, `objects.py`), bytes (`streams.py`), rows (`rows.py`, `parquet.py`) and how far each file was read (`positions.py`).

A row's version is its mapped `updated_at`, else the file and its generation: the same id twice in one file with different
content is then a version conflict, which landing puts into quarantine.
"""

import hashlib
import zlib
from collections.abc import Generator, Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import IO, TYPE_CHECKING, Any

from aios_core.canonical import tabular
from aios_core.canonical.values import has_path
from aios_core.declaration.sources import FileSource
from aios_core.errors import PermanentError, RecordError, RetryableError
from resources.connectors.base import Page, Record, Reject, WriteResult, ahead, read_only
from resources.connectors.failures import SourceDenied
from resources.connectors.files import rows as row_reading
from resources.connectors.files.parquet import opened, parquet_columns, parquet_rows
from resources.connectors.files.places import File, place
from resources.connectors.files.positions import Position, Positions
from resources.connectors.files.rows import Item
from resources.connectors.files.store_failures import FileMissing
from resources.connectors.files.streams import (
    FileUnreadable,
    Hash,
    content_hash,
    lines,
    one_byte_newlines,
    open_bytes,
    plain_name,
    skip,
)
from resources.connectors.items import readable, to_json_bytes

if TYPE_CHECKING:
    from aios_core.decisions.actions import OutboxAction

PAGE_ROWS = 5000
PAGE_BYTES = 8 * 1024 * 1024
MAX_REJECT_CHARS = 1_000_000
PROBLEMS_TOLD = 50
FORMATS = {".csv": "csv", ".tsv": "csv", ".txt": "csv", ".parquet": "parquet", ".pq": "parquet"}
FORMATS |= {".jsonl": "jsonl", ".ndjson": "jsonl", ".json": "jsonl"}
# what reading a damaged or truncated file raises
BROKEN = (OSError, EOFError, zlib.error)
# of JSON Lines, which has no header: columns that some record of the first page must have if they are mapped
ESSENTIAL = ("ticket_id", "created_at", "subject", "body", "customer_id")


class FilesIncomplete(PermanentError):
    """Some files could not be read, or not wholly; everything else was."""

    code = "file.incomplete"


@dataclass(slots=True)
class _Batch:
    """A page being filled."""

    records: list[Record] = field(default_factory=list)
    rejects: list[Reject] = field(default_factory=list)
    size: int = 0

    @property
    def full(self) -> bool:
        return len(self.records) + len(self.rejects) >= PAGE_ROWS or self.size >= PAGE_BYTES


class FileConnector:
    """All files that match a pattern, in the order of their names.

    `pattern` is relative to `folder`, or a URL, whose fsspec client is given `options`.
    """

    def __init__(
        self, source: FileSource, *, pattern: str, folder: Path, options: Mapping[str, Any] | None = None
    ) -> None:
        self._source = source
        self._identify = tabular.identifier(source)
        self._place = place(pattern, folder=folder, options=options or {})
        self.objects: tuple[str, ...] = (source.provides,)

    def read(self, *, object: str, cursor: str | None) -> Iterator[Page]:
        """Pages of up to 5,000 rows or 8 MB. Raises FilesIncomplete after the last page where a file has a problem."""
        if object not in self.objects:
            raise PermanentError(f"file source: no object `{object}`; there is: {self.objects[0]}")
        return ahead(self._pages(Positions.parse(cursor)))

    def write(self, actions: "Sequence[OutboxAction]") -> list[WriteResult]:
        return read_only("a file source", actions)

    def check(self) -> str:
        """How many files there are, and that the first has the mapped columns."""
        files = self._place.files()
        if files and self._format(files[0]) != "jsonl":
            self._require_columns(self._columns(files[0]))
        return f"{len(files)} files match {self._place}"

    def close(self) -> None:
        """Files are open only while they are read."""

    def _columns(self, file: File) -> list[str]:
        if self._format(file) == "parquet":
            with opened(file) as parquet:
                return parquet_columns(parquet)
        with open_bytes(file, encoding=self._source.encoding) as stream:
            return self._parsed_header(file, stream)[1]

    def _pages(self, positions: Positions) -> Generator[Page, None, None]:
        problems: list[str] = []
        held: Page | None = None  # one page is held back, so that the last one can say that it is
        for file in self._place.files():
            try:
                for page in self._file_pages(file, positions):
                    if held is not None:
                        yield held
                    held = page
            except FileMissing:
                problems.append(f"{file}: is gone since it was listed")
            except (FileUnreadable, SourceDenied, *BROKEN) as error:
                problems.append(str(error) if str(file) in str(error) else f"{file}: {error}")
            except RetryableError:
                if held is not None:
                    yield held  # the next try need not read this again
                raise
        held = held or Page(object=self.objects[0], records=(), rejects=(), cursor=positions.dump(), done=True)
        yield replace(held, done=True)
        if problems:
            raise FilesIncomplete(_listed(problems) + " (everything else was read)")

    def _file_pages(self, file: File, positions: Positions) -> Iterator[Page]:
        name, seen = file.key, file.look()
        position = positions.at(name)
        if seen.modified_ns is not None and position.unchanged(size=seen.size, modified_ns=seen.modified_ns):
            return
        modified_ns = -1 if seen.modified_ns is None else seen.modified_ns
        read = self._parquet if self._format(file) == "parquet" else self._text
        for batch, moved in read(file, position):
            file.ensure_same(seen)
            positions.files[name] = replace(moved, size=seen.size, modified_ns=modified_ns)
            yield Page(
                object=self.objects[0],
                records=tuple(batch.records),
                rejects=tuple(batch.rejects),
                cursor=positions.dump(),
                done=False,
            )

    def _text(self, file: File, position: Position) -> Iterator[tuple[_Batch, Position]]:
        """CSV or JSON Lines from where they were read to; a rewritten file from its start."""
        position, stream, digest = _resume(file, position, self._source.encoding)
        with stream:
            items: Iterator[Item]
            if self._format(file) == "jsonl":
                items = row_reading.jsonl_items(lines(stream), encoding=self._encoding)
            else:
                header, columns = self._header(file, stream, position)
                if not columns:
                    yield _Batch(), replace(position, complete=True)
                    return
                digest.update(header)
                position = replace(position, offset=position.offset + len(header))
                items = row_reading.csv_items(
                    lines(stream), columns=columns, delimiter=self._delimiter(file), encoding=self._encoding
                )
            yield from self._batches(file, position, items, digest)

    def _batches(
        self, file: File, position: Position, items: Iterator[Item], digest: Hash
    ) -> Iterator[tuple[_Batch, Position]]:
        batch, raws, checked = _Batch(), list[bytes](), position.rows > 0 or self._format(file) != "jsonl"
        resumed_tail, broken, name = position.tail, None, file.key

        def moved(complete: bool) -> tuple[_Batch, Position]:
            nonlocal position, batch, checked
            if not checked and batch.records:
                self._require_essential(batch)
                checked = True
            digest.update(b"".join(raws))
            offset = position.offset + sum(map(len, raws))
            position = replace(position, offset=offset, hash=digest.hexdigest(), complete=complete)
            filled, batch = batch, _Batch()
            raws.clear()
            return filled, position

        try:
            for item in items:
                if item.payload is not None or item.code:
                    self._add(batch, item, name, position.rows + 1, position.generation, resumed_tail)
                    resumed_tail = ""
                    position = _counted(position, item)
                if item.settled:
                    raws.append(item.raw)
                if batch.full:
                    yield moved(complete=False)
        except BROKEN as error:
            broken = error
        yield moved(complete=broken is None)
        if broken is not None:
            raise FileUnreadable(f"broken after row {position.rows:,}: {broken}; write it again") from broken

    def _parquet(self, file: File, position: Position) -> Iterator[tuple[_Batch, Position]]:
        content = content_hash(file)
        if position.hash and position.hash != content:
            position = position.rewritten()
        position = replace(position, hash=content)
        batch, name, rows = _Batch(), file.key, position.rows
        with opened(file) as parquet:
            self._require_columns(parquet_columns(parquet))
            for payload in parquet_rows(parquet, start=position.rows, at_once=file.local is not None):
                rows += 1
                self._add(batch, Item(b"", payload), name, rows, position.generation, "")
                if batch.full:
                    yield batch, replace(position, rows=rows)
                    batch = _Batch()
        yield batch, replace(position, rows=rows, complete=True)

    def _add(self, batch: _Batch, item: Item, name: str, number: int, generation: int, resumed_tail: str) -> None:
        """The item as a record or a reject; nothing where it is the last, unfinished line of an earlier read, unchanged."""
        batch.size += len(item.raw) or 500
        if item.payload is None:
            where = f"{name}, row {number:,}: {item.message}"
            batch.rejects.append(self._reject(f"{name}:{number}", item.code, where, _readable(item.raw)))
            return
        if resumed_tail and resumed_tail == _tail(item):
            return
        try:
            external_id, version = self._identify(item.payload)
            json = to_json_bytes(item.payload)
        except RecordError as error:
            where = f"{name}, row {number:,}: {error}"
            batch.rejects.append(self._reject(f"{name}:{number}", error.code, where, readable(item.payload)))
            return
        batch.records.append(
            Record(
                object=self.objects[0],
                external_id=external_id or f"{name}:{number}",
                version=(version or f"{name}@{generation}") + ("+" if resumed_tail else ""),
                json=json,
            )
        )

    def _reject(self, external_id: str, code: str, message: str, payload: str) -> Reject:
        return Reject(object=self.objects[0], external_id=external_id, code=code, message=message, payload=payload)

    def _header(self, file: File, stream: IO[bytes], position: Position) -> tuple[bytes, list[str]]:
        """The header's bytes, where the stream stands before them, and the columns: none while there is no whole header."""
        if position.offset:
            with open_bytes(file, encoding=self._source.encoding) as again:
                _, columns = self._parsed_header(file, again)
            header = b""
        else:
            header, columns = self._parsed_header(file, stream)
            columns = columns if header.endswith(b"\n") else []
        if columns:
            self._require_columns(columns)
        return header, columns

    def _parsed_header(self, file: File, stream: IO[bytes]) -> tuple[bytes, list[str]]:
        return row_reading.csv_header(lines(stream), delimiter=self._delimiter(file), encoding=self._encoding)

    def _require_columns(self, columns: Sequence[str]) -> None:
        present = dict.fromkeys(columns)
        for column, asked_by in tabular.mapped_columns(self._source).items():
            if not has_path(present, column):
                raise FileUnreadable(
                    f"there is no column `{column}`, which {asked_by} asks for; there are: {', '.join(columns)[:500]}"
                )

    def _require_essential(self, batch: _Batch) -> None:
        rules = {name: rule.field for name in ESSENTIAL if (rule := self._source.mapping.get(name)) is not None}
        wanted = {name: path for name, path in rules.items() if path is not None}
        seen: dict[str, None] = {}
        for record in batch.records:
            if all(has_path(seen, path) for path in wanted.values()):
                return
            seen.update(dict.fromkeys(record.payload))
        for name, path in wanted.items():
            if not has_path(seen, path):
                raise FileUnreadable(
                    f"no record has `{path}`, which mapping.{name} asks for; they have: {', '.join(seen)[:500]}"
                )

    def _format(self, file: File) -> str:
        kind = self._source.format or FORMATS.get(Path(plain_name(file.name)).suffix.lower())
        if kind is None:
            raise FileUnreadable(f"what is in a file called `{file.name}` is not known; set the source's `format`")
        return kind

    def _delimiter(self, file: File) -> str:
        is_tsv = plain_name(file.name).lower().endswith(".tsv")
        return "\t" if is_tsv and self._source.delimiter == "," else self._source.delimiter

    @property
    def _encoding(self) -> str:
        """Of the lines as they come out of the stream, which transcodes what has no newlines of one byte."""
        return self._source.encoding if one_byte_newlines(self._source.encoding) else "utf-8"


def _resume(file: File, position: Position, encoding: str) -> tuple[Position, IO[bytes], Hash]:
    """The stream behind what was read, with the hash of it; at the start, as a new generation, where that has changed."""
    stream = open_bytes(file, encoding=encoding)
    digest = skip(stream, position.offset)
    if digest is not None and (not position.offset or digest.hexdigest() == position.hash):
        return replace(position, complete=False), stream, digest
    stream.close()
    return position.rewritten(), open_bytes(file, encoding=encoding), hashlib.blake2b(digest_size=16)


def _counted(position: Position, item: Item) -> Position:
    """The position behind this row; a last line that may still grow is remembered, and not passed."""
    if item.settled:
        return replace(position, rows=position.rows + 1, tail="") if position.tail else _next_row(position)
    return replace(position, tail=_tail(item) if item.payload is not None else "")


def _next_row(position: Position) -> Position:
    return replace(position, rows=position.rows + 1)


def _tail(item: Item) -> str:
    return hashlib.blake2b(item.raw.rstrip(b"\r\n"), digest_size=12).hexdigest()


def _readable(raw: bytes) -> str:
    text = raw[:MAX_REJECT_CHARS].decode("utf-8", "backslashreplace")
    return text if len(raw) <= MAX_REJECT_CHARS else f"{text}… ({len(raw):,} bytes in all)"


def _listed(problems: Sequence[str]) -> str:
    more = len(problems) - PROBLEMS_TOLD
    return "; ".join(problems[:PROBLEMS_TOLD]) + (f"; and {more:,} more like these" if more > 0 else "")
