"""What robots did: rows with their evidence in the lake.

What belongs here: the table `robot_runs`. What does not: running a robot (`running.py`).
"""

import hashlib
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import TYPE_CHECKING, Any

from psycopg.types.json import Jsonb

from resources.database import Database, rows
from resources.lake import Lake

if TYPE_CHECKING:
    from aios_core.decisions.actions import OutboxAction
    from resources.robots.running import Ended


@dataclass(frozen=True, slots=True, kw_only=True)
class Evidence:
    """One file that a robot left; `path` is the lake's."""

    name: str
    path: str
    sha256: str
    bytes: int


@dataclass(frozen=True, slots=True, kw_only=True)
class RobotRun:
    """One run, and what became of its action."""

    run_id: int
    automation: str
    robot: str
    account: str
    external_id: str
    idempotency_key: str
    decision_id: str | None
    case_id: str | None
    started_at: datetime
    ended_at: datetime
    status: str
    message: str
    outputs: Mapping[str, Any]
    evidence: tuple[Evidence, ...]


class RobotRuns:
    """Runs of all automations."""

    def __init__(self, database: Database, lake: Lake) -> None:
        self._database, self._lake = database, lake

    def keep(
        self,
        action: "OutboxAction",
        ended: "Ended",
        *,
        automation: str,
        robot: str,
        account: str,
        started: datetime,
        now: datetime,
    ) -> int:
        """Evidence first, then the row that names it: a row never points to nothing."""
        key = hashlib.sha256(f"{action.idempotency_key}\x1f{started.isoformat()}".encode()).hexdigest()[:24]
        kept = [self._put(f"robots/{automation}/{key}", name, content) for name, content in ended.evidence.items()]
        with self._database.connection() as conn:
            row = conn.execute(
                "insert into robot_runs (automation, robot, account, external_id, idempotency_key, decision_id, case_id, started_at,"
                " ended_at, status, message, outputs, evidence) values (%s, %s, %s, %s, %s, %s, %s, %s, %s, %s, %s, %s, %s) returning run_id",
                (automation, robot, account, action.external_id, action.idempotency_key, action.decision_id, action.case_id, started, now,
                 ended.status, ended.message, Jsonb(dict(ended.outputs)), Jsonb(kept)),
            ).fetchone()  # fmt: skip
        assert row is not None  # `returning` gives the one row
        return int(row[0])

    def newest(self, automation: str | None = None, *, limit: int = 50) -> list[RobotRun]:
        """Newest first."""
        with self._database.connection() as conn:
            found = rows(conn, "select * from robot_runs where (%s::text is null or automation = %s) order by run_id desc limit %s",
                         (automation, automation, limit))  # fmt: skip
        return [_run(row) for row in found]

    def of_decision(self, decision_id: str) -> list[RobotRun]:
        """Those that wrote, or tried to write, what follows from a decision; oldest first."""
        with self._database.connection() as conn:
            found = rows(conn, "select * from robot_runs where decision_id = %s order by run_id", (decision_id,))
        return [_run(row) for row in found]

    def run(self, run_id: int) -> RobotRun | None:
        """One run by its id."""
        with self._database.connection() as conn:
            found = rows(conn, "select * from robot_runs where run_id = %s", (run_id,))
        return _run(found[0]) if found else None

    def file(self, run_id: int, name: str) -> bytes | None:
        """One file of a run's evidence; None where there is none of that name."""
        found = self.run(run_id)
        kept = next((one for one in (found.evidence if found else ()) if one.name == name), None)
        return self._lake.get(kept.path) if kept is not None else None

    def _put(self, folder: str, name: str, content: bytes) -> dict[str, Any]:
        file = self._lake.put(f"{folder}/{name}", content)
        return {"name": name, "path": file.path, "sha256": hashlib.sha256(content).hexdigest(), "bytes": len(content)}


def _run(row: Mapping[str, Any]) -> RobotRun:
    return RobotRun(**{**row, "evidence": tuple(Evidence(**one) for one in row["evidence"])})
