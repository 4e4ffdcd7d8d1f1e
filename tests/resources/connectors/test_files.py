"""The file connector as an automation uses it: what arrives, what is refused, and where it goes on."""

import bz2
import gzip
import os
from collections.abc import Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from hypothesis import given
from hypothesis import strategies as st

from aios_core.declaration.sources import FileSource
from aios_core.errors import ConfigurationError, PermanentError
from resources.connectors.base import Page
from resources.connectors.files import connector as module
from resources.connectors.files.connector import FileConnector, FilesIncomplete
from resources.connectors.files.parquet import column_values

HEADER = "id,text\n"


@dataclass
class Reading:
    """Reads a source again and again, as runs do, and keeps what came."""

    folder: Path
    pattern: str = "*.csv"
    options: dict[str, Any] = field(default_factory=lambda: {"mapping": {"ticket_id": "id", "body": "text"}})
    cursor: str | None = None
    pages: list[Page] = field(default_factory=list)

    def again(self) -> "Reading":
        source = FileSource(connector="file", provides="tickets", path=self.pattern, **self.options)
        connector = FileConnector(source, pattern=self.pattern, folder=self.folder)
        self.pages = []
        for page in connector.read(object="tickets", cursor=self.cursor):
            self.pages.append(page)
            self.cursor = page.cursor
        return self

    @property
    def ids(self) -> list[str]:
        return [r.external_id for p in self.pages for r in p.records]

    @property
    def texts(self) -> list[Any]:
        return [r.payload["text"] for p in self.pages for r in p.records]

    @property
    def versions(self) -> list[str]:
        return [r.version for p in self.pages for r in p.records]

    @property
    def codes(self) -> list[str]:
        return [r.code for p in self.pages for r in p.rejects]


@pytest.fixture
def reading(tmp_path: Path) -> Reading:
    return Reading(tmp_path)


def write(path: Path, content: str | bytes) -> None:
    path.write_bytes(content.encode() if isinstance(content, str) else content)
    # two writes within one tick of a coarse clock would look like no write at all
    count = path.stat().st_mtime_ns + write.__dict__.setdefault("n", 0) * 1_000_000
    write.__dict__["n"] += 1
    os.utime(path, ns=(count, count))


def rows(numbers: Sequence[int]) -> str:
    return "".join(f"{n},text {n}\n" for n in numbers)


def test_an_unchanged_file_yields_nothing(reading: Reading) -> None:
    write(reading.folder / "a.csv", HEADER + rows(range(3)))
    assert reading.again().ids == ["0", "1", "2"]
    cursor = reading.cursor
    assert reading.again().ids == []
    assert reading.cursor == cursor


def test_a_grown_file_is_read_on(reading: Reading) -> None:
    write(reading.folder / "a.csv", HEADER + rows(range(3)))
    reading.again()
    write(reading.folder / "a.csv", HEADER + rows(range(5)))
    assert reading.again().ids == ["3", "4"]


def test_a_new_file_is_read_and_known_ones_are_not(reading: Reading) -> None:
    write(reading.folder / "a.csv", HEADER + rows(range(3)))
    reading.again()
    write(reading.folder / "b.csv", HEADER + rows(range(3, 5)))
    assert reading.again().ids == ["3", "4"]


def test_a_touched_file_yields_nothing(reading: Reading) -> None:
    write(reading.folder / "a.csv", HEADER + rows(range(3)))
    reading.again()
    write(reading.folder / "a.csv", HEADER + rows(range(3)))
    assert reading.again().ids == []


def test_a_rewritten_file_is_read_anew_as_new_versions(reading: Reading) -> None:
    write(reading.folder / "a.csv", HEADER + rows(range(3)))
    first = reading.again().versions
    write(reading.folder / "a.csv", HEADER + "0,changed\n" + rows([1, 2, 3]))
    reading.again()
    assert reading.ids == ["0", "1", "2", "3"]
    assert not set(first) & set(reading.versions)


def test_a_mapped_updated_at_is_the_version(reading: Reading) -> None:
    reading.options = {"mapping": {"ticket_id": "id", "body": "text", "updated_at": "when"}}
    write(reading.folder / "a.csv", "id,text,when\n1,x,2026-01-01\n")
    assert reading.again().versions == ["2026-01-01"]


@pytest.mark.parametrize(
    ("kind", "said"),
    [
        (pa.timestamp("ms", tz="UTC"), "2026-01-01T10:00:00+00:00"),
        (pa.timestamp("us", tz="Europe/Paris"), "2026-01-01T11:00:00+01:00"),
        (pa.timestamp("us"), "2026-01-01T10:00:00"),
        (pa.date32(), "2026-01-01"),
    ],
)
def test_so_is_one_in_a_column_of_times(reading: Reading, kind: pa.DataType, said: str) -> None:
    reading.pattern, at = "a.parquet", datetime(2026, 1, 1, 10, tzinfo=UTC)
    reading.options = {"mapping": {"ticket_id": "id", "body": "text", "updated_at": "when"}}
    when = pa.array([at if getattr(kind, "tz", None) else at.replace(tzinfo=None), None]).cast(kind, safe=False)
    pq.write_table(pa.table({"id": [1, 2], "text": ["x", "y"], "when": when}), reading.folder / "a.parquet")
    assert (reading.again().versions, reading.codes) == ([said, "a.parquet@1"], [])


@given(
    st.lists(
        st.none()
        | st.datetimes(timezones=st.just(UTC))
        | st.datetimes(timezones=st.just(UTC)).map(lambda t: t.replace(microsecond=0)),
        min_size=1,
        max_size=6,
    )
)
def test_times_of_parquet_stand_in_a_payload_as_python_writes_them(times: list[datetime | None]) -> None:
    column = pa.array(times, pa.timestamp("us", tz="UTC"))
    [*found] = column_values(column)
    assert found == [None if t is None else t.isoformat() for t in times]


def test_without_an_id_column_rows_are_known_by_file_and_number(reading: Reading) -> None:
    reading.options = {"mapping": {"body": "text"}}
    write(reading.folder / "a.csv", "text\nx\n\ny\n")
    assert reading.again().ids == ["a.csv:1", "a.csv:2"]
    write(reading.folder / "a.csv", "text\nx\n\ny\nz\n")
    assert reading.again().ids == ["a.csv:3"]


@pytest.mark.parametrize("ending", ["csv.gz", "csv.bz2", "csv.zst", "csv"])
def test_compressed_files_are_read_and_grow(reading: Reading, ending: str) -> None:
    pack = {"csv.gz": gzip.compress, "csv.bz2": bz2.compress, "csv": bytes, "csv.zst": _zstd}[ending]
    reading.pattern = f"a.{ending}"
    write(reading.folder / reading.pattern, pack((HEADER + rows(range(3))).encode()))
    assert reading.again().ids == ["0", "1", "2"]
    write(reading.folder / reading.pattern, pack((HEADER + rows(range(4))).encode()))
    assert reading.again().ids == ["3"]


def test_a_truncated_archive_gives_what_is_whole_and_then_says_so(reading: Reading) -> None:
    whole = gzip.compress((HEADER + rows(range(20_000))).encode())
    write(reading.folder / "a.csv.gz", whole[: len(whole) // 2])
    write(reading.folder / "b.csv", HEADER + "b,fine\n")
    reading.pattern = "*.csv*"
    with pytest.raises(FilesIncomplete, match=r"a\.csv\.gz: broken after row"):
        reading.again()
    got = list(reading.ids)
    assert 1000 < len(got) < 20_000
    assert got[-1] == "b"
    write(reading.folder / "a.csv.gz", whole)
    reading.again()
    assert sorted(map(int, got[:-1] + reading.ids)) == list(range(20_000))


def test_pages_are_bounded_and_a_broken_read_goes_on_from_any_page(
    reading: Reading, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(module, "PAGE_ROWS", 7)
    write(reading.folder / "a.csv", HEADER + rows(range(20)))
    write(reading.folder / "b.csv", HEADER + rows(range(20, 30)))
    reading.again()
    pages = reading.pages
    assert max(len(p.records) for p in pages) == 7
    assert [p.done for p in pages] == [False] * (len(pages) - 1) + [True]
    for kept in range(1, len(pages)):
        resumed = Reading(reading.folder, cursor=pages[kept - 1].cursor).again()
        before = [r.external_id for p in pages[:kept] for r in p.records]
        assert before + resumed.ids == [str(n) for n in range(30)]


def test_a_last_line_that_was_half_written_comes_again_as_another_version(reading: Reading) -> None:
    write(reading.folder / "a.csv", HEADER + "1,whole\n2,hal")
    assert reading.again().texts == ["whole", "hal"]
    half = reading.versions[-1]
    assert reading.again().ids == []
    write(reading.folder / "a.csv", HEADER + "1,whole\n2,half no more\n3,next\n")
    assert reading.again().texts == ["half no more", "next"]
    assert reading.ids == ["2", "3"]
    assert reading.versions[0] != half


def test_a_last_line_without_a_newline_is_not_doubled_when_the_file_grows(reading: Reading) -> None:
    write(reading.folder / "a.csv", HEADER + "1,one\n2,two")
    assert reading.again().ids == ["1", "2"]
    write(reading.folder / "a.csv", HEADER + "1,one\n2,two\n3,three")
    assert reading.again().ids == ["3"]


def test_a_truncated_last_record_is_refused_and_read_once_it_is_whole(reading: Reading) -> None:
    write(reading.folder / "a.csv", HEADER + '1,whole\n2,"begins and\ndoes not')
    reading.again()
    assert reading.ids == ["1"]
    assert reading.codes == ["file.truncated_record"]
    write(reading.folder / "a.csv", HEADER + '1,whole\n2,"begins and\ndoes not, then ends"\n')
    assert reading.again().texts == ["begins and\ndoes not, then ends"]


def test_bad_rows_are_refused_one_by_one_and_the_rest_goes_on(reading: Reading) -> None:
    lines = [
        b"1,good\n",
        b"2,too,many\n",
        b"3\n",
        b"4,\xff\xfe bytes\n",
        b'5,"stray quote\n',
        b"6,good\n",
        b'7,"broken"quotes"\n',
        b'8,"quoted, with ""quotes""\nand a newline"\n',
        b"9,\xe2\x80\xae \xf0\x9f\x98\x80 \xd8\xb9\xd8\xb1\xd8\xa8\xd9\x8a\n",
        b"10,nul\x00inside\n",
        b"11,good\n",
    ]
    write(reading.folder / "a.csv", HEADER.encode() + b"".join(lines))
    reading.again()
    assert reading.ids == ["1", "6", "8", "9", "10", "11"]
    assert reading.codes == [
        "file.column_count",
        "file.column_count",
        "file.bad_encoding",
        "file.broken_quoting",
        "file.broken_quoting",
    ]
    assert [r.external_id for p in reading.pages for r in p.rejects] == [f"a.csv:{n}" for n in (2, 3, 4, 5, 7)]
    assert reading.texts[2] == 'quoted, with "quotes"\nand a newline'
    assert reading.texts[4] == "nul\x00inside"


def test_megabyte_texts_are_read_whole(reading: Reading) -> None:
    text = "ab\n" * 350_000
    write(reading.folder / "a.csv", f'{HEADER}1,"{text}"\n2,x\n')
    assert reading.again().texts == [text, "x"]


@pytest.mark.parametrize("encoding", ["utf-8-sig", "latin-1", "utf-16", "cp1252"])
def test_other_encodings_are_declared(reading: Reading, encoding: str) -> None:
    reading.options["encoding"] = encoding
    write(reading.folder / "a.csv", f"{HEADER}1,über\n2,x\n".encode(encoding))
    assert reading.again().texts == ["über", "x"]


def test_a_byte_order_mark_is_no_part_of_the_first_column(reading: Reading) -> None:
    write(reading.folder / "a.csv", b"\xef\xbb\xbf" + f"{HEADER}1,x\n".encode())
    assert reading.again().ids == ["1"]


def test_an_unknown_encoding_is_named(reading: Reading) -> None:
    reading.options["encoding"] = "utf-99"
    write(reading.folder / "a.csv", HEADER)
    with pytest.raises(ConfigurationError, match="utf-99"):
        reading.again()


@pytest.mark.parametrize("content", ["", "\n\n", HEADER, "id,te"])
def test_files_without_rows_are_no_error_and_may_grow(reading: Reading, content: str) -> None:
    write(reading.folder / "a.csv", content)
    assert reading.again().ids == []
    write(reading.folder / "a.csv", HEADER + "1,x\n")
    assert reading.again().ids == ["1"]


def test_a_missing_column_names_the_file_and_the_columns_there_are(reading: Reading) -> None:
    write(reading.folder / "a.csv", "number,words\n1,x\n")
    write(reading.folder / "b.csv", HEADER + "1,x\n")
    with pytest.raises(FilesIncomplete) as raised:
        reading.again()
    assert "a.csv" in str(raised.value)
    assert "no column `id`, which mapping.ticket_id asks for; there are: number, words" in str(raised.value)
    assert reading.ids == ["1"]
    write(reading.folder / "a.csv", HEADER + "2,y\n")
    assert reading.again().ids == ["2"]


def test_a_header_with_repeated_names_is_refused(reading: Reading) -> None:
    write(reading.folder / "a.csv", "id,text,text\n1,x,y\n")
    with pytest.raises(FilesIncomplete, match="empty or repeated names"):
        reading.again()


def test_columns_nobody_asked_for_are_kept(reading: Reading) -> None:
    write(reading.folder / "a.csv", "id,text,extra\n1,x,y\n")
    assert reading.again().pages[0].records[0].payload == {"id": "1", "text": "x", "extra": "y"}


def test_a_row_without_an_id_is_refused(reading: Reading) -> None:
    write(reading.folder / "a.csv", HEADER + ",x\n2,y\n")
    reading.again()
    assert (reading.ids, reading.codes) == (["2"], ["record.no_id"])


def test_a_missing_file_and_a_missing_folder_are_named(reading: Reading) -> None:
    reading.pattern = "nowhere.csv"
    with pytest.raises(ConfigurationError, match=r"nowhere\.csv: there is no such file"):
        reading.again()
    reading.pattern = "no/folder/*.csv"
    with pytest.raises(ConfigurationError, match="there is no such folder"):
        reading.again()


def test_a_pattern_without_files_yet_yields_nothing(reading: Reading) -> None:
    assert reading.again().ids == []


def test_an_unknown_ending_asks_for_the_format(reading: Reading) -> None:
    reading.pattern = "a.dat"
    write(reading.folder / "a.dat", HEADER + "1,x\n")
    with pytest.raises(FilesIncomplete, match="set the source's `format`"):
        reading.again()
    reading.options["format"] = "csv"
    assert reading.again().ids == ["1"]


def test_json_lines_refuse_what_is_no_object_and_go_on(reading: Reading) -> None:
    reading.pattern = "*.jsonl"
    lines = [
        b'{"id": 1, "text": "good", "nested": {"a": [1, 2]}}\n',
        b"{broken\n",
        b"[1, 2]\n",
        b"\n",
        b'{"id": 2, "text": "\\u0000 and \xf0\x9f\x98\x80"}\r\n',
        b'{"id": 3, "text": "\xff"}\n',
        b'{"text": "no id"}\n',
        b'{"id": 4, "text": "ends without a newline"}',
    ]
    write(reading.folder / "a.jsonl", b"".join(lines))
    reading.again()
    assert reading.ids == ["1", "2", "4"]
    assert reading.codes == ["file.malformed_json", "file.not_an_object", "file.bad_encoding", "record.no_id"]


def test_a_truncated_last_json_line_is_read_once_it_is_whole(reading: Reading) -> None:
    reading.pattern = "a.jsonl"
    write(reading.folder / "a.jsonl", '{"id": 1, "text": "x"}\n{"id": 2, "te')
    reading.again()
    assert (reading.ids, reading.codes) == (["1"], ["file.truncated_record"])
    write(reading.folder / "a.jsonl", '{"id": 1, "text": "x"}\n{"id": 2, "text": "y"}\n')
    assert reading.again().ids == ["2"]


def test_json_lines_that_never_have_the_mapped_text_are_refused_as_a_whole(reading: Reading) -> None:
    reading.pattern = "a.jsonl"
    write(reading.folder / "a.jsonl", '{"id": 1, "words": "x"}\n')
    with pytest.raises(
        FilesIncomplete, match="no record has `text`, which mapping.body asks for; they have: id, words"
    ):
        reading.again()


def test_parquet_is_read_in_batches_and_a_rewritten_one_anew(reading: Reading, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(module, "PAGE_ROWS", 40)
    reading.pattern = "a.parquet"
    table = pa.table({"id": range(100), "text": [f"t{n}" for n in range(100)], "odd": [float("nan")] * 100})
    pq.write_table(table, reading.folder / "a.parquet", row_group_size=30)
    assert reading.again().ids == [str(n) for n in range(100)]
    middle = reading.pages[0].cursor
    assert reading.again().ids == []
    assert Reading(reading.folder, "a.parquet", cursor=middle).again().ids == [str(n) for n in range(40, 100)]
    pq.write_table(table.slice(0, 3), reading.folder / "a.parquet")
    assert reading.again().ids == ["0", "1", "2"]


def test_a_broken_parquet_file_is_named_and_the_others_are_read(reading: Reading) -> None:
    reading.pattern = "*.parquet"
    write(reading.folder / "a.parquet", b"PAR1 not really")
    pq.write_table(pa.table({"id": [1], "text": ["x"]}), reading.folder / "b.parquet")
    with pytest.raises(FilesIncomplete, match=r"a\.parquet: not a readable Parquet file"):
        reading.again()
    assert reading.ids == ["1"]


def test_tab_separated_files_need_no_delimiter(reading: Reading) -> None:
    reading.pattern = "a.tsv"
    write(reading.folder / "a.tsv", "id\ttext\n1\tx, y\n")
    assert reading.again().texts == ["x, y"]


def test_a_foreign_cursor_is_refused(reading: Reading) -> None:
    reading.cursor = "MTYzODM2NTA3OA=="
    with pytest.raises(PermanentError, match="not a file source's cursor"):
        reading.again()


def _zstd(data: bytes) -> bytes:
    return pa.compress(data, codec="zstd", asbytes=True)
