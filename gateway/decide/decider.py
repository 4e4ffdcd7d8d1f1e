"""From one ticket to one decision: the batch path's own steps, for a single row.

What belongs here: the order of the steps and the transaction around them. What does not: any step. Features, scores, rules,
policy and record are the functions that the assets call, so a ticket gets the same record here as there, to the byte.
"""

import hashlib
from collections.abc import Callable
from dataclasses import dataclass
from datetime import datetime
from time import perf_counter
from typing import Any

import orjson
import pyarrow as pa
from psycopg import Connection, errors, sql

from aios_core.automation import Automation
from aios_core.canonical.entities import Ticket
from aios_core.decisions.decide import decide
from aios_core.decisions.model import NO_MODEL, Decision, Rules, rules_for
from aios_core.decisions.record import decode_number, parse
from aios_core.features.build import build_features
from aios_core.lifecycle.routing import version_for
from aios_core.lifecycle.states import CANARY, CHAMPION
from aios_core.scoring.model import ScoringModel
from aios_core.scoring.schema import TERMS
from gateway.decide.declared import Declarations, Known
from gateway.decide.model import CustomerIn, DecideIn, canonical_ticket
from gateway.inference.hall import Hall
from gateway.refusals import Refused
from resources import online
from resources.canonical_reads import CONTACTS, CUSTOMERS, TICKETS
from resources.database import Database
from resources.idempotency import KeptAnswer, claim, keep


@dataclass(frozen=True, slots=True, kw_only=True)
class Asked:
    """A request to decide. `deadline` is `perf_counter`'s; `caller` is the key's name; `correlation` what the caller brought."""

    automation: str
    given: DecideIn
    caller: str
    deadline: float
    correlation: str | None = None
    idempotency_key: str | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Decided:
    """The answer's body, and what its head says."""

    body: bytes
    model_name: str
    model_version: int
    correlation_id: str
    decision_id: str
    replayed: bool = False


class Decider:
    """Decides single tickets. Its database is its own, so that the console's connections are never all taken."""

    def __init__(
        self, database: Database, *, hall: Hall, declarations: Declarations, clock: Callable[[], datetime]
    ) -> None:
        self._database = database
        self._hall = hall
        self._declarations = declarations
        self._clock = clock

    def decide(self, asked: Asked) -> Decided:
        """Decide, and record where that is asked for: all of it or nothing. Raises AiosError."""
        _require_time(asked.deadline)
        known = self._declarations.get(asked.automation)
        now = self._clock()
        ticket = canonical_ticket(asked.given, known.declared.automation, correlation=asked.correlation, now=now)
        try:
            with self._database.connection() as connection:
                _limit(connection, asked.deadline)
                return self._in_transaction(connection, asked, known, ticket, now)
        except errors.QueryCanceled as error:
            raise late() from error

    def _in_transaction(
        self, connection: Connection[Any], asked: Asked, known: Known, ticket: Ticket, now: datetime
    ) -> Decided:
        key, scope, hashed = asked.idempotency_key, f"{asked.caller}:{asked.automation}", _hash(asked)
        if key is not None:
            kept = claim(connection, scope=scope, key=key, request_hash=hashed, now=now)
            if kept is not None:
                return _decided(kept.body, replayed=True)
        body = self._answer(connection, asked, known, ticket, now)
        if key is not None:
            keep(connection, scope=scope, key=key, request_hash=hashed, answer=KeptAnswer(200, body), now=now)
        return _decided(body)

    def _answer(self, connection: Connection[Any], asked: Asked, known: Known, ticket: Ticket, now: datetime) -> bytes:
        automation = known.declared.automation
        if asked.given.record and (before := online.standing(connection, automation.name, ticket)) is not None:
            return answer(before.record, recorded=True, existing=True)
        features = features_of(connection, ticket, asked.given.customer, automation)
        _require_time(asked.deadline)
        model = self._model(automation, ticket.ticket_id)
        scores = scores_of(features, model)
        decision = self._decision(connection, known, features, scores, model)
        _require_time(asked.deadline)
        if not asked.given.record:
            return answer(decision.record, recorded=False, existing=False)
        payload = asked.given.ticket.model_dump(mode="json")
        online.record(
            connection,
            decision,
            ticket,
            payload=payload,
            automation=automation,
            policy_text=known.declared.policy_text,
            now=now,
        )
        stored = online.by_id(connection, decision.decision_id)
        assert stored is not None  # written a line above
        return answer(stored.record, recorded=True, existing=stored.record != decision.record)

    def _decision(
        self,
        connection: Connection[Any],
        known: Known,
        features: pa.Table,
        scores: pa.Table | None,
        model: ScoringModel | None,
    ) -> Decision:
        automation = known.declared.automation
        rules: Rules = rules_for(
            automation,
            policy_revision=known.policy.revision,
            model_version=NO_MODEL if model is None else model.version,
            manifest=None if model is None else model.manifest,
            modes=online.modes_of(connection, automation.name),
        )
        return decide(features, scores, rules=rules, policy=known.policy.ask)[0]

    def _model(self, automation: Automation, ticket_id: str) -> ScoringModel | None:
        """The version that decides this ticket; None where there is no champion, as in the batch path."""
        if not self._hall.ready:
            raise Refused(503, "gateway.starting", "the models are being loaded; try again", retry_after=1)
        serving = self._hall.serving.get(automation.model_name)
        if serving is None or CHAMPION not in serving.state.aliases:
            return None
        if serving.champion is None:
            self._hall.find(automation.model_name, None)  # says why it is not ready
        version = version_for(
            ticket_id,
            automation=automation.name,
            champion=serving.champion.version if serving.champion else None,
            canary=serving.state.aliases.get(CANARY),
            share=automation.lifecycle.canary_share,
        )
        loaded = None if version is None else serving.loaded.get(version)
        if loaded is None:
            raise Refused(
                503, "model.not_ready", f"model {automation.model_name} version {version} is not ready", retry_after=1
            )
        return loaded.model


def features_of(
    connection: Connection[Any], ticket: Ticket, customer: CustomerIn | None, automation: Automation
) -> pa.Table:
    """The one-row feature table, from the facts given or from those that were known when the ticket was created."""
    contacts, customers = CONTACTS.empty_table(), CUSTOMERS.empty_table()
    if customer is None:
        contacts, customers = online.facts_of(
            connection,
            automation=automation.name,
            source=ticket.source,
            requester_id=ticket.requester_id,
            customer_id=ticket.customer_id,
        )
    else:
        row = {
            "source": ticket.source,
            "customer_id": customer.customer_id,
            "version": "given",
            "correlation_id": ticket.correlation_id,
            "event_time": ticket.created_at,
            "known_at": ticket.created_at,
            "attributes": orjson.dumps(customer.attributes).decode(),
        }
        customers = pa.Table.from_pylist([row], schema=CUSTOMERS)
    return build_features(_table(ticket), contacts=contacts, customers=customers, features=automation.features)


def scores_of(features: pa.Table, model: ScoringModel | None) -> pa.Table | None:
    """As the assets `scores` and `decisions` make them."""
    if model is None:
        return None
    return pa.Table.from_batches([model.score_batch(features, explain=TERMS)])


def answer(record: bytes, *, recorded: bool, existing: bool) -> bytes:
    """The body of an answer: the decision in short, and its record as it is, to the byte."""
    content = parse(record)
    likeliest = sorted(
        zip(content["classes"], map(decode_number, content["probabilities"]), strict=False),
        key=lambda pair: (-(pair[1] or 0.0), pair[0]),
    )
    plain = ("decision_id", "automation", "source", "ticket_id", "ticket_version", "correlation_id", "verdict", "queue",
             "confidence", "rule", "reason", "audit", "policy_revision", "declaration")  # fmt: skip
    return orjson.dumps(
        {
            **{name: content[name] for name in plain},
            "model": {"name": content["model_name"], "version": content["model_version"]},
            "probabilities": [{"queue": queue, "probability": p} for queue, p in likeliest],
            "terms": [{"term": term, "weight": decode_number(weight)} for term, weight in content["terms"]],
            "recorded": recorded,
            "existing": existing,
            "record": orjson.Fragment(record),
        }
    )


def late() -> Refused:
    """The time given is up; nothing was recorded."""
    return Refused(504, "request.deadline", "the time given for this request was up; nothing was recorded")


def _require_time(deadline: float) -> None:
    if perf_counter() >= deadline:
        raise late()


def _limit(connection: Connection[Any], deadline: float) -> None:
    """No statement may run past the deadline: the server ends it, and the transaction with it."""
    left = max(1, int((deadline - perf_counter()) * 1000))
    connection.execute(sql.SQL("set local statement_timeout = {}").format(sql.Literal(left)))


def _hash(asked: Asked) -> str:
    text = orjson.dumps(asked.given.model_dump(mode="json"), option=orjson.OPT_SORT_KEYS)
    return hashlib.sha256(text).hexdigest()


def _decided(body: bytes, *, replayed: bool = False) -> Decided:
    said = orjson.loads(body)
    return Decided(
        body=body,
        model_name=said["model"]["name"],
        model_version=said["model"]["version"],
        correlation_id=said["correlation_id"],
        decision_id=said["decision_id"],
        replayed=replayed,
    )


_OWN = frozenset(Ticket.__struct_fields__) - {"custom", "tags"}


def _table(ticket: Ticket) -> pa.Table:
    row = {name: getattr(ticket, name) for name in _OWN} | {"tags": list(ticket.tags)}
    schema = pa.schema([field for field in TICKETS if field.name in row])
    return pa.Table.from_pylist([row], schema=schema)
