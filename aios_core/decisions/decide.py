"""Scores and policy become decisions.

What belongs here: one pass over a table of features, and the record of each decision. What does not: the rules
(`proposal.py`), Rego (`resources/policy.py`), scoring (`aios_core/scoring/`), storing (`resources/decisions.py`).

Whatever can't be relied on (no score, a score that is no distribution, a policy that fails or answers something else) goes
to a person. The one exception is declared by the automation itself: `fallback_queue`, for tickets without a score.
"""

from collections.abc import Callable, Mapping, Sequence
from datetime import UTC, date, datetime
from typing import Any

import pyarrow as pa

from aios_core.decisions.answers import Policy, ask
from aios_core.decisions.model import Decision, DecisionError, Rules, decision_id
from aios_core.decisions.proposal import Proposal, propose, restrict
from aios_core.decisions.record import FORMAT, FeatureRows, canonical, encode_row, feature_rows, rules_part
from aios_core.decisions.scores import KEY, Key, key_of, read_scores, score_part
from aios_core.review.ordering import priority

REQUIRED = (*KEY, "correlation_id", "created_at", "known_at")


def decide(
    features: pa.Table,
    scores: pa.Table | None,
    *,
    rules: Rules,
    policy: Policy,
    day_of: date | Callable[[datetime], date] | None = None,
    corrects: Mapping[Key, str] | None = None,
) -> list[Decision]:
    """One decision for each ticket version in `features`, in its order; a version that comes twice is decided once.

    `scores` may have other rows and another order, and None or a missing row means that there is no score. `day_of` is the
    day partition of all rows, or how to get it from a ticket's creation; by default its UTC day. `corrects` names, for a ticket, the
    decision that this one is made instead of.
    """
    known = feature_rows(features)
    _require(features)
    scored = {} if scores is None else read_scores(scores, rules)
    rows = _once(known.rows)
    proposals = [propose(row, scored.get(key_of(row)), rules) for row in rows]
    answers = ask(policy, [p.facts for p in proposals])
    return [
        _conclude(
            known, row, proposal, answer, rules, _day(day_of, row["created_at"]), (corrects or {}).get(key_of(row))
        )
        for row, proposal, answer in zip(rows, proposals, answers, strict=True)
    ]


def _conclude(
    known: FeatureRows,
    row: dict[str, Any],
    proposal: Proposal,
    answer: Mapping[str, Any],
    rules: Rules,
    day: date,
    corrected: str | None,
) -> Decision:
    final = _obey(proposal, answer)
    identity = {
        "automation": rules.automation,
        "source": row["source"],
        "ticket_id": row["ticket_id"],
        "ticket_version": row["ticket_version"],
        "model_name": rules.model_name,
        "model_version": rules.model_version,
        "policy_revision": rules.policy_revision,
    }
    name = decision_id(**identity)
    reason = "; ".join((*final.sentences, *([f"corrects decision {corrected}"] if corrected else [])))
    record = {
        "format": FORMAT,
        "decision_id": name,
        **identity,
        "declaration": rules.declaration,
        "day": day.isoformat(),
        "correlation_id": row["correlation_id"],
        "ticket": {"columns": known.columns, "values": encode_row(row)},
        **score_part(final.score),
        **rules_part(rules, queue=final.score.queue if final.score else None),
        "policy": {"input": final.facts, "answer": dict(answer)},
        "verdict": final.verdict,
        "queue": final.queue,
        "confidence": final.confidence,
        "band": final.band,
        "rule": final.rule,
        "reason": reason,
        "audit": final.audit,
        **({"corrects": corrected} if corrected else {}),
    }
    return Decision(
        decision_id=name,
        **identity,
        correlation_id=row["correlation_id"],
        day=day,
        known_at=row["known_at"],
        declaration=rules.declaration,
        verdict=final.verdict,
        queue=final.queue,
        confidence=final.confidence,
        rule=final.rule,
        reason=reason,
        priority=_priority(final, rules),
        audit=final.audit,
        record=canonical(record),
    )


def _obey(proposal: Proposal, answer: Mapping[str, Any]) -> Proposal:
    if "error" in answer:
        sentence = f"the policy gave no usable answer ({answer['error']}), so a person decides"
        return restrict(proposal, "review", "policy_error", sentence)
    sentence = f"policy rule `{answer['rule']}` asks for {answer['verdict']}"
    return restrict(proposal, answer["verdict"], f"policy:{answer['rule']}", sentence)


def _priority(proposal: Proposal, rules: Rules) -> float:
    usable = proposal.score.probabilities if proposal.score and proposal.confidence is not None else ()
    others = sorted(usable, reverse=True)
    return priority(
        confidence=proposal.confidence,
        runner_up=others[1] if len(others) > 1 else None,
        wrong_cost=rules.wrong_cost(proposal.queue),
    )


def _require(features: pa.Table) -> None:
    for name in REQUIRED:
        if name not in features.column_names:
            raise DecisionError(f"the feature table lacks `{name}`; build it with `build_features`")
        if features.column(name).null_count:
            raise DecisionError(
                f"feature column `{name}` has {features.column(name).null_count} nulls; it must have none"
            )


def _once(rows: Sequence[dict[str, Any]]) -> list[dict[str, Any]]:
    first: dict[Key, dict[str, Any]] = {}
    for row in rows:
        first.setdefault(key_of(row), row)
    return list(first.values())


def _day(day_of: date | Callable[[datetime], date] | None, created_at: datetime) -> date:
    if callable(day_of):
        return day_of(created_at)
    return created_at.astimezone(UTC).date() if day_of is None else day_of
