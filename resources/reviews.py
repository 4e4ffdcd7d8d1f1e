"""Review cases and batches in Postgres: claim, decide, undo, skip, release; batches made, finished and collected.

What belongs here: rows, locks and transactions. What does not: which step is allowed (`aios_core/review/states.py`), what
goes into a batch (`aios_core/review/batching.py`), what the console shows beside a case (`resources/console.py`).

Every writing method is one transaction, so a killed process leaves a case either before or after a step, never between.
A refused verdict is written down as an event too: what somebody decided is never silently dropped.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import date, datetime, timedelta
from typing import Any

from psycopg import Connection
from psycopg.rows import DictRow
from psycopg.types.json import Jsonb

from aios_core.automation import Automation, Review
from aios_core.errors import PermanentError
from aios_core.review import states
from aios_core.review.states import ReviewConflict, Standing, UnknownCase, UnknownQueue
from resources import review_batches
from resources.database import Database
from resources.database import rows as read_rows
from resources.review_batches import Collected

DEFAULTS = Review()  # for a case that has no batch yet


class UnknownBatch(PermanentError):
    """There is no review batch of that name."""

    code = "review.unknown_batch"


@dataclass(frozen=True, slots=True, kw_only=True)
class Case:
    """One ticket waiting for, or decided by, a person."""

    standing: Standing
    automation: str
    source: str
    ticket_id: str
    decision_id: str
    correlation_id: str
    batch: str | None
    priority: float
    created_at: datetime
    lease: timedelta
    undo: timedelta

    @property
    def case_id(self) -> str:
        return self.standing.case_id


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


class ReviewStore:
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
                " and (n.decided_last is null or n.decided_last + b.undo_minutes * interval '1 minute' < coalesce(%s, now()))"
                " for update of b skip locked",
                (automation, now),
            )
            review_batches.close(conn, automation=automation, batches=[r["batch"] for r in due], now=now)
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

    # cases

    def case(self, case_id: str) -> Case:
        """One case. Raises UnknownCase."""
        with self._database.connection() as conn:
            return _case(conn, case_id)

    def cases(self, *, automation: str, batch: str) -> list[Case]:
        """All cases of a batch: undecided ones in the order they are handed out, then decided ones."""
        with self._database.connection() as conn:
            rows = read_rows(
                conn,
                f"{_CASES} where c.automation = %s and c.batch = %s"
                " order by (c.state = 'decided'), c.priority desc, c.case_id",
                (automation, batch),
            )
        return [_case_of(r) for r in rows]

    def next_case(
        self,
        *,
        automation: str,
        batch: str,
        actor: str,
        now: datetime,
        besides: str | None = None,
        take_skipped: bool = False,
    ) -> Case | None:
        """Claim the next case of a batch: the actor's own claim first, else the first free one by priority.

        `besides` is a case not to be handed out (the one just left); cases that the actor skipped come back only with
        `take_skipped`. Returns None when nothing is left for this person. Two callers never get the same case.
        """
        with self._database.connection() as conn:
            wanted = {
                "automation": automation,
                "batch": batch,
                "actor": actor,
                "now": now,
                "besides": besides or "",
                "take_skipped": take_skipped,
            }
            rows = read_rows(conn, _OWN, wanted) or read_rows(conn, _FREE, wanted)
            if not rows:
                return None
            case = _case(conn, rows[0]["case_id"])
            return self._move(
                conn, case, states.claim(case.standing, actor=actor, now=now, lease=case.lease), "claim", now
            )

    def claim(self, case_id: str, *, actor: str, now: datetime) -> Case:
        """Claim one case by its id. Raises UnknownCase, ReviewConflict."""
        with self._database.connection() as conn:
            case = _case(conn, case_id, lock=True)
            return self._move(
                conn, case, states.claim(case.standing, actor=actor, now=now, lease=case.lease), "claim", now
            )

    def release(self, case_id: str, *, actor: str, now: datetime, until: datetime | None = None) -> Case:
        """Give a case back to the others; with `until`, only while the lease ends no later. Raises UnknownCase."""
        with self._database.connection() as conn:
            case = _case(conn, case_id, lock=True)
            expires = case.standing.claim_expires
            if until and expires and expires > until:
                return case
            return self._move(conn, case, states.release(case.standing, actor=actor), "release", now, actor=actor)

    def release_all(self, *, actor: str, now: datetime) -> int:
        """Give back everything the actor holds (at sign-out); returns how many cases that were."""
        with self._database.connection() as conn:
            rows = read_rows(
                conn,
                "update review_cases set state = 'waiting', claimed_by = null, claim_expires = null"
                " where state = 'claimed' and claimed_by = %s returning case_id",
                (actor,),
            )
            for row in rows:
                _event(conn, row["case_id"], "release", actor, {"because": "sign-out"}, now)
        return len(rows)

    def skip(self, case_id: str, *, actor: str, reason: str = "", now: datetime) -> Case:
        """Leave a case to somebody else: it is released, and not handed to this person again unless asked for."""
        with self._database.connection() as conn:
            case = _case(conn, case_id, lock=True)
            released = states.release(case.standing, actor=actor)
            _event(conn, case_id, "skip", actor, {"reason": reason}, now)
            return self._move(conn, case, released, None, now)

    def decide(self, case_id: str, *, actor: str, queue: str, comment: str | None = None, now: datetime) -> Case:
        """Record a verdict. Raises UnknownCase, UnknownQueue, and ReviewConflict when somebody else was first."""
        refused: ReviewConflict | None = None
        with self._database.connection() as conn:
            case = _case(conn, case_id, lock=True)
            _check_queue(conn, case, queue)
            try:
                decided = states.decide(case.standing, actor=actor, queue=queue, comment=comment, now=now)
            except ReviewConflict as conflict:
                refused = conflict
                _event(conn, case_id, "conflict", actor, {"queue": queue, "comment": comment}, now)
            else:
                case = self._move(conn, case, decided, "decide", now, detail={"queue": queue, "comment": comment})
        if refused is not None:
            raise refused
        return case

    def undo(self, case_id: str, *, actor: str, now: datetime) -> Case:
        """Take one's own verdict back and hold the case again. Raises UnknownCase, ReviewConflict."""
        with self._database.connection() as conn:
            before = _case(conn, case_id)
            # The batch first, then the case: the order in which collecting locks them.
            read_rows(
                conn,
                "select 1 from review_batches where automation = %s and batch = %s for update",
                (before.automation, before.batch),
            )
            case = _case(conn, case_id, lock=True)
            undone = states.undo(case.standing, actor=actor, now=now, within=case.undo, lease=case.lease)
            taken_back = {"queue": case.standing.verdict_queue, "comment": case.standing.comment}
            return self._move(conn, case, undone, "undo", now, detail=taken_back)

    def choices(self, case_id: str) -> list[str]:
        """The queues a verdict on this case may name: declared ones, else the model's classes, else those seen."""
        with self._database.connection() as conn:
            return _choices(conn, _case(conn, case_id))

    # one step

    def _move(
        self,
        conn: Connection[Any],
        case: Case,
        new: Standing,
        kind: str | None,
        now: datetime,
        *,
        actor: str | None = None,
        detail: dict[str, Any] | None = None,
    ) -> Case:
        """Write a new standing and its event; a step that changed nothing leaves no trace."""
        if new == case.standing:
            return case
        conn.execute(
            "update review_cases set state = %s, claimed_by = %s, claim_expires = %s, verdict = %s, verdict_queue = %s,"
            " comment = %s, decided_by = %s, decided_at = %s where case_id = %s",
            (new.state, new.claimed_by, new.claim_expires, new.verdict, new.verdict_queue,
             new.comment, new.decided_by, new.decided_at, new.case_id),
        )  # fmt: skip
        prolonged = kind == "claim" and case.standing.claimed_by == new.claimed_by
        if kind and not prolonged:
            _event(conn, new.case_id, kind, actor or new.claimed_by or new.decided_by or "", detail or {}, now)
        return _case(conn, new.case_id)


_CASES = """
select c.*, coalesce(b.state <> 'open', false) as closed, b.lease_minutes, b.undo_minutes
from review_cases c left join review_batches b on b.automation = c.automation and b.batch = c.batch
"""

_BATCHES = """
select b.*, n.waiting, n.claimed, n.decided, n.decided_last, n.waiting_since
from review_batches b cross join lateral (
    select count(*) filter (where c.state = 'waiting') as waiting,
           count(*) filter (where c.state = 'claimed') as claimed,
           count(*) filter (where c.state = 'decided') as decided,
           max(c.decided_at) as decided_last,
           coalesce(min(c.created_at), b.created_at) as waiting_since
    from review_cases c where c.automation = b.automation and c.batch = b.batch
) n
"""

_OWN = """
select case_id from review_cases
where automation = %(automation)s and batch = %(batch)s and state = 'claimed' and claimed_by = %(actor)s
  and case_id <> %(besides)s
order by priority desc, case_id limit 1 for update
"""

_FREE = """
select case_id from review_cases c
where automation = %(automation)s and batch = %(batch)s and state <> 'decided' and case_id <> %(besides)s
  and (state = 'waiting' or claim_expires <= %(now)s)
  and (%(take_skipped)s or not exists (
      select 1 from review_events e where e.case_id = c.case_id and e.kind = 'skip' and e.actor = %(actor)s))
order by priority desc, case_id limit 1 for update skip locked
"""


def _case(conn: Connection[Any], case_id: str, *, lock: bool = False) -> Case:
    rows = read_rows(conn, f"{_CASES} where c.case_id = %s{' for update of c' if lock else ''}", (case_id,))
    if not rows:
        raise UnknownCase(f"there is no review case {case_id}; a newer decision on its ticket may have replaced it")
    return _case_of(rows[0])


def _case_of(row: DictRow) -> Case:
    standing = {name: row[name] for name in Standing.__dataclass_fields__}
    own = ("automation", "source", "ticket_id", "decision_id", "correlation_id", "batch", "priority", "created_at")
    return Case(
        standing=Standing(**standing),
        lease=timedelta(minutes=row["lease_minutes"] or DEFAULTS.lease_minutes),
        undo=timedelta(minutes=DEFAULTS.undo_minutes if row["undo_minutes"] is None else row["undo_minutes"]),
        **{name: row[name] for name in own},
    )


def _batch(row: DictRow) -> Batch:
    return Batch(**{name: row[name] for name in Batch.__dataclass_fields__})


def _event(conn: Connection[Any], case_id: str, kind: str, actor: str, detail: dict[str, Any], now: datetime) -> None:
    conn.execute(
        "insert into review_events (case_id, kind, actor, detail, at) values (%s, %s, %s, %s, %s)",
        (case_id, kind, actor, Jsonb(detail), now),
    )


def _check_queue(conn: Connection[Any], case: Case, queue: str) -> None:
    choices = _choices(conn, case)
    if queue not in choices:
        listed = ", ".join(choices[:12]) + (" …" if len(choices) > 12 else "")
        raise UnknownQueue(
            f"case {case.case_id}: automation {case.automation} has no queue {queue!r}; it has: {listed}"
        )


def _choices(conn: Connection[Any], case: Case) -> list[str]:
    declared = read_rows(
        conn,
        "select q ->> 'name' as queue from decisions d join declarations p on p.version = d.declaration,"
        " jsonb_array_elements(p.content -> 'queues') q where d.decision_id = %s",
        (case.decision_id,),
    )
    if declared:
        return [r["queue"] for r in declared]
    classes = read_rows(
        conn,
        "select m.classes from decisions d join model_versions m on m.name = d.model_name and m.version = d.model_version"
        " where d.decision_id = %s",
        (case.decision_id,),
    )
    if classes:
        return list(classes[0]["classes"])
    seen = read_rows(conn, "select distinct queue from outcomes where automation = %s order by 1", (case.automation,))
    return [r["queue"] for r in seen] or [case.standing.queue]
