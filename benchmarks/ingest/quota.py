"""How much of a vendor's quota is used when it is what limits: readers of one credential, and a server that counts.

What belongs here: the counting server, and readers as processes of their own. What does not: keeping to a quota (`resources/quotas.py`).

    python -m benchmarks.ingest.quota serve|ask SETTINGS.json

The server counts in the strictest way that vendors have, so many in any so many seconds, and refuses what is over. Requests at the moments at which they come
are compared with what it would have let through: a full quota at once, and again each time that a window has passed.
"""

import asyncio
import json
import sys
import time
from collections import deque
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import orjson

from benchmarks.serve.servers import Command, free_port, get, running

LIMIT, WINDOW = 100, 10.0  # HubSpot's of a private app in its smallest plan
READERS = 2


def measure(
    database: str, folder: Path, *, seconds: float, limit: int = LIMIT, window: float = WINDOW
) -> dict[str, Any]:
    """Two processes that ask as often as they may."""
    from benchmarks.ingest.measure import together

    port, settings = free_port(), folder / "quota.json"
    known = {"database": database, "port": port, "seconds": seconds, "limit": limit, "window": window}
    settings.write_text(json.dumps(known), encoding="utf-8")
    command = [sys.executable, "-m", "benchmarks.ingest.quota"]
    server = Command(
        name="counting",
        arguments=[*command, "serve", str(settings)],
        port=port,
        ready="/counted",
        log=folder / "quota.log",
        environment={},
    )
    with running(server):
        together([[*command, "ask", str(settings)]] * READERS, log=folder / "quota.log")
        counted = orjson.loads(get(port, "/counted")[1])
    return {
        "quota_share_used": round(share_used(counted["at"], limit=limit, window=window), 4),
        "quota_violations": counted["refused"],
        "quota_requests": len(counted["at"]),
    }


def share_used(moments: Sequence[float], *, limit: int, window: float) -> float:
    """What was asked, of what might have been asked until the last moment, in the time that this takes at best.

    At best `limit` are asked at once, and `limit` more with each window that has passed; the whole windows until the last request are compared.
    """
    if len(moments) <= limit:
        return 0.0
    whole = (len(moments) - 1) // limit  # windows that must have passed before the last one of these
    taken = moments[whole * limit] - moments[0]
    return whole * window / taken


class Counting(asyncio.Protocol):
    """One connection to a server that counts."""

    def __init__(self, taken: deque[float], told: dict[str, Any], limit: int, window: float) -> None:
        self._taken, self._told, self._limit, self._window = taken, told, limit, window
        self._transport: asyncio.Transport | None = None

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self._transport = transport  # type: ignore[assignment]  # a stream's

    def data_received(self, data: bytes) -> None:
        assert self._transport is not None
        if data.startswith(b"GET /counted"):
            self._transport.write(_response(200, orjson.dumps(self._told)))
            return
        now = time.monotonic()
        while self._taken and self._taken[0] <= now - self._window:
            self._taken.popleft()
        if len(self._taken) >= self._limit:
            self._told["refused"] += 1
            self._transport.write(_response(429, b"{}"))
            return
        self._taken.append(now)
        self._told["at"].append(now)
        self._transport.write(_response(200, b"{}"))


def _response(status: int, body: bytes) -> bytes:
    said = {200: b"OK", 429: b"Too Many Requests"}[status]
    return b"HTTP/1.1 %d %s\r\nContent-Type: application/json\r\nContent-Length: %d\r\n\r\n%s" % (status, said, len(body), body)  # fmt: skip


async def serve(settings: dict[str, Any]) -> None:
    """Until the process is ended."""
    taken, told = deque[float](), {"at": [], "refused": 0}
    limit, window = settings["limit"], settings["window"]
    loop = asyncio.get_running_loop()
    server = await loop.create_server(lambda: Counting(taken, told, limit, window), "127.0.0.1", settings["port"])
    async with server:
        await server.serve_forever()


def ask(settings: dict[str, Any]) -> dict[str, Any]:
    """One reader: as often as the shared quota lets it."""
    from datetime import UTC, datetime

    from aios_core.traffic.quota import Limit
    from resources.connectors.http import HttpClient
    from resources.connectors.traffic import Quota, SharedTraffic
    from resources.database import Database

    url = f"http://127.0.0.1:{settings['port']}"
    limit = Limit(name="all", requests=settings["limit"], seconds=settings["window"])
    quota = Quota(counts=lambda _method, _path: ("all",), known={"all": limit})
    with Database(settings["database"]) as database:
        traffic = SharedTraffic(
            database, vendor="bench", url=url, credential="one", quota=quota, clock=lambda: datetime.now(UTC)
        )
        http = HttpClient(name="bench", base_url=url, traffic=traffic)
        print("ready", flush=True)
        sys.stdin.readline()
        asked, until = 0, time.monotonic() + settings["seconds"]
        while time.monotonic() < until:
            http.get("/page")
            asked += 1
        http.close()
    return {"asked": asked}


if __name__ == "__main__":
    content = json.loads(Path(sys.argv[2]).read_text())
    if sys.argv[1] == "serve":
        asyncio.run(serve(content))
    else:
        print(json.dumps(ask(content)), flush=True)
