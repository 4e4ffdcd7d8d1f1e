"""Transcripts in Postgres: which decisions might use an agent, recording a run with what follows from it, and finding it again.

What belongs here: rows of `agent_transcripts`, and the one transaction that also records the draft or opens the case. What does not:
running (`running.py`, `cases.py`). The gateway reads through this module, so nothing here needs the extra `assistant`.
"""

import re
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, fields, replace
from datetime import datetime, timedelta
from typing import Any, Final

from psycopg import Connection
from psycopg.types.json import Jsonb

from aios_core.agents.outcome import Outcome
from aios_core.agents.proposal import Proposal, proposal_record, restored
from aios_core.agents.transcript import (
    Transcript,
    TranscriptError,
    content_hash,
    transcript_bytes,
    transcript_of,
)
from aios_core.automation import Automation
from aios_core.decisions.model import UNKNOWN_QUEUE
from aios_core.drafting.written import Written
from aios_core.errors import PermanentError
from aios_core.ledger.merkle import root
from resources import drafts
from resources.database import Database, rows
from resources.drafts import ACTOR, Wanted
from resources.ledger import append
from resources.llm_calls import storable
from resources.outbox import NEWER, take_turns

LEDGER_KIND: Final = "agent"
PAGE: Final = 500
LOOKED_AT: Final = 20_000  # newest decisions a run looks at; each was the newest once


class UnknownTranscript(PermanentError):
    """No agent has looked into this decision."""

    code = "agent.unknown"


@dataclass(frozen=True, slots=True, kw_only=True)
class Candidate:
    """A standing decision without a transcript, with its record."""

    decision_id: str
    verdict: str
    record: bytes


@dataclass(frozen=True, slots=True, kw_only=True)
class Worked:
    """One case after its run. `masked` are the placeholders and what they stand for; `written` the reply, where there is one."""

    wanted: Wanted
    transcript: Transcript
    masked: dict[str, str]
    outcome: Outcome
    written: Written | None


@dataclass(frozen=True, slots=True, kw_only=True)
class RecordedRun:
    """What recording a run brought. Not `new`: it was there already, or a newer decision stands."""

    new: bool
    outcome: str = ""
    actions: int = 0
    cases: int = 0


@dataclass(frozen=True, slots=True, kw_only=True)
class StoredTranscript:
    """A run as it stands in its row."""

    decision_id: str
    automation: str
    source: str
    ticket_id: str
    made_at: datetime
    outcome: str
    why: str
    sentence: str
    ending: str
    content: bytes
    content_hash: str
    masked: dict[str, str]
    model: str
    policy_revision: str
    declaration: str
    steps: int
    calls: int
    tokens: int
    cost: float
    seconds: float
    attested: str | None

    @property
    def transcript(self) -> Transcript:
        """The run. Raises TranscriptError where its row was damaged."""
        return transcript_of(self.content)

    @property
    def proposal(self) -> Proposal | None:
        """What it proposed, in the customer's own words."""
        proposed = self.transcript.proposal
        return None if proposed is None else restored(proposed, self.restore)

    @property
    def damage(self) -> str:
        """Why the run can't be shown; empty where it can."""
        try:
            _ = self.proposal
        except TranscriptError as error:
            return str(error)
        return ""

    @property
    def intact(self) -> bool:
        """Whether the transcript is the one that the ledger attests, and that its own row names."""
        return content_hash(self.content) == self.content_hash and root([self.content]) == self.attested

    def restore(self, text: str) -> str:
        """`text` with what its placeholders stand for."""
        return restorer(self.masked)(text)


_OWN = ", ".join(f"a.{f.name}" for f in fields(StoredTranscript) if f.name != "attested")
_STORED = f"""
select {_OWN}, (select content_hash from ledger where kind = '{LEDGER_KIND}' and subject = a.decision_id limit 1) as attested
from agent_transcripts a
"""


def transcript_of_decision(database: Database, decision_id: str) -> StoredTranscript | None:
    """The run on a decision, for whoever shows the decision."""
    return AgentStore(database).transcript_of(decision_id)


class AgentStore:
    """The runs of all automations."""

    def __init__(self, database: Database) -> None:
        self._database = database

    def transcript_of(self, decision_id: str) -> StoredTranscript | None:
        """The run on a decision; None where there was none."""
        with self._database.connection() as connection:
            found = rows(connection, f"{_STORED} where a.decision_id = %s", (decision_id,))
        return StoredTranscript(**found[0]) if found else None

    def get(self, of: str) -> StoredTranscript:
        """The run on a decision, or the newest on a ticket. Raises UnknownTranscript."""
        with self._database.connection() as connection:
            found = rows(
                connection,
                f"{_STORED} where a.decision_id = %s or a.ticket_id = %s order by a.made_at desc limit 1",
                (of, of),
            )
        if not found:
            raise UnknownTranscript(
                f"no agent has looked into a decision or ticket {of}; an automation says where one may under `agents:`, and its"
                " policy with `agent_may`"
            )
        return StoredTranscript(**found[0])

    def candidates(self, automation: Automation, *, now: datetime) -> Iterator[Candidate]:
        """Standing decisions that an agent might look into, newest first: nobody has begun them, and nothing was sent."""
        agents = automation.agents
        if agents is None:
            return
        asking: dict[str, Any] = {
            "automation": automation.name,
            "since": now - timedelta(hours=agents.within_hours),
            "verdicts": list(agents.verdicts),
            "queues": list(agents.queues),
            "before": now + timedelta(days=1),
            "before_id": "",
            "limit": PAGE,
        }
        for _ in range(LOOKED_AT // PAGE):
            with self._database.connection() as connection:
                found = rows(connection, _CANDIDATES, asking)
            for row in found:
                yield Candidate(decision_id=row["decision_id"], verdict=row["verdict"], record=bytes(row["record"]))
            if len(found) < PAGE:
                return
            asking |= {"before": found[-1]["decided_at"], "before_id": found[-1]["decision_id"]}

    def requester(self, automation: str, wanted: Wanted) -> str | None:
        """Who wrote the ticket, as its source names them."""
        with self._database.connection() as connection:
            found = rows(connection, _REQUESTER, (automation, wanted.source, wanted.ticket_id))
        return found[0]["requester_id"] if found else None

    def record(self, worked: Worked, *, automation: Automation, policy_text: str, now: datetime) -> RecordedRun:
        """The run and all that follows from it, or nothing: transcript, draft with its action, case, ledger entry."""
        decision_id = worked.wanted.decision_id
        content = transcript_bytes(worked.transcript)
        with self._database.connection() as connection:
            take_turns(connection, automation.name)
            _keep_policy(connection, worked.transcript.terms.policy_revision, policy_text, now)
            standing = rows(connection, _STANDING, (decision_id,))
            if not standing or not _insert(connection, worked, content, now):
                return RecordedRun(new=False)
            cases, in_review = _to_person(connection, worked, now), bool(standing[0]["case_id"])
            actions, verified = 0, True
            if worked.written is not None:
                wanted = replace(worked.wanted, in_review=in_review or cases > 0)
                if drafts.insert(connection, wanted, worked.written, automation.name, now):
                    followed = drafts.follow(connection, wanted, worked.written, automation=automation, now=now)
                    actions, cases = followed.actions, cases + followed.cases
                    verified = worked.written.verification.passed
            outcome = worked.outcome.kind if verified else "review"
            if outcome != worked.outcome.kind:
                connection.execute(_REFUSED, (decision_id,))
            _tell_case(connection, worked, now)
            append(
                connection, automation=automation.name, kind=LEDGER_KIND, subject=decision_id, items=[content], now=now
            )
        return RecordedRun(new=True, outcome=outcome, actions=actions, cases=cases)


def _keep_policy(connection: Connection[Any], revision: str, text: str, now: datetime) -> None:
    """What a replay asks again."""
    connection.execute(
        "insert into policies (revision, content, seen_at) values (%s, %s, %s) on conflict do nothing",
        (revision, text, now),
    )


def _insert(connection: Connection[Any], worked: Worked, content: bytes, now: datetime) -> bool:
    made, outcome = worked.transcript, worked.outcome
    masked = {name: storable(value) for name, value in worked.masked.items()}
    proposal = None if made.proposal is None else restored(made.proposal, restorer(masked))
    values = {
        "decision_id": worked.wanted.decision_id,
        "automation": made.subject.automation,
        "source": made.subject.source,
        "ticket_id": made.subject.ticket_id,
        "made_at": now,
        "outcome": outcome.kind,
        "why": outcome.why,
        "sentence": storable(outcome.sentence),
        "ending": made.ending.code,
        "proposal": None if proposal is None else Jsonb(proposal_record(proposal)),
        "content": content,
        "content_hash": content_hash(content),
        "masked": Jsonb(masked),
        "model": made.terms.model,
        "policy_revision": made.terms.policy_revision,
        "declaration": made.terms.declaration,
        "steps": made.spent.steps,
        "calls": made.spent.calls,
        "tokens": made.spent.tokens,
        "cost": made.spent.money,
        "seconds": made.spent.seconds,
    }
    names = ", ".join(values)
    places = ", ".join(f"%({name})s" for name in values)
    inserted = connection.execute(
        f"insert into agent_transcripts ({names}) values ({places}) on conflict do nothing", values
    )
    return inserted.rowcount == 1


def restorer(masked: Mapping[str, str]) -> Callable[[str], str]:
    """Puts back what placeholders stand for, in one pass: what comes back is not read again."""
    if not masked:
        return lambda text: text
    known = re.compile("|".join(map(re.escape, masked)))
    return lambda text: known.sub(lambda found: masked[found[0]], text)


def _to_person(connection: Connection[Any], worked: Worked, now: datetime) -> int:
    """Open a case where a person is to decide and none is open."""
    if worked.outcome.kind != "review":
        return 0
    return connection.execute(_OPEN_CASE, (UNKNOWN_QUEUE, now, worked.wanted.decision_id)).rowcount


def _tell_case(connection: Connection[Any], worked: Worked, now: datetime) -> None:
    """Write on the case, where there is one, what the agent came to."""
    proposal = worked.transcript.proposal
    detail = {
        "why": worked.outcome.why,
        "sentence": storable(worked.outcome.sentence),
        "queue": None if proposal is None else proposal.queue,
        "ending": worked.transcript.ending.code,
    }
    connection.execute(
        "insert into review_events (case_id, kind, actor, detail, at) select case_id, %s, %s, %s, %s from review_cases where case_id = %s",
        ("agent.proposed" if proposal is not None else "agent.ended", ACTOR, Jsonb(detail), now, worked.wanted.decision_id),
    )  # fmt: skip


_STANDING = f"""
select d.decision_id, c.case_id from decisions d left join review_cases c on c.case_id = d.decision_id
where d.decision_id = %s and not {NEWER}
"""

_REFUSED = "update agent_transcripts set outcome = 'review', why = 'draft.refused' where decision_id = %s"

_OPEN_CASE = """
insert into review_cases (case_id, automation, decision_id, source, ticket_id, correlation_id, queue, created_at)
select d.decision_id, d.automation, d.decision_id, d.source, d.ticket_id, d.correlation_id, coalesce(d.queue, %s), %s
from decisions d where d.decision_id = %s on conflict (case_id) do nothing
"""

_REQUESTER = """
select requester_id from tickets where automation = %s and source = %s and ticket_id = %s
order by event_time desc, known_at desc, landing_id desc limit 1
"""

_CANDIDATES = f"""
select d.decision_id, d.verdict, d.record, d.decided_at from decisions d
left join review_cases c on c.case_id = d.decision_id
where d.automation = %(automation)s and d.verdict in ('draft', 'review') and d.verdict = any(%(verdicts)s)
  and (%(queues)s::text[] = '{{}}' or d.queue = any(%(queues)s)) and d.decided_at >= %(since)s
  and (d.decided_at, d.decision_id) < (%(before)s, %(before_id)s)
  and not exists (select from agent_transcripts a where a.decision_id = d.decision_id)
  and case when d.verdict = 'review' then c.state = 'waiting'
      else c.case_id is null and not exists (select from drafts r where r.decision_id = d.decision_id) end
  and not {NEWER}
order by d.decided_at desc, d.decision_id desc limit %(limit)s
"""
