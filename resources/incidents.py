"""Incidents: one in full with all that tells its story, its rollback, and its end.

What belongs here: gathering the facts of a timeline from the rows that others append, a rollback with its incident, and closing, which
lifts what the incident held. What does not: opening one (`resources/monitoring.py`), the timeline itself (`aios_core/monitoring/timeline.py`), and making good
what was decided (`resources/repairs.py`).
"""

from collections.abc import Mapping, Sequence
from datetime import date, datetime
from typing import TYPE_CHECKING, Any

import orjson
from psycopg import Connection
from psycopg.rows import class_row, dict_row

from aios_core.decisions.model import EVERY_QUEUE, REVIEW_ONLY
from aios_core.lifecycle.states import CHAMPION, LAST_GOOD
from aios_core.monitoring.timeline import RUN, AliasMoved, Drifted, FirstDecision, ModeSet, Repair, Story
from resources import modes
from resources.database import Database
from resources.ledger import append
from resources.monitoring import INCIDENTS, STOP, Incident, MonitorStore, UnknownIncident

if TYPE_CHECKING:
    from resources.registry import Registry

HOLDING = ("narrow", STOP)  # remedies that hold queues to review until they are closed
KIND = "incident"  # of the ledger's entries
ONLINE = "decide"  # in landing: tickets that were sent to the gateway to be decided


class IncidentStore:
    """The incidents of all automations."""

    def __init__(self, database: Database) -> None:
        self._database = database

    def list(self, automation: str | None = None, *, open_only: bool = False, limit: int = 200) -> list[Incident]:
        """Incidents of one automation or of all, newest first."""
        with self._database.connection() as conn, conn.cursor(row_factory=class_row(Incident)) as cursor:
            return cursor.execute(
                f"select {INCIDENTS} from incidents where (%s::text is null or automation = %s)"
                " and (not %s or closed_at is null) order by opened_at desc, incident_id desc limit %s",
                (automation, automation, open_only, limit),
            ).fetchall()

    def get(self, incident_id: int) -> Incident:
        """One incident. Raises UnknownIncident."""
        with self._database.connection() as conn:
            return _get(conn, incident_id)

    def story(self, incident_id: int) -> Story:
        """All that is known of one incident. Raises UnknownIncident."""
        with self._database.connection() as conn:
            incident = _get(conn, incident_id)
            moved, held = _moved(conn, incident_id), _modes(conn, incident_id)
            return Story(
                **{name: getattr(incident, name) for name in _TOLD},
                assessed_at=_assessed_at(conn, incident.assessment_id),
                drifted=_drifted(conn, incident),
                moved=moved,
                modes=tuple(held),
                confirmed=tuple(_confirmed(conn, incident, moved, held)),
                repair=_repair(conn, incident_id),
            )

    def corrections(self, incident_id: int, *, limit: int = 200) -> Sequence[dict[str, Any]]:
        """Decisions that were not left as they were, the corrected ones first: ticket, both queues, fate, what replaced it."""
        with self._database.connection() as conn, conn.cursor(row_factory=dict_row) as cursor:
            return cursor.execute(
                "select c.decision_id, d.ticket_id, d.queue as before, c.queue as after, c.fate, c.corrected_by, c.at"
                " from corrections c join decisions d on d.decision_id = c.decision_id"
                " where c.incident_id = %s and c.fate in ('corrected', 'review') order by c.fate, c.decision_id limit %s",
                (incident_id, limit),
            ).fetchall()

    def close(self, incident_id: int, *, actor: str, why: str, now: datetime) -> bool:
        """Close an incident and lift what it held, in one transaction with a ledger entry; False where it was closed before.

        A queue that another open incident holds stays with people. Raises UnknownIncident.
        """
        with self._database.connection() as conn:
            incident = _get(conn, incident_id)
            conn.execute(
                "select pg_advisory_xact_lock(hashtextextended(%s, 0))", (f"aios.incidents.{incident.automation}",)
            )
            closed = conn.execute(
                "update incidents set closed_at = %s, closed_by = %s, closed_why = %s"
                " where incident_id = %s and closed_at is null",
                (now, actor, why, incident_id),
            )
            if not closed.rowcount:
                return False
            lifted = _lift(conn, incident, actor=actor, why=why, now=now)
            said = {"incident_id": incident_id, "remedy": incident.remedy, "queue": incident.queue, "closed_by": actor,
                    "why": why, "lifted": lifted, "closed_at": now.isoformat()}  # fmt: skip
            append(
                conn,
                automation=incident.automation,
                kind=KIND,
                subject=f"{KIND}:{incident_id}",
                items=[orjson.dumps(said, option=orjson.OPT_SORT_KEYS)],
                now=now,
            )
        return True

    def lifted_at(self, automation: str) -> datetime | None:
        """When a person last lifted what an incident held: what was known before it counts for no new remedy."""
        with self._database.connection() as conn:
            row = conn.execute(
                "select max(closed_at) from incidents where automation = %s and remedy = any(%s)"
                " and not starts_with(closed_by, %s)",
                (automation, list(HOLDING), RUN),
            ).fetchone()
        return row[0] if row else None


def roll_back(
    database: Database,
    registry: "Registry",
    *,
    automation: str,
    name: str,
    reason: str,
    evidence: Mapping[str, Any],
    actor: str,
    now: datetime,
    accelerator: str = "cpu",
    from_version: int | None = None,
    assessment_id: int | None = None,
) -> int | None:
    """Open an incident and point model `name` back at its last good version; returns that, None where `from_version` left already.

    The incident comes first: a kill before the move leaves an incident that the next try finds, not a move without one. It is known by
    the promotion that is undone, so the next try is no second rollback, and one without its move counts as none. Raises UnknownModel,
    with nothing opened, where there is no way back.
    """
    champion = registry.current(name=name)
    if from_version is not None and champion != from_version:
        return None
    way_back = registry.current(name=name, alias=LAST_GOOD) not in (None, champion)
    found: dict[str, Any] = {**evidence, "from_version": champion}
    if way_back:
        promotion = next(m.move_id for m in registry.history(name) if m.alias == CHAMPION and m.version == champion)
        found["incident_id"] = MonitorStore(database).open_incident(
            automation=automation,
            remedy="rollback",
            queue=None,
            reason=reason,
            evidence=found,
            actor=actor,
            now=now,
            identity=f"rollback:{name}:{promotion}",
            assessment_id=assessment_id,
        )
    return registry.rollback(
        name=name, actor=actor, reason=reason, evidence=found, now=now, accelerator=accelerator, leaving=champion
    )


_TOLD = ("incident_id", "automation", "remedy", "queue", "reason", "evidence", "actor", "opened_at", "closed_at",
         "closed_by", "closed_why")  # fmt: skip


def _get(conn: Connection[Any], incident_id: int) -> Incident:
    with conn.cursor(row_factory=class_row(Incident)) as cursor:
        found = cursor.execute(f"select {INCIDENTS} from incidents where incident_id = %s", (incident_id,)).fetchone()
    if found is None:
        raise UnknownIncident(f"there is no incident {incident_id}; `aios incident list --all` shows those there are")
    return found


def _lift(conn: Connection[Any], incident: Incident, *, actor: str, why: str, now: datetime) -> bool:
    """Let the incident's queue be automated again, unless another open incident holds it."""
    if incident.remedy not in HOLDING:
        return False
    queue = incident.queue or EVERY_QUEUE
    other = conn.execute(
        "select 1 from incidents where automation = %s and remedy = any(%s) and coalesce(queue, '*') = %s and closed_at is null",
        (incident.automation, list(HOLDING), queue),
    ).fetchone()
    if other is not None:
        return False
    return modes.write(
        conn, automation=incident.automation, queue=queue, mode="normal", reason=why, actor=actor, now=now,
        incident_id=incident.incident_id,
    )  # fmt: skip


def _assessed_at(conn: Connection[Any], assessment_id: int | None) -> datetime | None:
    row = conn.execute("select assessed_at from assessments where assessment_id = %s", (assessment_id,)).fetchone()
    return row[0] if row else None


def _drifted(conn: Connection[Any], incident: Incident) -> Drifted | None:
    """The first flagged day of the evidence that was measured under the version at fault."""
    days = [date.fromisoformat(d["day"]) for d in incident.evidence.get("drift", ()) if d.get("flagged")]
    version = (incident.evidence.get("champion") or {}).get("version")
    with conn.cursor(row_factory=dict_row) as cursor:
        row = cursor.execute(
            "select day, model_version as version, reason, report, computed_at as measured_at from monitor_days"
            " where automation = %s and day = any(%s) and model_version = %s and flagged order by day limit 1",
            (incident.automation, days, version),
        ).fetchone()
    return Drifted(**row) if row else None


def _moved(conn: Connection[Any], incident_id: int) -> AliasMoved | None:
    with conn.cursor(row_factory=dict_row) as cursor:
        row = cursor.execute(
            "select name, version, previous_version as previous, actor, moved_at as at from alias_moves"
            " where alias = 'champion' and evidence ->> 'incident_id' = %s order by move_id limit 1",
            (str(incident_id),),
        ).fetchone()
    return AliasMoved(**row) if row else None


def _modes(conn: Connection[Any], incident_id: int) -> list[ModeSet]:
    with conn.cursor(row_factory=class_row(ModeSet)) as cursor:
        return cursor.execute(
            "select queue, mode, actor, set_at as at from modes where incident_id = %s order by mode_id", (incident_id,)
        ).fetchall()


def _confirmed(
    conn: Connection[Any], incident: Incident, moved: AliasMoved | None, held: Sequence[ModeSet]
) -> list[FirstDecision]:
    """The first decision of each way under the version that the alias was moved to, or of a queue that was held."""
    found = {"batch": False, "gateway": True}
    if moved is not None:
        rest, values = (
            "d.model_name = %(name)s and d.model_version = %(version)s",
            {"name": moved.name, "version": moved.version},
        )
        since = moved.at
    elif holding := [m for m in held if m.mode == REVIEW_ONLY]:
        since, queue = holding[0].at, holding[0].queue
        rest, values = "d.rule = 'mode' and %(queue)s in ('*', d.queue)", {"queue": queue}
    else:
        return []
    firsts = []
    for way, online in found.items():
        row = conn.execute(
            f"{_FIRST} and {rest} order by d.decided_at, d.decision_id limit 1",
            {**values, "automation": incident.automation, "since": since, "online": online, "object": ONLINE},
        ).fetchone()
        if row:
            firsts.append(FirstDecision(decision_id=row[0], at=row[1], way=way))
    return firsts


def _repair(conn: Connection[Any], incident_id: int) -> Repair | None:
    with conn.cursor(row_factory=dict_row) as cursor:
        row = cursor.execute(
            "select good_version, onset, why, run_id, started_at, finished_at from repairs where incident_id = %s",
            (incident_id,),
        ).fetchone()
    if row is None:
        return None
    fates = conn.execute(
        "select fate, count(*) from corrections where incident_id = %s group by fate order by fate", (incident_id,)
    ).fetchall()
    batches = conn.execute(
        "select distinct r.batch from corrections c join review_cases r on r.case_id = c.corrected_by"
        " where c.incident_id = %s and r.batch is not null order by 1",
        (incident_id,),
    ).fetchall()
    return Repair(**row, fates=dict(fates), batches=tuple(b for (b,) in batches))


_FIRST = """
select d.decision_id, d.decided_at from decisions d
where d.automation = %(automation)s and d.decided_at >= %(since)s and %(online)s = exists (
    select from tickets t join landing_records l on l.landing_id = t.landing_id
    where t.automation = d.automation and t.source = d.source and t.ticket_id = d.ticket_id and t.version = d.ticket_version
      and l.object = %(object)s)
"""
