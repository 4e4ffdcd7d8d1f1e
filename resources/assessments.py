"""What the judge saw and said of an automation's champion: the rows of `assessments`.

What belongs here: keeping evidence and giving it back as it was. What does not: judging
(`aios_core/monitoring/verdict.py`).
"""

from dataclasses import dataclass
from datetime import datetime

from psycopg.types.json import Jsonb
from pydantic import TypeAdapter

from aios_core.monitoring.evidence import Evidence
from aios_core.monitoring.verdict import Remedy
from resources.database import Database

_EVIDENCE = TypeAdapter(Evidence)


@dataclass(frozen=True, slots=True, kw_only=True)
class Assessment:
    """One look at the champion."""

    assessment_id: int
    evidence: Evidence
    assessed_at: datetime


class AssessmentStore:
    """The assessments of all automations."""

    def __init__(self, database: Database) -> None:
        self._database = database

    def save(self, *, automation: str, evidence: Evidence, remedy: Remedy, now: datetime) -> int:
        """Keep one assessment; returns its id."""
        champion = evidence.champion.version if evidence.champion else None
        with self._database.connection() as conn:
            row = conn.execute(
                "insert into assessments (automation, champion, evidence, remedy, reason, assessed_at)"
                " values (%s, %s, %s, %s, %s, %s) returning assessment_id",
                (
                    automation,
                    champion,
                    Jsonb(_EVIDENCE.dump_python(evidence, mode="json")),
                    remedy.kind,
                    remedy.reason,
                    now,
                ),
            ).fetchone()
        assert row is not None  # an insert returns its row
        return int(row[0])

    def newest(self, *, automation: str) -> Assessment | None:
        """The last one made, or None."""
        with self._database.connection() as conn:
            row = conn.execute(
                "select assessment_id, evidence, assessed_at from assessments where automation = %s"
                " order by assessment_id desc limit 1",
                (automation,),
            ).fetchone()
        if row is None:
            return None
        return Assessment(assessment_id=row[0], evidence=_EVIDENCE.validate_python(row[1]), assessed_at=row[2])
