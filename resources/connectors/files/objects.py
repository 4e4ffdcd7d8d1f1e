"""Files in object stores and on servers, by their URL: whatever fsspec has a client for.

What belongs here: finding them, telling a changed one, reading it in ranges. What does not: what the stores' errors mean (`store_failures.py`).

A listing tells all that is needed of each file, so that a thousand files cost one request, and nothing is asked of those that did not change. Listings
are never taken from a client's cache: a daemon lives long.
"""

import fnmatch
import glob
import hashlib
import io
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from datetime import datetime
from typing import IO, Any

from aios_core.errors import ConfigurationError
from resources.connectors.files import store_failures
from resources.connectors.files.places import File, Seen

# up to this size a file is one request; larger ones come in ranges of as much
AT_ONCE = 8 * 1024 * 1024
BUFFER = 1024 * 1024
# stores in which a folder is nothing but a part of names: that there is none is no mistake
FLAT = ("s3", "gs", "abfs", "oci", "oss", "memory")
# what stores call a version of a content, the surest first; then the time of its last change
CONTENT = ("generation", "md5Hash", "content_md5", "ETag", "etag", "e_tag", "Content-MD5", "sha", "CRC")
TIMES = ("LastModified", "last_modified", "Last-Modified", "mtime", "modified", "modify", "updated", "created")
CONNECT_SECONDS, SILENT_SECONDS = 15, 60  # of HTTP: a large file may take long, but not say nothing


class ObjectPlace:
    """A URL, with wildcards or without. Making one asks nobody."""

    def __init__(self, url: str, *, options: Mapping[str, Any]) -> None:
        if "::" in url:
            raise ConfigurationError(
                f"{store_failures.shown(url)}: URLs within URLs (`::`) can't be read; name the files themselves"
            )
        self._url = url
        self._options = options
        self.protocol = url.partition("://")[0]
        self._opened: tuple[Any, str] | None = None

    def files(self) -> list[File]:
        fs, pattern = self._open()
        with self.failing(self._url):
            fs.invalidate_cache()
            plain = self._plain(pattern)
            parts = plain.split("/")
            magic = next((n for n, part in enumerate(parts) if glob.has_magic(part)), None)
            if magic is None:
                base, found = plain.rpartition("/")[0], {pattern: self._one(fs, pattern)}
            elif plain != pattern:
                raise ConfigurationError(
                    f"{self}: a pattern can't have a query (`?…`); name one file, or sign in by a header"
                )
            else:
                base = "/".join(parts[:magic])
                found = {info["name"]: info for info in _Listings(fs).matching(base, parts[magic:])}
                if not found:
                    self._require(fs, base)
        return [self._file(fs, name, below=base, info=found[name]) for name in sorted(found)]

    def look(self, path: str) -> Seen:
        """As it is now."""
        fs, _ = self._open()
        with self.failing(path):
            fs.invalidate_cache()
            return seen(fs.info(path))

    def read(self, path: str, *, size: int) -> bytes:
        """All of it at once. The size is said since clients ask for it otherwise."""
        fs, _ = self._open()
        with self.failing(path, reading=True):
            content: bytes = fs.cat_file(path, start=0, end=size) if size else b""
            return content

    def stream(self, path: str, *, anywhere: bool) -> "_Stream":
        """In ranges; over HTTP as one answer, since many servers have no ranges, unless it must be read here and there."""
        fs, _ = self._open()
        settings: dict[str, Any] = {"block_size": AT_ONCE, "cache_type": "readahead"}
        if anywhere:
            settings = {"cache_type": "none"}  # pyarrow knows what it needs, and asks for it in whole
        elif self._is_http:
            settings = {"block_size": 0}
        with self.failing(path, reading=True):
            return _Stream(fs.open(path, "rb", **settings), place=self, path=path)

    @contextmanager
    def failing(self, path: str, *, reading: bool = False) -> Iterator[None]:
        """What the store's library raises within becomes one of our errors."""
        try:
            yield
        except Exception as error:
            known = store_failures.failure(error, where=self.shown(path), protocol=self.protocol, reading=reading)
            raise known from (None if known is error or self._has_secrets else error)

    def shown(self, path: str) -> str:
        return store_failures.shown(path if "://" in path else f"{self.protocol}://{path.lstrip('/')}")

    def __str__(self) -> str:
        return self.shown(self._url)

    @property
    def _has_secrets(self) -> bool:
        return self.shown(self._url) != self._url

    def _open(self) -> tuple[Any, str]:
        """The client, which signs in when it is first asked for something, and the URL's path as it wants it."""
        if self._opened is None:
            from fsspec.core import url_to_fs

            with self.failing(self._url):
                try:
                    self._opened = url_to_fs(self._url, **(self._patient() if self._is_http else self._options))
                except ImportError as error:
                    raise store_failures.not_installed(error, where=str(self), protocol=self.protocol) from error
        return self._opened

    @property
    def _is_http(self) -> bool:
        return store_failures.kin(self.protocol) == "http"

    def _patient(self) -> dict[str, Any]:
        """The options with time limits: aiohttp's own end any download after five minutes."""
        from aiohttp import ClientTimeout

        limits = ClientTimeout(None, sock_connect=CONNECT_SECONDS, sock_read=SILENT_SECONDS)
        return {**self._options, "client_kwargs": {"timeout": limits, **self._options.get("client_kwargs", {})}}

    def _plain(self, path: str) -> str:
        """Without HTTP's query, which may hold anything, and changes with each signature."""
        return path.partition("?")[0] if self._is_http else path

    def _one(self, fs: Any, path: str) -> Mapping[str, Any]:
        info: Mapping[str, Any] = fs.info(path)
        if info.get("type") == "directory":
            raise ConfigurationError(
                f"{self.shown(path)}: is a folder; end the source's `path` with `/*.csv` or the like"
            )
        return info

    def _require(self, fs: Any, base: str) -> None:
        """Nothing was found: a bucket without files is no mistake, no bucket is one."""
        flat = store_failures.kin(self.protocol) in FLAT
        place = base.strip("/").partition("/")[0] if flat else base
        if place and self.protocol != "memory":
            fs.info(place)

    def _file(self, fs: Any, path: str, *, below: str, info: Mapping[str, Any]) -> "ObjectFile":
        found = seen(info)
        if found.size < 0 or found.modified_ns is None:  # a page of links says no more than names
            with suppress(store_failures.FileMissing), self.failing(path):
                found = seen(fs.info(path))
        return ObjectFile(self, path, key=self._plain(path).removeprefix(below).lstrip("/"), seen=found)


@dataclass(frozen=True, slots=True)
class ObjectFile:
    """A file as a listing showed it."""

    place: ObjectPlace
    path: str
    key: str
    seen: Seen

    @property
    def name(self) -> str:
        return self.key.rpartition("/")[2]

    @property
    def local(self) -> None:
        return None

    def look(self) -> Seen:
        return self.seen

    def open(self) -> IO[bytes]:
        if self._is_small:
            return io.BytesIO(self.place.read(self.path, size=self.seen.size))
        return io.BufferedReader(self.place.stream(self.path, anywhere=False), BUFFER)

    def open_anywhere(self) -> "io.BytesIO | _Stream":
        if self._is_small:
            return io.BytesIO(self.place.read(self.path, size=self.seen.size))
        return self.place.stream(self.path, anywhere=True)

    def ensure_same(self, seen: Seen) -> None:
        now = self.place.look(self.path)
        if (now.size, now.modified_ns) != (seen.size, seen.modified_ns):
            raise store_failures.replaced(str(self))

    @property
    def _is_small(self) -> bool:
        return 0 <= self.seen.size <= AT_ONCE

    def __str__(self) -> str:
        return self.place.shown(self.path)


class _Listings:
    """Folders of one store, each asked for once. What fails is raised: a failed listing is not an empty one."""

    def __init__(self, fs: Any) -> None:
        self._fs = fs
        self._known: dict[str, list[Mapping[str, Any]]] = {}

    def matching(self, folder: str, parts: Sequence[str]) -> Iterator[Mapping[str, Any]]:
        """Files below a folder, by what a pattern has left; `**` is any number of folders, none included."""
        part, rest = parts[0], parts[1:]
        entries = self._entries(folder)
        if part == "**":
            if rest:
                yield from self.matching(folder, rest)
            for entry in entries:
                if entry["type"] == "directory":
                    yield from self.matching(entry["name"].rstrip("/"), parts)
            return
        for entry in entries:
            if not fnmatch.fnmatchcase(entry["name"].rstrip("/").rpartition("/")[2], part):
                continue
            if not rest and entry["type"] == "file":
                yield entry
            elif rest and entry["type"] == "directory":
                yield from self.matching(entry["name"].rstrip("/"), rest)

    def _entries(self, folder: str) -> list[Mapping[str, Any]]:
        if folder not in self._known:
            try:
                listed = self._fs.ls(folder, detail=True)
            except FileNotFoundError as error:
                if not store_failures.is_absence(error):
                    raise
                listed = []
            # some stores list the folder itself among what is in it, or an object that marks it
            self._known[folder] = [e for e in listed if e["name"].rstrip("/") != folder.rstrip("/")]
        return self._known[folder]


class _Stream(io.RawIOBase):
    """A store's file, whose failures are ours."""

    def __init__(self, file: Any, *, place: ObjectPlace, path: str) -> None:
        self._file = file
        self._place = place
        self._path = path

    def readable(self) -> bool:
        return True

    def seekable(self) -> bool:
        return True

    def seek(self, offset: int, whence: int = io.SEEK_SET) -> int:
        return int(self._file.seek(offset, whence))

    def tell(self) -> int:
        return int(self._file.tell())

    def readinto(self, buffer: memoryview) -> int:  # type: ignore[override]
        with self._place.failing(self._path, reading=True):
            data = self._file.read(len(buffer))
        buffer[: len(data)] = data
        return len(data)

    def close(self) -> None:
        if not self.closed:
            self._file.close()
        super().close()


def seen(info: Mapping[str, Any]) -> Seen:
    """What a listing or a look at one file says, in one way for both."""
    size = info.get("size")
    tag = next((str(info[name]) for name in CONTENT if info.get(name)), "")
    time = next((_time(info[name]) for name in TIMES if info.get(name)), "")
    sure = not tag.startswith("W/")  # a weak tag of HTTP stands for contents that mean the same
    mark = tag.strip('"') if tag and sure else f"{tag} {time}".strip()
    digest = hashlib.blake2b(mark.encode(), digest_size=16)
    return Seen(
        size=-1 if size is None else int(size),
        # 63 bits, as a count of nanoseconds has
        modified_ns=int.from_bytes(digest.digest()[:8]) >> 1 if mark else None,
        tag=digest.hexdigest() if tag and sure else "",
    )


def _time(value: Any) -> str:
    return repr(value.timestamp()) if isinstance(value, datetime) else str(value)
