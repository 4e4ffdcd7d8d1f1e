"""Files in object stores: the same laws as on a disk, in memory and over S3's real protocol."""

import bz2
import gzip
import itertools
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from fsspec.implementations.memory import MemoryFileSystem
from hypothesis import given, settings
from hypothesis import strategies as st

from aios_core.declaration.sources import FileSource
from aios_core.errors import ConfigurationError, RetryableError
from resources.connectors.base import Page
from resources.connectors.factory import open_connector
from resources.connectors.failures import SourceDenied, SourceUnavailable
from resources.connectors.files import connector as module
from resources.connectors.files import objects, streams
from resources.connectors.files.connector import FileConnector, FilesIncomplete
from resources.connectors.files.objects import ObjectPlace, seen
from resources.connectors.files.places import LocalPlace
from resources.connectors.files.store_failures import FileMissing
from resources.database import Database
from resources.landing import LandingStore, pull
from tests.resources.connectors.s3_server import KEY, S3Server

HEADER = "id,text\n"
MAPPING = {"ticket_id": "id", "body": "text"}
FOOTER = 70_000  # what a reader of Parquet asks for at first
_numbers = itertools.count(1)


@dataclass
class Store:
    """A folder of its own in some store, and a source that reads it again and again, as runs do."""

    url: str
    put: Callable[[str, bytes], None]
    remove: Callable[[str], None]
    options: dict[str, Any] = field(default_factory=dict)
    cursor: str | None = None
    pages: list[Page] = field(default_factory=list)

    def write(self, name: str, content: str | bytes) -> None:
        self.put(name, content.encode() if isinstance(content, str) else content)

    def connector(self, pattern: str = "*.csv") -> FileConnector:
        url = f"{self.url}/{pattern}"
        source = FileSource(connector="file", provides="tickets", path=url, mapping=MAPPING)
        return FileConnector(source, pattern=url, folder=Path("nowhere"), options=self.options)

    def again(self, pattern: str = "*.csv") -> list[str]:
        """Ids of what is new."""
        self.pages = []
        for page in self.connector(pattern).read(object="tickets", cursor=self.cursor):
            self.pages.append(page)
            self.cursor = page.cursor
        return self.ids

    @property
    def ids(self) -> list[str]:
        return [r.external_id for p in self.pages for r in p.records]

    @property
    def versions(self) -> list[str]:
        return [r.version for p in self.pages for r in p.records]


def in_memory() -> Store:
    fs, folder = MemoryFileSystem(), f"/of-tests-{next(_numbers)}"
    return Store(
        f"memory:/{folder}",
        lambda name, content: fs.pipe_file(f"{folder}/{name}", content),
        lambda name: fs.rm_file(f"{folder}/{name}"),
    )


@pytest.fixture(scope="module")
def server() -> Iterator[S3Server]:
    with S3Server() as running:
        yield running


@pytest.fixture
def s3(server: S3Server, monkeypatch: pytest.MonkeyPatch) -> Iterator[S3Server]:
    """The server with nothing in it; its client tries once, since it would wait for half a minute."""
    s3fs = pytest.importorskip("s3fs", reason="the extra `s3` is not installed")
    monkeypatch.setattr(s3fs.S3FileSystem, "retries", 1)
    server.buckets["bucket"] = {}
    server.asked.clear()
    yield server
    server.before = lambda method, path: None


def signed_in(s3: S3Server) -> dict[str, Any]:
    config = {"retries": {"max_attempts": 0}, "connect_timeout": 2, "read_timeout": 2}
    return {"key": KEY, "secret": "any", "endpoint_url": s3.url, "config_kwargs": config}


@pytest.fixture
def in_s3(s3: S3Server) -> Store:
    return Store(
        "s3://bucket/in",
        lambda name, content: void(s3.put("bucket", f"in/{name}", content)),
        lambda name: void(s3.buckets["bucket"].pop(f"in/{name}")),
        signed_in(s3),
    )


@pytest.fixture(params=["memory", "s3"])
def store(request: pytest.FixtureRequest) -> Store:
    return in_memory() if request.param == "memory" else request.getfixturevalue("in_s3")


def in_blocks(monkeypatch: pytest.MonkeyPatch, *, of: int) -> None:
    """Small files are read as large ones are."""
    monkeypatch.setattr(objects, "AT_ONCE", of)
    monkeypatch.setattr(objects, "BUFFER", 1000)
    monkeypatch.setattr(streams, "BLOCK", 1000)


def void(_: Any) -> None:
    """For lambdas that are to give nothing."""


def rows(first: int, last: int, text: str = "text") -> str:
    return "".join(f"{n},{text} {n}\n" for n in range(first, last))


def test_new_grown_changed_and_removed_files(store: Store) -> None:
    store.write("a.csv", HEADER + rows(0, 3))
    assert store.again() == ["0", "1", "2"]
    first, cursor = store.versions, store.cursor
    assert (store.again(), store.cursor) == ([], cursor)

    store.write("a.csv", HEADER + rows(0, 5))
    assert store.again() == ["3", "4"]
    store.write("b.csv", HEADER + rows(5, 7))
    assert store.again() == ["5", "6"]
    store.write("a.csv", HEADER + rows(0, 5))  # the same once more
    assert store.again() == []
    store.write("a.csv", HEADER + rows(0, 3, "TEXT"))  # of the same length
    assert store.again() == ["0", "1", "2"]
    assert not set(first) & set(store.versions)
    store.remove("a.csv")
    assert store.again() == []


def test_a_connector_that_lives_long_sees_what_is_new(store: Store) -> None:
    connector = store.connector()
    assert connector.check().startswith("0 files match")
    for count in (1, 2, 3):
        store.write(f"{count}.csv", HEADER + rows(count, count + 1))
        assert connector.check() == f"{count} files match {store.url}/*.csv"
        pages = list(connector.read(object="tickets", cursor=None))
        assert [r.external_id for p in pages for r in p.records] == [str(n) for n in range(1, count + 1)]


@pytest.mark.parametrize("ending", ["csv.gz", "csv.bz2", "csv.zst"])
def test_compressed_objects_are_read_and_grow(store: Store, ending: str) -> None:
    packs: dict[str, Callable[[bytes], bytes]] = {"csv.gz": gzip.compress, "csv.bz2": bz2.compress, "csv.zst": zstd}
    store.write(f"a.{ending}", packs[ending]((HEADER + rows(0, 3)).encode()))
    assert store.again("a.*") == ["0", "1", "2"]
    store.write(f"a.{ending}", packs[ending]((HEADER + rows(0, 4)).encode()))
    assert store.again("a.*") == ["3"]


def test_json_lines_in_deep_folders_are_known_by_their_names_below_the_pattern(store: Store) -> None:
    store.write("2026/11/a.jsonl", '{"text": "x"}\n')
    store.write("2026/12/a.jsonl", '{"text": "y"}\n')
    store.write("2026/12/readme.md", "no ticket")
    source = FileSource(connector="file", provides="tickets", path="-", mapping={"body": "text"})
    url = f"{store.url}/2026/**/*.jsonl"
    connector = FileConnector(source, pattern=url, folder=Path(), options=store.options)
    pages = list(connector.read(object="tickets", cursor=None))
    assert [r.external_id for p in pages for r in p.records] == ["11/a.jsonl:1", "12/a.jsonl:1"]


def test_parquet_is_read_on_from_any_page_and_anew_when_it_was_rewritten(
    store: Store, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(module, "PAGE_ROWS", 40)
    table = pa.table({"id": range(100), "text": [f"t{n}" for n in range(100)]})
    store.write("a.parquet", parquet(table, 30))
    assert store.again("a.parquet") == [str(n) for n in range(100)]
    middle, end = store.pages[0].cursor, store.cursor
    assert store.again("a.parquet") == []
    store.cursor = middle
    assert store.again("a.parquet") == [str(n) for n in range(40, 100)]
    store.cursor = end
    store.write("a.parquet", parquet(table.slice(0, 3), 30))
    assert store.again("a.parquet") == ["0", "1", "2"]


def test_what_is_no_parquet_is_named_and_the_rest_is_read(store: Store) -> None:
    store.write("a.parquet", b"PAR1 not really")
    store.write("b.parquet", parquet(pa.table({"id": [1], "text": ["x"]}), 10))
    with pytest.raises(FilesIncomplete, match=r"in/a\.parquet|/a\.parquet: not a readable Parquet file"):
        store.again("*.parquet")
    assert store.ids == ["1"]


def test_what_is_replaced_while_it_is_read_is_said_and_read_anew(store: Store, monkeypatch: pytest.MonkeyPatch) -> None:
    store.write("a.csv", HEADER + rows(0, 3))
    store.write("b.csv", HEADER + rows(7, 8))
    read = ObjectPlace.read

    def replaced(self: ObjectPlace, path: str, *, size: int) -> bytes:
        content = read(self, path, size=size)
        if path.endswith("a.csv"):
            store.write("a.csv", HEADER + rows(0, 3, "anew"))
        return content

    with monkeypatch.context() as patched:
        patched.setattr(ObjectPlace, "read", replaced)
        with pytest.raises(FilesIncomplete, match=r"a\.csv: was replaced while it was read"):
            store.again()
    assert store.ids == ["7"]
    assert store.again() == ["0", "1", "2"]
    assert [r.payload["text"] for p in store.pages for r in p.records] == ["anew 0", "anew 1", "anew 2"]


def test_what_is_removed_between_listing_and_reading_is_said(store: Store, monkeypatch: pytest.MonkeyPatch) -> None:
    store.write("a.csv", HEADER + rows(0, 3))
    store.write("b.csv", HEADER + rows(7, 8))
    listed = ObjectPlace.files

    def removed(self: ObjectPlace) -> list[Any]:
        found = listed(self)
        store.remove("a.csv")
        return found

    monkeypatch.setattr(ObjectPlace, "files", removed)
    with pytest.raises(FilesIncomplete, match=r"a\.csv: is gone since it was listed"):
        store.again()
    assert store.ids == ["7"]


def paths(folders: list[str], ends: list[str]) -> st.SearchStrategy[str]:
    return st.tuples(st.lists(st.sampled_from(folders), max_size=2), st.sampled_from(ends)).map(
        lambda parts: "/".join([*parts[0], parts[1]])
    )


FOLDERS, FILES = ["a", "b", "ab"], ["a.csv", "b.csv", ".c.csv", "d.txt", "[x].csv"]
PARTS = ["*", "**", "a", "?", "[ab]", "a*", "nowhere"]
ENDS = ["*", "*.csv", "?.csv", "[!a].csv", "a.csv", "[[]x].csv"]


@settings(max_examples=60, deadline=None)
@given(names=st.sets(paths(FOLDERS, FILES)), pattern=paths(PARTS, ENDS))
def test_a_pattern_finds_the_same_files_with_the_same_names_as_on_a_disk(
    tmp_path_factory: pytest.TempPathFactory, names: set[str], pattern: str
) -> None:
    folder, store = tmp_path_factory.mktemp("local"), in_memory()
    for name in names:
        (folder / name).parent.mkdir(parents=True, exist_ok=True)
        (folder / name).write_bytes(b"")
        store.write(name, b"")
    assert found(ObjectPlace(f"{store.url}/{pattern}", options={})) == found(LocalPlace(f"{folder}/{pattern}"))


def found(place: ObjectPlace | LocalPlace) -> list[str]:
    """Keys of what is there; none where the fixed part of the pattern is not."""
    try:
        return sorted(file.key for file in place.files())
    except ConfigurationError:
        return []


def test_unchanged_objects_cost_a_listing_and_nothing_else(in_s3: Store, s3: S3Server) -> None:
    for n in range(20):
        in_s3.write(f"{n:02}.csv", HEADER + rows(n, n + 1))
    assert len(in_s3.again()) == 20
    assert (s3.count("GET"), s3.count("HEAD")) == (20, 20)
    s3.asked.clear()
    assert in_s3.again() == []
    assert {method for method, _, _ in s3.asked} == {"LIST"}


def test_a_large_object_comes_in_ranges_and_parquet_only_the_groups_that_are_left(
    in_s3: Store, s3: S3Server, monkeypatch: pytest.MonkeyPatch
) -> None:
    in_blocks(monkeypatch, of=10_000)
    monkeypatch.setattr(module, "PAGE_ROWS", 2000)
    text = HEADER + rows(0, 5000)
    in_s3.write("a.csv", text)
    assert in_s3.again() == [str(n) for n in range(5000)]
    ranges = [size for method, _, size in s3.asked if method == "GET"]
    assert len(ranges) > 1
    assert sum(ranges) < 1.5 * len(text)

    whole = parquet(pa.table({"id": range(5000), "text": [f"{n:0150}" for n in range(5000)]}), 500)
    in_s3.write("a.parquet", whole)
    in_s3.cursor = None
    assert len(in_s3.again("a.parquet")) == 5000
    in_s3.cursor = in_s3.pages[1].cursor  # 4,000 of the rows are behind it
    s3.asked.clear()
    assert in_s3.again("a.parquet") == [str(n) for n in range(4000, 5000)]
    assert s3.sent("GET") < len(whole) / 5 + FOOTER


def test_a_large_object_that_is_replaced_between_two_ranges_is_not_mixed(
    in_s3: Store, s3: S3Server, monkeypatch: pytest.MonkeyPatch
) -> None:
    in_blocks(monkeypatch, of=10_000)
    monkeypatch.setattr(module, "PAGE_ROWS", 500)
    in_s3.write("a.csv", HEADER + rows(0, 5000))

    def second(method: str, path: str) -> None:
        if method == "GET" and s3.sent("GET") > 20_000:
            s3.before = lambda method, path: None
            in_s3.write("a.csv", HEADER + rows(0, 5000, "anew"))

    s3.before = second
    with pytest.raises(FilesIncomplete, match=r"a\.csv: was replaced while it was read"):
        in_s3.again()
    assert len(in_s3.ids) < 5000
    assert all(r.payload["text"].startswith("text") for p in in_s3.pages for r in p.records)
    in_s3.again()
    assert [r.payload["text"] for p in in_s3.pages for r in p.records] == [f"anew {n}" for n in range(5000)]


def test_a_store_that_fails_at_the_second_file_has_given_the_first(in_s3: Store, s3: S3Server) -> None:
    in_s3.write("a.csv", HEADER + rows(0, 3))
    in_s3.write("b.csv", HEADER + rows(3, 5))
    s3.before = lambda method, path: (500, "InternalError") if method == "GET" and "b.csv" in path else None
    with pytest.raises(SourceUnavailable, match=r"in/b\.csv"):
        in_s3.again()
    assert in_s3.ids == ["0", "1", "2"]
    s3.before = lambda method, path: None
    assert in_s3.again() == ["3", "4"]


def test_a_failure_within_a_file_keeps_what_came_and_asks_to_try_again(
    in_s3: Store, s3: S3Server, monkeypatch: pytest.MonkeyPatch
) -> None:
    in_blocks(monkeypatch, of=20_000)
    monkeypatch.setattr(module, "PAGE_ROWS", 500)
    in_s3.write("a.csv", HEADER + rows(0, 9000))
    s3.before = lambda method, path: (500, "InternalError") if method == "GET" and s3.sent("GET") > 60_000 else None
    with pytest.raises(SourceUnavailable) as raised:
        in_s3.again()
    assert isinstance(raised.value, RetryableError)
    came = list(in_s3.ids)
    assert 500 <= len(came) < 9000
    s3.before = lambda method, path: None
    assert came + in_s3.again() == [str(n) for n in range(9000)]


@pytest.mark.parametrize("large", [False, True])
def test_a_failure_within_parquet_is_the_stores_not_the_files(
    in_s3: Store, s3: S3Server, monkeypatch: pytest.MonkeyPatch, large: bool
) -> None:
    monkeypatch.setattr(objects, "AT_ONCE", 1000 if large else 10**6)
    in_s3.write("a.parquet", parquet(pa.table({"id": range(5000), "text": ["x"] * 5000}), 500))
    s3.before = lambda method, path: (
        (503, "ServiceUnavailable") if method == "GET" and "list-type" not in path else None
    )
    with pytest.raises(SourceUnavailable, match=r"s3://bucket/in/a\.parquet: the store can't be reached"):
        in_s3.again("a.parquet")


def test_what_is_not_there_or_not_allowed_says_what_to_do(in_s3: Store, s3: S3Server) -> None:
    in_s3.write("a.csv", HEADER + rows(0, 1))
    for pattern in ("nowhere.csv", "../nowhere.csv"):
        with pytest.raises(FileMissing, match="there is no such object or bucket; set the source's `path`"):
            in_s3.again(pattern)
    assert in_s3.again("nowhere/*.csv") == []
    with pytest.raises(ConfigurationError, match=r"s3://bucket/in: is a folder"):
        Store("s3://bucket", in_s3.put, in_s3.remove, in_s3.options).again("in")
    for pattern in ("*.csv", "a.csv", "**/*.csv"):
        with pytest.raises(FileMissing, match="s3://absent"):
            Store("s3://absent/in", in_s3.put, in_s3.remove, in_s3.options).again(pattern)
        with pytest.raises(SourceDenied, match="set AWS_ACCESS_KEY_ID"):
            Store("s3://bucket/in", in_s3.put, in_s3.remove, {**in_s3.options, "key": "another"}).again(pattern)
    with pytest.raises(ConfigurationError, match=r"nonsense.*check the source's `path` and `storage_options`"):
        Store("s3://bucket/in", in_s3.put, in_s3.remove, {**in_s3.options, "nonsense": 1}).again()


def test_one_object_that_is_denied_does_not_hold_up_the_others(in_s3: Store, s3: S3Server) -> None:
    for name in "abc":
        in_s3.write(f"{name}.csv", f"{HEADER}{name},x\n")
    s3.before = lambda method, path: (403, "InvalidObjectState") if method == "GET" and "b.csv" in path else None
    with pytest.raises(FilesIncomplete, match=r"in/b\.csv: access is denied"):
        in_s3.again()
    assert in_s3.ids == ["a", "c"]


def test_a_store_that_does_not_answer_is_for_another_try(in_s3: Store, s3: S3Server) -> None:
    s3.before = lambda method, path: (503, "SlowDown")
    for pattern in ("*.csv", "a.csv"):
        with pytest.raises(SourceUnavailable, match="can't be reached or does not answer"):
            in_s3.again(pattern)


@pytest.mark.parametrize(
    ("url", "said"),
    [
        ("sftp://user:s3cret@host/in/*.csv", "sftp://host/in/.*pip install paramiko"),
        ("what://bucket/*.csv", "Protocol not known: what"),
        ("simplecache::s3://bucket/*.csv", "URLs within URLs"),
    ],
)
def test_what_can_not_be_opened_says_why_without_secrets(url: str, said: str) -> None:
    if url.startswith("sftp"):
        try:
            import paramiko  # noqa: F401
        except ImportError:
            pass
        else:
            pytest.skip("paramiko is installed, so that nothing is missing")
    source = FileSource(connector="file", provides="tickets", path=url, mapping=MAPPING)
    with pytest.raises(ConfigurationError, match=said) as raised:
        FileConnector(source, pattern=url, folder=Path()).check()
    assert "s3cret" not in str(raised.value)


def test_a_declaration_gives_the_client_its_options(s3: S3Server, in_s3: Store) -> None:
    in_s3.write("a.csv", HEADER + rows(0, 2))
    source = FileSource.model_validate(
        {
            "connector": "file",
            "provides": "tickets",
            "path": "s3://${BUCKET}/in/*.csv",
            "storage_options": {
                "key": "${WHO}",
                "secret": "${SECRET}",
                "client_kwargs": {"endpoint_url": "${MINIO_URL}"},
            },
            "mapping": MAPPING,
        }
    )
    known = {"${WHO}": KEY, "${SECRET}": "any", "${MINIO_URL}": s3.url, source.path: "s3://bucket/in/*.csv"}
    connector = open_connector(source, folder=Path(), expand=known.__getitem__)
    assert connector.check() == "1 files match s3://bucket/in/*.csv"


def test_what_landed_once_does_not_land_again(in_s3: Store, database: Database) -> None:
    for n in range(3):
        in_s3.write(f"{n}.csv.gz", gzip.compress((HEADER + rows(n * 10, n * 10 + 10)).encode()))
    landed = [
        pull(in_s3.connector("*.gz"), LandingStore(database), automation="a", source="s").landed for _ in range(2)
    ]
    in_s3.write("1.csv.gz", gzip.compress((HEADER + rows(10, 21)).encode()))
    landed.append(pull(in_s3.connector("*.gz"), LandingStore(database), automation="a", source="s").landed)
    assert landed == [30, 0, 1]


@pytest.mark.parametrize(
    ("url", "said"),
    [
        ("s3://bucket/in/?[ab]*.csv", "s3://bucket/in/?[ab]*.csv"),
        ("abfs://box@account.host/in/*.csv", "abfs://box@account.host/in/*.csv"),
        ("ftp://user:s3cret@host/in/*.csv", "ftp://host/in/*.csv"),
        ("https://host/a.csv?signature=s3cret", "https://host/a.csv"),
    ],
)
def test_a_url_is_shown_as_it_was_written_but_for_secrets(url: str, said: str) -> None:
    assert str(ObjectPlace(url, options={})) == said


def test_a_url_of_a_disk_is_a_path(tmp_path: Path) -> None:
    (tmp_path / "a.csv").write_text(HEADER + rows(0, 2))
    source = FileSource(connector="file", provides="tickets", path="-", mapping=MAPPING)
    connector = FileConnector(source, pattern=f"file://{tmp_path}/*.csv", folder=Path("elsewhere"))
    assert connector.check() == f"1 files match {tmp_path}/*.csv"


def test_a_listing_and_a_look_say_the_same_of_one_version() -> None:
    moment = datetime(2026, 11, 23, 12, tzinfo=UTC)
    listed = seen({"size": 3, "ETag": '"abc"', "LastModified": moment.replace(microsecond=5000)})
    looked = seen({"size": 3, "ETag": "abc", "LastModified": moment, "ContentType": "text/csv"})
    assert listed == looked
    assert seen({"size": 3, "created": moment}) == seen({"size": 3, "created": moment.timestamp()})


def test_only_what_stands_for_the_very_content_is_taken_for_it() -> None:
    assert seen({"size": 3, "ETag": '"abc"'}).tag
    assert not seen({"size": 3, "ETag": 'W/"abc"'}).tag
    assert not seen({"size": 3, "mtime": 7.0}).tag
    weak = [seen({"size": 3, "ETag": 'W/"abc"', "Last-Modified": when}).modified_ns for when in ("then", "later")]
    assert weak[0] != weak[1]
    assert seen({"size": 3}).modified_ns is None
    assert seen({}).size == -1


def parquet(table: pa.Table, group: int) -> bytes:
    sink = pa.BufferOutputStream()
    pq.write_table(table, sink, row_group_size=group, compression="none", use_dictionary=False)
    return bytes(sink.getvalue())


def zstd(data: bytes) -> bytes:
    return bytes(pa.compress(data, codec="zstd", asbytes=True))
