"""COPY's text format: what is written by hand comes out of Postgres as it went in."""

from datetime import UTC, datetime

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from aios_core.canonical.values import clean_text
from resources.copying import AT_ONCE, copy_lines, moments, text, texts
from resources.database import Database
from tests.resources.ingesting import rows

words = st.text(max_size=30) | st.sampled_from(["\\N", "\\", "a\tb\r\nc\\", '{"a"}', "NULL", "\\.", ""])
clean = words.map(clean_text)


@settings(max_examples=60, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(
    st.lists(
        st.tuples(st.none() | clean, st.lists(clean, max_size=4), st.datetimes(timezones=st.just(UTC))), max_size=5
    )
)
def test_any_text_list_and_moment_comes_out_as_it_went_in(
    database: Database, values: list[tuple[str | None, list[str], datetime]]
) -> None:
    with database.connection() as connection:
        connection.execute("create temp table if not exists t (n integer, a text, b text[], c timestamptz)")
        connection.execute("truncate t")
        times = moments([c for _, _, c in values])
        lines = (f"{n}\t{text(a)}\t{texts(b)}\t{times[n]}" for n, (a, b, c) in enumerate(values))
        copy_lines(connection, "copy t (n, a, b, c) from stdin", lines)
        found = connection.execute("select a, b, c from t order by n").fetchall()
    assert found == [(a, b, c) for a, b, c in values]


def test_more_than_is_handed_over_at_once_arrives_whole(database: Database) -> None:
    many = 3 * AT_ONCE // 1_000
    with database.connection() as connection:
        connection.execute("create temp table t (a text)")
        copy_lines(connection, "copy t (a) from stdin", ("x" * 1_000 for _ in range(many)))
        assert connection.execute("select count(*), min(length(a)) from t").fetchone() == (many, 1_000)


def test_nothing_is_nothing(database: Database) -> None:
    with database.connection() as connection:
        connection.execute("create temp table t (a text)")
        copy_lines(connection, "copy t (a) from stdin", [])
    assert rows(database, "select 1") == [(1,)]


@pytest.mark.parametrize("value", ["\\N", "\\.", "a\\nb"])
def test_what_means_something_to_copy_is_only_text(value: str) -> None:
    assert text(value).startswith("\\\\") or "\\\\n" in text(value)
