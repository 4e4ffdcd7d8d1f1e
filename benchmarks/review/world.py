"""Waiting cases in any number: one real decision, recorded by its store, and copies of its rows.

What belongs here: the rows. What does not: who works on them (`people.py`).
"""

from datetime import UTC, datetime, timedelta
from typing import Any

import psycopg
import pyarrow as pa
from argon2 import PasswordHasher

from aios_core.automation import Automation
from aios_core.decisions.decide import decide
from aios_core.decisions.model import rules_for
from resources.database import Database
from resources.decisions import DecisionStore
from resources.policy import revision_of

NAME = "bench"
QUEUES = ("billing", "outage", "roaming", "porting", "device")
POLICY = 'package aios.policy\n\ndecision := {"verdict": input.proposed, "rule": "default"}\n'
BATCH = 200  # cases each, the declared default
TEXT = "Hello,\n\nI was charged twice on my invoice of November. Please look at it and pay one back.\n\nMaria"


def automation() -> Automation:
    return Automation.model_validate(
        {
            "name": NAME,
            "start_date": "2026-11-01",
            "sources": {
                "helpdesk": {
                    "connector": "zendesk",
                    "url": "http://helpdesk.invalid",
                    "email": "a@b.example",
                    "token": "${T}",
                }
            },
            "queues": [{"name": queue} for queue in QUEUES],
            "decisions": {"automate": 0.9, "draft": 0.7, "audit_share": 0.0},
        }
    )


def fill(database: Database, *, cases: int, people: int, now: datetime) -> list[str]:
    """So many waiting cases in batches of 200, and so many reviewers; returns their names."""
    _first(database, now)
    with database.connection() as conn:
        conn.execute("set local synchronous_commit = off")
        for statement in _COPIES:
            conn.execute(statement, {"cases": cases, "size": BATCH, "automation": NAME, "now": now})
        hashed = PasswordHasher().hash("nobody signs in by it")
        names = [f"reviewer{n}" for n in range(people)]
        conn.cursor().executemany("insert into users values (%s, %s, 'reviewer')", [(name, hashed) for name in names])
    _settle(database.url)
    return names


def _settle(url: str) -> None:
    """A table that has stood for a while: what a million rows at once leave to Postgres is done before anybody is measured."""
    with psycopg.connect(url, autocommit=True) as conn:
        conn.execute("vacuum (analyze)")
        conn.execute("checkpoint")


def _first(database: Database, now: datetime) -> None:
    of, created = automation(), now - timedelta(hours=1)
    row: dict[str, Any] = {"source": "helpdesk", "ticket_id": "0", "ticket_version": "1", "correlation_id": "c"}
    with database.connection() as conn:
        landing = conn.execute(
            "insert into landing_records (automation, source, object, external_id, version, payload, correlation_id, run_id)"
            " values (%s, 'helpdesk', 'tickets', '0', '1', '{}', 'c', 'bench') returning landing_id",
            (NAME,),
        ).fetchone()
        assert landing is not None
        conn.execute(
            "insert into tickets (automation, source, ticket_id, version, correlation_id, event_time, known_at, created_at, subject,"
            " body, status, language, content_hash, landing_id) values (%s, 'helpdesk', '0', '1', 'c', %s, %s, %s, 'Charged twice',"
            " %s, 'new', 'en', 'h', %s)",
            (NAME, created, created, created, TEXT, landing[0]),
        )
    rules = rules_for(
        of,
        policy_revision=revision_of(POLICY),
        model_name=of.model_name,
        model_version=1,
        manifest={"classes": list(QUEUES)},
    )
    features = row | {"created_at": created.astimezone(UTC), "known_at": created.astimezone(UTC), "text": TEXT}
    score = row | {
        "model_name": of.model_name, "model_version": 1, "probabilities": [0.5, 0.3, 0.1, 0.06, 0.04], "queue": "billing",
        "confidence": 0.5, "unseen_share": 0.0, "text_length": len(TEXT), "terms": [{"term": "charged", "weight": 1.0}],
    }  # fmt: skip
    decided = decide(
        pa.Table.from_pylist([features]),
        pa.Table.from_pylist([score]),
        rules=rules,
        policy=lambda asked: [{"verdict": facts["proposed"], "rule": "default"} for facts in asked],
    )
    DecisionStore(database).record(decided, automation=of, policy_text=POLICY, now=now)


_COPIES = (
    """insert into tickets (automation, source, ticket_id, version, correlation_id, event_time, known_at, created_at, subject, body,
         status, language, content_hash, landing_id)
       select automation, source, n::text, version, 'c' || n, event_time, known_at, created_at, subject, body, status, language,
         content_hash, landing_id from tickets, generate_series(1, %(cases)s - 1) n where automation = %(automation)s""",
    """insert into decisions (decision_id, automation, source, ticket_id, ticket_version, correlation_id, day, model_name,
         model_version, policy_revision, declaration, verdict, queue, confidence, rule, reason, record, decided_at)
       select 'd' || n, automation, source, n::text, ticket_version, 'c' || n, day, model_name, model_version, policy_revision,
         declaration, verdict, queue, confidence, rule, reason, record, decided_at
       from decisions, generate_series(1, %(cases)s - 1) n where automation = %(automation)s""",
    """insert into review_batches (automation, batch, queue, day, size, created_at, due_at, waiting_since)
       select %(automation)s, 'b' || n, 'billing', %(now)s::timestamptz::date, %(size)s, %(now)s, %(now)s + n * interval '1 second', %(now)s
       from generate_series(0, (%(cases)s - 1) / %(size)s) n""",
    """insert into review_cases (case_id, automation, decision_id, source, ticket_id, correlation_id, queue, batch, priority, created_at)
       select decision_id, automation, decision_id, source, ticket_id, correlation_id, 'billing',
         'b' || (ticket_id::bigint / %(size)s), 1.0 / (1 + ticket_id::bigint), %(now)s
       from decisions where automation = %(automation)s and decision_id like 'd%%' and decision_id ~ '^d[0-9]+$'""",
)
