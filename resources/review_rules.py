"""What the declaration behind a case asks of its verdict: the queues to choose from, the form, how many opinions.

What belongs here: reading those from the declaration that the case's decision was made under. What does not: the rules themselves
(`aios_core/review`).

A declaration's version is the hash of its content: what was read of one stays true, and is read once a process.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from psycopg import Connection

from aios_core.automation import Automation, Costs, Review
from aios_core.review.contradictions import text_hash
from aios_core.review.form import Form, form_of
from aios_core.review.second import opinions_needed
from aios_core.review.states import UnknownQueue
from resources.database import rows
from resources.review_cases import Case

KEPT = 256
_known: dict[str, "Rules"] = {}


@dataclass(frozen=True, slots=True, kw_only=True)
class Rules:
    """Of one declaration. `queues` is empty where they are learnt from the data."""

    review: Review
    queues: tuple[str, ...]
    costs: Mapping[str, float]
    form: Form


@dataclass(frozen=True, slots=True, kw_only=True)
class Asked:
    """One case's rules, with what of its decision and ticket they look at."""

    rules: Rules
    confidence: float | None
    text_hash: str | None

    def opinions_needed(self, case: Case, *, chosen: str) -> int:
        """How many people this case needs, now that somebody chose a queue."""
        predicted = case.standing.queue
        return opinions_needed(
            quorum=self.rules.review.quorum,
            rule=self.rules.review.second_opinion,
            case_id=case.case_id,
            queues=(predicted, chosen),
            costs=self.rules.costs,
            confidence=self.confidence,
        )


def rules_of(automation: Automation) -> Rules:
    """The rules of a declaration at hand."""
    default = automation.decisions.costs.wrong_automation
    return Rules(
        review=automation.review,
        queues=automation.queue_names,
        costs={q.name: default if q.wrong_cost is None else q.wrong_cost for q in automation.queues},
        form=form_of(automation.review.form),
    )


def asked_of(conn: Connection[Any], case: Case) -> Asked:
    """What is asked of a verdict on this case."""
    (found,) = rows(conn, _DECISION, (case.decision_id,))
    text = text_hash(found["subject"], found["body"] or "") if found["subject"] is not None else None
    return Asked(rules=_rules(conn, found["declaration"]), confidence=found["confidence"], text_hash=text)


def choices(conn: Connection[Any], case: Case) -> list[str]:
    """The queues a verdict may name: declared ones, else the model's classes, else those seen."""
    ((declaration,),) = conn.execute(
        "select declaration from decisions where decision_id = %s", (case.decision_id,)
    ).fetchall()
    if declared := _rules(conn, declaration).queues:
        return list(declared)
    classes = conn.execute(
        "select m.classes from decisions d join model_versions m on m.name = d.model_name and m.version = d.model_version"
        " where d.decision_id = %s",
        (case.decision_id,),
    ).fetchone()
    if classes:
        return list(classes[0])
    seen = conn.execute(
        "select distinct queue from outcomes where automation = %s order by 1", (case.automation,)
    ).fetchall()
    return [queue for (queue,) in seen] or [case.standing.queue]


def check_queue(conn: Connection[Any], case: Case, queue: str) -> None:
    """Raises UnknownQueue."""
    known = choices(conn, case)
    if queue not in known:
        listed = ", ".join(known[:12]) + (" …" if len(known) > 12 else "")
        raise UnknownQueue(
            f"case {case.case_id}: automation {case.automation} has no queue {queue!r}; it has: {listed}"
        )


def _rules(conn: Connection[Any], declaration: str) -> Rules:
    if declaration in _known:
        return _known[declaration]
    found = conn.execute(
        "select content -> 'review', content -> 'queues', content #> '{decisions,costs}' from declarations where version = %s",
        (declaration,),
    ).fetchone()
    review, queues, costs = found or (None, None, None)
    default = Costs.model_validate(costs or {}).wrong_automation
    declared = Review.model_validate(review or {})
    rules = Rules(
        review=declared,
        queues=tuple(q["name"] for q in queues or ()),
        costs={q["name"]: default if q.get("wrong_cost") is None else q["wrong_cost"] for q in queues or ()},
        form=form_of(declared.form),
    )
    if found:
        if len(_known) >= KEPT:
            _known.clear()
        _known[declaration] = rules
    return rules


_DECISION = """
select d.declaration, d.confidence, t.subject, t.body from decisions d
left join tickets t on t.automation = d.automation and t.source = d.source and t.ticket_id = d.ticket_id
  and t.version = d.ticket_version
where d.decision_id = %s
"""
