"""Circuit breakers that all processes share, as rows.

What belongs here: reading, locking and writing them. What does not: the rules (`aios_core/traffic/breaker.py`) and calling anything.

A breaker that is closed and has nothing to tell costs one indexed read a call and writes nothing.
"""

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from psycopg import Connection
from psycopg.rows import DictRow

from aios_core.errors import RetryableError
from aios_core.traffic import breaker as core
from aios_core.traffic.breaker import Breaker, BreakerRules
from resources.database import Database, rows


class BreakerOpen(RetryableError):
    """What is asked has not answered lately and is left alone; `retry_after` is in seconds."""

    code = "breaker.open"

    def __init__(self, message: str, *, retry_after: float) -> None:
        super().__init__(message)
        self.retry_after = retry_after


@dataclass(frozen=True, slots=True, kw_only=True)
class Kept:
    """A breaker with its key and its last change, for people and metrics."""

    key: str
    breaker: Breaker
    changed_at: datetime


class Breakers:
    """The breakers of one database. Times are handed in, aware UTC."""

    def __init__(self, database: Database, *, rules: BreakerRules | None = None) -> None:
        self._database = database
        self._rules = rules or BreakerRules()

    def admit(self, key: str, *, now: datetime) -> Breaker:
        """How it stands, if a call may be made now. Raises BreakerOpen."""
        with self._database.connection() as connection:
            found = _read(connection, key)
            if found.state == "closed":
                return found
            breaker = _read(connection, key, lock=True)
            answer = core.admit(breaker, now=now, rules=self._rules)
            if answer.breaker != breaker:
                _write(connection, key, answer.breaker, now)
        if not answer.passes:
            seconds = answer.wait.total_seconds()
            raise BreakerOpen(
                f"{key} is left alone for {seconds:.0f} s: {answer.breaker.why or 'it did not answer'}",
                retry_after=seconds,
            )
        return answer.breaker

    def failed(self, key: str, *, now: datetime, why: str = "") -> Breaker:
        """After a call that failed."""
        return self._change(key, now, lambda b: core.failed(b, now=now, rules=self._rules, why=why[:500]))

    def succeeded(self, key: str, *, now: datetime) -> Breaker:
        """After a call that was answered; writes only where something was wrong before."""
        with self._database.connection() as connection:
            if _read(connection, key) == Breaker():
                return Breaker()
        return self._change(key, now, core.succeeded)

    def all(self) -> list[Kept]:
        """Every breaker that ever had something to tell, those not closed first."""
        with self._database.connection() as connection:
            found = rows(connection, "select * from breakers order by state = 'closed', key")
        return [Kept(key=row["key"], breaker=_breaker(row), changed_at=row["changed_at"]) for row in found]

    @contextmanager
    def guard(
        self, key: str, *, clock: Callable[[], datetime], failures: tuple[type[BaseException], ...]
    ) -> Iterator[None]:
        """Around one call: `failures` are what it raises when the other side is to blame; anything else says that it is there."""
        self.admit(key, now=clock())
        try:
            yield
        except failures as error:
            self.failed(key, now=clock(), why=str(error))
            raise
        except Exception:
            self.succeeded(key, now=clock())
            raise
        self.succeeded(key, now=clock())

    def _change(self, key: str, now: datetime, step: Callable[[Breaker], Breaker]) -> Breaker:
        with self._database.connection() as connection:
            connection.execute(
                "insert into breakers (key, changed_at) values (%s, %s) on conflict do nothing", (key, now)
            )
            before = _read(connection, key, lock=True)
            after = step(before)
            if after != before:
                _write(connection, key, after, now)
        return after


def _read(connection: Connection[Any], key: str, *, lock: bool = False) -> Breaker:
    found = rows(connection, f"select * from breakers where key = %s{' for update' if lock else ''}", (key,))
    return _breaker(found[0]) if found else Breaker()


def _breaker(row: DictRow) -> Breaker:
    return Breaker(**{name: row[name] for name in Breaker.__dataclass_fields__})


def _write(connection: Connection[Any], key: str, breaker: Breaker, now: datetime) -> None:
    connection.execute(
        "update breakers set state = %s, failures = %s, opened = %s, until = %s, why = %s, changed_at = %s where key = %s",
        (breaker.state, breaker.failures, breaker.opened, breaker.until, breaker.why, now, key),
    )
