"""The file connector: new and grown files become pages; what can't be read is said at the end, after all that can be.

What belongs here: which files, what makes a row's id and version, and pages with their cursor. What does not: bytes
(`streams.py`), rows (`rows.py`, `parquet.py`) and how far each file was read (`positions.py`).

A row's version is its mapped `updated_at`, else the file and its generation: the same id twice in one file with different
content is then a version conflict, which landing puts into quarantine.
"""

import glob
import hashlib
from collections.abc import Generator, Iterator, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import IO, TYPE_CHECKING, Any

from aios_core.automation import FileSource
from aios_core.canonical import tabular
from aios_core.canonical.values import has_path
from aios_core.errors import ConfigurationError, PermanentError, RecordError
from resources.connectors.base import Page, Record, Reject, WriteResult, ahead, read_only
from resources.connectors.files import rows as row_reading
from resources.connectors.files.parquet import parquet_columns, parquet_rows
from resources.connectors.files.positions import Position, Positions
from resources.connectors.files.rows import Item
from resources.connectors.files.streams import FileUnreadable, Hash, file_hash, lines, open_bytes, plain_name, skip
from resources.connectors.items import to_json

if TYPE_CHECKING:
    from aios_core.decisions.actions import OutboxAction

PAGE_ROWS = 5000
PAGE_BYTES = 8 * 1024 * 1024
MAX_REJECT_CHARS = 1_000_000
FORMATS = {".csv": "csv", ".tsv": "csv", ".txt": "csv", ".parquet": "parquet", ".pq": "parquet"}
FORMATS |= {".jsonl": "jsonl", ".ndjson": "jsonl", ".json": "jsonl"}
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
    """All files that match a pattern, in the order of their names. `pattern` is relative to `folder`."""

    def __init__(self, source: FileSource, *, pattern: str, folder: Path) -> None:
        self._source = source
        self._pattern = str(folder / pattern)
        self._base = _fixed_folder(self._pattern)
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
        files = self._files()
        if files and self._format(files[0]) != "jsonl":
            columns = self._columns(files[0])
            self._require_columns(files[0], columns)
        return f"{len(files)} files match {self._pattern}"

    def close(self) -> None:
        """Files are open only while they are read."""

    def _files(self) -> list[Path]:
        if glob.has_magic(self._pattern):
            if not self._base.is_dir():
                raise ConfigurationError(f"{self._base}: there is no such folder; set the source's `path`")
            return sorted(p for p in map(Path, glob.glob(self._pattern, recursive=True)) if p.is_file())
        path = Path(self._pattern)
        if not path.is_file():
            raise ConfigurationError(f"{path}: there is no such file; set the source's `path`")
        return [path]

    def _pages(self, positions: Positions) -> Generator[Page, None, None]:
        problems: list[str] = []
        held: Page | None = None
        for path in self._files():
            try:
                for page in self._file_pages(path, positions):
                    if held is not None:
                        yield held
                    held = page
            except (FileUnreadable, OSError, EOFError) as error:
                problems.append(f"{path}: {error}" if str(path) not in str(error) else str(error))
        # one page is held back, so that the last one can say that it is
        yield held.last() if False else _last(held, self.objects[0], positions)
        if problems:
            raise FilesIncomplete("; ".join(problems) + " (everything else was read)")

    def _file_pages(self, path: Path, positions: Positions) -> Iterator[Page]:
        name, status = self._name(path), path.stat()
        position = positions.at(name)
        if position.unchanged(size=status.st_size, modified_ns=status.st_mtime_ns):
            return
        marks = {"size": status.st_size, "modified_ns": status.st_mtime_ns}
        read = self._parquet if self._format(path) == "parquet" else self._text
        for batch, moved in read(path, name, position):
            positions.files[name] = moved
            positions.move(name, **marks)
            yield Page(
                object=self.objects[0],
                records=tuple(batch.records),
                rejects=tuple(batch.rejects),
                cursor=positions.dump(),
                done=False,
            )
