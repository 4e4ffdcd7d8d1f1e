"""What the platform's own rows say of a drill: assessed, rolled back, decided, repaired.

What belongs here: queries. What does not: what follows from them (`rollback.py`, `judging.py`). Each is asked again while the
database is away: it may be what is being killed.
"""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any, TypeVar

from psycopg import Connection

from benchmarks.drill.judging import Standing
from benchmarks.drill.platform import Platform

T = TypeVar("T")
PATIENCE_SECONDS = 60.0
UNFINISHED = ("QUEUED", "NOT_STARTED", "STARTING", "STARTED")


@dataclass(frozen=True, slots=True, kw_only=True)
class Ended:
    """How things stand: the champion, queues that are held to review, and the incidents opened since the drill began."""

    champion: int | None
    held: tuple[str, ...]
    incidents: tuple[tuple[int, str], ...]

    @property
    def rollbacks(self) -> list[int]:
        """Incidents of rollbacks, oldest first."""
        return [number for number, remedy in self.incidents if remedy == "rollback"]


class State:
    """The rows of one automation on one platform."""

    def __init__(self, platform: Platform, *, automation: str, model: str) -> None:
        self._platform, self._automation, self._model = platform, automation, model

    def decided_by(self, version: int) -> int:
        """How many decisions a version has made."""
        found: int = self._read(
            lambda c: _one(
                c,
                "select count(*) from decisions where automation = %s and model_version = %s",
                (self._automation, version),
            )
        )
        return found

    def assessed(self, version: int, *, since: datetime) -> datetime | None:
        """When the judge first asked for a rollback from a version; None where it has not."""
        found: datetime | None = self._now(
            lambda c: _one(
                c,
                "select min(assessed_at) from assessments where automation = %s and champion = %s and remedy = 'rollback'"
                " and assessed_at >= %s",
                (self._automation, version, since),
            )
        )
        return found

    def has_unfinished(self, job: str) -> bool:
        """Whether a run of the job is waiting or at work."""
        return any(run.status in UNFINISHED for run in self._platform.runs(f"{self._automation}__{job}"))

    def newest_incident(self) -> int:
        """Its number; 0 where there was none yet."""
        found: int = self._read(lambda c: _one(c, "select coalesce(max(incident_id), 0) from incidents", ()))
        return found

    def ended(self, *, after_incident: int) -> Ended:
        """How things stand now."""

        def read(connection: Connection) -> Ended:
            champion = _one(connection, _CHAMPION, (self._model,))
            modes = connection.execute(_MODES, (self._automation,)).fetchall()
            incidents = connection.execute(_INCIDENTS, (self._automation, after_incident)).fetchall()
            return Ended(
                champion=champion,
                held=tuple(sorted(queue for queue, mode in modes if mode != "normal")),
                incidents=tuple((row[0], row[1]) for row in incidents),
            )

        return self._read(read)

    def repaired(self, incident: int, *, seconds: float) -> float:
        """Seconds from the incident's opening until its repair was finished. Raises DrillBroken where that takes longer."""
        found: float = self._platform.wait_for(
            f"the repair of incident {incident}",
            lambda: self._now(lambda c: _one(c, _REPAIRED, (incident,))),
            seconds=seconds,
        )
        return round(float(found), 2)

    def standing(self, tickets: Sequence[str]) -> dict[str, Standing]:
        """What holds now for those of the tickets that were decided."""
        rows = self._read(lambda c: c.execute(_STANDING, (self._automation, list(tickets))).fetchall())
        return {row[0]: _standing(row) for row in rows}

    def made_by(self, version: int, tickets: Sequence[str]) -> list[Standing]:
        """What a version decided last on each of these tickets, whether it stands or not."""
        rows = self._read(lambda c: c.execute(_MADE, (self._automation, version, list(tickets))).fetchall())
        return [_standing(row) for row in rows]

    def decisions(self, tickets: Sequence[str]) -> list[str]:
        """Ids of all decisions that a model made on these tickets."""
        rows = self._read(lambda c: c.execute(_IDS, (self._automation, list(tickets))).fetchall())
        return [row[0] for row in rows]

    def _read(self, read: Callable[[Connection], T]) -> T:
        # in a tuple: no rows at all are an answer, too
        found: tuple[T] = self._platform.wait_for("the database", lambda: (self._now(read),), seconds=PATIENCE_SECONDS)
        return found[0]

    def _now(self, read: Callable[[Connection], T]) -> T:
        with self._platform.connection() as connection:
            return read(connection)


def _one(connection: Connection, query: str, parameters: tuple[Any, ...]) -> Any:
    row = connection.execute(query.encode(), parameters).fetchone()
    return None if row is None else row[0]


def _standing(row: tuple[Any, ...]) -> Standing:
    ticket, version, verdict, queue, people = row
    return Standing(ticket_id=ticket, version=version, verdict=verdict, queue=queue, with_people=people)


_CHAMPION = "select version from alias_moves where name = %s and alias = 'champion' order by move_id desc limit 1"
_MODES = "select distinct on (queue) queue, mode from modes where automation = %s order by queue, mode_id desc"
_INCIDENTS = "select incident_id, remedy from incidents where automation = %s and incident_id > %s order by incident_id"
_REPAIRED = """
select extract(epoch from r.finished_at - i.opened_at) from repairs r join incidents i using (incident_id)
where incident_id = %s and r.finished_at is not null
"""
# the order in which recording ranks a ticket's decisions, but for people's, who are counted by their cases
_STANDING = """
select distinct on (d.ticket_id) d.ticket_id, d.model_version, d.verdict, d.queue,
       exists (select from review_cases c where c.automation = d.automation and c.ticket_id = d.ticket_id)
from decisions d where d.automation = %s and d.ticket_id = any(%s)
order by d.ticket_id, coalesce(d.known_at, d.decided_at) desc, d.decided_at desc, d.decision_id
"""
_MADE = """
select distinct on (d.ticket_id) d.ticket_id, d.model_version, d.verdict, d.queue, false
from decisions d where d.automation = %s and d.model_version = %s and d.ticket_id = any(%s)
order by d.ticket_id, d.decided_at desc, d.decision_id
"""
_IDS = """
select decision_id from decisions where automation = %s and ticket_id = any(%s) and model_version > 0 order by decision_id
"""
