"""Tickets, scores and rules for the tests of decisions; no test of its own."""

from collections.abc import Mapping, Sequence
from datetime import UTC, datetime, timedelta
from typing import Any

import pyarrow as pa

from aios_core.automation import Automation, Costs, Queue
from aios_core.decisions.model import Rules
from aios_core.decisions.thresholds import Thresholds

CLASSES = ("billing", "fraud", "outage")
ARRIVED = datetime(2026, 11, 20, 9, 30, tzinfo=UTC)


def automation(**changes: Any) -> Automation:
    """An automation with three queues on one helpdesk."""
    declared: dict[str, Any] = {
        "name": "care",
        "start_date": "2026-01-01",
        "sources": {"helpdesk": {"connector": "zendesk", "url": "u", "email": "e", "token": "t"}},
        "queues": [{"name": c} for c in CLASSES],
        "decisions": {"audit_share": 0.0},
        "actions": {"source": "helpdesk"},
    }
    return Automation.model_validate(declared | changes)


def rules(**changes: Any) -> Rules:
    """Rules under which 0.9 automates and 0.6 drafts, and nothing else stands in the way."""
    queues = changes.pop("queues", [Queue(name=c) for c in CLASSES])
    values: dict[str, Any] = {
        "automation": "care",
        "declaration": "d1",
        "model_name": "care",
        "model_version": 3,
        "classes": CLASSES,
        "policy_revision": "p1",
        "thresholds": Thresholds(automate=0.9, draft=0.6),
        "costs": Costs(wrong_automation=12, wrong_draft=3, review=2),
        "queues": {q.name: q for q in queues},
    }
    return Rules(**values | changes)


def ticket(number: int = 1, **changes: Any) -> dict[str, Any]:
    """One feature row."""
    arrived = ARRIVED + timedelta(minutes=number)
    row: dict[str, Any] = {
        "source": "helpdesk",
        "ticket_id": str(number),
        "ticket_version": "v1",
        "correlation_id": f"c{number}",
        "created_at": arrived,
        "known_at": arrived,
        "text": f"my bill is wrong, case {number} 😀 שלום",
        "priority": "normal",
        "channel": "email",
        "language": "en",
        "customer_id": None,
        "crm_segment": "consumer",
        "crm_tenure_months": 12.5,
    }
    return row | changes


def features(rows: Sequence[Mapping[str, Any]]) -> pa.Table:
    """The feature table, with its types as `build_features` gives them."""
    times = pa.timestamp("us", tz="UTC")
    special = {"created_at": times, "known_at": times, "crm_tenure_months": pa.float64()}
    names = list(ticket()) if not rows else list(rows[0])
    return pa.Table.from_pylist(
        [dict(r) for r in rows], schema=pa.schema([(n, special.get(n, pa.string())) for n in names])
    )


def score(row: Mapping[str, Any], probabilities: Sequence[float], *, queue: str | None = None) -> dict[str, Any]:
    """One score row for a feature row."""
    best = max(range(len(probabilities)), key=lambda i: probabilities[i])
    return {
        **{name: row[name] for name in ("source", "ticket_id", "ticket_version", "correlation_id")},
        "model_name": "care",
        "model_version": 3,
        "probabilities": list(probabilities),
        "queue": queue or CLASSES[best],
        "confidence": max(probabilities),
        "unseen_share": 0.125,
        "text_length": len(row["text"] or ""),
        "terms": [{"term": "bill", "weight": 1.25}, {"term": "wrong", "weight": 0.5}],
    }


def scores(rows: Sequence[Mapping[str, Any]]) -> pa.Table:
    """The score table."""
    return pa.Table.from_pylist([dict(r) for r in rows])


def agree(facts: Sequence[Mapping[str, Any]]) -> list[dict[str, Any]]:
    """A policy that lets everything be as proposed."""
    return [{"verdict": f["proposed"], "rule": "as_proposed"} for f in facts]
