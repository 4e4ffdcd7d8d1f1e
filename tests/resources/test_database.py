"""Connections, migrations and the check of the schema's version, on a real Postgres."""

import threading
from pathlib import Path

import psycopg
import pytest

from aios_core.errors import ConfigurationError
from resources.database import Database, DatabaseUnavailable, Migration, compare, open_database, read_migrations
from resources.deployments import deployment

ONE = Migration(1, "0001_one.sql", "create table one (n integer)", "a")
TWO = Migration(2, "0002_two.sql", "create table two (n integer); insert into one values (2)", "b")
BROKEN = Migration(2, "0002_broken.sql", "create table two (n integer); select nonsense", "c")


def test_a_block_that_ends_is_committed(database: Database) -> None:
    with database.connection() as connection:
        connection.execute("insert into policies (revision, content) values ('r', 'text')")
    with database.connection() as connection:
        assert connection.execute("select content from policies").fetchall() == [("text",)]


def test_a_block_that_raises_is_rolled_back(database: Database) -> None:
    with pytest.raises(RuntimeError), database.connection() as connection:
        connection.execute("insert into policies (revision, content) values ('r', 'text')")
        raise RuntimeError
    with database.connection() as connection:
        assert connection.execute("select count(*) from policies").fetchone() == (0,)


def test_times_come_back_in_utc(database: Database) -> None:
    with database.connection() as connection:
        (now,) = connection.execute("select now()").fetchone() or (None,)
    assert now is not None and now.utcoffset().total_seconds() == 0


def test_a_connection_that_the_server_cut_is_replaced(database: Database) -> None:
    with database.connection() as connection:
        (pid,) = connection.execute("select pg_backend_pid()").fetchone() or (0,)
    with psycopg.connect(database.url, autocommit=True) as other:
        other.execute("select pg_terminate_backend(%s)", (pid,))
    with database.connection() as connection:
        assert connection.execute("select 1").fetchone() == (1,)


def test_migrating_twice_applies_each_migration_once(empty_database_url: str) -> None:
    with Database(empty_database_url) as database:
        assert database.schema([ONE, TWO]).kind == "older"
        assert database.migrate([ONE]) == ["0001_one.sql"]
        assert database.migrate([ONE, TWO]) == ["0002_two.sql"]
        assert database.migrate([ONE, TWO]) == []
        assert database.schema([ONE, TWO]).kind == "current"


def test_a_migration_that_fails_leaves_nothing_behind(empty_database_url: str) -> None:
    with Database(empty_database_url) as database:
        with pytest.raises(ConfigurationError, match=r"0002_broken\.sql: failed and was rolled back"):
            database.migrate([ONE, BROKEN])
        with database.connection() as connection:
            assert connection.execute("select to_regclass('aios.one') is not null").fetchone() == (True,)
            assert connection.execute("select to_regclass('aios.two') is null").fetchone() == (True,)
        assert database.migrate([ONE, TWO]) == ["0002_two.sql"]


def test_processes_that_migrate_at_once_do_not_disturb_each_other(empty_database_url: str) -> None:
    applied: list[str] = []
    failures: list[Exception] = []

    def migrate() -> None:
        try:
            applied.extend(Database(empty_database_url).migrate())
        except Exception as error:
            failures.append(error)

    threads = [threading.Thread(target=migrate) for _ in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert failures == []
    assert sorted(applied) == [m.name for m in read_migrations()]


def test_a_database_newer_than_the_code_is_refused(empty_database_url: str) -> None:
    with Database(empty_database_url) as database:
        database.migrate([ONE, TWO])
        with pytest.raises(ConfigurationError, match="newer than this code .*0002.*update the code"):
            database.migrate([ONE])


def test_a_migration_edited_after_it_was_applied_is_refused(empty_database_url: str) -> None:
    with Database(empty_database_url) as database:
        database.migrate([ONE])
        edited = Migration(1, ONE.name, ONE.sql + ";", "other")
        with pytest.raises(ConfigurationError, match="0001 was changed after it was applied"):
            database.migrate([edited])


def test_opening_an_older_database_names_the_command_to_run(empty_database_url: str) -> None:
    target = deployment({"AIOS_DATABASE_URL": empty_database_url})
    with pytest.raises(ConfigurationError, match="older than this code.*run `aios migrate`"):
        open_database(target)


def test_opening_a_migrated_database_works(database_url: str) -> None:
    with (
        open_database(deployment({"AIOS_DATABASE_URL": database_url})) as database,
        database.connection() as connection,
    ):
        assert connection.execute("select count(*) from decisions").fetchone() == (0,)


def test_a_server_that_is_not_there_is_named_at_once_and_without_its_password(tmp_path: Path) -> None:
    with pytest.raises(DatabaseUnavailable) as caught:
        Database(f"postgresql://me:hunter2@/d?host={tmp_path}").migrate()
    assert "can't connect" in str(caught.value)
    assert "hunter2" not in str(caught.value)


def test_nonsense_for_a_url_is_a_configuration_error() -> None:
    with pytest.raises(ConfigurationError, match="AIOS_DATABASE_URL is not a Postgres URL"):
        Database("what is this").migrate()


def test_migrations_are_numbered_and_named(tmp_path: Path) -> None:
    (tmp_path / "first.sql").write_text("select 1")
    with pytest.raises(ConfigurationError, match=r"first\.sql: a migration is called NNNN_name\.sql"):
        read_migrations(tmp_path)


def test_a_database_without_any_migration_is_older() -> None:
    assert compare({}, [ONE, TWO]).versions == (1, 2)
