"""Postgres, the one system of record for state: connections, migrations and the check of the schema's version.

What belongs here: what every store needs. What does not: the stores themselves (a module a noun beside this file) and the
embedded server's process (`resources/embedded_postgres.py`).
"""

import atexit
import hashlib
import threading
import weakref
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal, Self

import psycopg
from psycopg import Connection
from psycopg.rows import DictRow, dict_row
from psycopg_pool import ConnectionPool, PoolTimeout

from aios_core.errors import ConfigurationError, RetryableError
from resources.deployments import Deployment
from resources.embedded_postgres import EmbeddedPostgres

SCHEMA = "aios"
MIGRATIONS = Path(__file__).parent / "migrations"
# any constant will do, as long as every release uses the same
MIGRATION_LOCK = 4_716_110_915


class DatabaseUnavailable(RetryableError):
    """No connection could be had in time."""

    code = "database.unavailable"


@dataclass(frozen=True, slots=True)
class Migration:
    """One SQL file; `version` is its number, `checksum` that of its text."""

    version: int
    name: str
    sql: str
    checksum: str


@dataclass(frozen=True, slots=True)
class SchemaState:
    """How the database stands to the code: `older` can be migrated, `newer` and `changed` can't be used."""

    kind: Literal["current", "older", "newer", "changed"]
    versions: tuple[int, ...] = ()


class Database:
    """A pool of connections to one database, with the schema `aios` in front. Safe to share between threads.

    The pool is opened at first use, so that making a Database costs nothing and a fork starts with a pool of its own.
    """

    def __init__(self, url: str, *, max_size: int = 8, timeout_seconds: float = 30.0) -> None:
        self.url = url
        self._max_size = max_size
        self._timeout = timeout_seconds
        self._pool: ConnectionPool | None = None
        self._lock = threading.Lock()

    @contextmanager
    def connection(self) -> Iterator[Connection]:
        """One transaction: committed when the block ends, rolled back when it raises."""
        try:
            with self._opened().connection() as connection:
                yield connection
        except PoolTimeout as error:
            raise DatabaseUnavailable(
                f"{_masked(self.url)}: no connection within {self._timeout:g} s: {error}"
            ) from error

    def migrate(self, migrations: Sequence[Migration] | None = None) -> list[str]:
        """Bring the schema to this code's version; returns the names of the migrations applied."""
        available = read_migrations() if migrations is None else list(migrations)
        with self._direct() as connection:
            # a session lock: two processes that start at once migrate one after the other
            connection.execute("select pg_advisory_lock(%s)", (MIGRATION_LOCK,))
            _make_version_table(connection)
            state = compare(_applied(connection), available)
            if state.kind in ("newer", "changed"):
                raise _refusal(state)
            applied = [m for m in available if m.version in state.versions]
            for migration in applied:
                _apply(connection, migration)
        return [m.name for m in applied]

    def schema(self, migrations: Sequence[Migration] | None = None) -> SchemaState:
        """How the database stands to this code, without changing anything."""
        available = read_migrations() if migrations is None else list(migrations)
        with self._direct() as connection:
            found = connection.execute("select to_regclass('aios.schema_migrations')").fetchone()
            applied = _applied(connection) if found and found[0] is not None else {}
        return compare(applied, available)

    def require_current_schema(self) -> None:
        """Refuse a database whose schema is not this code's, with the way out."""
        state = self.schema()
        if state.kind != "current":
            raise _refusal(state)

    def close(self) -> None:
        """Close every connection. The Database may be used again afterwards."""
        with self._lock:
            if self._pool is not None:
                self._pool.close()
                self._pool = None

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def _opened(self) -> ConnectionPool:
        with self._lock:
            if self._pool is None:
                self._direct().close()  # says at once what is wrong; the pool would try for its whole time-out
                self._pool = ConnectionPool(
                    self.url,
                    min_size=1,
                    max_size=self._max_size,
                    timeout=self._timeout,
                    configure=_configure,
                    # a server that was restarted leaves dead connections in the pool; looking costs 50 µs
                    check=ConnectionPool.check_connection,
                    kwargs={"connect_timeout": 10, "application_name": "aios"},
                    open=True,
                    name="aios",
                )
                # its threads would hold up the interpreter's end where somebody forgot to close
                weakref.finalize(self, self._pool.close)
            return self._pool

    def _direct(self) -> Connection:
        try:
            return psycopg.connect(self.url, autocommit=True, connect_timeout=10)
        except psycopg.OperationalError as error:
            reason = str(error).strip().splitlines()[-1]
            raise DatabaseUnavailable(
                f"{_masked(self.url)}: can't connect: {reason}; is it running, and is AIOS_DATABASE_URL right?"
            ) from error
        except psycopg.ProgrammingError as error:
            raise ConfigurationError(f"AIOS_DATABASE_URL is not a Postgres URL: {str(error).strip()}") from error


def read_migrations(folder: Path = MIGRATIONS) -> list[Migration]:
    """The migrations this code brings, in their order: `NNNN_name.sql`."""
    found = []
    for file in sorted(folder.glob("*.sql")):
        number, _, name = file.stem.partition("_")
        if not (number.isdigit() and name):
            raise ConfigurationError(f"{file}: a migration is called NNNN_name.sql")
        text = file.read_text(encoding="utf-8")
        found.append(Migration(int(number), file.name, text, hashlib.sha256(text.encode()).hexdigest()))
    if len({m.version for m in found}) != len(found):
        raise ConfigurationError(f"{folder}: two migrations have the same number")
    return found


def compare(applied: Mapping[int, str], available: Sequence[Migration]) -> SchemaState:
    """Applied versions with their checksums against the code's own."""
    known = {m.version: m.checksum for m in available}
    if unknown := tuple(v for v in sorted(applied) if v not in known):
        return SchemaState("newer", unknown)
    if changed := tuple(v for v in sorted(applied) if applied[v] != known[v]):
        return SchemaState("changed", changed)
    if missing := tuple(v for v in sorted(known) if v not in applied):
        return SchemaState("older", missing)
    return SchemaState("current")


def rows(connection: Connection[Any], query: str, parameters: Any = ()) -> list[DictRow]:
    """The query's rows as dictionaries."""
    with connection.cursor(row_factory=dict_row) as cursor:
        return cursor.execute(query, parameters).fetchall()


def embedded_url(home: Path) -> str:
    """Start the embedded Postgres under `home`, or join it, until this process ends; returns its URL."""
    server = _SERVERS.get(home.resolve())
    if server is None:
        server = EmbeddedPostgres(home=home)
        url = server.start()
        _SERVERS[home.resolve()] = server
        atexit.register(server.stop)
        return url
    return server.url()


def open_database(deployment: Deployment) -> Database:
    """The deployment's database, refused where its schema is not this code's."""
    database = Database(deployment.database_url or embedded_url(deployment.home))
    database.require_current_schema()
    return database


_SERVERS: dict[Path, EmbeddedPostgres] = {}


def _configure(connection: Connection) -> None:
    connection.execute(f"set search_path to {SCHEMA}")
    connection.execute("set timezone to 'UTC'")
    connection.commit()


def _make_version_table(connection: Connection) -> None:
    connection.execute(f"create schema if not exists {SCHEMA}")
    connection.execute(
        f"create table if not exists {SCHEMA}.schema_migrations (version integer primary key, name text not null,"
        " checksum text not null, applied_at timestamptz not null default now())"
    )


def _applied(connection: Connection) -> dict[int, str]:
    return dict(connection.execute(f"select version, checksum from {SCHEMA}.schema_migrations").fetchall())


def _apply(connection: Connection, migration: Migration) -> None:
    try:
        with connection.transaction():
            connection.execute(f"set local search_path to {SCHEMA}")
            connection.execute(migration.sql.encode())
            connection.execute(
                f"insert into {SCHEMA}.schema_migrations (version, name, checksum) values (%s, %s, %s)",
                (migration.version, migration.name, migration.checksum),
            )
    except psycopg.Error as error:
        raise ConfigurationError(f"{migration.name}: failed and was rolled back: {str(error).strip()}") from error


def _refusal(state: SchemaState) -> ConfigurationError:
    numbers = ", ".join(f"{v:04d}" for v in state.versions)
    if state.kind == "newer":
        return ConfigurationError(
            f"the database's schema is newer than this code (it has migration {numbers}); update the code"
        )
    if state.kind == "changed":
        return ConfigurationError(
            f"migration {numbers} was changed after it was applied here; restore its file, or start afresh with `aios reset`"
        )
    return ConfigurationError(f"the database's schema is older than this code (missing {numbers}); run `aios migrate`")


def _masked(url: str) -> str:
    """The URL without its password, for messages."""
    try:
        info = psycopg.conninfo.conninfo_to_dict(url)
    except psycopg.ProgrammingError:
        return "AIOS_DATABASE_URL"
    return f"database {info.get('dbname', '?')} at {info.get('host', 'localhost')}"
