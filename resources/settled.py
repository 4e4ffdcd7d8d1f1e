"""Settled tickets: the newest decision of each beside what turned out, joined where the rows are.

What belongs here: queries over `decisions` and `outcomes` together. What does not: what follows from them
(`aios_core/monitoring`). Only settled tickets leave the database, and of them the newest so many; sums of days leave it as sums.
"""

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import UTC, date, datetime, time
from typing import TYPE_CHECKING, Any

import pyarrow as pa
from psycopg import Connection

from resources import canonical_reads as reads
from resources.database import Database, rows

if TYPE_CHECKING:
    import pandas as pd

MOST_ROWS = 200_000  # of a window, the newest decided: an accuracy is then known to a fifth of a point

SETTLED = pa.schema([
    *((name, pa.string()) for name in ("source", "ticket_id", "ticket_version", "verdict", "queue", "label")),
    ("audit", pa.bool_()),
    ("day", pa.date32()),
    ("model_version", pa.int64()),
    ("confidence", pa.float64()),
    *((name, pa.timestamp("us", tz="UTC")) for name in ("known_at", "decided_at", "settled_at")),
])  # fmt: skip


@dataclass(frozen=True, slots=True, kw_only=True)
class SettledSum:
    """Of one day's settled tickets under one version: how many, how many right, and the sums of c and c(1 - c) of their confidences."""

    day: date
    model_version: int
    settled: int
    right: int
    expected: float
    variance: float


class SettledStore:
    """What turned out of the decisions of all automations."""

    def __init__(self, database: Database) -> None:
        self._database = database

    def rows(
        self,
        *,
        automation: str,
        first: date,
        last: date,
        until: datetime,
        audit_only: bool = False,
        limit: int = MOST_ROWS,
    ) -> "pd.DataFrame":
        """The settled tickets of the days from `first` to `last`, oldest decision first, with `label`: the outcome known before `until`."""
        asked = _asked(automation, first, last, until) | {"limit": limit, "audit_only": audit_only}
        with self._joining() as conn:
            frame: pd.DataFrame = reads.read_table(conn, _ROWS, SETTLED, asked).to_pandas()
        return frame

    def by_day(self, *, automation: str, first: date, last: date, until: datetime) -> list[SettledSum]:
        """The same, summed by day and version; tickets that were decided without a model are left out."""
        with self._joining() as conn:
            return [SettledSum(**row) for row in rows(conn, _BY_DAY, _asked(automation, first, last, until))]

    @contextmanager
    def _joining(self) -> Iterator[Connection]:
        """Of days that came since the tables were analysed Postgres expects a row or none, and would join them row by row."""
        with self._database.connection() as conn:
            conn.execute("set local enable_nestloop = off")
            yield conn


def _asked(automation: str, first: date, last: date, until: datetime) -> dict[str, Any]:
    """No outcome of these days' tickets is known before their first midnight."""
    since = datetime.combine(first, time(), tzinfo=UTC)
    return {"automation": automation, "first": first, "last": last, "since": since, "until": until}


# which decision of a ticket counts: the newest; which outcome: as in `canonical_reads.SETTLED`
_JOINED = """
(select distinct on (source, ticket_id) * from decisions
 where automation = {automation} and day between {first} and {last}
 order by source, ticket_id, decided_at desc, decision_id desc) d
join (select distinct on (source, ticket_id) source, ticket_id, queue, known_at from outcomes
      where automation = {automation} and known_at < {until} and known_at >= {since}
      order by source, ticket_id, (origin = 'review') desc, known_at desc, event_time desc) o
  on o.source = d.source and o.ticket_id = d.ticket_id
"""

_ROWS = (
    """
select {columns} from (
    select d.source, d.ticket_id, d.ticket_version, d.verdict, d.queue, o.queue as label, d.audit::text as audit, d.day, d.model_version,
           d.confidence, d.known_at, d.decided_at, o.known_at as settled_at
    from """
    + _JOINED
    + """
    where d.audit or not {audit_only}
    order by d.decided_at desc, d.decision_id desc limit {limit}
) t order by decided_at, source, ticket_id
"""
)

_BY_DAY = (
    """
select d.day, d.model_version, count(*) as settled, count(*) filter (where d.queue = o.queue) as right,
       sum(d.confidence) as expected, sum(d.confidence * (1 - d.confidence)) as variance
from """
    + _JOINED.format(
        automation="%(automation)s", first="%(first)s", last="%(last)s", since="%(since)s", until="%(until)s"
    )
    + """
where d.model_version > 0 and d.confidence is not null and d.confidence <> 'NaN'
group by 1, 2 order by 1, 2
"""
)
