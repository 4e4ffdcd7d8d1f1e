"""Pages of a helpdesk's export, answered from memory: so that the client is what is measured, and not a server.

What belongs here: the sandbox's own answers, kept in a file, and the bare server that gives them again. What does not: who reads them.

    python -m benchmarks.ingest.pages FILE PORT

The server answers any path but users' by the number in `cursor=`; it parses no more of a request than that. `/count` says how many requests there were.
"""

import asyncio
import re
import sys
from collections.abc import Iterator
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import orjson

PATH = "/api/v2/incremental/tickets/cursor"
PAGE = 1_000
UNTIL = int(datetime(2025, 6, 2, tzinfo=UTC).timestamp())
_CURSOR = re.compile(rb"[?&]cursor=(\d+)")
_SEPARATOR = b"\n"
# an account that may export as often as it likes, and says so as Zendesk does
_HEAD = (
    b"HTTP/1.1 200 OK\r\nContent-Type: application/json\r\nX-Rate-Limit: 1000000\r\n"
    b"Zendesk-RateLimit-incremental-exports-cursor: total=1000000\r\nContent-Length: %d\r\n\r\n"
)


def make(target: Path, *, rows: int, seed: int) -> int:
    """The sandbox's export of so many tickets, a page a line, as an account gives it; returns how many tickets there are."""
    told = 0
    with target.open("wb") as lines:
        for number, items in enumerate(_exported(rows, seed)):
            last = told + len(items) >= rows
            body = {"tickets": items, "after_cursor": None if last else str(number + 1), "end_of_stream": last}
            lines.write(orjson.dumps(body) + _SEPARATOR)
            told += len(items)
    return told


def _exported(rows: int, seed: int) -> Iterator[list[dict[str, Any]]]:
    from fastapi.testclient import TestClient

    from sandbox.app import create_app
    from sandbox.service import Sandbox
    from sandbox.settings import Settings
    from sandbox.world.spec import WorldSpec

    spec = WorldSpec(seed=seed, tickets=0, history=rows)
    sandbox = Sandbox(Settings(until=UNTIL, world=spec, clock_runs=False))
    with TestClient(create_app(sandbox)) as client:
        client.auth = ("agent@example.com/token", "sandbox-token")
        asked: dict[str, str | int] = {"start_time": 0}
        while True:
            answer = client.get(PATH, params={**asked, "per_page": PAGE}).json()
            if answer["tickets"]:
                yield answer["tickets"]
            if answer["end_of_stream"]:
                return
            asked = {"cursor": answer["after_cursor"]}


class Pages(asyncio.Protocol):
    """One connection."""

    def __init__(self, answers: list[bytes], counted: list[int]) -> None:
        self._answers, self._counted, self._received = answers, counted, b""
        self._transport: asyncio.Transport | None = None

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self._transport = transport  # type: ignore[assignment]  # a stream's

    def data_received(self, data: bytes) -> None:
        self._received += data
        while b"\r\n\r\n" in self._received:
            head, _, self._received = self._received.partition(b"\r\n\r\n")
            self._answer(head)

    def _answer(self, head: bytes) -> None:
        assert self._transport is not None
        if head.startswith(b"GET /count"):
            self._transport.write(_response(orjson.dumps({"requests": self._counted[0]})))
            return
        if b"/incremental/users/" in head:  # this account has none
            self._transport.write(_response(b'{"users":[],"after_cursor":null,"end_of_stream":true}'))
            return
        found = _CURSOR.search(head.partition(b"\r\n")[0])
        self._counted[0] += 1
        self._transport.write(self._answers[int(found[1]) if found else 0])


def _response(body: bytes) -> bytes:
    return _HEAD % len(body) + body


async def serve(content: bytes, port: int) -> None:
    """Until the process is ended."""
    answers = [_response(body) for body in content.split(_SEPARATOR) if body]
    counted = [0]
    server = await asyncio.get_running_loop().create_server(lambda: Pages(answers, counted), "127.0.0.1", port)
    async with server:
        await server.serve_forever()


if __name__ == "__main__":
    asyncio.run(serve(Path(sys.argv[1]).read_bytes(), int(sys.argv[2])))
