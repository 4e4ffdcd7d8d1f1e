"""Decisions in Postgres: recorded with everything that follows from them in one transaction, and found again.

What belongs here: the transaction, and reading decisions back. What does not: making them (`aios_core/decisions/`) and what
the console shows beside them (`resources/console.py`).
"""

from collections.abc import Sequence
from dataclasses import dataclass, fields
from datetime import date, datetime
from typing import TYPE_CHECKING, Any

import pyarrow as pa
from psycopg.rows import dict_row

from aios_core.automation import Automation
from aios_core.decisions.model import VERDICTS, Decision, DecisionError, UnknownDecision
from aios_core.decisions.record import decode_number, parse
from aios_core.decisions.replay import Replay, replay
from resources import recording
from resources.corrected import corrections_of
from resources.database import Database
from resources.policy import RegoPolicy
from resources.recording import Recorded

if TYPE_CHECKING:
    from resources.registry import Registry


@dataclass(frozen=True, slots=True, kw_only=True)
class StoredDecision:
    """A decision as it stands in its row. `ledger_subject` names the ledger entry that attests it."""

    decision_id: str
    automation: str
    source: str
    ticket_id: str
    ticket_version: str
    correlation_id: str
    day: date
    known_at: datetime | None
    model_name: str
    model_version: int
    policy_revision: str
    declaration: str
    verdict: str
    queue: str | None
    confidence: float | None
    rule: str
    reason: str
    audit: bool
    record: bytes
    decided_at: datetime
    ledger_subject: str | None


COLUMNS = ", ".join(f"d.{f.name}" for f in fields(StoredDecision))

TABLE = pa.schema([
    ("decision_id", pa.string()),
    ("source", pa.string()),
    ("ticket_id", pa.string()),
    ("ticket_version", pa.string()),
    ("correlation_id", pa.string()),
    ("day", pa.date32()),
    ("model_name", pa.string()),
    ("model_version", pa.int64()),
    ("policy_revision", pa.string()),
    ("declaration", pa.string()),
    ("verdict", pa.string()),
    ("queue", pa.string()),
    ("confidence", pa.float64()),
    ("rule", pa.string()),
    ("reason", pa.string()),
    ("audit", pa.bool_()),
    ("known_at", pa.timestamp("us", tz="UTC")),
    ("decided_at", pa.timestamp("us", tz="UTC")),
    ("created_at", pa.timestamp("us", tz="UTC")),
    ("landed_at", pa.timestamp("us", tz="UTC")),
])  # fmt: skip


_SETTLED = """
select d.source, d.ticket_id, d.ticket_version from decisions d
where d.automation = %s and d.day between %s and %s
  and (d.model_version > 0 or exists (select from review_cases c where c.case_id = d.decision_id and c.state = 'decided'))
"""


class DecisionStore:
    """The decisions of all automations."""

    def __init__(self, database: Database) -> None:
        self._database = database

    def record(
        self, decisions: Sequence[Decision], *, automation: Automation, policy_text: str, now: datetime
    ) -> Recorded:
        """Decisions, their outbox rows, review cases, policy, declaration and ledger entry: all of it or nothing.

        Recording a decision again changes nothing. Raises DecisionError where decisions are of another automation,
        declaration or policy than those given.
        """
        with self._database.connection() as conn:
            return recording.record(conn, decisions, automation=automation, policy_text=policy_text, now=now)

    def get(self, decision_id: str) -> StoredDecision:
        """One decision. Raises UnknownDecision."""
        found = self._stored("d.decision_id = %s", (decision_id,))
        if not found:
            raise UnknownDecision(
                f"there is no decision {decision_id}; find it by its ticket with `aios decision search TICKET`"
            )
        return found[0]

    def for_ticket(self, automation: str, ticket_id: str) -> list[StoredDecision]:
        """All decisions on a ticket's contents, newest first."""
        return self._stored(
            "d.automation = %s and d.ticket_id = %s order by d.decided_at desc, d.decision_id", (automation, ticket_id)
        )

    def counts(self, automation: str, start: date, end: date) -> dict[str, int]:
        """How many decisions of the days in [start, end) there are by verdict; every verdict is in it."""
        with self._database.connection() as conn:
            rows = conn.execute(
                "select verdict, count(*) from decisions where automation = %s and day >= %s and day < %s group by verdict",
                (automation, start, end),
            ).fetchall()
        counted: dict[str, int] = dict(rows)
        return {verdict: counted.get(verdict, 0) for verdict in VERDICTS}

    def settled(self, automation: str, first: date, last: date) -> set[tuple[str, str, str]]:
        """(source, ticket id, ticket version) of what needs no deciding in the days from `first` to `last`, both included.

        That is what a model, of whatever version, or a person has decided.
        """
        with self._database.connection() as conn:
            return set(conn.execute(_SETTLED, (automation, first, last)).fetchall())

    def unscored(self, automation: str, start: date, end: date) -> dict[int, tuple[int, int]]:
        """Model version -> (decisions, those without a usable score) of the days in [start, end)."""
        with self._database.connection() as conn:
            rows = conn.execute(
                "select model_version, count(*), count(*) filter (where confidence is null) from decisions"
                " where automation = %s and day >= %s and day < %s and model_version > 0 group by model_version",
                (automation, start, end),
            ).fetchall()
        return {version: (decisions, without) for version, decisions, without in rows}

    def newest_day(self, automation: str) -> date | None:
        """The newest day partition that has decisions."""
        with self._database.connection() as conn:
            row = conn.execute("select max(day) from decisions where automation = %s", (automation,)).fetchone()
        return row[0] if row else None

    def table(self, automation: str, start: date, end: date) -> pa.Table:
        """Decisions of the days in [start, end), without their records, in the order they were made.

        `created_at` is the ticket's, `landed_at` when the version decided on came in; both null where it was erased.
        """
        with self._database.connection() as conn, conn.cursor() as cursor:
            rows = cursor.execute(_TABLE, (automation, start, end)).fetchall()
        columns = zip(*rows, strict=True) if rows else ((),) * len(TABLE)
        return pa.Table.from_arrays(
            [pa.array(values, type=field.type) for values, field in zip(columns, TABLE, strict=True)], schema=TABLE
        )

    def replay(self, decision_id: str, *, registry: "Registry | None", accelerator: str = "cpu") -> Replay:
        """Make a decision again: the recorded row through the recorded model version and policy revision.

        Without a registry the score is taken as recorded. Raises UnknownDecision; DecisionError where the record or its
        policy is gone; ModelError where the model version can't be loaded.
        """
        stored = self.get(decision_id)
        policy = RegoPolicy(self._policy_text(stored))

        def score(row: pa.Table) -> pa.Table:
            assert registry is not None  # score is handed on only then
            model = registry.load(name=stored.model_name, version=stored.model_version, accelerator=accelerator)
            # as many terms as are recorded: the strongest come first whatever their number
            explain = len(parse(stored.record)["terms"])
            batch = row.combine_chunks().to_batches()[0]
            return pa.Table.from_batches([model.score_batch(batch, explain=explain)])

        return replay(stored.record, score=None if registry is None else score, policy=policy.ask)

    def explain(self, decision_id: str) -> dict[str, Any]:
        """A decision in full, for people: its reason, probabilities (likeliest first), words, rules, and what followed.

        Raises UnknownDecision.
        """
        stored = self.get(decision_id)
        content = parse(stored.record)
        likeliest = sorted(
            zip(content["classes"], map(decode_number, content["probabilities"]), strict=False),
            key=lambda pair: (-(pair[1] or 0.0), pair[0]),
        )
        kept = ("automation", "source", "ticket_id", "ticket_version", "correlation_id", "verdict", "queue", "confidence",
                "rule", "reason", "audit", "declaration", "policy_revision")  # fmt: skip
        return {
            "decision_id": stored.decision_id,
            **{name: getattr(stored, name) for name in kept},
            "day": stored.day.isoformat(),
            "decided_at": stored.decided_at.isoformat(),
            "model": {"name": stored.model_name, "version": stored.model_version},
            "band": content["band"],
            "probabilities": [{"queue": queue, "probability": p} for queue, p in likeliest],
            "terms": [{"term": term, "weight": weight} for term, weight in content["terms"]],
            "thresholds": content["thresholds"],
            "costs": content["costs"],
            "modes": content["modes"],
            "policy": {"revision": stored.policy_revision, **content["policy"]},
            "ticket": content["ticket"]["values"],
            "ledger_subject": stored.ledger_subject,
            **self._consequences(stored),
        }

    def _stored(self, condition: str, parameters: tuple[Any, ...]) -> list[StoredDecision]:
        with self._database.connection() as conn, conn.cursor(row_factory=dict_row) as cursor:
            rows = cursor.execute(f"select {COLUMNS} from decisions d where {condition}", parameters).fetchall()
        return [StoredDecision(**row) for row in rows]

    def _policy_text(self, stored: StoredDecision) -> str:
        with self._database.connection() as conn:
            found = conn.execute(
                "select content from policies where revision = %s", (stored.policy_revision,)
            ).fetchone()
        if found is None:
            raise DecisionError(
                f"decision {stored.decision_id}: policy revision {stored.policy_revision} is not stored, so it can't be"
                " replayed; was its row deleted?"
            )
        return str(found[0])

    def _consequences(self, stored: StoredDecision) -> dict[str, Any]:
        with self._database.connection() as conn, conn.cursor(row_factory=dict_row) as cursor:
            actions = cursor.execute(
                "select action_id, target, kind, external_id, payload ->> 'queue' as queue, state, attempts, last_error,"
                " sent_at from outbox where decision_id = %s order by action_id",
                (stored.decision_id,),
            ).fetchall()
            cases = cursor.execute(
                "select case_id, batch, state, verdict, verdict_queue, decided_by, decided_at from review_cases"
                " where decision_id = %s",
                (stored.decision_id,),
            ).fetchall()
            newer = cursor.execute(
                "select decision_id from decisions where automation = %s and source = %s and ticket_id = %s"
                " and decided_at > %s order by decided_at desc, decision_id limit 1",
                (stored.automation, stored.source, stored.ticket_id, stored.decided_at),
            ).fetchone()
            corrected = corrections_of(conn, stored.decision_id)
        return {
            "actions": [_json_times(a) for a in actions],
            "case": _json_times(cases[0]) if cases else None,
            "newer_decision": newer["decision_id"] if newer else None,
            **corrected,
        }


_TABLE = f"""
select {", ".join(f"d.{name}" for name in TABLE.names[:-2])}, t.created_at, l.landed_at
from decisions d
left join tickets t on t.automation = d.automation and t.source = d.source
  and t.ticket_id = d.ticket_id and t.version = d.ticket_version
left join landing_records l on l.landing_id = t.landing_id
where d.automation = %s and d.day >= %s and d.day < %s
order by d.decided_at, d.decision_id
"""


def _json_times(row: dict[str, Any]) -> dict[str, Any]:
    return {name: value.isoformat() if isinstance(value, datetime) else value for name, value in row.items()}
