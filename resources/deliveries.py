"""What goes back to helpdesks, as people want to see it: what waits, what failed for good, who sent it again.

What belongs here: bounded, read-only views of the outbox. What does not: entering, sending and reviving rows (`outbox.py`), and what a dry
run would have done (`dry_run.py`).
"""

from dataclasses import dataclass, replace
from datetime import datetime, timedelta

from psycopg.errors import QueryCanceled
from psycopg.rows import DictRow, class_row

from resources.database import Database, rows
from resources.outbox import REPLAY

COUNT_MS = 2_000
DAY = timedelta(days=1)


@dataclass(frozen=True, slots=True, kw_only=True)
class Totals:
    """`sent` and `withdrawn` are of the last day, `kept` is everything that dry runs ever kept back."""

    sent: int = 0
    withdrawn: int = 0
    kept: int = 0
    sent_at: datetime | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Standing:
    """One automation's writes to one system. Of those that wait, `retried` have failed before."""

    automation: str
    target: str
    waiting: int = 0
    retried: int = 0
    dead: int = 0
    oldest_at: datetime | None = None
    totals: Totals | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Replayed:
    """Who had dead writes sent again, as the ledger has it."""

    automation: str
    actor: str
    count: int
    at: datetime


class Deliveries:
    """Writes of all automations."""

    def __init__(self, database: Database) -> None:
        self._database = database

    def standings(self, *, now: datetime, at_most_ms: int = COUNT_MS) -> list[Standing]:
        """By automation and system. What waits and what is dead is found by indexes. The totals take a read of the whole outbox: where that
        does not end in time, they are None everywhere.
        """
        with self._database.connection() as conn, conn.cursor(row_factory=class_row(Standing)) as cursor:
            found = {(s.automation, s.target): s for s in cursor.execute(_URGENT).fetchall()}
        totals = self._totals(now, at_most_ms)
        if totals is not None:
            found = {
                key: replace(
                    found.get(key, Standing(automation=key[0], target=key[1])), totals=totals.get(key, Totals())
                )
                for key in {*found, *totals}
            }
        return [found[key] for key in sorted(found)]

    def retried(self, automation: str, *, limit: int) -> list[DictRow]:
        """What waits after an attempt that failed, the next first."""
        with self._database.connection() as conn:
            return rows(conn, _RETRIED, {"automation": automation, "limit": limit})

    def replays(self, *, limit: int) -> list[Replayed]:
        """The newest first."""
        with self._database.connection() as conn, conn.cursor(row_factory=class_row(Replayed)) as cursor:
            return cursor.execute(_REPLAYS, {"kind": REPLAY, "limit": limit}).fetchall()

    def _totals(self, now: datetime, at_most_ms: int) -> dict[tuple[str, str], Totals] | None:
        try:
            with self._database.connection() as conn:
                conn.execute(f"set local statement_timeout = {at_most_ms:d}")
                found = rows(conn, _TOTALS, {"since": now - DAY})
        except QueryCanceled:
            return None
        return {(row.pop("automation"), row.pop("target")): Totals(**row) for row in found}


_URGENT = """
select automation, target, sum(waiting)::int as waiting, sum(retried)::int as retried, sum(dead)::int as dead, min(oldest_at) as oldest_at
from (
  select automation, target, count(*) as waiting, count(*) filter (where attempts > 0) as retried, 0 as dead, min(created_at) as oldest_at
  from outbox where state = 'pending' group by 1, 2
  union all
  select automation, target, 0, 0, count(*), null from outbox where state = 'dead' group by 1, 2
) each group by 1, 2
"""

_TOTALS = """
select automation, target, count(*) filter (where state = 'sent' and sent_at >= %(since)s)::int as sent,
  count(*) filter (where state = 'superseded' and created_at >= %(since)s)::int as withdrawn,
  count(*) filter (where state = 'dry_run')::int as kept, max(sent_at) as sent_at
from outbox group by 1, 2
"""

_RETRIED = """
select target, kind, external_id, attempts, last_error, next_attempt_at, decision_id
from outbox where automation = %(automation)s and state = 'pending' and attempts > 0 order by next_attempt_at, action_id limit %(limit)s
"""

_REPLAYS = """
select automation, subject as actor, items as count, at from ledger where kind = %(kind)s order by sequence desc limit %(limit)s
"""
