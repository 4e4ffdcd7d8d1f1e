"""A small, real world for tests of review and console: tickets, customers and decisions recorded by the real stores."""

from dataclasses import dataclass
from datetime import UTC, date, datetime, timedelta
from typing import Any

import pyarrow as pa
from psycopg.types.json import Jsonb

from aios_core.automation import Automation
from aios_core.decisions.decide import decide
from aios_core.decisions.model import rules_for
from resources.database import Database
from resources.decisions import DecisionStore
from resources.policy import revision_of

DAY = date(2026, 11, 20)
NOW = datetime(2026, 11, 20, 14, 0, tzinfo=UTC)
POLICY = 'package aios.policy\n\ndecision := {"verdict": input.proposed, "rule": "default"}\n'
QUEUES = (
    "billing",
    "outage",
    "roaming",
    "porting",
    "device",
    "cancellation",
    "fraud",
    "complaint",
    "activation",
    "plan_change",
)


@dataclass(frozen=True, kw_only=True)
class Wanted:
    """One ticket and the score it gets: `queue` with probability `p`, the next queue in the list gets most of the rest."""

    ticket_id: str
    queue: str = "billing"
    p: float = 0.55
    subject: str = "Charged twice this month"
    body: str = "Hi,\n\nI was charged twice on my November invoice.\n  Please refund the second one.\n\nMaria"
    day: date = DAY
    scored: bool = True
    version: str = "1"
    customer: str | None = "C-1"


def automation(**changes: Any) -> Automation:
    """The automation under test; keyword arguments replace blocks of its declaration."""
    content: dict[str, Any] = {
        "name": "escalations",
        "start_date": "2026-11-01",
        "sources": {
            "helpdesk": {"connector": "zendesk", "url": "http://helpdesk.test", "email": "a@b.test", "token": "${T}"},
            "crm": {"connector": "salesforce", "url": "http://crm.test", "client_id": "x", "client_secret": "y"},
        },
        "queues": [{"name": q} for q in QUEUES],
        "decisions": {"automate": 0.9, "draft": 0.7, "audit_share": 0.0},
        "actions": {"source": "helpdesk"},
    }
    return Automation.model_validate(content | changes)


def record(database: Database, wanted: list[Wanted], *, of: Automation | None = None, now: datetime = NOW) -> list[str]:
    """Tickets, their customer and their decisions, through the real decision store; returns the decisions' ids."""
    of = of or automation()
    for ticket in wanted:
        _land(database, of, ticket)
    rules = rules_for(
        of,
        policy_revision=revision_of(POLICY),
        model_name=of.model_name,
        model_version=1,
        manifest={"classes": list(of.queue_names or QUEUES)},
    )
    features = pa.Table.from_pylist([_features(w) for w in wanted])
    scored = [_score(w, rules.classes) | {"model_name": of.model_name} for w in wanted if w.scored]
    decisions = decide(
        features,
        pa.Table.from_pylist(scored) if scored else None,
        rules=rules,
        policy=lambda facts: [{"verdict": f["proposed"], "rule": "default"} for f in facts],
    )
    DecisionStore(database).record(decisions, automation=of, policy_text=POLICY, now=now)
    return [d.decision_id for d in decisions]


def _created(ticket: Wanted) -> datetime:
    return datetime(ticket.day.year, ticket.day.month, ticket.day.day, 9, 30, tzinfo=UTC)


def _features(ticket: Wanted) -> dict[str, Any]:
    return {
        "source": "helpdesk",
        "ticket_id": ticket.ticket_id,
        "ticket_version": ticket.version,
        "correlation_id": f"corr-{ticket.ticket_id}",
        "created_at": _created(ticket),
        "known_at": _created(ticket) + timedelta(minutes=int(ticket.version)),
        "text": f"{ticket.subject}\n{ticket.body}",
        "priority": "high",
        "channel": "email",
        "language": "en",
        "customer_id": ticket.customer,
        "crm_plan": "Family 20 GB",
    }


def _score(ticket: Wanted, classes: tuple[str, ...]) -> dict[str, Any]:
    chosen = classes.index(ticket.queue)
    rest = 1.0 - ticket.p
    others = [c for c in range(len(classes)) if c != chosen]
    probabilities = [0.0] * len(classes)
    probabilities[chosen] = ticket.p
    for position, other in enumerate(others):
        share = 0.6 if position == 0 else 0.25 if position == 1 else 0.15 / (len(others) - 2)
        probabilities[other] = round(rest * share, 6)
    return {
        "source": "helpdesk",
        "ticket_id": ticket.ticket_id,
        "ticket_version": ticket.version,
        "correlation_id": f"corr-{ticket.ticket_id}",
        "model_version": 1,
        "probabilities": probabilities,
        "queue": ticket.queue,
        "confidence": ticket.p,
        "unseen_share": 0.04,
        "text_length": len(ticket.body),
        "terms": [
            {"term": "charged twice", "weight": 1.42},
            {"term": "invoice", "weight": 1.1},
            {"term": "refund", "weight": 0.63},
            {"term": "second", "weight": -0.21},
        ],
    }


def _land(database: Database, of: Automation, ticket: Wanted) -> None:
    created = _created(ticket)
    with database.connection() as conn:
        landing = conn.execute(
            "insert into landing_records (automation, source, object, external_id, version, payload, correlation_id, run_id)"
            " values (%s, 'helpdesk', 'tickets', %s, %s, '{}', %s, 'run-1') on conflict do nothing returning landing_id",
            (of.name, ticket.ticket_id, ticket.version, f"corr-{ticket.ticket_id}"),
        ).fetchone()
        if landing is None:
            return
        conn.execute(
            "insert into tickets (automation, source, ticket_id, version, correlation_id, event_time, known_at, created_at,"
            " subject, body, status, priority, channel, language, queue, requester_id, tags, content_hash, landing_id)"
            " values (%s, 'helpdesk', %s, %s, %s, %s, %s, %s, %s, %s, 'new', 'high', 'email', 'en', null, 'U-1', '{vip}', %s, %s)",
            (of.name, ticket.ticket_id, ticket.version, f"corr-{ticket.ticket_id}", created, created, created,
             ticket.subject.replace("\0", ""), ticket.body.replace("\0", ""), f"h{ticket.version}", landing[0]),
        )  # fmt: skip
        conn.execute(
            "insert into contacts values (%s, 'helpdesk', 'U-1', '1', %s, %s, %s, %s) on conflict do nothing",
            (of.name, ticket.customer, created, created, landing[0]),
        )
        attributes = {
            "plan": "Family 20 GB",
            "tenure_months": 41,
            "segment": "consumer",
            "autopay": True,
            "churn_risk": None,
        }
        conn.execute(
            "insert into customers values (%s, 'crm', 'C-1', '1', 'corr-c', %s, %s, %s, %s) on conflict do nothing",
            (of.name, created, created, Jsonb(attributes), landing[0]),
        )
