"""A decision as people read it: its row and its record in one view.

What belongs here: reading one decision. What does not: what is around it (`console.py`, `console_case.py`), finding it
(`decision_search.py`), and writing it (`recording.py`).
"""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import date, datetime
from typing import Any

from psycopg import Connection

from aios_core.decisions.model import UnknownDecision
from aios_core.decisions.record import decode_number, parse, recorded_thresholds
from resources.database import rows


@dataclass(frozen=True, slots=True, kw_only=True)
class Term:
    """A word or phrase and how far it pushed towards the predicted queue, -1 to 1 of the strongest one."""

    text: str
    weight: float
    share: float


@dataclass(frozen=True, slots=True, kw_only=True)
class DecisionView:
    """A decision as its record tells it."""

    decision_id: str
    automation: str
    source: str
    ticket_id: str
    ticket_version: str
    correlation_id: str
    day: date
    decided_at: datetime
    verdict: str
    queue: str | None
    confidence: float | None
    rule: str
    reason: str
    model_name: str
    model_version: int
    policy_revision: str
    declaration: str
    probabilities: tuple[tuple[str, float], ...]  # likeliest first
    terms: tuple[Term, ...]
    automate: float | None
    draft: float | None
    policy_input: dict[str, Any]
    policy_answer: dict[str, Any]
    features: dict[str, Any]
    unseen_share: float | None
    audit: bool


def read_decision(conn: Connection[Any], decision_id: str) -> DecisionView:
    """One decision. Raises UnknownDecision."""
    found = rows(conn, "select * from decisions where decision_id = %s", (decision_id,))
    if not found:
        raise UnknownDecision(f"there is no decision {decision_id}; search by ticket id to find the ones there are")
    row, record = found[0], parse(bytes(found[0]["record"]))
    pairs = [(c, decode_number(p)) for c, p in zip(record["classes"], record["probabilities"], strict=False)]
    usable = [(c, p) for c, p in pairs if p is not None and 0.0 <= p <= 1.0]
    limits = recorded_thresholds(record).of(record["predicted"])
    own = {name: row[name] for name in DecisionView.__dataclass_fields__ if name in row}
    return DecisionView(
        **own,
        probabilities=top(usable, len(usable)),
        terms=_terms(record["terms"]),
        automate=limits.automate,
        draft=limits.draft,
        policy_input=record["policy"]["input"],
        policy_answer=record["policy"]["answer"],
        features=record["ticket"]["values"],
        unseen_share=decode_number(record["unseen_share"]),
    )


def _terms(pairs: Sequence[Sequence[Any]]) -> tuple[Term, ...]:
    strongest = max((abs(w) for _, w in pairs), default=0.0) or 1.0
    return tuple(Term(text=t, weight=w, share=w / strongest) for t, w in pairs)


def top(probabilities: Sequence[tuple[str, float]], count: int) -> tuple[tuple[str, float], ...]:
    """The likeliest classes, first one first; ties keep the class order, as the model's own argmax does."""
    return tuple(sorted(probabilities, key=lambda p: -p[1])[:count])
