"""Files on a web server: with ETags or without, with ranges or without, and behind a header or a signed URL."""

import threading
from collections.abc import Iterator
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from aios_core.declaration.sources import FileSource
from aios_core.errors import ConfigurationError
from resources.connectors.base import Page
from resources.connectors.failures import SourceDenied, SourceUnavailable
from resources.connectors.files import objects
from resources.connectors.files.connector import FileConnector, FilesIncomplete
from resources.connectors.files.store_failures import FileMissing

HEADER = "id,text\n"
SECRET = {"Authorization": "Bearer s3cret"}


@dataclass
class Web:
    """What is where: path -> content and headers. Like many servers it knows no ranges."""

    port: int = 0
    files: dict[str, tuple[bytes, dict[str, str]]] = field(default_factory=dict)
    needs: dict[str, str] = field(default_factory=dict)
    asked: list[str] = field(default_factory=list)

    def put(self, path: str, text: str | bytes, **headers: str) -> None:
        content = text if isinstance(text, bytes) else text.encode()
        self.files[path] = content, {name.replace("_", "-"): value for name, value in headers.items()}

    def url(self, path: str) -> str:
        return f"http://127.0.0.1:{self.port}{path}"


@pytest.fixture
def web() -> Iterator[Web]:
    served = Web()

    class Handler(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            served.asked.append(f"{self.command} {self.path}")
            content, headers = served.files.get(self.path.partition("?")[0], (b"", {}))
            status = 200 if self.path.partition("?")[0] in served.files else 404
            if self.command == "HEAD" and "signature" in self.path:  # it is signed for GET
                status = 403
            if any(self.headers.get(name) != value for name, value in served.needs.items()):
                status, content = 403, b""
            self.send_response(status)
            for name, value in ({"Content-Length": str(len(content))} | headers).items():
                self.send_header(name, value)
            self.end_headers()
            if self.command == "GET":
                self.wfile.write(content)

        do_HEAD = do_GET

        def log_message(self, format: str, *args: Any) -> None: ...

    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    server.daemon_threads = True
    threading.Thread(target=server.serve_forever, args=(0.02,), daemon=True).start()
    served.port = server.server_port
    yield served
    server.shutdown()
    server.server_close()


def read(url: str, cursor: str | None = None, **options: Any) -> tuple[list[str], str]:
    """Ids of what is new, and the cursor behind it."""
    mapping = {"ticket_id": "id", "body": "text"}
    source = FileSource(connector="file", provides="tickets", path=url, mapping=mapping)
    pages: list[Page] = list(
        FileConnector(source, pattern=url, folder=Path(), options=options).read(object="tickets", cursor=cursor)
    )
    return [r.external_id for p in pages for r in p.records], pages[-1].cursor


@pytest.mark.parametrize(
    "told", [{"ETag": '"{}"'}, {"ETag": 'W/"{}"'}, {"Last_Modified": "Mon, 23 Nov 2026 10:0{}:00 GMT"}]
)
def test_an_unchanged_file_is_not_downloaded_again(web: Web, told: dict[str, str]) -> None:
    (name, value), url = next(iter(told.items())), web.url("/out/a.csv")
    web.put("/out/a.csv", HEADER + "1,x\n", **{name: value.format(1)})
    ids, cursor = read(url)
    assert ids == ["1"]
    web.asked.clear()
    assert read(url, cursor)[0] == []
    assert web.asked == ["HEAD /out/a.csv"]
    web.put("/out/a.csv", HEADER + "1,x\n2,y\n", **{name: value.format(2)})
    assert read(url, cursor)[0] == ["2"]


def test_where_nothing_tells_versions_apart_the_file_is_read_each_time_and_gives_only_what_is_new(web: Web) -> None:
    url = web.url("/a.csv")
    web.put("/a.csv", HEADER + "1,x\n")
    ids, cursor = read(url)
    assert ids == ["1"]
    assert read(url, cursor)[0] == []
    web.put("/a.csv", HEADER + "1,x\n2,y\n")
    ids, cursor = read(url, cursor)
    assert ids == ["2"]
    web.put("/a.csv", HEADER + "1,z\n2,y\n")  # of the same size
    assert read(url, cursor)[0] == ["1", "2"]


def test_a_large_file_needs_no_ranges(web: Web, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(objects, "AT_ONCE", 1000)
    web.put("/a.csv", HEADER + "".join(f"{n},text {n}\n" for n in range(50_000)), ETag='"1"')
    assert read(web.url("/a.csv"))[0] == [str(n) for n in range(50_000)]
    assert [asked for asked in web.asked if asked.startswith("GET")] == ["GET /a.csv"]


def test_parquet_is_read_from_a_server_too(web: Web) -> None:
    sink = pa.BufferOutputStream()
    pq.write_table(pa.table({"id": ["1", "2"], "text": ["x", "y"]}), sink)
    web.put("/a.parquet", bytes(sink.getvalue()))
    ids, cursor = read(web.url("/a.parquet"))
    assert ids == ["1", "2"]
    assert read(web.url("/a.parquet"), cursor)[0] == []


def test_large_parquet_on_a_server_without_ranges_does_not_hold_up_other_files(
    web: Web, monkeypatch: pytest.MonkeyPatch
) -> None:
    sink = pa.BufferOutputStream()
    pq.write_table(pa.table({"id": range(30_000), "text": [str(n) for n in range(30_000)]}), sink)
    monkeypatch.setattr(objects, "AT_ONCE", 1000)
    web.put("/out/a.parquet", bytes(sink.getvalue()), ETag='"1"')
    web.put("/out/b.csv", HEADER + "1,x\n", ETag='"1"')
    web.put("/out", '<a href="a.parquet">a</a><a href="b.csv">b</a>')
    with pytest.raises(FilesIncomplete, match=r"/out/a\.parquet: .*range requests"):
        read(web.url("/out/*"))
    assert "GET /out/b.csv" in web.asked


def test_a_page_of_links_is_a_folder(web: Web) -> None:
    links = "".join(
        f'<a href="{name}">{name}</a>' for name in ("?C=N;O=D", "a.csv", "b.csv", "gone.csv", "c.txt", "old/")
    )
    web.put("/out/", f"<html>{links}</html>")
    web.put("/out", f"<html>{links}</html>")
    for name in "ab":
        web.put(f"/out/{name}.csv", f"{HEADER}{name},x\n", ETag=f'"{name}"')
    assert read(web.url("/out/[ab].csv"))[0] == ["a", "b"]


def test_who_asks_is_said_in_a_header(web: Web) -> None:
    web.needs = SECRET
    web.put("/a.csv", HEADER + "1,x\n")
    assert read(web.url("/a.csv"), headers=SECRET)[0] == ["1"]
    with pytest.raises(SourceDenied, match="say who asks in `storage_options"):
        read(web.url("/a.csv"))


def test_a_signed_url_reads_and_is_never_shown(web: Web) -> None:
    web.put("/a.csv", HEADER + "1,x\n", ETag='"1"')
    ids, cursor = read(web.url("/a.csv?signature=s3cret/*and=more"))
    assert ids == ["1"]
    assert "s3cret" not in cursor
    assert read(web.url("/a.csv?signature=another"), cursor) == ([], cursor)
    with pytest.raises(ConfigurationError, match=r"a pattern can't have a query"):
        read(web.url("/*.csv?signature=s3cret"))
    web.needs = {"X-Never": "sent"}
    with pytest.raises(SourceDenied) as raised:
        read(web.url("/a.csv?signature=s3cret"))
    assert "s3cret" not in str(raised.value)
    assert raised.value.__cause__ is None


def test_what_is_missing_and_who_is_down_are_told_apart(web: Web) -> None:
    for path in ("/nowhere.csv", "/nowhere/*.csv"):
        with pytest.raises(FileMissing, match="there is no such object"):
            read(web.url(path))
    with pytest.raises(SourceUnavailable, match="can't be reached"):
        read("http://127.0.0.1:9/a.csv")
    with pytest.raises(SourceUnavailable, match="can't be reached"):
        read("http://127.0.0.1:9/out/*.csv")
