"""What a sandbox keeps across restarts: where its clock stands, and everything that was done to it, in order.

What belongs here: one SQLite file. What does not: what the entries mean (`service.py`), and the world, which the seed gives back.
"""

import sqlite3
from collections.abc import Iterator
from pathlib import Path
from typing import Any, Final

import orjson

FORMAT: Final = 1
SCHEMA: Final = """
create table if not exists meta (name text primary key, value text not null) without rowid;
create table if not exists entries (serial integer primary key, at integer not null, kind text not null, body text not null);
"""


class JournalError(Exception):
    """The state file can't be used; the message names it and the way out."""


class Journal:
    """An append-only list of entries and a few named values. Every write is on disk when the call returns."""

    def __init__(self, path: Path | None) -> None:
        self.path = path
        try:
            if path is not None:
                path.parent.mkdir(parents=True, exist_ok=True)
            # served from the event loop's thread alone; tests open it in another one first
            self._db = sqlite3.connect(path or ":memory:", isolation_level=None, check_same_thread=False, timeout=2)
            self._db.executescript(f"pragma journal_mode=wal; pragma synchronous=normal; {SCHEMA}")
            self._check_format()
        except (sqlite3.Error, OSError) as error:
            raise JournalError(
                f"state file {path}: {error}; remove the file, or name another one with --state"
            ) from error

    def _check_format(self) -> None:
        kept = self.value("format")
        if kept is None:
            self.set("format", FORMAT)
        elif kept != FORMAT:
            raise JournalError(
                f"state file {self.path} has format {kept}, this sandbox reads {FORMAT}; remove it or name another one with --state"
            )

    def value(self, name: str) -> Any:
        """A named value, or None."""
        row = self._db.execute("select value from meta where name = ?", (name,)).fetchone()
        return None if row is None else orjson.loads(row[0])

    def set(self, name: str, value: object) -> None:
        """Keep a named value."""
        self._db.execute(
            "insert into meta values (?, ?) on conflict (name) do update set value = excluded.value",
            (name, orjson.dumps(value).decode()),
        )

    def append(self, entries: list[tuple[int, str, object]]) -> None:
        """Add entries (at, kind, body), all or none."""
        self._db.execute("begin immediate")
        self._db.executemany(
            "insert into entries (at, kind, body) values (?, ?, ?)",
            [(at, kind, orjson.dumps(body).decode()) for at, kind, body in entries],
        )
        self._db.execute("commit")

    def entries(self) -> Iterator[tuple[int, str, Any]]:
        """All entries, oldest first."""
        for at, kind, body in self._db.execute("select at, kind, body from entries order by serial"):
            yield at, kind, orjson.loads(body)

    def clear(self) -> None:
        """Forget all entries and the clock."""
        self._db.executescript("begin immediate; delete from entries; delete from meta where name = 'clock'; commit;")

    def close(self) -> None:
        """Let go of the file."""
        self._db.close()
