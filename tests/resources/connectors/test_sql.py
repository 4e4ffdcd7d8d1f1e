import random
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest
import sqlalchemy as sa
from hypothesis import given, settings
from hypothesis import strategies as st

from aios_core.canonical.mapper import map_record
from aios_core.declaration.sources import SqlSource
from aios_core.errors import ConfigurationError, PermanentError
from resources.connectors.sql import DatabaseUnavailable, SqlConnector
from resources.database import Database

BEGIN = datetime(2026, 11, 20, 12, tzinfo=UTC)


def source(**told: Any) -> SqlSource:
    facts = {
        "connector": "sql",
        "provides": "tickets",
        "url": "${DESK}",
        "table": "tickets",
        "cursor": "changed",
        "id_column": "id",
        "page_rows": 3,
    }
    return SqlSource.model_validate(facts | told)


@pytest.fixture
def desk(tmp_path: Path) -> Iterator[sa.Connection]:
    engine = sa.create_engine(f"sqlite:///{tmp_path / 'desk.sqlite'}", poolclass=sa.NullPool)
    with engine.connect() as connection:
        connection.execute(sa.text("create table tickets (id integer primary key, changed integer, subject text)"))
        connection.commit()
        yield connection


def url(desk: sa.Connection) -> str:
    return desk.engine.url.render_as_string()


def put(desk: sa.Connection, *rows: tuple[int, int | None, str]) -> None:
    for row in rows:
        desk.execute(
            sa.text("insert or replace into tickets values (:i, :c, :s)"), dict(zip(("i", "c", "s"), row, strict=True))
        )
    desk.commit()


def test_many_rows_of_one_moment_are_read_once_each(desk: sa.Connection) -> None:
    put(desk, *((n, 7, "same moment") for n in range(10)), (10, 9, "later"))
    connector = SqlConnector(source(overlap_rows=0), url=url(desk))
    pages = list(connector.read(object="tickets", cursor=None))
    assert [r.external_id for p in pages for r in p.records] == [str(n) for n in range(11)]
    (rest,) = connector.read(object="tickets", cursor=pages[-1].cursor)
    assert (rest.cursor, rest.done) == (pages[-1].cursor, True)


def test_a_row_committed_late_with_an_older_number_is_still_read(desk: sa.Connection) -> None:
    put(desk, (1, 1, "a"), (3, 3, "c"))
    connector = SqlConnector(source(overlap_rows=5), url=url(desk))
    (first,) = connector.read(object="tickets", cursor=None)
    put(desk, (2, 2, "committed late"))
    pages = list(connector.read(object="tickets", cursor=first.cursor))
    assert "2" in {r.external_id for p in pages for r in p.records}
    assert pages[-1].cursor == first.cursor, "reading again what is before it moves nothing back"


@given(seed=st.integers(0, 10**6))
@settings(max_examples=15, deadline=None)
def test_nothing_is_missed_while_rows_change_between_pages(seed: int, tmp_path_factory: pytest.TempPathFactory) -> None:
    chance, now = random.Random(seed), 0
    engine = sa.create_engine(f"sqlite:///{tmp_path_factory.mktemp('desk') / 'd.sqlite'}", poolclass=sa.NullPool)
    with engine.connect() as desk:
        desk.execute(sa.text("create table tickets (id integer primary key, changed integer, subject text)"))
        connector, landed, cursor = SqlConnector(source(overlap_rows=1), url=url(desk)), {}, None
        for turn in range(6):
            for page in connector.read(object="tickets", cursor=cursor):
                landed |= {int(r.external_id): r.payload["subject"] for r in page.records}
                cursor = page.cursor or cursor
                if turn < 5:
                    now += chance.randrange(2)
                    put(desk, (chance.randrange(12), now, str(chance.random())))
                    if chance.random() < 0.3:
                        break
        assert landed == dict(desk.execute(sa.text("select id, subject from tickets")).fetchall())


def test_a_query_on_postgres_with_times_becomes_tickets(database: Database) -> None:
    with database.connection() as connection:
        connection.execute(
            "create table desk (nr uuid default gen_random_uuid(), at timestamptz, title text, paid numeric)"
        )
        connection.execute(
            "insert into desk (at, title, paid) values (%s, 'Bill', 12.50), (null, 'no time', 1)", (BEGIN,)
        )
    declared = source(
        table=None,
        query="select nr, at, title, paid from aios.desk where title <> ''",
        cursor="at",
        id_column="nr",
        mapping={"subject": "title", "updated_at": "at", "created_at": "at", "paid": "paid"},
    )
    connector = SqlConnector(declared, url=database.url.replace("postgresql://", "postgresql+psycopg://"))
    (page,) = connector.read(object="tickets", cursor=None)
    (record,) = page.records
    ticket = map_record(
        declared,
        source_name="desk",
        object="tickets",
        payload=record.payload,
        correlation_id="c",
        landed_at=BEGIN + timedelta(days=1),
        external_id=record.external_id,
        version=record.version,
    )
    assert (ticket.subject, ticket.created_at, ticket.custom) == ("Bill", BEGIN, {"paid": "12.50"})
    (again,) = connector.read(object="tickets", cursor=page.cursor)
    assert again.records == page.records, "within the overlap, with the same version"


@pytest.mark.parametrize(
    ("told", "address", "error", "words"),
    [
        ({"table": "nothing_there"}, "sqlite://", DatabaseUnavailable, "nothing_there"),
        ({"query": "selekt 1", "table": None}, "sqlite://", DatabaseUnavailable, "syntax"),
        ({}, "postgresql+psycopg://nobody:secret@127.0.0.1:1/x", DatabaseUnavailable, "is it up"),
        ({}, "desk.example.com", ConfigurationError, "looks like"),
        ({}, "oracle+cx_oracle://x/y", ConfigurationError, "driver"),
    ],
)
def test_what_is_wrong_is_said_without_the_password(
    told: dict[str, Any], address: str, error: type[Exception], words: str
) -> None:
    with pytest.raises(error, match=words) as raised:
        SqlConnector(source(**told), url=address).check()
    assert "secret" not in str(raised.value)


def test_rows_without_an_id_are_rejected_and_another_object_is_refused(desk: sa.Connection) -> None:
    desk.execute(sa.text("create table loose (id text, changed integer)"))
    desk.execute(sa.text("insert into loose values (null, 1), ('b', 2)"))
    desk.commit()
    (page,) = SqlConnector(source(table="loose"), url=url(desk)).read(object="tickets", cursor=None)
    assert ([r.external_id for r in page.records], [r.code for r in page.rejects]) == (["b"], ["record.no_id"])
    with pytest.raises(PermanentError, match="no object `users`"):
        SqlConnector(source(), url=url(desk)).read(object="users", cursor=None)
