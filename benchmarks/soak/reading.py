"""The reading process: every source in a thread of its own, from its vendor into landing and on into canonical tickets, for ever.

What belongs here: reading again and again, and going on after whatever happened. What a read is, is the product's own (`resources/ingestion.py`). What does not: who kills it (`killing.py`).

    python -m benchmarks.soak.reading DECLARATION [--last]

With `--last` each source is read until a read brings nothing new, and the process ends.
"""

import sys
import threading
import time
from collections.abc import Callable, Iterable
from functools import partial
from pathlib import Path

import psycopg

from aios_core.errors import RetryableError
from benchmarks.soak.vendors import VENDORS
from resources.canonical import CanonicalStore
from resources.connectors.factory import connected
from resources.connectors.failures import SourceDenied
from resources.database import Database
from resources.declarations import Declared, load_declaration
from resources.deployments import expand
from resources.ingestion import land_source

# what the day is made of: the vendor's and our own Postgres' failures, and a token that was revoked twice in a row. A run would fail and the next
# one read on. Anything else ends the process, and the soak with it
PASSING = (RetryableError, SourceDenied, psycopg.OperationalError)
AGAIN_SECONDS, LAST_SECONDS = 0.5, 120.0


class Reader:
    """Reads of one automation's sources, over one database."""

    def __init__(self, declared: Declared, database: Database) -> None:
        self._declared, self._database = declared, database

    def read(self, source: str) -> int:
        """One read, as a run does it; returns how many records landed."""
        automation, folder = self._declared.automation, self._declared.folder
        connect = partial(
            connected, automation.sources[source], automation=automation, folder=folder, database=self._database
        )
        read = land_source(automation, source, database=self._database, connect=lambda made: connect(made=made))
        CanonicalStore(self._database).catch_up(automation=automation, sources=[source])
        return read.pulled.landed

    def for_ever(self, source: str) -> None:
        """Read, pause, read."""
        pause = VENDORS[source].pause if source in VENDORS else 1.0
        while True:
            if patiently(lambda: self.read(source)) is None:
                time.sleep(AGAIN_SECONDS)
            else:
                time.sleep(pause)

    def last(self, source: str) -> None:
        """Until a read brings nothing new. Raises TimeoutError."""
        until = time.monotonic() + LAST_SECONDS
        while patiently(lambda: self.read(source)) != 0:
            if time.monotonic() > until:
                raise TimeoutError(f"{source} still changes, or can't be read, after {LAST_SECONDS:g} s of calm")
            time.sleep(AGAIN_SECONDS)


def patiently(work: Callable[[], int]) -> int | None:
    """What the work gives; None where it met what passes."""
    try:
        return work()
    except PASSING as error:
        print(f"{type(error).__name__}: {str(error)[:200]}", file=sys.stderr, flush=True)
        return None


def run_together(names: Iterable[str], work: Callable[[str], None], *, failed: list[str]) -> None:
    """A thread for each, until all have ended or one has `failed`, which is then told."""
    threads = [threading.Thread(target=work, args=(name,), name=name, daemon=True) for name in names]
    for thread in threads:
        thread.start()
    print("started", flush=True)
    while any(thread.is_alive() for thread in threads) and not failed:
        time.sleep(0.1)
    for said in failed:
        print(f"failed: {said}", file=sys.stderr, flush=True)


def main(file: Path, *, last: bool) -> int:
    """Every source at once; 1 where one met what does not pass."""
    declared = load_declaration(file)
    failed: list[str] = []
    with Database(expand("${AIOS_DATABASE_URL}"), max_size=16) as database:
        reader = Reader(declared, database)

        def work(source: str) -> None:
            try:
                (reader.last if last else reader.for_ever)(source)
            except Exception as error:
                failed.append(f"{source}: {type(error).__name__}: {error}")
                raise

        run_together(declared.automation.sources, work, failed=failed)
    return 1 if failed else 0


if __name__ == "__main__":
    sys.exit(main(Path(sys.argv[1]), last="--last" in sys.argv))
