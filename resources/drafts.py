"""Drafts in Postgres: which decisions want one, recording one with what follows from it, and finding it again.

What belongs here: rows of `drafts`, and the one transaction that also enters the action or opens the case. What does not: writing drafts
(`drafting.py`) and what follows from which result (`aios_core/drafting/follow_up.py`).

A decision has one row an attempt; the newest counts. A new attempt is made only of new material: where an article that was cited has
changed or gone while a person still waits. Recording the same attempt twice changes nothing.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any

from psycopg import Connection
from psycopg.rows import DictRow
from psycopg.types.json import Jsonb

from aios_core.automation import Automation
from aios_core.decisions.actions import action_for_draft
from aios_core.decisions.model import UNKNOWN_QUEUE
from aios_core.drafting.follow_up import Next, next_step
from aios_core.drafting.model import Draft, Verification
from aios_core.drafting.record import draft_of, draft_record, verification_of, verification_record
from aios_core.drafting.written import Asked, Written
from aios_core.errors import PermanentError
from aios_core.privacy.known import ids_in, names_in
from resources.database import Database, rows
from resources.llm_calls import storable
from resources.outbox import NEWER, enqueue, take_turns
from resources.public_replies import may_be_public

ACTOR = "aios"


class UnknownDraft(PermanentError):
    """There is no draft for this decision or ticket."""

    code = "draft.unknown"


@dataclass(frozen=True, slots=True, kw_only=True)
class StoredDraft:
    """One attempt as it stands in its row. `answers` False: no article answers, and there is no reply."""

    decision_id: str
    attempt: int
    automation: str
    source: str
    ticket_id: str
    created_at: datetime
    language: str
    draft: Draft
    verification: Verification
    material_hash: str
    passed: bool
    answers: bool
    degraded: str | None
    tokens: int
    cost: float


@dataclass(frozen=True, slots=True, kw_only=True)
class Wanted:
    """A standing decision without a usable draft, with its ticket. `attempt` is the number that a new draft gets; `in_review`: it has a
    case that waits for a person.
    """

    decision_id: str
    source: str
    ticket_id: str
    correlation_id: str
    verdict: str
    queue: str | None
    confidence: float | None
    reason: str
    attempt: int
    in_review: bool
    decided_at: datetime
    asked: Asked


@dataclass(frozen=True, slots=True, kw_only=True)
class RecordedDraft:
    """What recording a draft brought. Not `new`: it was there already, or a newer decision stands."""

    new: bool
    actions: int = 0
    cases: int = 0


class DraftStore:
    """The drafts of all automations."""

    def __init__(self, database: Database) -> None:
        self._database = database

    def of(self, decision_id: str) -> StoredDraft | None:
        """The newest attempt for a decision."""
        with self._database.connection() as connection:
            found = rows(connection, f"{_STORED} where decision_id = %s order by attempt desc limit 1", (decision_id,))
        return _stored(found[0]) if found else None

    def attempts(self, decision_id: str) -> list[StoredDraft]:
        """Every attempt for a decision, oldest first."""
        with self._database.connection() as connection:
            return [
                _stored(r)
                for r in rows(connection, f"{_STORED} where decision_id = %s order by attempt", (decision_id,))
            ]

    def find(self, of: str, *, automation: str | None = None) -> StoredDraft:
        """The newest draft of a decision's id, or of a ticket's. Raises UnknownDraft."""
        with self._database.connection() as connection:
            found = rows(
                connection,
                f"{_STORED} where (decision_id = %s or ticket_id = %s) and (%s::text is null or automation = %s)"
                " order by created_at desc, attempt desc limit 1",
                (of, of, automation, automation),
            )
        if not found:
            raise UnknownDraft(
                f"there is no draft for a decision or ticket {of}; drafts are made for verdicts `draft` and `review` of automations"
                " that declare `drafts:`"
            )
        return _stored(found[0])

    def wanted(self, automation: Automation, *, now: datetime, limit: int) -> list[Wanted]:
        """Standing decisions that want a draft: what is to be sent first, then cases, the dearest doubts first."""
        return [_wanted(row) for row in self._asking(_WANTED, automation, now=now, limit=limit)]

    def count_wanted(self, automation: Automation, *, now: datetime) -> int:
        """How many decisions want a draft, without a bound."""
        found = self._asking(_COUNT_WANTED, automation, now=now, limit=None)
        return int(found[0]["wanted"]) if found else 0

    def _asking(self, query: str, automation: Automation, *, now: datetime, limit: int | None) -> list[DictRow]:
        drafts = automation.drafts
        if drafts is None:
            return []
        asking = {
            "automation": automation.name,
            "target": automation.actions.source if automation.actions.note_on_draft else None,
            "since": now - timedelta(days=drafts.within_days),
            "now": now,
            "limit": limit,
        }
        # said in the query, so that the planner sees that the index on this verdict will do
        verdicts = "d.verdict in ('draft', 'automate')" if drafts.on_automate else "d.verdict = 'draft'"
        with self._database.connection() as connection:
            return rows(connection, query.replace("{verdicts}", verdicts), asking)

    def asked(self, decision_ids: Sequence[str], *, now: datetime) -> list[Wanted]:
        """What would be drafted for these decisions, in their order, whether or not a draft is wanted."""
        if not decision_ids:
            return []
        asking = {"ids": list(decision_ids), "now": now}
        with self._database.connection() as connection:
            found = {row["decision_id"]: _wanted(row) for row in rows(connection, _ASKED, asking)}
        return [found[one] for one in decision_ids if one in found]

    def record(self, wanted: Wanted, written: Written, *, automation: Automation, now: datetime) -> RecordedDraft:
        """The draft, its verification and what follows: an action for the helpdesk, a case for a person, or nothing but the row."""
        with self._database.connection() as connection:
            take_turns(connection, automation.name)
            standing = rows(connection, _STANDING, (wanted.decision_id,))
            if not standing or not insert(connection, wanted, written, automation.name, now):
                return RecordedDraft(new=False)
            return follow(connection, wanted, written, automation=automation, now=now)

    def counts(self, automation: str, *, since: datetime) -> dict[str, float]:
        """Drafts made since then, how many passed and answered, by whom they were written, tokens and cost."""
        with self._database.connection() as connection:
            (row,) = rows(connection, _COUNTS, (automation, since))
        return dict(row)


def follow(
    connection: Connection[Any], wanted: Wanted, written: Written, *, automation: Automation, now: datetime
) -> RecordedDraft:
    """What follows from a draft that is recorded now, in the caller's transaction: an action, a case, or nothing."""
    passed = written.answers and written.verification.passed
    step = next_step(verdict=wanted.verdict, in_review=wanted.in_review, passed=passed)
    actions = 0
    if step == "send":
        public = may_be_public(connection, automation, decision_id=wanted.decision_id, draft=written.draft)
        actions = enqueue(connection, automation, _actions(wanted, written, automation, public=public), now=now)
    cases = _to_person(connection, wanted, written, step, now)
    return RecordedDraft(new=True, actions=actions, cases=cases)


def insert(connection: Connection[Any], wanted: Wanted, written: Written, automation: str, now: datetime) -> bool:
    """The draft's row, in the caller's transaction; False where this attempt is known."""
    draft = written.draft
    inserted = connection.execute(
        "insert into drafts (decision_id, attempt, automation, source, ticket_id, created_at, language, content, material_hash,"
        " verification, passed, answers, degraded, drafter, prompt, tokens, cost)"
        " values (%s, %s, %s, %s, %s, %s, %s, %s, %s, %s, %s, %s, %s, %s, %s, %s, %s) on conflict do nothing",
        (
            wanted.decision_id,
            wanted.attempt,
            automation,
            wanted.source,
            wanted.ticket_id,
            now,
            draft.language,
            Jsonb(_storable(draft_record(draft))),
            written.material_hash,
            Jsonb(_storable(verification_record(written.verification))),
            written.verification.passed,
            written.answers,
            None if draft.degraded is None else storable(draft.degraded),
            f"{draft.drafter.kind}:{draft.drafter.name}",
            draft.drafter.prompt,
            draft.drafter.tokens_in + draft.drafter.tokens_out,
            draft.drafter.cost,
        ),
    )
    return inserted.rowcount == 1


def _actions(wanted: Wanted, written: Written, automation: Automation, *, public: bool) -> Any:
    return action_for_draft(
        automation=automation,
        decision_id=wanted.decision_id,
        source=wanted.source,
        ticket_id=wanted.ticket_id,
        correlation_id=wanted.correlation_id,
        queue=wanted.queue,
        confidence=wanted.confidence,
        reason=wanted.reason,
        draft=written.draft,
        public=public,
    )


def _to_person(connection: Connection[Any], wanted: Wanted, written: Written, step: Next, now: datetime) -> int:
    """Open a case where one is asked for, and write on it, new or not, why the draft is not to be trusted."""
    opened = 0
    if step == "person":
        opened = connection.execute(
            "insert into review_cases (case_id, automation, decision_id, source, ticket_id, correlation_id, queue, created_at)"
            " select d.decision_id, d.automation, d.decision_id, d.source, d.ticket_id, d.correlation_id, coalesce(d.queue, %s), %s"
            " from decisions d where d.decision_id = %s on conflict (case_id) do nothing",
            (UNKNOWN_QUEUE, now, wanted.decision_id),
        ).rowcount
    refused = [{"sentence": f.sentence, "code": f.code, "message": f.message} for f in written.verification.findings]
    if not written.answers or refused:
        kind = "draft.refused" if written.answers else "draft.none"
        detail = {"attempt": wanted.attempt, "why": written.draft.degraded, "findings": refused[:20]}
        connection.execute(
            "insert into review_events (case_id, kind, actor, detail, at) select case_id, %s, %s, %s, %s from review_cases where case_id = %s",
            (kind, ACTOR, Jsonb(_storable(detail)), now, wanted.decision_id),
        )
    return opened


def _storable(value: Any) -> Any:
    """JSON that Postgres can hold."""
    if isinstance(value, str):
        return storable(value)
    if isinstance(value, dict):
        return {key: _storable(own) for key, own in value.items()}
    return [_storable(own) for own in value] if isinstance(value, list | tuple) else value


def _stored(row: DictRow) -> StoredDraft:
    kept = {name: row[name] for name in StoredDraft.__dataclass_fields__ if name not in ("draft", "verification")}
    return StoredDraft(draft=draft_of(row["content"]), verification=verification_of(row["verification"]), **kept)


def _wanted(row: DictRow) -> Wanted:
    own = {name: row[name] for name in Wanted.__dataclass_fields__ if name != "asked"}
    payloads: Sequence[Any] = [p for p in (row["person"], row["account"]) if p is not None]
    return Wanted(
        **own,
        asked=Asked(
            ticket_id=row["ticket_id"],
            subject=row["subject"],
            body=row["body"],
            language=row["language"],
            queue=row["queue"],
            customer_id=row["customer_id"],
            customer=row["attributes"] or {},
            names=tuple(name for payload in payloads for name in names_in(payload)),
            ids=tuple(i for payload in payloads for i in ids_in(payload))
            + tuple(i for i in (row["requester_id"],) if i and len(i) >= SHORTEST_ID),
        ),
    )


SHORTEST_ID = 4  # a requester called 17 would take every 17 out of the text

_STORED = """
select decision_id, attempt, automation, source, ticket_id, created_at, language, content, material_hash, verification, passed, answers,
  degraded, tokens, cost from drafts
"""

_STANDING = f"select d.decision_id from decisions d where d.decision_id = %s and not {NEWER}"

# an article that was cited is withdrawn, or has a newer version that can be found by now
_STALE = """
exists (
  select from jsonb_array_elements(r.content -> 'sources') s
  left join lateral (select version, published, valid_from, valid_until, known_at from knowledge_articles a
    where a.automation = d.automation and a.source = s ->> 'source' and a.article_id = s ->> 'article_id'
    order by change_id desc limit 1) n on true
  where n.version is null or not n.published or n.valid_from > %(now)s or n.valid_until <= %(now)s
    or (n.version <> s ->> 'version'
        and exists (select from knowledge_indexes i where i.automation = d.automation and i.built_at >= n.known_at)))
"""

_TICKETS = """
select d.decision_id, d.source, d.ticket_id, d.correlation_id, d.verdict, d.queue, d.confidence, d.reason, a.attempt, a.place = 1 as in_review, d.decided_at,
  t.subject, t.body, t.language, t.requester_id, coalesce(t.customer_id, k.customer_id) as customer_id, c.attributes,
  u.payload as person, l.payload as account
from asking a join decisions d using (decision_id)
join tickets t on t.automation = d.automation and t.source = d.source and t.ticket_id = d.ticket_id and t.version = d.ticket_version
left join lateral (select customer_id, landing_id from linked_contacts where automation = t.automation and source = t.source
  and contact_id = t.requester_id order by event_time desc limit 1) k on true
left join lateral (select attributes, landing_id from customers where automation = t.automation
  and customer_id = coalesce(t.customer_id, k.customer_id) and known_at <= %(now)s order by event_time desc limit 1) c on true
left join landing_records u on u.landing_id = k.landing_id
left join landing_records l on l.landing_id = c.landing_id
order by a.place, a.priority desc, a.decided_at, d.decision_id
"""

_ASKING = f"""
with asking as (
  -- to be sent: a verified draft is the only thing that leaves for this verdict
  select d.decision_id, 0 as place, 0.0::double precision as priority, 1 as attempt, d.decided_at from decisions d
  where d.automation = %(automation)s and {{verdicts}}
    and (d.decided_at >= %(since)s or (d.verdict = 'draft' and d.source = %(target)s))
    and not exists (select from drafts r where r.decision_id = d.decision_id)
    and not exists (select from outbox o where o.idempotency_key = d.decision_id || ':draft')
    and not exists (select from review_cases c where c.case_id = d.decision_id)
    and not {NEWER}
  union all
  -- a person waits, or will
  select d.decision_id, 1, c.priority, coalesce(r.attempt, 0) + 1, d.decided_at from review_cases c
  join decisions d on d.decision_id = c.decision_id
  left join lateral (select attempt, content from drafts r where r.decision_id = c.decision_id order by attempt desc limit 1) r on true
  where c.automation = %(automation)s and c.state <> 'decided' and (r.attempt is null or {_STALE})
  order by 2, 3 desc, 5, 1 limit %(limit)s
)
"""

_WANTED = _ASKING + _TICKETS

_COUNT_WANTED = _ASKING + "select count(*) as wanted from asking"

_ASKED = f"""
with asking as (
  select d.decision_id, (c.case_id is not null)::int as place, 0.0 as priority, d.decided_at,
    coalesce((select max(attempt) from drafts r where r.decision_id = d.decision_id), 0) + 1 as attempt
  from decisions d left join review_cases c on c.case_id = d.decision_id where d.decision_id = any(%(ids)s)
)
{_TICKETS}"""

_COUNTS = """
select count(*) as drafts, count(*) filter (where passed and answers) as passed, count(*) filter (where answers and not passed) as refused,
  count(*) filter (where not answers) as without_answer, count(*) filter (where drafter like 'model:%%') as by_model,
  coalesce(sum(tokens), 0) as tokens, coalesce(sum(cost), 0.0) as cost
from drafts where automation = %s and created_at >= %s
"""
