"""Our gateway as a user runs it: a throwaway Postgres and lake, registered versions, and `python -m gateway` over them.

What belongs here: setting it up, its metrics, and moving its aliases. What does not: load and judging.
"""

import contextlib
import re
import subprocess
import sys
import time
from collections import Counter
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime
from pathlib import Path

from benchmarks.serve.models import Version
from benchmarks.serve.servers import Command, free_port, get, running
from resources.database import Database
from resources.embedded_postgres import EmbeddedPostgres
from resources.lake import Lake
from resources.ledger import Ledger
from resources.registry import Registry

MODEL = "bench_serve"
PATH = f"/v2/models/{MODEL}/infer"
ACTOR = "bench"
_BUCKET = re.compile(r'^aios_infer_batch_rows_bucket\{.*le="([^"]+)".*\} (\d+)$', re.MULTILINE)


@dataclass(frozen=True, slots=True, kw_only=True)
class Platform:
    """A database and a lake with the versions in them, numbered from 1; version 1 is the champion."""

    folder: Path
    url: str
    registry: Registry

    @contextlib.contextmanager
    def gateway(self, *, workers: int) -> Iterator[tuple[int, subprocess.Popen[bytes]]]:
        """The gateway's port and process, ready to answer."""
        port = free_port()
        command = Command(
            name="the gateway",
            arguments=[sys.executable, "-m", "gateway", "--port", str(port), "--workers", str(workers)],
            port=port,
            ready="/v2/health/ready",
            log=self.folder / "gateway.log",
            environment={
                "AIOS_HOME": str(self.folder / "home"),
                "AIOS_DATABASE_URL": self.url,
                "AIOS_LAKE_URL": str(self.folder / "lake"),
                "AIOS_DEPLOYMENT": "local",
                "AIOS_ACCESS_LOG_SHARE": "1",
            },
        )
        with running(command) as process:
            yield port, process


@contextlib.contextmanager
def platform(folder: Path, versions: Sequence[Version]) -> Iterator[Platform]:
    """Registered and promoted; the Postgres is stopped at the end."""
    server = EmbeddedPostgres(home=folder, tied=True)
    try:
        url = server.start()
        with Database(url) as database:
            database.migrate()
            registry = Registry(database, lake=Lake(str(folder / "lake")), ledger=Ledger(database))
            for version in versions:
                _register(registry, version)
            registry.move(
                name=MODEL, alias="champion", version=1, actor=ACTOR, reason="the first", evidence={}, now=_now()
            )
            yield Platform(folder=folder, url=url, registry=registry)
    finally:
        server.stop()


def _register(registry: Registry, version: Version) -> None:
    registry.register(
        name=MODEL,
        automation=MODEL,
        kind="linear_text",
        files=version.files,
        snapshot_id="bench",
        classes=version.classes,
        metrics={},
        card={},
    )


@dataclass(slots=True)
class Mover:
    """Promotes version 2 and rolls back to 1 in turn, every so many seconds from `not_before` on.

    `moves` are (when it was committed, by `time.monotonic`, and the version). `error` is what stopped it early.
    """

    registry: Registry
    count: int
    every_seconds: float
    not_before: float
    moves: list[tuple[float, int]] = field(default_factory=list)
    error: Exception | None = None

    def run(self) -> None:
        try:
            for number in range(self.count):
                time.sleep(max(0.0, self.not_before + number * self.every_seconds - time.monotonic()))
                version = self._move(number)
                self.moves.append((time.monotonic(), version))
            time.sleep(self.every_seconds)
        except Exception as error:  # the load must be ended first
            self.error = error

    def _move(self, number: int) -> int:
        if number % 2:
            return self.registry.rollback(name=MODEL, actor=ACTOR, reason="bench", evidence={}, now=_now())
        self.registry.move(
            name=MODEL, alias="champion", version=2, actor=ACTOR, reason="bench", evidence={}, now=_now()
        )
        return 2


def batch_sizes(port: int) -> dict[str, int]:
    """Batches by size so far: the upper bound of a bucket -> how many, those without any left out."""
    status, body = get(port, "/metrics")
    return sizes_in(body.decode()) if status == 200 else {}


def sizes_in(exposition: str) -> dict[str, int]:
    """The same from Prometheus' text, whose buckets are cumulative; those of all versions together."""
    totals: Counter[str] = Counter()
    for bound, count in _BUCKET.findall(exposition):
        totals[bound] += int(count)
    found, before = {}, 0
    for bound in sorted(totals, key=float):
        if totals[bound] > before:
            found[bound] = totals[bound] - before
        before = totals[bound]
    return found


def _now() -> datetime:
    return datetime.now(UTC)
