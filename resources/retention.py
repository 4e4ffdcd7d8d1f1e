"""What the platform's own tables forget: rows that nobody reads after a declared time.

What belongs here: deleting such rows in small transactions, oldest kinds only. What does not: Dagster's runs
(`aios_assets/retention.py`) and answers kept for callers (`idempotency.py`), which purge themselves.

Records, decisions, outcomes, reviews, drafts, the outbox and the ledger are what an audit or a replay reads: they are never deleted here.
Each piece is a transaction of its own: a pass that is killed has deleted less, and the next one goes on.
"""

from dataclasses import dataclass
from datetime import datetime, timedelta

from resources.database import Database

AT_ONCE = 5_000


@dataclass(frozen=True, slots=True, kw_only=True)
class Forgotten:
    """Rows of one table that go when `where` holds; `%(before)s` is now minus `after`. `why` is told to the reader of a run."""

    table: str
    where: str
    after: timedelta
    why: str


FORGOTTEN = (
    Forgotten(
        table="webhook_deliveries",
        where="read_at < %(before)s",
        after=timedelta(days=30),
        why="the source was read since, and no sender repeats a delivery for a month",
    ),
    Forgotten(
        table="alert_deliveries",
        where="state in ('sent', 'nowhere') and created_at < %(before)s and not exists"
        " (select from alerts a where a.alert_id = any(d.alert_ids) and a.resolved_at is null)",
        after=timedelta(days=180),
        why="every alert that it told of is resolved; the alerts and their history stay",
    ),
    Forgotten(
        table="sign_in_failures",
        where="at < %(before)s",
        after=timedelta(days=1),
        why="a lock-out looks back minutes",
    ),
    Forgotten(
        table="quota_slots",
        where="counts_until < %(before)s",
        after=timedelta(days=1),
        why="the window that it counted in is over",
    ),
)


def forget(database: Database, *, now: datetime, at_once: int = AT_ONCE) -> dict[str, int]:
    """Delete what is past its time; table -> rows deleted. A second call finds nothing."""
    return {kind.table: _forget(database, kind, before=now - kind.after, at_once=at_once) for kind in FORGOTTEN}


def _forget(database: Database, kind: Forgotten, *, before: datetime, at_once: int) -> int:
    total = 0
    while True:
        with database.connection() as conn:
            # skip locked: whoever works on a row at this moment keeps it until the next pass
            gone = conn.execute(
                f"delete from {kind.table} where ctid = any(array(select d.ctid from {kind.table} d where {kind.where}"
                " limit %(at_once)s for update skip locked))",
                {"before": before, "at_once": at_once},
            ).rowcount
        total += gone
        if gone < at_once:
            return total
