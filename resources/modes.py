"""Modes: whether an automation, or one of its queues, may decide by itself or leaves everything to people.

What belongs here: the append-only table and what holds now. What does not: why a mode changes (`aios_core/monitoring/`) and
what it does to a verdict (`aios_core/decisions/`).
"""

from dataclasses import dataclass
from datetime import datetime
from typing import Any, Literal

from psycopg import Connection
from psycopg.rows import class_row

from aios_core.decisions.model import EVERY_QUEUE
from resources.database import Database

Mode = Literal["normal", "review_only"]


@dataclass(frozen=True, slots=True, kw_only=True)
class ModeChange:
    """One row: from `set_at` on, `mode` holds for `queue` (`*`: the whole automation)."""

    queue: str
    mode: Mode
    reason: str
    actor: str
    incident_id: int | None
    set_at: datetime


class ModeStore:
    """Modes of automations and queues."""

    def __init__(self, database: Database) -> None:
        self._database = database

    def current(self, automation: str) -> dict[str, str]:
        """What holds now, by queue: the newest row of each. A queue that was never set is not in it, and is normal."""
        with self._database.connection() as conn:
            rows = conn.execute(
                "select distinct on (queue) queue, mode from modes where automation = %s order by queue, mode_id desc",
                (automation,),
            ).fetchall()
        return dict(rows)

    def set(
        self,
        *,
        automation: str,
        mode: Mode,
        reason: str,
        actor: str,
        now: datetime,
        queue: str = EVERY_QUEUE,
        incident_id: int | None = None,
    ) -> bool:
        """Set a mode; False where it held already, and then nothing is written: a repeated step leaves one row."""
        with self._database.connection() as conn:
            return write(
                conn,
                automation=automation,
                mode=mode,
                reason=reason,
                actor=actor,
                now=now,
                queue=queue,
                incident_id=incident_id,
            )

    def history(self, automation: str) -> list[ModeChange]:
        """Every change, oldest first."""
        with self._database.connection() as conn, conn.cursor(row_factory=class_row(ModeChange)) as cursor:
            return cursor.execute(
                "select queue, mode, reason, actor, incident_id, set_at from modes where automation = %s order by mode_id",
                (automation,),
            ).fetchall()


def write(
    conn: Connection[Any],
    *,
    automation: str,
    mode: Mode,
    reason: str,
    actor: str,
    now: datetime,
    queue: str = EVERY_QUEUE,
    incident_id: int | None = None,
) -> bool:
    """As `ModeStore.set`, in the caller's transaction."""
    conn.execute("select pg_advisory_xact_lock(hashtextextended(%s, 0))", (f"aios.modes.{automation}",))
    held = conn.execute(
        "select mode from modes where automation = %s and queue = %s order by mode_id desc limit 1", (automation, queue)
    ).fetchone()
    if (held[0] if held else "normal") == mode:
        return False
    conn.execute(
        "insert into modes (automation, queue, mode, reason, actor, incident_id, set_at)"
        " values (%s, %s, %s, %s, %s, %s, %s)",
        (automation, queue, mode, reason, actor, incident_id, now),
    )
    return True
