"""An automation with tickets, users and customers in its tables, decided by the batch path; no test of its own."""

from datetime import UTC, date, datetime, timedelta
from pathlib import Path
from typing import Any

import pyarrow as pa

from aios_core.canonical.batch import Landed
from aios_core.canonical.entities import Contact, Customer, Ticket
from aios_core.decisions.decide import decide
from aios_core.decisions.model import Decision, rules_for
from aios_core.features.build import build_features
from aios_core.scoring.schema import TERMS
from aios_core.scoring.stream import score_stream
from resources.canonical import CanonicalStore
from resources.canonical_writes import write_entities
from resources.database import Database
from resources.declarations import Declared
from resources.landing import land_one, lock_stream
from resources.modes import ModeStore
from resources.policy import RegoPolicy
from resources.registry import Registry
from tests.gateway.serving import NAME, some_texts

CREATED = datetime(2026, 3, 2, 9, tzinfo=UTC)
DECLARATION = """
type: aios_assets.automation.AutomationComponent
attributes:
  name: triage
  start_date: 2026-03-01
  sources:
    desk: {connector: file, provides: tickets, path: tickets.csv}
    crm: {connector: file, provides: customers, path: customers.csv}
  queues: [{name: billing}, {name: outage, never_automate: true}, {name: roaming}]
  features:
    text: [subject, body]
    customer: [{name: plan, kind: categorical}, {name: tenure_months, kind: numeric}]
  checks: {max_text_chars: 5000, required: [ticket_id, created_at, text]}
  decisions: {automate: 0.85, draft: 0.6, audit_share: 0.1}
  actions: {source: desk}
"""
POLICY = """package aios.policy

import rego.v1

default decision := {"verdict": "automate", "rule": "default"}

decision := {"verdict": "draft", "rule": "premium"} if input.customer.plan == "premium"
"""


def declare(folder: Path, text: str = DECLARATION) -> Path:
    own = folder / "automations" / "triage"
    own.mkdir(parents=True, exist_ok=True)
    (own / "policy.rego").write_text(POLICY)
    (own / "defs.yaml").write_text(text)
    return own.parent


def tickets(count: int) -> list[Ticket]:
    """Some name their customer, some their requester, some neither."""
    return [
        Ticket(
            source="desk", ticket_id=f"T{i}", version=f"v{i % 3}", correlation_id=f"c-{i}", created_at=CREATED + i * MINUTE,
            event_time=CREATED + i * MINUTE, known_at=CREATED + i * MINUTE + timedelta(seconds=40),
            subject=text.split()[0] if i % 4 else "", body=text, priority=["high", None][i % 2], channel="email",
            language=["en", None, "es"][i % 3], requester_id=f"U{i % 5}" if i % 3 == 1 else None,
            customer_id=f"C{i % 4}" if i % 3 == 0 else None, tags=("new",),
        )
        for i, text in enumerate(some_texts(count))
    ]  # fmt: skip


MINUTE = timedelta(minutes=1)


def world() -> list[Any]:
    """Users who belong to customers, and customers whose facts change while tickets come."""
    users = [
        Contact(source="desk", contact_id=f"U{i}", version="1", customer_id=f"C{i % 4}" if i else None,
                event_time=CREATED, known_at=CREATED + timedelta(minutes=10 * i))
        for i in range(5)
    ]  # fmt: skip
    customers = [
        Customer(source="crm", customer_id=f"C{i}", version=str(v), correlation_id=f"k{i}", event_time=at, known_at=at,
                 attributes={"plan": ["basic", "premium", None][(i + v) % 3], "tenure_months": 5.25 * i + v})
        for i in range(4)
        for v, at in enumerate((CREATED - timedelta(days=9), CREATED + timedelta(minutes=20)))
    ]  # fmt: skip
    return [*users, *customers]


def put(database: Database, entities: list[Any]) -> None:
    """Into the canonical tables, as landed records' entities are."""
    with database.connection() as connection:
        for entity in entities:
            name = getattr(entity, "ticket_id", None) or getattr(entity, "contact_id", None) or entity.customer_id
            lock_stream(connection, "triage", entity.source, "tests")
            record = Landed(0, name, entity.version, "{}", "c", CREATED)
            landed = land_one(connection, automation="triage", source=entity.source, object="tests", record=record)
            write_entities(connection, "triage", [(landed, entity)])


def decided_in_batch(database: Database, registry: Registry, declared: Declared, day: date) -> dict[str, Decision]:
    """What the assets `features`, `scores` and `decisions` make of a day."""
    automation, store = declared.automation, CanonicalStore(database)
    found = store.tickets_for_days(automation="triage", start=day, end=day + timedelta(days=1), include_resolved=False)
    contacts, customers = store.contacts(automation="triage"), store.customers(automation="triage")
    features = build_features(found, contacts=contacts, customers=customers, features=automation.features)
    version = registry.current(name=NAME)
    model = registry.load(name=NAME, version=version, accelerator="cpu") if version else None
    scores = None
    if model is not None:
        scored = score_stream(features.to_batches(), model=model, batch_size=automation.model.batch_size)
        scores = pa.Table.from_batches(scored)
        scores = scores.append_column("terms", model.terms(features, scores, count=TERMS))
    policy = RegoPolicy(declared.policy_text)
    rules = rules_for(
        automation, policy_revision=policy.revision, model_version=version or 0,
        manifest=registry.manifest(name=NAME, version=version) if version else None, modes=ModeStore(database).current("triage"),
    )  # fmt: skip
    return {d.ticket_id: d for d in decide(features, scores, rules=rules, policy=policy.ask)}


def sent(ticket: Ticket) -> dict[str, Any]:
    """A canonical ticket as a caller sends it."""
    names = ("source", "ticket_id", "version", "correlation_id", "subject", "body", "status", "priority", "channel",
             "language", "queue", "requester_id", "customer_id")  # fmt: skip
    times = {name: getattr(ticket, name).isoformat() for name in ("created_at", "event_time", "known_at")}
    return {name: getattr(ticket, name) for name in names} | times | {"tags": list(ticket.tags)}
