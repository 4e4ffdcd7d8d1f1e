"""Bytes of a file, plain or compressed, as lines that know where they end.

What belongs here: opening, decompressing, other encodings than ASCII's kin, over-long lines. What does not: rows.
"""

import bz2
import gzip
import hashlib
import io
from collections.abc import Iterator
from pathlib import Path
from typing import IO, Any, Protocol

from aios_core.errors import ConfigurationError, PermanentError
from resources.connectors.files.places import File

MAX_LINE = 32 * 1024 * 1024
BLOCK = 1024 * 1024
COMPRESSED = {".gz": "gzip", ".bz2": "bz2", ".zst": "zstd", ".zstd": "zstd"}


class FileUnreadable(PermanentError):
    """A file can't be opened, decompressed or understood as a whole; the message names it and the way out."""

    code = "file.unreadable"


class FileReplaced(FileUnreadable):
    """A file was written anew while it was read, so that what was read may be of both."""

    code = "file.replaced"


class Hash(Protocol):
    """What hashlib's objects have."""

    def update(self, data: bytes, /) -> None: ...
    def hexdigest(self) -> str: ...


def plain_name(name: str) -> str:
    """The name without the ending of its compression."""
    ending = Path(name).suffix
    return name.removesuffix(ending) if ending.lower() in COMPRESSED else name


def open_bytes(file: File, *, encoding: str = "utf-8") -> io.BufferedReader:
    """The decompressed content; transcoded to UTF-8 where `encoding` does not write a newline as one byte 0x0A."""
    raw: Any
    match COMPRESSED.get(Path(file.name).suffix.lower()):
        case "gzip":
            packed = file.open()
            raw = _Piecewise(gzip.GzipFile(fileobj=packed, mode="rb"), packed)
        case "bz2":
            packed = file.open()
            raw = _Piecewise(bz2.BZ2File(packed, "rb"), packed)
        case "zstd":
            import pyarrow as pa

            raw = pa.input_stream(str(file.local) if file.local else file.open(), compression="zstd")
        case _:
            raw = file.open()
    if not one_byte_newlines(encoding):
        raw = _Transcoded(raw, encoding)
    return io.BufferedReader(raw, BLOCK)


def one_byte_newlines(encoding: str) -> bool:
    """Whether lines can be found in the bytes themselves. Raises ConfigurationError for an unknown encoding."""
    try:
        return '\n",'.encode(encoding) == b'\n",'
    except LookupError as error:
        raise ConfigurationError(
            f"encoding `{encoding}` is not known; write utf-8, latin-1, utf-16 or the like"
        ) from error


def skip(stream: IO[bytes], offset: int) -> Hash | None:
    """Moves past `offset` bytes and returns their hash, to be continued; None where the stream is shorter."""
    digest = hashlib.blake2b(digest_size=16)
    left = offset
    while left:
        block = stream.read(min(BLOCK, left))
        if not block:
            return None
        digest.update(block)
        left -= len(block)
    return digest


def lines(stream: IO[bytes], *, limit: int = MAX_LINE) -> Iterator[bytes]:
    """Lines with their newline; one longer than `limit` comes in pieces, of which only the last ends with a newline."""
    while line := stream.readline(limit):
        yield line


def content_hash(file: File) -> str:
    """What stands for all of its bytes: what its store says of them, else their own hash."""
    tag = file.look().tag
    if tag:
        return tag
    with file.open() as stream:
        return hashlib.file_digest(stream, lambda: hashlib.blake2b(digest_size=16)).hexdigest()


class _Piecewise(io.RawIOBase):
    """Gives what is there. The archive's own `readinto` fills the whole buffer, or loses it where the archive is cut off."""

    def __init__(self, archive: gzip.GzipFile | bz2.BZ2File, packed: IO[bytes]) -> None:
        self._archive = archive
        self._packed = packed  # an archive leaves open what it was given

    def readable(self) -> bool:
        return True

    def readinto(self, buffer: memoryview) -> int:  # type: ignore[override]
        data = self._archive.read1(len(buffer))
        buffer[: len(data)] = data
        return len(data)

    def close(self) -> None:
        self._archive.close()
        self._packed.close()
        super().close()


class _Transcoded(io.RawIOBase):
    """UTF-8 bytes of a file in an encoding such as UTF-16; what can't be decoded becomes U+FFFD."""

    def __init__(self, raw: IO[bytes], encoding: str) -> None:
        self._text = io.TextIOWrapper(raw, encoding=encoding, errors="replace", newline="")

    def readable(self) -> bool:
        return True

    def readinto(self, buffer: memoryview) -> int:  # type: ignore[override]
        data = self._text.read(max(1, len(buffer) // 4)).encode()
        buffer[: len(data)] = data
        return len(data)

    def close(self) -> None:
        self._text.close()
        super().close()
