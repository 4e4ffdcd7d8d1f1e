"""A desk whose decisions a real version made, for tests of explanations; no test of its own."""

from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path

import pyarrow as pa

from aios_core.decisions.decide import decide
from aios_core.decisions.model import rules_for
from resources.database import Database
from resources.decisions import DecisionStore
from resources.explanations import Explanations
from resources.policy import RegoPolicy
from tests.aios_core.training.making import FACTS, table, tickets
from tests.resources.gatekeeping import Triage, triage

NOW = datetime(2026, 11, 20, 12, tzinfo=UTC)
TEXT = "please refund the late fee on my invoice"


@dataclass(frozen=True)
class Desk:
    """A model with one version, the tickets it learnt from, and one decision of it."""

    triage: Triage
    decision_id: str

    @property
    def explanations(self) -> Explanations:
        return Explanations(self.triage.database, lake=self.triage.lake, registry=self.triage.registry)


def desk(database: Database, folder: Path, *, terms: bool = True, of: Triage | None = None) -> Desk:
    """Ticket `new` decided by version 1; the learnt tickets are there with their texts, and a customer's address in each."""
    made = of or triage(database, folder)
    version = made.add()
    texts, _, _ = tickets(900)
    learnt = [(f"t{number}", f"{text} ask ana@example.com") for number, text in enumerate(texts[:600])]
    land(database, [*learnt, ("new", TEXT)])
    model = made.registry.load(name="triage", version=version, accelerator="cpu")
    row = table([TEXT], facts=[{"plan": "basic"}], spec=FACTS, ids=["new"])
    scores = model.score_batch(row, explain=5 if terms else 0)
    policy = RegoPolicy(made.declared.policy_text)
    rules = rules_for(
        made.declared.automation,
        policy_revision=policy.revision,
        model_version=version,
        manifest=made.registry.manifest(name="triage", version=version),
    )
    decisions = decide(row, pa.Table.from_batches([scores]), rules=rules, policy=policy.ask)
    DecisionStore(database).record(
        decisions, automation=made.declared.automation, policy_text=made.declared.policy_text, now=NOW
    )
    return Desk(made, decisions[0].decision_id)


def land(database: Database, texts: list[tuple[str, str]]) -> None:
    """Tickets by id, each landed and canonical."""
    with database.connection() as connection, connection.cursor() as cursor:
        cursor.executemany(
            "with landed as (insert into landing_records (automation, source, object, external_id, version, payload,"
            " correlation_id, run_id) values ('triage', 'desk', 'tickets', %(id)s, '1', '{}', 'c', 'run-1') returning landing_id)"
            " insert into tickets (automation, source, ticket_id, version, correlation_id, event_time, known_at, created_at,"
            " subject, body, status, tags, content_hash, landing_id) select 'triage', 'desk', %(id)s, '1', 'c', %(at)s, %(at)s,"
            " %(at)s, 'Help', %(text)s, 'new', '{}', %(id)s, landing_id from landed",
            [{"id": ticket_id, "text": text, "at": NOW} for ticket_id, text in texts],
        )
