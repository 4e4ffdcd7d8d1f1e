"""Repairs: the decisions that a version made before it was left, and what replaced each of them.

What belongs here: listing them, and recording their fates with all that follows in one transaction. What does not: the rules
(`aios_core/monitoring/blast.py`), and scoring and deciding again (`aios_assets/repair.py`).

A correction is a decision of its own, whose record names the one it corrects; nothing is overwritten. A decision has one fate an
incident, so that a repair that was killed goes on where it was, and one that runs again finds nothing left.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import date, datetime
from typing import Any

from psycopg import Connection
from psycopg.rows import class_row, dict_row

from aios_core.automation import Automation
from aios_core.decisions.model import UNKNOWN_QUEUE, Decision
from aios_core.monitoring.blast import Fate, Onset
from resources import recording, review_batches
from resources.database import Database
from resources.monitoring import ROLLBACK
from resources.outbox import take_turns

WATCHED_HOURS = 24  # a run that began before a rollback may decide after it, under the version that it had loaded


@dataclass(frozen=True, slots=True, kw_only=True)
class RolledBack:
    """An incident's rollback: the version that was left, the one gone back to, and when each took over.

    `until` is when the one that was left came to decide again, where it did: what it decides from then on is its own affair.
    """

    incident_id: int
    bad: int
    good: int
    promoted_at: datetime
    moved_at: datetime
    until: datetime | None
    drifted: date | None


@dataclass(frozen=True, slots=True, kw_only=True)
class Suspect:
    """A decision by the version that was left. `settled`: an outcome, a person, a newer decision or a closed ticket stands."""

    decision_id: str
    source: str
    ticket_id: str
    ticket_version: str
    day: date
    verdict: str
    queue: str | None
    record: bytes
    settled: bool

    @property
    def key(self) -> tuple[str, str, str]:
        return self.source, self.ticket_id, self.ticket_version


@dataclass(frozen=True, slots=True, kw_only=True)
class Mended:
    """A suspect with its fate, and the decision made again, where it was made."""

    suspect: Suspect
    fate: Fate
    decision: Decision | None = None


class RepairStore:
    """Rows of `repairs` and `corrections`."""

    def __init__(self, database: Database) -> None:
        self._database = database

    def rolled_back(self, incident_id: int, *, model: str) -> RolledBack | None:
        """What an incident's rollback moved; None where it moved nothing (yet)."""
        with self._database.connection() as conn, conn.cursor(row_factory=class_row(RolledBack)) as cursor:
            return cursor.execute(f"{_ROLLED_BACK} and i.incident_id = %(incident)s",
                                  {"model": model, "rollback": ROLLBACK, "incident": incident_id}).fetchone()  # fmt: skip

    def begin(self, found: RolledBack, *, onset: Onset, run_id: str, now: datetime) -> Onset:
        """Fix the repair's onset; the one that stands where it had begun before."""
        with self._database.connection() as conn:
            conn.execute(
                "insert into repairs (incident_id, good_version, onset, since_day, why, run_id, started_at)"
                " values (%s, %s, %s, %s, %s, %s, %s) on conflict do nothing",
                (found.incident_id, found.good, onset.at, onset.since_day, onset.why, run_id, now),
            )
            standing = _onset(conn, found.incident_id)
        assert standing is not None  # it was inserted, or stood there
        return standing

    def onset(self, incident_id: int) -> Onset | None:
        """Since when decisions are looked at again; None where no repair has begun."""
        with self._database.connection() as conn:
            return _onset(conn, incident_id)

    def suspects(self, found: RolledBack, *, automation: Automation, onset: Onset, limit: int = 1_000) -> list[Suspect]:
        """The next decisions that have no fate yet, in the order of their ids."""
        with self._database.connection() as conn, conn.cursor(row_factory=class_row(Suspect)) as cursor:
            return cursor.execute(
                f"select {_SUSPECT}, {_SETTLED} as settled {_LISTED} order by d.decision_id limit %(limit)s",
                {**_parameters(found, automation, onset), "limit": limit},
            ).fetchall()

    def judged_before(
        self, found: RolledBack, *, automation: Automation, drifted: date, limit: int = 2_000
    ) -> list[tuple[Suspect, str]]:
        """Decisions on tickets from before the first drifted day, with what turned out: how the version was until then."""
        onset = Onset(at=found.promoted_at, since_day=None, why="")
        with self._database.connection() as conn, conn.cursor(row_factory=dict_row) as cursor:
            rows = cursor.execute(
                f"select {_SUSPECT}, false as settled, o.queue as label {_JOINED_OUTCOMES} order by d.decision_id limit %(limit)s",
                {**_parameters(found, automation, onset), "limit": limit, "drifted": drifted},
            ).fetchall()
        return [(Suspect(**{k: v for k, v in row.items() if k != "label"}), row["label"]) for row in rows]

    def record(
        self,
        found: RolledBack,
        mended: Sequence[Mended],
        *,
        automation: Automation,
        policy_text: str,
        reason: str,
        now: datetime,
    ) -> int:
        """Fates, corrections, their actions and review cases: all of it or nothing. Returns how many fates were new."""
        with self._database.connection() as conn:
            review_batches.take_turns(conn, automation.name)
            take_turns(conn, automation.name)
            fresh = _without_fate(conn, found.incident_id, mended)
            fresh = _to_people_where_known(conn, fresh)
            made = [m.decision for m in fresh if m.decision is not None and m.fate in ("corrected", "review")]
            # what follows refers to these decisions, so that whoever waits for their ledger entry waits for it too: milliseconds
            recording.record(conn, made, automation=automation, policy_text=policy_text, now=now)
            cases = _open_cases(conn, [m.decision for m in fresh if m.fate == "review" and m.decision is not None], now)
            label = f"incident_{found.incident_id}"
            review_batches.make_apart(conn, automation=automation, label=label, reason=reason, cases=cases, now=now)
            _keep(conn, found.incident_id, fresh, now)
        return len(fresh)

    def finish(self, incident_id: int, *, run_id: str, new: int, now: datetime) -> None:
        """The repair is through; running again with nothing new to do leaves it as it was."""
        with self._database.connection() as conn:
            conn.execute(
                "update repairs set finished_at = %s, run_id = %s where incident_id = %s and (finished_at is null or %s > 0)",
                (now, run_id, incident_id, new),
            )

    def due(self, automation: Automation, *, now: datetime) -> list[tuple[int, int]]:
        """(incident, decisions without a fate) of open rollbacks whose repair is not through, or whose version decided since."""
        with self._database.connection() as conn:
            with conn.cursor(row_factory=class_row(RolledBack)) as cursor:
                open_ones = cursor.execute(
                    f"{_ROLLED_BACK} and i.automation = %(automation)s and i.closed_at is null and (r.finished_at is null"
                    " or m.moved_at > %(now)s - make_interval(hours => %(hours)s))",
                    {"model": automation.model_name, "rollback": ROLLBACK, "automation": automation.name, "now": now,
                     "hours": WATCHED_HOURS},
                ).fetchall()  # fmt: skip
            return [
                (found.incident_id, waiting)
                for found in open_ones
                if (waiting := _waiting(conn, found, automation)) or not _through(conn, found.incident_id)
            ]


# the promotion that is undone is the last move to the version before the move away from it
_ROLLED_BACK = """
select i.incident_id, m.previous_version as bad, m.version as good, p.moved_at as promoted_at, m.moved_at,
       (select min(a.moved_at) from alias_moves a where a.name = m.name and a.alias in ('champion', 'canary')
        and a.version = m.previous_version and a.move_id > m.move_id) as until,
       (select min(d.day) from monitor_days d where d.automation = i.automation and d.model_version = m.previous_version
        and d.flagged and d.computed_at <= m.moved_at) as drifted
from incidents i
join alias_moves m on m.name = %(model)s and m.alias = 'champion' and m.evidence ->> 'incident_id' = i.incident_id::text
join lateral (select moved_at from alias_moves a where a.name = m.name and a.alias = 'champion' and a.version = m.previous_version
              and a.move_id < m.move_id order by a.move_id desc limit 1) p on true
left join repairs r on r.incident_id = i.incident_id
where i.remedy = %(rollback)s
"""

_SUSPECT = "d.decision_id, d.source, d.ticket_id, d.ticket_version, d.day, d.verdict, d.queue, d.record"

_BY_THE_BAD_ONE = """
d.automation = %(automation)s and d.model_name = %(model)s and d.model_version = %(bad)s and d.decided_at >= %(onset)s
and (%(until)s::timestamptz is null or d.decided_at < %(until)s)
"""

_LISTED = f"""
from decisions d where {_BY_THE_BAD_ONE} and (%(since_day)s::date is null or d.day >= %(since_day)s)
  and not exists (select from corrections c where c.incident_id = %(incident)s and c.decision_id = d.decision_id)
"""

_JOINED_OUTCOMES = f"""
from decisions d join lateral (
    select queue from outcomes o where o.automation = d.automation and o.source = d.source and o.ticket_id = d.ticket_id
    order by (o.origin = 'review') desc, o.known_at desc limit 1
) o on true
where {_BY_THE_BAD_ONE} and d.day < %(drifted)s
"""

# by the source's own clocks: what is exported long after may be decided after it was settled
_SETTLED = """
(exists (select from decisions n where n.automation = d.automation and n.source = d.source and n.ticket_id = d.ticket_id
         and n.decided_at > d.decided_at and coalesce(n.known_at, n.decided_at) >= coalesce(d.known_at, d.decided_at))
 or exists (select from review_cases c join decisions s on s.decision_id = c.decision_id
            where c.ticket_id = d.ticket_id and c.automation = d.automation and c.source = d.source and c.state <> 'waiting'
              and s.ticket_version = d.ticket_version)
 or coalesce((select t.status in ('solved', 'closed', 'deleted') from tickets t where t.automation = d.automation
              and t.source = d.source and t.ticket_id = d.ticket_id order by t.known_at desc, t.landing_id desc limit 1), true)
 or exists (select from outcomes o join tickets t on t.automation = d.automation and t.source = d.source
            and t.ticket_id = d.ticket_id and t.version = d.ticket_version
            where o.automation = d.automation and o.source = d.source and o.ticket_id = d.ticket_id
              and o.event_time > t.event_time))
"""


def _parameters(found: RolledBack, automation: Automation, onset: Onset) -> dict[str, Any]:
    return {"automation": automation.name, "model": automation.model_name, "bad": found.bad, "onset": onset.at,
            "until": found.until, "since_day": onset.since_day, "incident": found.incident_id}  # fmt: skip


def _onset(conn: Connection[Any], incident_id: int) -> Onset | None:
    row = conn.execute("select onset, since_day, why from repairs where incident_id = %s", (incident_id,)).fetchone()
    return Onset(at=row[0], since_day=row[1], why=row[2]) if row else None


def _waiting(conn: Connection[Any], found: RolledBack, automation: Automation) -> int:
    onset = _onset(conn, found.incident_id) or Onset(at=found.promoted_at, since_day=None, why="")
    row = conn.execute(f"select count(*) {_LISTED}", _parameters(found, automation, onset)).fetchone()
    return int(row[0]) if row else 0


def _through(conn: Connection[Any], incident_id: int) -> bool:
    row = conn.execute("select finished_at is not null from repairs where incident_id = %s", (incident_id,)).fetchone()
    return bool(row and row[0])


def _without_fate(conn: Connection[Any], incident_id: int, mended: Sequence[Mended]) -> list[Mended]:
    """Those that no other run has dealt with meanwhile."""
    known = conn.execute(
        "select decision_id from corrections where incident_id = %s and decision_id = any(%s)",
        (incident_id, [m.suspect.decision_id for m in mended]),
    ).fetchall()
    gone = {row[0] for row in known}
    return [m for m in mended if m.suspect.decision_id not in gone]


def _to_people_where_known(conn: Connection[Any], mended: Sequence[Mended]) -> list[Mended]:
    """A decision of the good version that stands from before has its action behind it: people say where the ticket goes now."""
    ids = [m.decision.decision_id for m in mended if m.decision is not None and m.fate == "corrected"]
    known = {row[0] for row in conn.execute("select decision_id from decisions where decision_id = any(%s)", (ids,))}
    return [
        Mended(suspect=m.suspect, fate="review", decision=m.decision)
        if m.fate == "corrected" and m.decision is not None and m.decision.decision_id in known
        else m
        for m in mended
    ]


def _open_cases(conn: Connection[Any], decisions: Sequence[Decision], now: datetime) -> list[str]:
    """A case for each, where recording has not opened it."""
    with conn.cursor() as cursor:
        cursor.executemany(
            "insert into review_cases (case_id, automation, decision_id, source, ticket_id, correlation_id, queue, priority,"
            " created_at) values (%s, %s, %s, %s, %s, %s, %s, %s, %s) on conflict (case_id) do nothing",
            [
                (d.decision_id, d.automation, d.decision_id, d.source, d.ticket_id, d.correlation_id, d.queue or UNKNOWN_QUEUE,
                 d.priority, now)
                for d in decisions
            ],
        )  # fmt: skip
    return [d.decision_id for d in decisions]


def _keep(conn: Connection[Any], incident_id: int, mended: Sequence[Mended], now: datetime) -> None:
    with conn.cursor() as cursor:
        cursor.executemany(
            "insert into corrections (incident_id, decision_id, fate, queue, corrected_by, at) values (%s, %s, %s, %s, %s, %s)",
            [(incident_id, m.suspect.decision_id, m.fate, *_instead(m), now) for m in mended],
        )


def _instead(mended: Mended) -> tuple[str | None, str | None]:
    """(queue, decision) that the good version gave; no decision where nothing was replaced."""
    made = mended.decision
    if made is None:
        return None, None
    return made.queue, made.decision_id if mended.fate in ("corrected", "review") else None
