"""A rollback in a real Postgres, without any model: version 2 decided, version 1 decides again. For the tests of repairs."""

import json
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from pathlib import Path
from typing import Any

import pyarrow as pa
from psycopg.types.json import Json

from aios_assets.repair import Again
from aios_core.decisions.model import rules_for
from aios_core.monitoring.blast import Onset
from resources.database import Database
from resources.decisions import DecisionStore
from resources.declarations import Declared
from resources.monitoring import MonitorStore
from resources.policy import RegoPolicy
from resources.repairs import RepairStore, RolledBack
from tests.aios_core.decisions.making import score, scores
from tests.resources.deciding import CLASSES, NOW, POLICY, automation, decisions, ticket

CARE = automation(actions={"source": "helpdesk"}, review={"max_batch": 100})
DECLARED = Declared(CARE, Path(), Path(), POLICY)
PROMOTED, DECIDED, LEFT, LATER = (NOW + timedelta(hours=h) for h in (0, 1, 2, 3))
BAD, GOOD = 2, 1
SURE = {queue: [0.96 if c == queue else 0.02 for c in CLASSES] for queue in CLASSES}
UNSURE = {queue: [0.4 if c == queue else 0.3 for c in CLASSES] for queue in CLASSES}


@dataclass(frozen=True)
class World:
    """Where it happens; `truth` is what the good version says of a ticket: a queue, and whether it is sure."""

    database: Database
    truth: dict[str, tuple[str, bool]]

    @property
    def store(self) -> RepairStore:
        return RepairStore(self.database)

    def rows(self, query: str, *parameters: Any) -> list[tuple[Any, ...]]:
        with self.database.connection() as conn:
            return conn.execute(query, parameters).fetchall()

    def arrive(
        self, number: int, *, status: str = "open", version: str = "v1", at: datetime = PROMOTED, **more: Any
    ) -> dict[str, Any]:
        """A ticket in the canonical table, and its feature row."""
        row = ticket(number, ticket_version=version, **more)
        with self.database.connection() as conn:
            conn.execute(
                "insert into tickets (automation, source, ticket_id, version, correlation_id, event_time, known_at, created_at,"
                " subject, body, status, content_hash, landing_id) values ('care', 'helpdesk', %s, %s, 'c', %s, %s, %s, 's', 'b', %s,"
                " %s, %s)",
                (
                    str(number),
                    version if status == "open" else f"{version}-{status}",
                    at,
                    at,
                    row["created_at"],
                    status,
                    version,
                    number,
                ),
            )
        return row

    def decided(
        self, rows: Sequence[dict[str, Any]], said: Sequence[list[float]], *, version: int = BAD, at: datetime = DECIDED
    ) -> None:
        made = decisions(rows, CARE, model_version=version, probabilities=said)
        DecisionStore(self.database).record(made, automation=CARE, policy_text=POLICY, now=at)

    def again(self) -> Again:
        def scored(features: pa.Table, explain: int) -> pa.Table:
            found = []
            for row in features.to_pylist():
                queue, sure = self.truth[row["ticket_id"]]
                found.append(score(row, (SURE if sure else UNSURE)[queue]) | {"model_version": GOOD})
            return scores(found)

        policy = RegoPolicy(POLICY)
        rules = rules_for(CARE, policy_revision=policy.revision, model_version=GOOD, manifest={"classes": CLASSES})
        return Again(score=scored, rules=rules, policy=policy.ask)

    def roll_back(self) -> RolledBack:
        """Version 2 was promoted, and is left now, because of an incident."""
        with self.database.connection() as conn:
            for version in (GOOD, BAD):
                conn.execute(
                    "insert into model_versions (name, version, automation, kind, files, content_hash, snapshot_id, classes, metrics,"
                    " card) values ('care', %s, 'care', 'linear_text', '{}', %s, 's', %s, '{}', '{}') on conflict do nothing",
                    (version, f"h{version}", list(CLASSES)),
                )
        self.moved(GOOD, None, PROMOTED - timedelta(days=9), {})
        self.moved(BAD, GOOD, PROMOTED, {})
        incident = MonitorStore(self.database).open_incident(
            automation="care", remedy="rollback", queue=None, reason="it was worse", evidence={"champion": {"version": BAD}},
            actor="run:1", now=LEFT, identity="rollback:care:2",
        )  # fmt: skip
        self.moved(GOOD, BAD, LEFT, {"incident_id": incident})
        found = self.store.rolled_back(incident, model="care")
        assert found is not None
        return found

    def moved(self, version: int, previous: int | None, at: datetime, evidence: dict[str, Any]) -> None:
        with self.database.connection() as conn:
            conn.execute(
                "insert into alias_moves (name, alias, version, previous_version, actor, reason, evidence, moved_at)"
                " values ('care', 'champion', %s, %s, 'run:1', 'r', %s, %s)",
                (version, previous, Json(evidence), at),
            )

    def since(self, found: RolledBack) -> Onset:
        onset = Onset(at=found.promoted_at, since_day=None, why="its promotion")
        return self.store.begin(found, onset=onset, run_id="r1", now=LEFT)

    def state(self) -> str:
        """All that a repair writes, but for ids that count up."""
        return json.dumps(
            {
                "corrections": self.rows("select decision_id, fate, queue, corrected_by from corrections order by 1"),
                "decisions": self.rows("select decision_id, verdict, queue, reason from decisions order by 1"),
                "outbox": self.rows("select idempotency_key, kind, state, payload from outbox order by 1"),
                "cases": self.rows("select case_id, batch, state, queue from review_cases order by 1"),
                "batches": self.rows("select batch, size, reason from review_batches order by 1"),
            }
        )
