"""What an agent proposes: all that can come of a run besides its transcript.

What belongs here: the proposal, its canonical form, and the reply in it as sentences of a draft. What does not: what follows from it
(`outcome.py`) and whether its sentences are true (`aios_core/drafting/verification/`).
"""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any, Literal

from aios_core.agents.tools import ProposeAction
from aios_core.decisions.record import canonical
from aios_core.drafting.model import Sentence

Action = Literal["route", "reply"]


@dataclass(frozen=True, slots=True, kw_only=True)
class Line:
    """One sentence of the reply, with the numbers of the passages behind it."""

    text: str
    passages: tuple[int, ...] = ()


@dataclass(frozen=True, slots=True, kw_only=True)
class Proposal:
    """Where the ticket belongs, what to answer, and why. `actions` say what would be done; `queue` None: left where it is."""

    queue: str | None
    actions: tuple[Action, ...]
    reply: tuple[Line, ...]
    reason: str
    needs_person: bool

    @property
    def text(self) -> str:
        """The reply as one text."""
        return " ".join(line.text for line in self.reply)


def proposal_of(said: ProposeAction, *, decided: str | None) -> Proposal:
    """The model's typed answer as a proposal on a ticket that was sorted into `decided`."""
    routes: tuple[Action, ...] = ("route",) if said.queue is not None and said.queue != decided else ()
    replies: tuple[Action, ...] = ("reply",) if said.reply else ()
    return Proposal(
        queue=said.queue,
        actions=(*routes, *replies),
        reply=tuple(Line(text=line.text, passages=tuple(dict.fromkeys(line.passages))) for line in said.reply),
        reason=said.reason,
        needs_person=said.needs_person,
    )


def problem_with(said: ProposeAction, *, queues: Sequence[str], passages: Sequence[int]) -> str | None:
    """What the model has to put right before this is a proposal; None where it is one."""
    if said.queue is not None and queues and said.queue not in queues:
        return f"there is no queue called {said.queue[:80]!r}; there are: {', '.join(queues)}"
    for line in said.reply:
        for number in line.passages:
            if number not in passages:
                known = ", ".join(map(str, passages)) or "none yet"
                return f"there is no passage {number}; there are: {known}"
    return None


def restored(proposal: Proposal, restore: Callable[[str], str]) -> Proposal:
    """With what was hidden from the model back in place."""
    return replace(
        proposal,
        reply=tuple(replace(line, text=restore(line.text)) for line in proposal.reply),
        reason=restore(proposal.reason),
    )


def sentences_of(proposal: Proposal, *, paragraph: int) -> tuple[Sentence, ...]:
    """The reply as sentences of a draft. Their basis is the model: every word of them is checked."""
    return tuple(
        Sentence(text=line.text, cites=line.passages, basis="model", paragraph=paragraph) for line in proposal.reply
    )


def proposal_record(proposal: Proposal) -> dict[str, Any]:
    """The proposal as JSON values; `proposal_from` gives it back."""
    return {
        "queue": proposal.queue,
        "actions": list(proposal.actions),
        "reply": [{"text": line.text, "passages": list(line.passages)} for line in proposal.reply],
        "reason": proposal.reason,
        "needs_person": proposal.needs_person,
    }


def proposal_from(record: Mapping[str, Any]) -> Proposal:
    """What `proposal_record` wrote."""
    return Proposal(
        queue=record["queue"],
        actions=tuple(record["actions"]),
        reply=tuple(Line(text=one["text"], passages=tuple(one["passages"])) for one in record["reply"]),
        reason=record["reason"],
        needs_person=record["needs_person"],
    )


def proposal_bytes(proposal: Proposal | None) -> bytes:
    """Canonical: the same proposal is the same bytes."""
    return canonical(None if proposal is None else proposal_record(proposal))
