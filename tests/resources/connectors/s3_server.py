"""A small S3 on a port of this machine: what readers and a test's writer need of the protocol, over real HTTP.

It has ListObjectsV2 in pages, HeadBucket, HeadObject, GetObject with Range and If-Match, PutObject and DeleteObject; one access key is known, and
signatures are not checked.
"""

import hashlib
import re
import threading
from collections.abc import Callable
from dataclasses import dataclass, field
from datetime import UTC, datetime
from email.utils import format_datetime
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from types import TracebackType
from typing import Any
from urllib.parse import parse_qs, unquote, urlsplit
from xml.sax.saxutils import escape

KEY = "known-key"
LIST_PAGE = 7  # small, so that tests with a few objects see several pages


@dataclass
class S3Server:
    """`before` may answer a request in the server's stead: (status, code) or None. `asked` has what was: method, path, bytes sent."""

    buckets: dict[str, dict[str, tuple[bytes, str, datetime]]] = field(default_factory=lambda: {"bucket": {}})
    asked: list[tuple[str, str, int]] = field(default_factory=list)
    before: Callable[[str, str], tuple[int, str] | None] = lambda method, path: None

    def __enter__(self) -> "S3Server":
        self._server = ThreadingHTTPServer(("127.0.0.1", 0), type("Handler", (_Handler,), {"s3": self}))
        self._server.daemon_threads = True
        threading.Thread(target=self._server.serve_forever, args=(0.02,), daemon=True).start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._server.shutdown()
        self._server.server_close()

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self._server.server_port}"

    def put(self, bucket: str, key: str, content: bytes) -> str:
        tag = f'"{hashlib.md5(content).hexdigest()}"'
        self.buckets[bucket][key] = content, tag, datetime.now(UTC)
        return tag

    def count(self, method: str) -> int:
        return sum(1 for asked, _, _ in self.asked if asked == method)

    def sent(self, method: str) -> int:
        return sum(size for asked, _, size in self.asked if asked == method)


class _Handler(BaseHTTPRequestHandler):
    s3: S3Server
    protocol_version = "HTTP/1.1"

    def do_GET(self) -> None:
        bucket, key, query = self._place()
        if self._refused(bucket):
            return
        if not key:
            self._list(bucket, query)
            return
        found = self._found(bucket, key)
        if found is None:
            return
        content, tag, _ = found
        if self.headers.get("If-Match", tag) != tag:
            self._fail(412, "PreconditionFailed")
            return
        asked = re.fullmatch(r"bytes=(\d*)-(\d*)", self.headers.get("Range", ""))
        if asked is None:
            self._object(200, found, content)
            return
        first = int(asked[1]) if asked[1] else max(0, len(content) - int(asked[2]))
        last = min(int(asked[2]) if asked[1] and asked[2] else len(content) - 1, len(content) - 1)
        if first >= len(content):
            self._fail(416, "InvalidRange")
            return
        self._object(206, found, content[first : last + 1], {"Content-Range": f"bytes {first}-{last}/{len(content)}"})

    def do_HEAD(self) -> None:
        bucket, key, _ = self._place()
        if self._refused(bucket):
            return
        if not key:
            self._answer(200, b"")
            return
        found = self._found(bucket, key)
        if found is not None:
            self._object(200, found, b"", {"Content-Length": str(len(found[0]))})

    def do_PUT(self) -> None:
        bucket, key, _ = self._place()
        content = self.rfile.read(int(self.headers["Content-Length"]))
        if not self._refused(bucket):
            self._answer(200, b"", {"ETag": self.s3.put(bucket, key, content)})

    def do_DELETE(self) -> None:
        bucket, key, _ = self._place()
        if not self._refused(bucket):
            self.s3.buckets[bucket].pop(key, None)
            self._answer(204, b"")

    def log_message(self, format: str, *args: Any) -> None:
        """Tests are quiet."""

    def _place(self) -> tuple[str, str, dict[str, str]]:
        split = urlsplit(self.path)
        bucket, _, key = unquote(split.path).lstrip("/").partition("/")
        return bucket, key, {n: v[0] for n, v in parse_qs(split.query, keep_blank_values=True).items()}

    def _refused(self, bucket: str) -> bool:
        disturbed = self.s3.before(self.command, self.path)
        if disturbed is not None:
            self._fail(*disturbed)
        elif f"Credential={KEY}/" not in self.headers.get("Authorization", ""):
            self._fail(403, "AccessDenied")
        elif bucket not in self.s3.buckets:
            self._fail(404, "NoSuchBucket")
        else:
            return False
        return True

    def _found(self, bucket: str, key: str) -> tuple[bytes, str, datetime] | None:
        found = self.s3.buckets[bucket].get(key)
        if found is None:
            self._fail(404, "NoSuchKey")
        return found

    def _list(self, bucket: str, query: dict[str, str]) -> None:
        prefix, delimiter = query.get("prefix", ""), query.get("delimiter", "")
        rows: dict[str, str] = {}
        for key, (content, tag, changed) in sorted(self.s3.buckets[bucket].items()):
            if not key.startswith(prefix):
                continue
            head, cut, _ = key[len(prefix) :].partition(delimiter) if delimiter else (key, "", "")
            if cut:
                name = f"{prefix}{head}{delimiter}"
                rows[name] = f"<CommonPrefixes><Prefix>{escape(name)}</Prefix></CommonPrefixes>"
            else:
                rows[key] = (
                    f"<Contents><Key>{escape(key)}</Key><LastModified>{changed:%Y-%m-%dT%H:%M:%S.000Z}</LastModified>"
                    f"<ETag>{escape(tag)}</ETag><Size>{len(content)}</Size><StorageClass>STANDARD</StorageClass></Contents>"
                )
        after = [name for name in rows if name > query.get("continuation-token", "")]
        page = after[: min(LIST_PAGE, int(query.get("max-keys", 1000)))]
        more = len(after) > len(page)
        following = f"<NextContinuationToken>{escape(page[-1])}</NextContinuationToken>" if more else ""
        text = "".join(rows[name] for name in page)
        body = (
            f'<?xml version="1.0"?><ListBucketResult xmlns="http://s3.amazonaws.com/doc/2006-03-01/"><Name>{bucket}</Name>'
            f"<KeyCount>{len(page)}</KeyCount><IsTruncated>{str(more).lower()}</IsTruncated>{following}{text}</ListBucketResult>"
        )
        self._answer(200, body.encode(), {"Content-Type": "application/xml"}, counted="LIST")

    def _object(
        self, status: int, found: tuple[bytes, str, datetime], body: bytes, headers: dict[str, str] | None = None
    ) -> None:
        _, tag, changed = found
        says = {"ETag": tag, "Last-Modified": format_datetime(changed, usegmt=True), "Accept-Ranges": "bytes"}
        self._answer(status, body, says | (headers or {}))

    def _fail(self, status: int, code: str) -> None:
        body = f'<?xml version="1.0"?><Error><Code>{code}</Code><Message>{code}, says the server</Message></Error>'
        self._answer(status, b"" if self.command == "HEAD" else body.encode(), {"Content-Type": "application/xml"})

    def _answer(self, status: int, body: bytes, headers: dict[str, str] | None = None, *, counted: str = "") -> None:
        self.s3.asked.append((counted or self.command, self.path, len(body)))
        self.send_response(status)
        for name, value in ({"Content-Length": str(len(body))} | (headers or {})).items():
            self.send_header(name, value)
        self.end_headers()
        self.wfile.write(body)
