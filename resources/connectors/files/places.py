"""Files where a source's `path` says they are: what reading needs to know of one, and those of a local disk.

What belongs here: the shape of a file and of a place, and the local ones. What does not: object stores and servers (`objects.py`), and what is in
a file (`streams.py`, `rows.py`, `parquet.py`).
"""

import glob
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import IO, Any, Protocol

from aios_core.errors import ConfigurationError

LOCAL = ("file", "local")


@dataclass(frozen=True, slots=True, kw_only=True)
class Seen:
    """A file as it was when it was looked at.

    `modified_ns` differs where the content may differ: the time of the last change, or a number made of what an object store calls a version;
    None: nothing tells, so that only reading does. `tag` stands for exactly this content; empty: nothing does. `size` -1: not known.
    """

    size: int
    modified_ns: int | None
    tag: str = ""


class File(Protocol):
    """One file of a source; `str()` of it is what people are told. `key` is its name below the pattern's fixed folder."""

    @property
    def key(self) -> str: ...

    @property
    def name(self) -> str:
        """The last part, with its ending."""
        ...

    @property
    def local(self) -> Path | None:
        """Where a library can open it by itself; None: it can't."""
        ...

    def look(self) -> Seen: ...

    def open(self) -> IO[bytes]:
        """Its bytes, to be read from the start on."""
        ...

    def open_anywhere(self) -> Any:
        """What pyarrow reads parts of: a path, or an open file, which is to be closed."""
        ...

    def ensure_same(self, seen: Seen) -> None:
        """Raises FileReplaced where it is not what was seen any more."""
        ...


class Place(Protocol):
    """All files that one pattern finds."""

    def files(self) -> list[File]:
        """In the order of their names. Raises ConfigurationError where the place itself is missing."""
        ...


@dataclass(frozen=True, slots=True)
class LocalFile:
    """A file that has a path."""

    path: Path
    key: str

    @property
    def name(self) -> str:
        return self.path.name

    @property
    def local(self) -> Path:
        return self.path

    def look(self) -> Seen:
        status = self.path.stat()
        return Seen(size=status.st_size, modified_ns=status.st_mtime_ns)

    def open(self) -> IO[bytes]:
        return self.path.open("rb")

    def open_anywhere(self) -> Path:
        return self.path

    def ensure_same(self, seen: Seen) -> None:
        """An open file stays the one that was opened, and one that grows is read on later."""

    def __str__(self) -> str:
        return str(self.path)


class LocalPlace:
    """A path or a glob on a disk."""

    def __init__(self, pattern: str) -> None:
        self._pattern = pattern
        self._base = fixed_folder(pattern)

    def files(self) -> list[File]:
        if not glob.has_magic(self._pattern):
            path = Path(self._pattern)
            if not path.is_file():
                raise ConfigurationError(f"{path}: there is no such file; set the source's `path`")
            return [self._file(path)]
        if not self._base.is_dir():
            raise ConfigurationError(f"{self._base}: there is no such folder; set the source's `path`")
        below = Path(self._pattern).relative_to(self._base)
        return [self._file(p) for p in sorted(self._base.glob(str(below))) if p.is_file()]

    def _file(self, path: Path) -> LocalFile:
        return LocalFile(path, path.relative_to(self._base).as_posix())

    def __str__(self) -> str:
        return self._pattern


def place(pattern: str, *, folder: Path, options: Mapping[str, Any]) -> Place:
    """Where `pattern` points to: any URL that fsspec knows, or a path from `folder` on. `options` are for what is not local."""
    protocol, separator, _ = pattern.partition("://")
    if not separator:
        return LocalPlace(str(folder / pattern))
    if protocol in LOCAL:
        return LocalPlace(pattern.removeprefix(f"{protocol}://"))
    from resources.connectors.files.objects import ObjectPlace  # fsspec's clients are for who has such a source

    return ObjectPlace(pattern, options=options)


def fixed_folder(pattern: str) -> Path:
    """The part of a pattern before its first wildcard: names are relative to it."""
    parts = Path(pattern).parts
    magic = next((n for n, part in enumerate(parts) if glob.has_magic(part)), len(parts) - 1)
    return Path(*parts[:magic])
