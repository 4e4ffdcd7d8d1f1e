"""What a decision is, and the rules it is made under.

What belongs here: the dataclasses and the identity of a decision. What does not: how one is made (`decide.py`), written
down (`record.py`) or acted on (`actions.py`).
"""

import hashlib
from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import date, datetime
from typing import Any, Literal

from aios_core.automation import Automation, Costs, Queue
from aios_core.decisions.thresholds import Thresholds, resolve
from aios_core.errors import PermanentError

Verdict = Literal["automate", "draft", "review", "fallback"]
VERDICTS: tuple[Verdict, ...] = ("automate", "draft", "review", "fallback")
Band = Literal["high", "middle", "low", "none"]

NO_MODEL = 0  # the model version of a decision made without one
EVERY_QUEUE = "*"
REVIEW_ONLY = "review_only"
UNKNOWN_QUEUE = "unknown"  # the queue of a review case without a predicted one


class DecisionError(PermanentError):
    """Features, scores or a decision record can't be read; the message names the column, ticket or decision."""

    code = "decision.invalid"


class UnknownDecision(PermanentError):
    """There is no decision with this id."""

    code = "decision.unknown"


@dataclass(frozen=True, slots=True, kw_only=True)
class Decision:
    """One ticket's content under one model version and one policy revision.

    `queue` is the predicted one, the declared fallback, or None where there is no usable score. `rule` is a stable word for
    what decided; `reason` says it in a sentence. `record` is the canonical JSON that a replay reproduces byte for byte.
    `priority` orders review cases (`aios_core/review/ordering.py`). `audit` marks the random slice that people always see.
    """

    decision_id: str
    automation: str
    source: str
    ticket_id: str
    ticket_version: str
    correlation_id: str
    day: date
    known_at: datetime
    model_name: str
    model_version: int
    policy_revision: str
    declaration: str
    verdict: Verdict
    queue: str | None
    confidence: float | None
    rule: str
    reason: str
    priority: float
    audit: bool
    record: bytes


@dataclass(frozen=True, slots=True, kw_only=True)
class Rules:
    """All that a verdict depends on besides the ticket, its score and the policy. Build it with `rules_for`."""

    automation: str
    declaration: str
    model_name: str
    model_version: int
    classes: tuple[str, ...]
    policy_revision: str
    thresholds: Thresholds
    costs: Costs
    queues: Mapping[str, Queue] = field(default_factory=dict)
    modes: Mapping[str, str] = field(default_factory=dict)
    audit_share: float = 0.0
    fallback_queue: str | None = None

    def wrong_cost(self, queue: str | None) -> float:
        """The cost of automating a ticket wrongly into this queue."""
        declared = self.queues.get(queue) if queue is not None else None
        return self.costs.wrong_automation if declared is None or declared.wrong_cost is None else declared.wrong_cost

    def review_only(self, queue: str | None) -> str | None:
        """The mode's key that holds this queue to review: its name, `*`, or None where nothing does."""
        for key in (EVERY_QUEUE, queue):
            if key is not None and self.modes.get(key) == REVIEW_ONLY:
                return key
        return None


def rules_for(
    automation: Automation,
    *,
    policy_revision: str,
    model_name: str | None = None,
    model_version: int = NO_MODEL,
    manifest: Mapping[str, Any] | None = None,
    modes: Mapping[str, str] | None = None,
) -> Rules:
    """The rules of an automation under one model version; without a version, those that apply when there is none.

    `manifest` is the version's: `classes` and `operating_curve` are read from it.
    """
    known = manifest or {}
    return Rules(
        automation=automation.name,
        declaration=automation.version,
        model_name=model_name or automation.model_name,
        model_version=model_version,
        classes=tuple(known.get("classes", ())),
        policy_revision=policy_revision,
        thresholds=resolve(automation.decisions, known.get("operating_curve")),
        costs=automation.decisions.costs,
        queues={q.name: q for q in automation.queues},
        modes=dict(modes or {}),
        audit_share=automation.decisions.audit_share,
        fallback_queue=automation.decisions.fallback_queue,
    )


def decision_id(
    *,
    automation: str,
    source: str,
    ticket_id: str,
    ticket_version: str,
    model_name: str,
    model_version: int,
    policy_revision: str,
) -> str:
    """24 hex digits (96 bits) of the unique key: the same decision has the same id wherever and whenever it is made."""
    key = (automation, source, ticket_id, ticket_version, model_name, str(model_version), policy_revision)
    # lengths in front: ("a", "bc") and ("ab", "c") must differ
    text = "".join(f"{len(part)}:{part}" for part in key)
    return hashlib.sha256(text.encode("utf-8", "surrogatepass")).hexdigest()[:24]


def in_audit_slice(automation: str, ticket_id: str, share: float) -> bool:
    """Whether a ticket belongs to the random slice: the same answer for ever, and independent of any score."""
    digest = hashlib.sha256(f"{automation}\x1f{ticket_id}".encode("utf-8", "surrogatepass")).digest()
    return int.from_bytes(digest[:8]) < share * 2**64
