"""The whole of a run, written down so that it can be read, attested and played again.

What belongs here: what a transcript holds, its canonical JSON and its hash. What does not: making one (`resources/agents/running.py`),
playing it again (`resources/agents/replaying.py`) and where it is kept (`resources/agents/store.py`).

All texts are as the model saw them: with placeholders for what names a person. What they stand for is kept beside the transcript, never in
it. No clock is read: the same run gives the same bytes.
"""

import hashlib
import json
from collections.abc import Mapping
from dataclasses import asdict, dataclass
from typing import Any, Final, Literal

from aios_core.agents.budget import Limits, Spent
from aios_core.agents.proposal import Proposal, proposal_from, proposal_record
from aios_core.decisions.record import canonical
from aios_core.drafting.model import Source
from aios_core.drafting.record import source_of, source_record
from aios_core.errors import PermanentError

FORMAT: Final = "aios.agent/1"
PROPOSED: Final = "proposed"

PartKind = Literal["text", "thinking", "call"]


class TranscriptError(PermanentError):
    """A transcript can't be read; the message says why."""

    code = "agent.transcript"


@dataclass(frozen=True, slots=True, kw_only=True)
class Part:
    """One part of an answer. Of a `call`, `text` is its arguments as the model wrote them, JSON or not."""

    kind: PartKind
    text: str = ""
    tool: str = ""
    id: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class Answer:
    """One answer of the model. With `error` it was none: the code says what happened instead, `message` tells people."""

    parts: tuple[Part, ...] = ()
    tokens_in: int = 0
    tokens_out: int = 0
    cost: float = 0.0
    seconds: float = 0.0
    error: str | None = None
    message: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class ToolUse:
    """One call of a declared tool with valid arguments.

    `classes` say whose customer or ticket the arguments mean, `rule` is the policy's word. Not `allowed`: it did not reach the world, and
    `result` is the refusal that the model was told. `error` is the code of what went wrong in the world.
    """

    id: str
    tool: str
    arguments: Mapping[str, Any]
    classes: Mapping[str, str]
    allowed: bool
    rule: str
    result: str
    error: str | None = None
    sources: tuple[Source, ...] = ()
    seconds: float = 0.0


Event = Answer | ToolUse


@dataclass(frozen=True, slots=True, kw_only=True)
class Terms:
    """What the run was bound by. `facts` are those that its policy was told of the decision."""

    limits: Limits
    tool_seconds: float
    tools: tuple[str, ...]
    queues: tuple[str, ...]
    verdict: str
    queue: str | None
    facts: Mapping[str, Any]
    model: str
    parameters: Mapping[str, Any]
    policy_revision: str
    declaration: str
    library: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Subject:
    """The decision that the run was about."""

    decision_id: str
    automation: str
    source: str
    ticket_id: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Ending:
    """How the run ended: `proposed`, or the code of what ended it."""

    code: str
    message: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class Transcript:
    """One run. `sources` are the passages that it was given at the start, `spent` all that it cost."""

    subject: Subject
    terms: Terms
    instructions: str
    prompt: str
    sources: tuple[Source, ...]
    events: tuple[Event, ...]
    spent: Spent
    ending: Ending
    proposal: Proposal | None = None

    @property
    def all_sources(self) -> tuple[Source, ...]:
        """Every passage that the model was shown, by number."""
        found = [source for event in self.events if isinstance(event, ToolUse) for source in event.sources]
        return (*self.sources, *found)


def transcript_bytes(transcript: Transcript) -> bytes:
    """Canonical JSON. Raises DecisionError for what JSON can't hold."""
    return canonical(
        {
            "format": FORMAT,
            "subject": asdict(transcript.subject),
            "terms": asdict(transcript.terms),
            "instructions": transcript.instructions,
            "prompt": transcript.prompt,
            "sources": [source_record(source) for source in transcript.sources],
            "events": [_event_record(event) for event in transcript.events],
            "spent": asdict(transcript.spent),
            "ending": asdict(transcript.ending),
            "proposal": None if transcript.proposal is None else proposal_record(transcript.proposal),
        }
    )


def content_hash(content: bytes) -> str:
    """SHA-256 of a transcript's bytes, in hexadecimal."""
    return hashlib.sha256(content).hexdigest()


def transcript_of(content: bytes) -> Transcript:
    """What `transcript_bytes` wrote. Raises TranscriptError where it is no transcript of this format."""
    try:
        record = json.loads(content)
        if record["format"] != FORMAT:
            raise TranscriptError(f"the transcript has format {record['format']!r}; this version reads {FORMAT!r}")
        return Transcript(
            subject=Subject(**record["subject"]),
            terms=_terms_of(record["terms"]),
            instructions=record["instructions"],
            prompt=record["prompt"],
            sources=tuple(source_of(one) for one in record["sources"]),
            events=tuple(_event_of(one) for one in record["events"]),
            spent=Spent(**record["spent"]),
            ending=Ending(**record["ending"]),
            proposal=None if record["proposal"] is None else proposal_from(record["proposal"]),
        )
    except (ValueError, KeyError, TypeError, AttributeError) as error:
        raise TranscriptError(f"this is no transcript: {error!r}; it was damaged after it was written") from error


def _event_record(event: Event) -> dict[str, Any]:
    if isinstance(event, ToolUse):
        own = {name: getattr(event, name) for name in ToolUse.__dataclass_fields__ if name != "sources"}
        return {
            "kind": "tool",
            **own,
            "arguments": dict(event.arguments),
            "classes": dict(event.classes),
            "sources": [source_record(source) for source in event.sources],
        }
    return {"kind": "answer", **asdict(event)}


def _event_of(record: Mapping[str, Any]) -> Event:
    own = {name: value for name, value in record.items() if name != "kind"}
    if record["kind"] == "tool":
        return ToolUse(**(own | {"sources": tuple(source_of(one) for one in own["sources"])}))
    return Answer(**(own | {"parts": tuple(Part(**one) for one in own["parts"])}))


def _terms_of(record: Mapping[str, Any]) -> Terms:
    own = {"limits": Limits(**record["limits"]), "tools": tuple(record["tools"]), "queues": tuple(record["queues"])}
    return Terms(**(dict(record) | own))
