"""Review cases and batches in Postgres: the one door to them, and the batches themselves.

What belongs here: `ReviewStore`, and batches: listed, made, finished, collected. What does not: steps on cases (`review_steps.py`,
`review_leads.py`), people's work (`review_work.py`), what goes into a batch (`aios_core/review/batching.py`), and what the console
shows beside a case (`resources/console.py`).

Every writing method is one transaction.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import date, datetime, timedelta

from psycopg.rows import DictRow

from aios_core.automation import Automation
from aios_core.errors import PermanentError
from resources import review_batches, review_contradictions
from resources.database import Database
from resources.database import rows as read_rows
from resources.review_batches import Collected
from resources.review_cases import CASES, Case, case_of
from resources.review_leads import LeadSteps
from resources.review_steps import CaseSteps
from resources.review_work import WorkReads

__all__ = ["Batch", "Case", "ReviewStore", "UnknownBatch"]


class UnknownBatch(PermanentError):
    """There is no review batch of that name."""

    code = "review.unknown_batch"


@dataclass(frozen=True, slots=True, kw_only=True)
class Batch:
    """A named group of cases of one day and queue, with how far it has come; `reason` where it was made for something else."""

    automation: str
    batch: str
    queue: str
    day: date
    state: str  # open | done (closed: nothing is undone any more) | collected
    waiting: int
    claimed: int
    decided: int
    created_at: datetime
    due_at: datetime
    waiting_since: datetime
    decided_last: datetime | None
    done_at: datetime | None
    lease_minutes: float
    undo_minutes: float
    reason: str = ""

    @property
    def size(self) -> int:
        return self.waiting + self.claimed + self.decided

    @property
    def left(self) -> int:
        """Cases still to be decided."""
        return self.waiting + self.claimed

    @property
    def closes_at(self) -> datetime | None:
        """When a batch with nothing left closes by itself: once its last verdict can't be undone any more."""
        if self.left or self.decided_last is None:
            return None
        return self.decided_last + timedelta(minutes=self.undo_minutes)


class ReviewStore(CaseSteps, LeadSteps, WorkReads):
    """The review console's and the review assets' view of Postgres. All times are aware UTC, handed in as `now`."""

    def __init__(self, database: Database) -> None:
        self._database = database

    # batches

    def make_batches(self, *, automation: Automation, now: datetime) -> list[Batch]:
        """Put every case without a batch into one; returns the batches made or filled. Safe from several processes.

        A crash after this and before the partitions are added is healed by adding whatever `batches` lists.
        """
        with self._database.connection() as conn:
            names = review_batches.make(conn, automation=automation, now=now)
        return [b for b in self.batches(automation=automation.name, states=("open",)) if b.batch in names]

    def batches(self, *, automation: str | None = None, states: Sequence[str] = ("open",)) -> list[Batch]:
        """Batches in one of `states` (open, done, collected), the one due first in front."""
        with self._database.connection() as conn:
            rows = read_rows(conn, f"{_BATCHES} where (%s::text is null or b.automation = %s) and b.state = any(%s)"
                               " order by b.due_at, b.batch", (automation, automation, list(states)))  # fmt: skip
        return [_batch(r) for r in rows]

    def batch(self, *, automation: str, batch: str) -> Batch:
        """One batch by its name. Raises UnknownBatch."""
        with self._database.connection() as conn:
            rows = read_rows(conn, f"{_BATCHES} where b.automation = %s and b.batch = %s", (automation, batch))
        if not rows:
            raise UnknownBatch(f"automation {automation} has no review batch {batch}; `/batches` lists what there is")
        return _batch(rows[0])

    def finished_batches(self, automation: str, *, now: datetime | None = None) -> list[str]:
        """Names of batches to collect, oldest first: closed by a reviewer (`finish`), or by time, which happens here.

        Once every case is decided and the time to undo the last verdict has passed, a batch is closed as it is reported: a
        run started for it then never meets a case that was undone or added meanwhile. Without `now` the database's clock
        is asked.
        """
        with self._database.connection() as conn:
            due = read_rows(
                conn,
                f"{_BATCHES} where b.automation = %s and b.state = 'open' and n.waiting + n.claimed = 0"
                " and (v.decided_last is null or v.decided_last + b.undo_minutes * interval '1 minute' < coalesce(%s, now()))"
                " for update of b skip locked",
                (automation, now),
            )
            names = [r["batch"] for r in due]
            if now is not None:
                review_contradictions.contest_declared(conn, automation=automation, now=now, batches=names)
            review_batches.close(conn, automation=automation, batches=names, now=now)
            rows = read_rows(
                conn,
                "select batch from review_batches where automation = %s and state = 'done' order by created_at, batch",
                (automation,),
            )
        return [r["batch"] for r in rows]

    def finish(self, *, automation: str, batch: str, now: datetime) -> bool:
        """Close a batch whose every case is decided, without waiting for the time to undo; False while some are left."""
        with self._database.connection() as conn:
            key = (automation, batch)
            conn.execute("select 1 from review_batches where automation = %s and batch = %s for update", key)
            review_contradictions.contest_declared(conn, automation=automation, now=now, batches=[batch])
            review_batches.close(conn, automation=automation, batches=[batch], now=now)
            rows = read_rows(conn, "select state from review_batches where automation = %s and batch = %s", key)
        return bool(rows) and rows[0]["state"] != "open"

    def collect(self, *, automation: Automation, batch: str, now: datetime) -> Collected:
        """Verdicts become outcomes, assignments in the outbox and one ledger entry; a second call changes nothing.

        Raises UnknownBatch, and BatchNotFinished while a case is still to be decided.
        """
        with self._database.connection() as conn:
            found = read_rows(
                conn,
                "select 1 from review_batches where automation = %s and batch = %s for update",
                (automation.name, batch),
            )
            if not found:
                raise UnknownBatch(f"automation {automation.name} has no review batch {batch}")
            return review_batches.collect(conn, automation=automation, batch=batch, now=now)

    def cases(self, *, automation: str, batch: str) -> list[Case]:
        """All cases of a batch: undecided ones in the order they are handed out, then decided ones."""
        with self._database.connection() as conn:
            rows = read_rows(
                conn,
                f"{CASES} where c.automation = %s and c.batch = %s"
                " order by (c.state = 'decided'), c.priority desc, c.case_id",
                (automation, batch),
            )
        return [case_of(r) for r in rows]


# counts are sums of tallies (migration 0021), a batch's newest verdict is the first entry of an index: no case is counted
_BATCHES = """
select b.*, n.waiting, n.claimed, n.decided, v.decided_last
from review_batches b cross join lateral (
    select coalesce(sum(steps) filter (where state = 'waiting'), 0)::bigint as waiting,
           coalesce(sum(steps) filter (where state = 'claimed'), 0)::bigint as claimed,
           coalesce(sum(steps) filter (where state = 'decided'), 0)::bigint as decided
    from review_tallies t where t.automation = b.automation and t.batch = b.batch
) n cross join lateral (
    select max(c.decided_at) as decided_last from review_cases c where c.automation = b.automation and c.batch = b.batch
) v
"""


def _batch(row: DictRow) -> Batch:
    own = {name: row[name] for name in Batch.__dataclass_fields__}
    return Batch(**own | {"waiting_since": row["waiting_since"] or row["created_at"]})
