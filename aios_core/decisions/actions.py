"""What a decision or a reviewer's verdict does to the helpdesk, as rows for the outbox.

What belongs here: which write follows from what, with its idempotency key. What does not: sending (`resources/outbox.py`)
and a vendor's fields (`resources/connectors/`).
"""

from dataclasses import dataclass, field
from typing import Any, Literal

from aios_core.automation import Automation
from aios_core.decisions.conflicts import Seen
from aios_core.decisions.model import Decision
from aios_core.drafting.model import Draft, Source

Kind = Literal["assign", "draft", "note", "reply"]


@dataclass(frozen=True, slots=True, kw_only=True)
class OutboxAction:
    """One write to an external system.

    `assign` moves the ticket to `payload["queue"]`; the others leave it where it is. Each adds `tags` and, where
    `comment` is not empty, one private comment; `reply` also sends `payload["reply"]` to the customer. `payload` has: queue, tags, comment,
    decision_id, confidence, correlation_id; an `assign` also `priority` and `assignee` where they are declared for its queue; a `draft` with a
    reply, and a `reply`, also `reply`, `language` and `citations` (number, source, article_id, version, title, url); all have `link`, the
    decision's address, where one is added at sending. `seen` is the ticket as it was decided on: one that differs by now is a conflict.
    Sending the same `idempotency_key` again must have no second effect.
    """

    target: str
    kind: Kind
    external_id: str
    payload: dict[str, Any] = field(default_factory=dict)
    idempotency_key: str
    decision_id: str | None = None
    case_id: str | None = None
    seen: Seen | None = None

    @property
    def moves_to(self) -> str | None:
        """The queue that the ticket is moved to; None: it stays where it is."""
        return self.payload.get("queue") if self.kind == "assign" else None


def actions_for(decision: Decision, automation: Automation) -> list[OutboxAction]:
    """The writes that follow from a decision: none for `review`, which waits for a person's verdict.

    Where drafts are declared, the `draft` action follows from a verified draft instead: `action_for_draft`.
    """
    declared = automation.actions
    if declared.source is None or decision.source != declared.source:
        return []
    if decision.verdict in ("automate", "fallback"):
        kind: Kind = "assign" if declared.assign else "note"
        return [_action(decision, automation, kind, f"AIOS chose {decision.queue}: {decision.reason}.")]
    if decision.verdict == "draft" and declared.note_on_draft and automation.drafts is None:
        return [_action(decision, automation, "draft", f"AIOS suggests {decision.queue}: {decision.reason}.")]
    return []


def action_for_draft(
    *,
    automation: Automation,
    decision_id: str,
    source: str,
    ticket_id: str,
    correlation_id: str,
    queue: str | None,
    confidence: float | None,
    reason: str,
    draft: Draft,
    public: bool = False,
) -> list[OutboxAction]:
    """The write that follows from a verified draft: its reply as a private comment, or to the customer (`public`), with what it cites."""
    declared = automation.actions
    if declared.source is None or source != declared.source or not declared.note_on_draft or not draft.sentences:
        return []
    said = f"AIOS suggests {queue}: {reason}." if queue else f"AIOS drafted a reply: {reason}."
    citations = [_citation(cited) for cited in draft.sources]
    draft_of = "Draft of a reply, every sentence checked against its sources. Read it before you send it:"
    sent = "The reply was sent to the customer, every sentence checked against its sources."
    parts = [said, sent] if public else [said, draft_of, draft.text]
    if citations:
        parts.append("Sources:\n" + "\n".join(map(_cited_line, citations)))
    payload = _payload(queue, automation, "\n\n".join(parts), decision_id, confidence, correlation_id)
    return [
        OutboxAction(
            target=source,
            kind="reply" if public else "draft",
            external_id=ticket_id,
            payload=payload | {"reply": draft.text, "language": draft.language, "citations": citations},
            idempotency_key=f"{decision_id}:draft",
            decision_id=decision_id,
        )
    ]


def action_for_verdict(
    *,
    automation: Automation,
    case_id: str,
    decision_id: str,
    source: str,
    ticket_id: str,
    correlation_id: str,
    queue: str,
    actor: str,
    comment: str | None = None,
) -> list[OutboxAction]:
    """The write that follows from a reviewer's verdict: the ticket goes to the queue a person chose."""
    declared = automation.actions
    if declared.source is None or source != declared.source:
        return []
    text = f"{actor} chose {queue} in review" + (f": {comment}" if comment else ".")
    return [
        OutboxAction(
            target=source,
            kind="assign" if declared.assign else "note",
            external_id=ticket_id,
            payload=_payload(queue, automation, text, decision_id, None, correlation_id) | _set(queue, automation),
            idempotency_key=f"{case_id}:verdict",
            decision_id=decision_id,
            case_id=case_id,
        )
    ]


def _action(decision: Decision, automation: Automation, kind: Kind, text: str) -> OutboxAction:
    payload = _payload(
        decision.queue, automation, text, decision.decision_id, decision.confidence, decision.correlation_id
    )
    return OutboxAction(
        target=decision.source,
        kind=kind,
        external_id=decision.ticket_id,
        payload=payload | (_set(decision.queue, automation) if kind == "assign" else {}),
        idempotency_key=f"{decision.decision_id}:{kind}",
        decision_id=decision.decision_id,
    )


def _citation(source: Source) -> dict[str, Any]:
    return {
        "number": source.number,
        "source": source.key.source,
        "article_id": source.key.article_id,
        "version": source.version,
        "title": source.headings[0] if source.headings else "",
        "url": source.url,
    }


def _cited_line(citation: dict[str, Any]) -> str:
    where = citation["url"] or f"{citation['source']}/{citation['article_id']}"
    return f"[{citation['number']}] {citation['title']} ({where})"


def _payload(
    queue: str | None,
    automation: Automation,
    comment: str,
    decision_id: str,
    confidence: float | None,
    correlation_id: str,
) -> dict[str, Any]:
    return {
        "queue": queue,
        "tags": list(automation.actions.tags),
        "comment": comment,
        "decision_id": decision_id,
        "confidence": confidence,
        "correlation_id": correlation_id,
    }


def _set(queue: str | None, automation: Automation) -> dict[str, Any]:
    """What else is declared to be set on tickets of this queue, where they are assigned."""
    declared = automation.actions
    if queue is None or not declared.assign:
        return {}
    wanted = {"priority": declared.priorities.get(queue), "assignee": declared.people.get(queue)}
    return {name: value for name, value in wanted.items() if value is not None}
