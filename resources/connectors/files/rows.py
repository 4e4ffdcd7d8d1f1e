"""Lines to rows, with exact accounting: each byte belongs to one item, and each item is a row, a blank or a refusal.

What belongs here: CSV and JSON Lines. What does not: files and cursors (`connector.py`), Parquet (`parquet.py`).

Broken quoting must not swallow the rest of a file. A record ends at the first newline at which its quotes are even in number; if
what was gathered is no record then, only its first line is refused, and reading goes on with the second.
"""

import csv
from collections import deque
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from itertools import chain
from typing import Any

import orjson

from resources.connectors.files.streams import MAX_LINE, FileUnreadable

MAX_RECORD_BYTES = MAX_LINE
GROUP = 1000


@dataclass(slots=True)
class Item:
    """Some bytes of a file: a row (`payload`), a refusal (`code`), or neither (blank lines, the rest of a refused line).

    `settled` is False for a last record without its newline: it may still be being written, and is read again once the
    file has grown.
    """

    raw: bytes
    payload: dict[str, Any] | None = None
    code: str = ""
    message: str = ""
    settled: bool = True


def jsonl_items(lines: Iterator[bytes], *, encoding: str) -> Iterator[Item]:
    """One JSON object a line."""
    for line, whole in _whole(lines):
        if not whole:
            yield _too_long(line)
            continue
        text = line.strip()
        if not text:
            yield Item(line)
            continue
        item = Item(line, settled=line.endswith(b"\n"))
        try:
            item.payload, item.code, item.message = _object(text, encoding)
        except UnicodeDecodeError as error:
            item.code, item.message = "file.bad_encoding", _bad_encoding(error, encoding)
        if item.code and not item.settled:
            item.code, item.message = "file.truncated_record", "the last line has no newline and is no JSON object"
        yield item


def csv_header(lines: Iterator[bytes], *, delimiter: str, encoding: str) -> tuple[bytes, list[str]]:
    """The first record's bytes and its columns; both empty for an empty file. Raises FileUnreadable without a file name."""
    gathered = b""
    for line, _ in _whole(lines):
        gathered += line
        if gathered.count(b'"') % 2 == 0 and gathered.strip():
            break
    else:
        if not gathered.strip():
            return gathered, []
    try:
        text = gathered.decode(encoding).lstrip("\ufeff").strip("\r\n")
        columns = _parse(text, delimiter)
    except (UnicodeDecodeError, csv.Error) as error:
        raise FileUnreadable(f"the header can't be read: {error}; check `encoding` and `delimiter`") from error
    columns = [c.strip() for c in columns]
    if len(set(columns)) != len(columns) or "" in columns:
        raise FileUnreadable(f"the header has empty or repeated names: {', '.join(columns)[:300]}")
    return gathered, columns


def csv_items(lines: Iterator[bytes], *, columns: Sequence[str], delimiter: str, encoding: str) -> Iterator[Item]:
    """Records after the header, parsed a thousand at a time; a group with anything odd in it is parsed one by one."""
    csv.field_size_limit(MAX_RECORD_BYTES)
    reader = _CsvReader(lines, columns, delimiter, encoding)
    while group := reader.gather(GROUP):
        rows = reader.parse_together(group)
        if rows is None:
            yield from _one_by_one(reader, group)
            continue
        for record, row in zip(group, rows, strict=True):
            raw = record[0]
            yield Item(raw, dict(zip(columns, row, strict=True)) if row else None, settled=raw.endswith(b"\n"))


def _one_by_one(reader: "_CsvReader", group: list[list[bytes]]) -> Iterator[Item]:
    for place, record in enumerate(group):
        item, again = reader.parse_alone(record)
        yield item
        if again:
            # the last of these lines may begin a record that goes on beyond this group
            reader.put_back(again, *group[place + 1 :])
            return


class _CsvReader:
    def __init__(self, lines: Iterator[bytes], columns: Sequence[str], delimiter: str, encoding: str) -> None:
        self._lines = _whole(lines)
        self._again: deque[tuple[bytes, bool]] = deque()
        self._columns = columns
        self._delimiter = delimiter
        self._encoding = encoding

    def gather(self, limit: int) -> list[list[bytes]]:
        """Up to `limit` records as their lines. A line in pieces, or one whose quotes never close, is its own."""
        group: list[list[bytes]] = []
        size = 0
        while len(group) < limit and size < MAX_RECORD_BYTES:
            record = self._record()
            if record is None:
                break
            group.append(record)
            size += sum(map(len, record))
        return group

    def parse_together(self, group: list[list[bytes]]) -> list[list[str]] | None:
        """The rows of all records at once; None where one of them is not plainly good."""
        if any(len(record) > 1 for record in group):
            return None
        try:
            texts = [record[0].decode(self._encoding).rstrip("\r\n") for record in group]
            rows = list(csv.reader(texts, delimiter=self._delimiter, strict=True))
        except (UnicodeDecodeError, csv.Error):
            return None
        width = len(self._columns)
        good = len(rows) == len(group) and all(len(row) == width or not row for row in rows)
        return rows if good else None

    def parse_alone(self, record: list[bytes]) -> tuple[Item, list[bytes]]:
        """The item that the record is, or that its first line is; then the other lines, to be read again."""
        whole = self._item(record)
        if not whole.code or len(record) == 1:
            return whole, []
        if not record[-1].endswith(b"\n") and not self._any_good(record[1:]):
            whole.code, whole.message = "file.truncated_record", "the file ends within a quoted field"
            return whole, []
        first = self._item(record[:1])
        if first.code:
            first.code, first.message = "file.broken_quoting", whole.message
        return first, record[1:]

    def put_back(self, *records: list[bytes]) -> None:
        """These lines come before whatever is left."""
        self._again.extendleft((line, True) for line in reversed(list(chain.from_iterable(records))))

    def _any_good(self, lines: list[bytes]) -> bool:
        return any(self._item([line]).payload is not None for line in lines)

    def _item(self, record: list[bytes]) -> Item:
        raw = b"".join(record)
        item = Item(raw, settled=raw.endswith(b"\n"))
        if len(raw) >= MAX_LINE and not item.settled:
            return _too_long(raw)
        try:
            row = _parse(raw.decode(self._encoding).rstrip("\r\n"), self._delimiter)
        except UnicodeDecodeError as error:
            item.code, item.message = "file.bad_encoding", _bad_encoding(error, self._encoding)
        except csv.Error as error:
            item.code, item.message = "file.broken_quoting", f"quotes are broken: {error}"
        else:
            if len(row) == len(self._columns):
                item.payload = dict(zip(self._columns, row, strict=True))
            elif row:
                item.code = "file.column_count"
                item.message = f"{len(row)} columns where the header has {len(self._columns)}"
        if item.code and not item.settled:
            item.code, item.message = "file.truncated_record", f"the last line has no newline, and {item.message}"
        return item

    def _record(self) -> list[bytes] | None:
        gathered: list[bytes] = []
        quotes = size = 0
        for line, whole in chain(self._drained(), self._lines):
            gathered.append(line)
            quotes += line.count(b'"')
            size += len(line)
            if quotes % 2 == 0 or not whole or size >= MAX_RECORD_BYTES:
                break
        return gathered or None

    def _drained(self) -> Iterator[tuple[bytes, bool]]:
        while self._again:
            yield self._again.popleft()


def _whole(lines: Iterator[bytes]) -> Iterator[tuple[bytes, bool]]:
    """Each piece, and whether it is a whole line; the last line of a file is whole without a newline too."""
    within = False
    for piece in lines:
        ended = piece.endswith(b"\n")
        whole = not within and (ended or len(piece) < MAX_LINE)
        within = not ended and len(piece) >= MAX_LINE
        yield piece, whole


def _object(text: bytes, encoding: str) -> tuple[dict[str, Any] | None, str, str]:
    if encoding.lower().replace("_", "-") not in ("utf-8", "utf8"):
        text = text.decode(encoding).encode()
    try:
        value = orjson.loads(text.removeprefix(b"\xef\xbb\xbf"))
    except orjson.JSONDecodeError as error:
        text.decode()  # bytes that are no text get the message about encodings
        return None, "file.malformed_json", f"not JSON: {error}"
    if not isinstance(value, dict):
        return None, "file.not_an_object", f"a JSON object is needed, found {type(value).__name__}"
    return value, "", ""


def _parse(text: str, delimiter: str) -> list[str]:
    rows = list(csv.reader([text], delimiter=delimiter, strict=True))
    return rows[0] if rows else []


def _too_long(raw: bytes) -> Item:
    return Item(raw, code="file.line_too_long", message=f"a line of more than {MAX_LINE:,} bytes")


def _bad_encoding(error: UnicodeDecodeError, encoding: str) -> str:
    byte = error.object[error.start]
    return (
        f"byte 0x{byte:02x} at {error.start} is not {encoding}; set the source's `encoding` if the file is in another"
    )
