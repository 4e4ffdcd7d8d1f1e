"""A table or query of any database that SQLAlchemy speaks to: rows that are new or changed, by a column that only grows.

What belongs here: the query, its pages and the cursor. What does not: what a row means (`aios_core/canonical/tabular.py`).

Rows are read in the order of (cursor column, id), each page after the last row of the page before: rows with the same value are neither read twice
nor missed, however many there are. A column of times is read again from a little before where the last read ended, since a long transaction
commits rows with older times; a column of numbers from a sequence has the same gap, in rows (`overlap_rows`).
"""

from collections.abc import Generator, Iterator, Sequence
from datetime import UTC, date, datetime, timedelta
from decimal import Decimal
from typing import TYPE_CHECKING, Any
from uuid import UUID

import orjson

from aios_core.canonical.values import to_id
from aios_core.declaration.sources import SqlSource
from aios_core.errors import ConfigurationError, PermanentError, RecordError, RetryableError
from resources.connectors.base import Page, Record, Reject, WriteResult, ahead, read_only
from resources.connectors.items import content_version, item_reject, to_json_bytes

if TYPE_CHECKING:
    from sqlalchemy import Engine, FromClause, Select

    from aios_core.decisions.actions import OutboxAction

Reached = tuple[Any, Any]  # the last row's cursor value and id


class DatabaseUnavailable(RetryableError):
    """The database did not answer; its rows stay where they are."""

    code = "source.unavailable"


class SqlConnector:
    """One table or query. `url` is SQLAlchemy's: `postgresql+psycopg://…`, `mysql+pymysql://…`, `sqlite:///…`."""

    def __init__(self, source: SqlSource, *, url: str) -> None:
        self.objects: tuple[str, ...] = (source.provides,)
        self._source = source
        self._engine = _engine(url)

    def read(self, *, object: str, cursor: str | None) -> Iterator[Page]:
        """Pages of up to `page_rows`, the next one fetched while this one is landed."""
        if object not in self.objects:
            raise PermanentError(f"sql source: no object `{object}`; there is: {self.objects[0]}")
        return ahead(self._pages(cursor))

    def write(self, actions: "Sequence[OutboxAction]") -> list[WriteResult]:
        return read_only("a sql source", actions)

    def check(self) -> str:
        """Where we are, and that the columns are there."""
        rows = self._fetch(self._select(None, 1))
        shown = self._engine.url.render_as_string(hide_password=True)
        return f"{shown}: {self._source.table or 'the query'} " + ("has rows" if rows else "has no rows")

    def close(self) -> None:
        self._engine.dispose()

    def _pages(self, cursor: str | None) -> Generator[Page, None, None]:
        size, after = self._source.page_rows, _from_json(cursor)
        reached = after
        after = None if after is None else self._earlier(after)
        while True:
            rows = self._fetch(self._select(after, size))
            records, rejects = self._records(rows)
            if rows:
                after = (rows[-1][self._source.cursor], rows[-1][self._source.id_column])
                # reading again what is before it moves nothing back
                reached = after if reached is None or after[0] >= reached[0] else reached
            done = len(rows) < size
            yield Page(object=self.objects[0], records=records, rejects=rejects, cursor=_to_json(reached), done=done)
            if done:
                return

    def _select(self, after: Reached | None, size: int) -> "Select[Any]":
        import sqlalchemy as sa

        source = self._source
        moved, own = sa.column(source.cursor), sa.column(source.id_column)
        rows = sa.select(sa.literal_column("*")).select_from(_rows_of(source)).where(moved.is_not(None))
        if after is not None:
            value, last = after
            beyond = moved >= value if last is None else sa.or_(moved > value, sa.and_(moved == value, own > last))
            rows = rows.where(beyond)
        return rows.order_by(moved, own).limit(size)

    def _fetch(self, query: "Select[Any]") -> list[dict[str, Any]]:
        import sqlalchemy as sa

        try:
            with self._engine.connect() as connection:
                return [dict(row) for row in connection.execute(query).mappings()]
        except (sa.exc.InterfaceError, sa.exc.OperationalError) as error:
            raise DatabaseUnavailable(
                f"sql source: {_said(error)}; is it up, and are names and rights correct?"
            ) from error
        except sa.exc.SQLAlchemyError as error:
            raise PermanentError(
                f"sql source: {_said(error)}; correct `table`, `query`, `cursor` or `id_column`"
            ) from error

    def _earlier(self, after: Reached) -> Reached:
        value = after[0]
        if isinstance(value, datetime):
            return value - timedelta(seconds=self._source.overlap_seconds), None
        if isinstance(value, int):
            return value - self._source.overlap_rows, None
        return value, None

    def _records(self, rows: Sequence[dict[str, Any]]) -> tuple[tuple[Record, ...], tuple[Reject, ...]]:
        records: list[Record] = []
        rejects: list[Reject] = []
        for row in rows:
            payload = {name: _json(value) for name, value in row.items()}
            try:
                external_id = to_id(payload.get(self._source.id_column), field=self._source.id_column)
                json = to_json_bytes(payload)
            except RecordError as error:
                rejects.append(item_reject(self.objects[0], payload, error))
                continue
            records.append(
                Record(object=self.objects[0], external_id=external_id, version=content_version(json), json=json)
            )
        return tuple(records), tuple(rejects)


def _rows_of(source: SqlSource) -> "FromClause":
    import sqlalchemy as sa

    if source.table is None:
        return sa.text(f"({source.query}) as source_rows")  # type: ignore[return-value]  # text is taken there
    *schema, name = source.table.rsplit(".", 1)
    return sa.table(name, schema=schema[0] if schema else None)


def _engine(url: str) -> "Engine":
    import sqlalchemy as sa

    try:
        # a connection a page: none is held while a page is landed, and a page may be read in another thread
        return sa.create_engine(url, poolclass=sa.NullPool)
    except (sa.exc.ArgumentError, sa.exc.NoSuchModuleError, ModuleNotFoundError) as error:
        raise ConfigurationError(
            f"sql source: its `url` can't be used: {error}; it looks like postgresql+psycopg://user:password@host/name, and"
            " other databases need their driver installed"
        ) from error


def _to_json(reached: Reached | None) -> str:
    """The cursor: values with their types, so that they come back as what the database compares with."""
    if reached is None:
        return ""
    return orjson.dumps([[type(v).__name__, v if isinstance(v, int | float) else str(v)] for v in reached]).decode()


def _from_json(cursor: str | None) -> Reached | None:
    if not cursor:
        return None
    value, last = (_READ[kind](written) for kind, written in orjson.loads(cursor))
    return value, last


_READ: dict[str, Any] = {
    "int": int,
    "float": float,
    "str": str,
    "datetime": datetime.fromisoformat,
    "date": date.fromisoformat,
    "Decimal": Decimal,
    "UUID": UUID,
    "NoneType": lambda _: None,
}


def _json(value: Any) -> Any:
    """A column's value as a payload holds it. Numbers with decimals stay exact as texts."""
    if isinstance(value, datetime):
        return (value if value.tzinfo else value.replace(tzinfo=UTC)).isoformat()
    if isinstance(value, date | Decimal | UUID):
        return str(value)
    return value


def _said(error: Exception) -> str:
    """The driver's own words, without the statement and its values."""
    return " ".join(str(getattr(error, "orig", None) or error).split())[:300]
