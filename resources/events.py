"""The outbox of events: what each receiver has, what waits, and one turn of sending.

What belongs here: the tables of migration 0035 and the order of sending. What does not: writing events, which triggers do in the transaction of
each fact; what an event looks like (`aios_core/events/`); one receiver (`event_sinks/`).

A receiver has a cursor. Events are read behind it in the order of their transactions, and only from transactions that are over for
everybody, so that none is passed by. What is not taken at once becomes a row of its own and comes again; what is about the same
subject waits behind it, everything else goes on. While a receiver is left alone its cursor stands still, and no other receiver notices.

Sent is at least once: a process that dies before it has noted a delivery sends it again, under the same id.
"""

import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from typing import Any

from psycopg import Connection

from aios_core.decisions.delivery import backoff
from aios_core.declaration.events import Events, EventTopic, EventWebhook
from aios_core.errors import ConfigurationError
from aios_core.events.envelope import CloudEvent
from aios_core.events.types import event_of
from resources.database import Database, rows
from resources.event_sinks.base import Outcome, Receiver, SinkUnavailable

WANTED_FOR = timedelta(days=7)  # events are written so long without anybody who sends them
PURGED_AT_ONCE = 20_000

Row = dict[str, Any]


@dataclass(slots=True)
class Sent:
    """What one turn did for one receiver. `busy`: another process is at it. `error`: why it ended early."""

    taken: int = 0
    retried: int = 0
    dead: int = 0
    busy: bool = False
    error: str | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class SinkStatus:
    """How far a receiver is. `waiting` are events that it has not been sent, `pending` those that come again, `dead` those given up."""

    automation: str
    sink: str
    sent: int
    waiting: int
    pending: int
    dead: int
    moved_at: datetime | None
    last_error: str | None
    failed_at: datetime | None


@dataclass(slots=True)
class _Turn:
    """One receiver's turn: who it is, until when, and what has been done."""

    automation: str
    sink: str
    declared: EventWebhook | EventTopic
    receiver: Callable[[], Receiver]
    console: str
    now: datetime
    over: Callable[[], bool]
    sent: Sent = field(default_factory=Sent)

    @property
    def key(self) -> tuple[str, str]:
        return (self.automation, self.sink)

    @property
    def asked(self) -> dict[str, Any]:
        """What every query asks by."""
        return {"automation": self.automation, "sink": self.sink, "now": self.now, "size": self.declared.batch_size}

    @property
    def together(self) -> bool:
        return isinstance(self.declared, EventTopic)

    @property
    def max_attempts(self) -> int:
        return self.declared.max_attempts if isinstance(self.declared, EventWebhook) else 1

    def send(self, group: Sequence[Row]) -> list[Outcome]:
        return self.receiver().send([self._event(row) for row in group])

    def _event(self, row: Row) -> CloudEvent:
        return event_of(
            automation=self.automation,
            type_=row["type"],
            fact=row["fact"],
            subject=row["subject"],
            at=row["at"],
            data=row["data"],
            console=self.console,
        )


class EventStore:
    """Events of all automations and their receivers."""

    def __init__(self, database: Database) -> None:
        self._database = database

    def want(self, automation: str, declared: Events, *, now: datetime) -> None:
        """From now on the declared events are written. A receiver that is new gets what happens from here on; one that is gone is forgotten."""
        with self._database.connection() as conn:
            conn.execute(_WANT, {"automation": automation, "types": list(declared.wanted), "for": WANTED_FOR})
            conn.execute("delete from event_types_wanted where automation = %s and type <> all(%s)",
                         (automation, list(declared.wanted)))  # fmt: skip
            for table in ("event_deliveries", "event_cursors"):
                conn.execute(f"delete from {table} where automation = %s and sink <> all(%s)",
                             (automation, list(declared.sinks)))  # fmt: skip
            conn.cursor().executemany(
                "insert into event_cursors (automation, sink, transaction, event_id, moved_at)"
                " values (%s, %s, pg_snapshot_xmin(pg_current_snapshot()), 0, %s) on conflict do nothing",
                [(automation, sink, now) for sink in declared.sinks],
            )

    def turn(
        self,
        automation: str,
        declared: Events,
        sink: str,
        *,
        receiver: Callable[[], Receiver],
        console: str,
        now: datetime,
        seconds: float = 20.0,
        timer: Callable[[], float] = time.monotonic,
    ) -> Sent:
        """Send what is due to one receiver, until nothing is or the time is up. `receiver` opens it, once there is something to send."""
        until = timer() + seconds
        with _opened_once(receiver) as opened, self._alone(automation, sink) as alone:
            turn = _Turn(
                automation=automation, sink=sink, declared=declared.sinks[sink], receiver=opened, console=console, now=now,
                over=lambda: timer() >= until,
            )  # fmt: skip
            if not alone:
                turn.sent.busy = True
                return turn.sent
            try:
                self._again(turn)
                self._onward(turn)
            except (SinkUnavailable, ConfigurationError) as error:
                self._failed(turn, str(error))
        return turn.sent

    def status(self, automation: str, declared: Events) -> list[SinkStatus]:
        """Every declared receiver."""
        found = []
        with self._database.connection() as conn:
            for name, sink in declared.sinks.items():
                found += rows(conn, _STATUS, {"automation": automation, "sink": name, "types": list(sink.types)})
        return [SinkStatus(automation=automation, **row) for row in found]

    def dead(self, automation: str, *, limit: int = 100) -> list[Row]:
        """Events that a receiver refused, or did not take as often as declared; newest first."""
        with self._database.connection() as conn:
            return rows(
                conn,
                "select d.sink, d.event_id, e.type, e.fact, e.subject, e.at, d.attempts, d.last_error from event_deliveries d"
                " join events e using (event_id) where d.automation = %s and d.state = 'dead' order by d.event_id desc limit %s",
                (automation, limit),
            )

    def replay(self, automation: str, *, ids: Sequence[int] | None, sink: str | None = None, now: datetime) -> int:
        """Dead events come again, with all their tries; None: all of them. Returns how many."""
        with self._database.connection() as conn:
            return conn.execute(
                "update event_deliveries set state = 'pending', attempts = 0, next_attempt_at = %(now)s where automation = %(automation)s"
                " and state = 'dead' and (%(ids)s::bigint[] is null or event_id = any(%(ids)s)) and (%(sink)s::text is null or sink = %(sink)s)",
                {"automation": automation, "ids": None if ids is None else list(ids), "sink": sink, "now": now},
            ).rowcount

    def newest(self, automation: str, *, types: Sequence[str] = (), limit: int = 50) -> list[Row]:
        """Events as they were written, newest first."""
        with self._database.connection() as conn:
            return rows(
                conn,
                f"select {_EVENT} from events e where automation = %s and (%s::text[] = '{{}}' or type = any(%s))"
                " order by transaction desc, event_id desc limit %s",
                (automation, list(types), list(types), limit),
            )

    def purge(self, automation: str, declared: Events, *, now: datetime) -> int:
        """Delete what every receiver has and is old enough, at most so many at once; returns how many."""
        with self._database.connection() as conn:
            return conn.execute(
                _PURGE,
                {"automation": automation, "before": now - timedelta(days=declared.keep_days), "most": PURGED_AT_ONCE},
            ).rowcount

    @contextmanager
    def _alone(self, automation: str, sink: str) -> Iterator[bool]:
        """Whether nobody else sends to it. Held by a transaction that writes nothing: one that did would hold up every reader of events."""
        with self._database.connection() as conn:
            found = conn.execute(
                "select pg_try_advisory_xact_lock(hashtextextended(%s, 0))", (f"events:{automation}\x1f{sink}",)
            ).fetchone()
            yield bool(found and found[0])

    def _again(self, turn: _Turn) -> None:
        """What was not taken at an earlier turn and is due."""
        tried: set[int] = set()
        while not turn.over():
            with self._database.connection() as conn:
                due = rows(conn, _DUE, turn.asked)
            due = [row for row in due if row["event_id"] not in tried]
            if not due:
                return
            tried |= {row["event_id"] for row in due}
            for group in _groups(due, turn):
                if turn.over():
                    return
                outcomes = turn.send(group)
                with self._database.connection() as conn:
                    taken = _settle(conn, turn, group, outcomes)
                    conn.execute(_TAKEN, turn.asked | {"taken": taken})

    def _onward(self, turn: _Turn) -> None:
        """What comes behind the cursor."""
        while not turn.over():
            with self._database.connection() as conn:
                batch = rows(conn, _BEHIND, turn.asked)
                held = {row["subject"] for row in rows(conn, _HELD, turn.asked | {"of": [r["subject"] for r in batch]})}
            for group in _groups(batch, turn):
                if turn.over():
                    return
                held |= self._pass(turn, group, held)
            if len(batch) < turn.declared.batch_size:
                return

    def _pass(self, turn: _Turn, group: Sequence[Row], held: set[str]) -> set[str]:
        """Send these and move the cursor behind them; returns the subjects whose events have to wait from now on."""
        wanted = [row for row in group if row["type"] in turn.declared.types]
        free = [row for row in wanted if row["subject"] not in held]
        outcomes = turn.send(free) if free else []
        last = group[-1]
        with self._database.connection() as conn:
            _settle(conn, turn, free, outcomes)
            for row in wanted:
                if row["subject"] in held:
                    _keep(conn, turn, row, "pending", attempts=0, due=turn.now, why="waits for an earlier one")
            conn.execute(_MOVE, turn.asked | {"transaction": last["transaction"], "event_id": last["event_id"]})
        return {row["subject"] for row, outcome in zip(free, outcomes, strict=True) if outcome.status == "retry"}

    def _failed(self, turn: _Turn, why: str) -> None:
        turn.sent.error = why
        with self._database.connection() as conn:
            conn.execute("update event_cursors set last_error = %(why)s, failed_at = %(now)s"
                         " where automation = %(automation)s and sink = %(sink)s", turn.asked | {"why": why[:500]})  # fmt: skip


@contextmanager
def _opened_once(receiver: Callable[[], Receiver]) -> Iterator[Callable[[], Receiver]]:
    """The receiver, opened at first use and closed in the end."""
    found: list[Receiver] = []

    def opened() -> Receiver:
        if not found:
            found.append(receiver())
        return found[0]

    try:
        yield opened
    finally:
        for one in found:
            one.close()


def _groups(batch: Sequence[Row], turn: _Turn) -> Iterator[Sequence[Row]]:
    """What is sent at once: everything, or one event with the unwanted ones before it."""
    if turn.together:
        yield from (batch,) if batch else ()
        return
    start = 0
    for place, row in enumerate(batch, 1):
        if row["type"] in turn.declared.types or place == len(batch):
            yield batch[start:place]
            start = place


def _settle(conn: Connection[Any], turn: _Turn, group: Sequence[Row], outcomes: Sequence[Outcome]) -> list[int]:
    """Count what was taken, and keep what comes again or is given up; returns the ids of those taken."""
    taken = []
    for row, outcome in zip(group, outcomes, strict=True):
        attempts = row["attempts"] + 1
        if outcome.status == "taken":
            taken.append(row["event_id"])
        elif outcome.status == "retry" and attempts < turn.max_attempts:
            turn.sent.retried += 1
            usual = backoff(attempts, key=f"{turn.sink}:{row['event_id']}")
            due = turn.now + (usual if outcome.pause is None else outcome.pause)
            _keep(conn, turn, row, "pending", attempts=attempts, due=due, why=outcome.message)
        else:
            turn.sent.dead += 1
            _keep(conn, turn, row, "dead", attempts=attempts, due=turn.now, why=outcome.message)
    if taken:
        turn.sent.taken += len(taken)
        conn.execute(_SENT, turn.asked | {"count": len(taken)})
    return taken


def _keep(conn: Connection[Any], turn: _Turn, row: Row, state: str, *, attempts: int, due: datetime, why: str) -> None:
    conn.execute(
        "insert into event_deliveries (automation, sink, event_id, state, attempts, next_attempt_at, last_error)"
        " values (%s, %s, %s, %s, %s, %s, %s) on conflict (automation, sink, event_id) do update set state = excluded.state,"
        " attempts = excluded.attempts, next_attempt_at = excluded.next_attempt_at, last_error = excluded.last_error",
        (*turn.key, row["event_id"], state, attempts, due, why[:500]),
    )


_EVENT = "e.event_id, e.transaction, e.type, e.fact, e.subject, e.at, e.data"

# without who asks again, nothing is written after a while
_WANT = """
insert into event_types_wanted (automation, type, until)
select %(automation)s, unnest(%(types)s::text[]), clock_timestamp() + %(for)s::interval
on conflict (automation, type) do update set until = excluded.until
where event_types_wanted.until < clock_timestamp() + %(for)s::interval - interval '1 hour'
"""

_DUE = f"""
select {_EVENT}, d.attempts from event_deliveries d join events e using (event_id)
where d.automation = %(automation)s and d.sink = %(sink)s and d.state = 'pending' and d.next_attempt_at <= %(now)s
  and not exists (
    select from event_deliveries b join events f using (event_id)
    where b.automation = d.automation and b.sink = d.sink and b.state = 'pending' and f.subject = e.subject
      and (f.transaction, f.event_id) < (e.transaction, e.event_id))
order by e.transaction, e.event_id limit %(size)s
"""

_BEHIND = f"""
select {_EVENT}, 0 as attempts from events e join event_cursors c on c.automation = e.automation and c.sink = %(sink)s
where e.automation = %(automation)s and (e.transaction, e.event_id) > (c.transaction, c.event_id)
  and e.transaction < pg_snapshot_xmin(pg_current_snapshot())
order by e.transaction, e.event_id limit %(size)s
"""

_HELD = """
select distinct e.subject from event_deliveries d join events e using (event_id)
where d.automation = %(automation)s and d.sink = %(sink)s and d.state = 'pending' and e.subject = any(%(of)s)
"""

_SENT = """
update event_cursors set sent = sent + %(count)s, moved_at = %(now)s where automation = %(automation)s and sink = %(sink)s
"""

_TAKEN = """
delete from event_deliveries where automation = %(automation)s and sink = %(sink)s and event_id = any(%(taken)s)
"""

_MOVE = """
update event_cursors set transaction = %(transaction)s, event_id = %(event_id)s where automation = %(automation)s and sink = %(sink)s
"""

_STATUS = """
select s.sink, coalesce(c.sent, 0) as sent, c.moved_at, c.last_error, c.failed_at,
  (select count(*) from event_deliveries d where d.automation = %(automation)s and d.sink = s.sink and d.state = 'pending') as pending,
  (select count(*) from event_deliveries d where d.automation = %(automation)s and d.sink = s.sink and d.state = 'dead') as dead,
  (select count(*) from events e where e.automation = %(automation)s and e.type = any(%(types)s::text[])
     and (e.transaction, e.event_id) > (c.transaction, c.event_id)) as waiting
from (select %(sink)s::text as sink) s left join event_cursors c on c.automation = %(automation)s and c.sink = s.sink
"""

_PURGE = """
delete from events where event_id in (
  select e.event_id from events e where e.automation = %(automation)s and e.at < %(before)s
    and not exists (select from event_cursors c where c.automation = e.automation
                    and (c.transaction, c.event_id) < (e.transaction, e.event_id))
    and not exists (select from event_deliveries d where d.event_id = e.event_id)
  limit %(most)s)
"""
