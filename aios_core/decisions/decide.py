"""Scores and policy become decisions, and a record becomes the same decision again.

What belongs here: the order of the rules and nothing else that is not needed for it. What does not: asking Rego
(`resources/policy.py`), scoring (`aios_core/scoring/`), storing (`resources/decisions.py`).

A verdict starts from the band of the confidence and is then only ever made more cautious, in this order: expected cost,
mode, audit slice, queues never automated, policy. Whatever can't be relied on (no score, a score that is no distribution,
a policy that fails or answers something else) goes to a person. The one exception is declared by the automation itself:
`fallback_queue`, for tickets without a score.
"""

import json
import math
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import UTC, date, datetime
from typing import Any

import pyarrow as pa

from aios_core.automation import Costs, Queue
from aios_core.decisions import reasons
from aios_core.decisions.model import (
    NO_MODEL,
    Band,
    Decision,
    DecisionError,
    Rules,
    Verdict,
    decision_id,
    in_audit_slice,
)
from aios_core.decisions.record import (
    FORMAT,
    FeatureRows,
    canonical,
    decode_number,
    decode_row,
    encode_number,
    encode_row,
    feature_rows,
    parse,
)
from aios_core.decisions.thresholds import Thresholds
from aios_core.review.ordering import priority

Facts = dict[str, Any]
Policy = Callable[[Sequence[Facts]], Sequence[Mapping[str, Any]]]
Scorer = Callable[[pa.Table], pa.Table]
Key = tuple[str, str, str]

KEY = ("source", "ticket_id", "ticket_version")
SCORE_COLUMNS = (*KEY, "probabilities", "queue", "confidence", "unseen_share", "text_length", "terms")
SUM_TOLERANCE = 1e-3  # 77 probabilities rounded to six decimals sum to 1 within 4e-5
CRM_PREFIX = "crm_"

# how cautious a verdict is: a policy may move one only upwards
_CAUTION: dict[str, int] = {"automate": 0, "draft": 1, "fallback": 1, "review": 2}


@dataclass(frozen=True, slots=True, kw_only=True)
class Difference:
    """One place where a replayed record differs; `path` is dotted."""

    path: str
    recorded: Any
    replayed: Any


@dataclass(frozen=True, slots=True, kw_only=True)
class Replay:
    """A decision made again. `identical` compares bytes; `differences` says where they part."""

    identical: bool
    record: bytes
    differences: tuple[Difference, ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class _Score:
    """One row of the score table, as it came."""

    probabilities: tuple[float, ...]
    queue: str | None
    unseen_share: float | None
    text_length: int | None
    terms: tuple[tuple[str, float], ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class _Proposal:
    """What the rules say before the policy is asked."""

    score: _Score | None
    queue: str | None
    confidence: float | None
    band: Band
    verdict: Verdict
    rule: str
    sentences: tuple[str, ...]
    audit: bool
    facts: Facts


def decide(
    features: pa.Table,
    scores: pa.Table | None,
    *,
    rules: Rules,
    policy: Policy,
    day_of: date | Callable[[datetime], date] | None = None,
) -> list[Decision]:
    """One decision for each ticket version in `features`, in its order; a version that comes twice is decided once.

    `scores` may have other rows and another order, and None or a missing row means that there is no score. `day_of` is the
    day partition of all rows, or how to get it from a ticket's creation; by default its UTC day.
    """
    known = feature_rows(features)
    missing = [c for c in (*KEY, "correlation_id", "created_at", "known_at") if c not in features.column_names]
    if missing:
        raise DecisionError(f"the feature table lacks {', '.join(missing)}; build it with `build_features`")
    scored = {} if scores is None else _scores(scores)
    rows = _once(known.rows)
    proposals = [_propose(row, scored.get(_key(row)), rules) for row in rows]
    answers = _ask(policy, [p.facts for p in proposals])
    return [
        _conclude(known, row, proposal, answer, rules, _day(day_of, row["created_at"]))
        for row, proposal, answer in zip(rows, proposals, answers, strict=True)
    ]


def replay(record: bytes, *, score: Scorer | None, policy: Policy) -> Replay:
    """Make a recorded decision again from its own inputs.

    `score` scores the recorded feature row with the recorded model version; None takes the score as recorded. `policy` is
    the recorded revision. Thresholds, costs, modes and the day are those of the record. Raises DecisionError where the
    record can't be read.
    """
    content = parse(record)
    try:
        rules = _recorded_rules(content)
        day = date.fromisoformat(content["day"])
        recorded = _recorded_score(content)
        table = decode_row(content["ticket"]["columns"], content["ticket"]["values"])
    except (KeyError, TypeError, ValueError) as error:
        raise DecisionError(f"decision {content.get('decision_id')}: the record is incomplete: {error!r}") from error
    scores = recorded if score is None or recorded is None else score(table)
    again = decide(table, scores, rules=rules, policy=policy, day_of=day)[0].record
    return Replay(identical=again == record, record=again, differences=tuple(_differences(content, parse(again))))


def _propose(row: Mapping[str, Any], score: _Score | None, rules: Rules) -> _Proposal:
    audit = in_audit_slice(rules.automation, row["ticket_id"], rules.audit_share)
    start = _start(score, rules)
    held = rules.review_only(start.queue)
    declared = _declared(rules, start.queue)
    never = declared is not None and declared.never_automate
    if audit:
        start = _restrict(start, "review", "audit", "drawn for the random slice that people always see")
    if held:
        start = _restrict(start, "review", "mode", reasons.held(held))
    if never:
        start = _restrict(start, "review", "never_automate", f"{start.queue} is declared as never automated")
    facts = _facts(row, start, rules, audit=audit, held=held is not None, never=never)
    return replace(start, audit=audit, facts=facts)


def _start(score: _Score | None, rules: Rules) -> _Proposal:
    """Band and expected cost; or, without a usable score, the declared way out."""
    if score is None:
        return _unscored(rules)
    problem = _problem(score, rules)
    if problem:
        return _person("unusable_score", f"the score can't be used: {problem}", score=score)
    queue = str(score.queue)
    confidence = score.probabilities[rules.classes.index(queue)]
    band, verdict, sentence = _band(queue, confidence, rules.thresholds)
    proposal = _Proposal(
        score=score,
        queue=queue,
        confidence=confidence,
        band=band,
        verdict=verdict,
        rule="threshold",
        sentences=(sentence,),
        audit=False,
        facts={},
    )
    if rules.queues and _declared(rules, queue) is None:
        return _restrict(proposal, "review", "undeclared_queue", f"the automation declares no queue {queue}")
    return _weigh(proposal, rules)


def _unscored(rules: Rules) -> _Proposal:
    none = rules.model_version == NO_MODEL
    rule = "no_model" if none else "no_score"
    why = "there is no model version to score with" if none else "the model gave no score for this ticket"
    if rules.fallback_queue is None:
        return _person(rule, f"{why}, so a person decides")
    return _Proposal(
        score=None,
        queue=rules.fallback_queue,
        confidence=None,
        band="none",
        verdict="fallback",
        rule=rule,
        sentences=(f"{why}, so it goes to {rules.fallback_queue} as declared",),
        audit=False,
        facts={},
    )


def _person(rule: str, sentence: str, *, score: _Score | None = None) -> _Proposal:
    return _Proposal(
        score=score,
        queue=None,
        confidence=None,
        band="none",
        verdict="review",
        rule=rule,
        sentences=(sentence,),
        audit=False,
        facts={},
    )


def _problem(score: _Score, rules: Rules) -> str | None:
    """Why a score is no calibrated distribution over the model's classes; None where it is one."""
    p = score.probabilities
    if len(p) != len(rules.classes):
        return f"{len(p)} probabilities for {len(rules.classes)} classes"
    if not all(math.isfinite(v) for v in p):
        return "a probability is not a number"
    if any(v < 0 or v > 1 for v in p) or abs(sum(p) - 1) > SUM_TOLERANCE:
        return "the probabilities are no distribution"
    if score.queue not in rules.classes:
        return f"the model has no class {score.queue}"
    # rounded probabilities may tie, so the class is taken from the score and only checked here
    if p[rules.classes.index(score.queue)] < max(p):
        return f"{score.queue} is not the likeliest class"
    return None


def _band(queue: str, confidence: float, thresholds: Thresholds) -> tuple[Band, Verdict, str]:
    if thresholds.automate is not None and confidence >= thresholds.automate:
        return "high", "automate", reasons.high(queue, confidence, thresholds.automate)
    if thresholds.draft is not None and confidence >= thresholds.draft:
        return "middle", "draft", reasons.middle(queue, confidence, thresholds)
    return "low", "review", reasons.low(queue, confidence, thresholds)


def _weigh(proposal: _Proposal, rules: Rules) -> _Proposal:
    """A verdict stands only while the expected cost of its mistake is at most the cost of a review."""
    doubt = 1.0 - (proposal.confidence or 0.0)
    review = rules.costs.review
    if proposal.verdict == "automate" and (cost := doubt * _wrong_cost(rules, proposal.queue)) > review:
        proposal = _restrict(proposal, "draft", "expected_cost", reasons.dear("automate", cost, review))
    if proposal.verdict == "draft" and (cost := doubt * rules.costs.wrong_draft) > review:
        proposal = _restrict(proposal, "review", "expected_cost", reasons.dear("draft", cost, review))
    return proposal


def _restrict(proposal: _Proposal, verdict: Verdict, rule: str, sentence: str) -> _Proposal:
    """The more cautious of two verdicts; a rule that changes nothing is not part of the reason."""
    if _CAUTION[verdict] <= _CAUTION[proposal.verdict]:
        return proposal
    return replace(proposal, verdict=verdict, rule=rule, sentences=(*proposal.sentences, sentence))


def _facts(
    row: Mapping[str, Any], proposal: _Proposal, rules: Rules, *, audit: bool, held: bool, never: bool
) -> Facts:
    """What the policy sees. No floats: so a day has a few hundred distinct inputs, and each is asked once."""
    return {
        "automation": rules.automation,
        "queue": proposal.queue,
        "band": proposal.band,
        "proposed": proposal.verdict,
        "priority": row.get("priority"),
        "channel": row.get("channel"),
        "language": row.get("language"),
        "customer": {
            name.removeprefix(CRM_PREFIX): value
            for name, value in row.items()
            if name.startswith(CRM_PREFIX) and isinstance(value, str | bool)
        },
        "flags": {
            "audit": audit,
            "review_only": held,
            "never_automate": never,
            "scored": proposal.confidence is not None,
        },
    }


def _ask(policy: Policy, facts: Sequence[Facts]) -> list[Mapping[str, Any]]:
    """An answer for each, every distinct input asked once; one that fails fails alone, as {"error": why}."""
    keys = [json.dumps(f, sort_keys=True) for f in facts]
    distinct = dict(zip(keys, facts, strict=True))
    try:
        given = list(policy(list(distinct.values())))
        if len(given) != len(distinct):
            raise DecisionError(f"the policy gave {len(given)} answers to {len(distinct)} questions")
    except Exception:
        # asked one by one, so that the rest of the day is not held up by the input that breaks it
        given = [_ask_one(policy, f) for f in distinct.values()]
    answers = {key: _checked(answer, distinct[key]) for key, answer in zip(distinct, given, strict=True)}
    return [answers[key] for key in keys]


def _ask_one(policy: Policy, facts: Facts) -> Mapping[str, Any]:
    try:
        answers = list(policy([facts]))
    except Exception as error:
        return {"error": f"{type(error).__name__}: {error}"[:500]}
    return answers[0] if len(answers) == 1 else {"error": f"{len(answers)} answers to one question"}


def _checked(answer: Any, facts: Facts) -> Mapping[str, Any]:
    """The answer's verdict and rule, or why it can't be used."""
    if isinstance(answer, Mapping) and isinstance(answer.get("error"), str):
        return {"error": _plain(answer["error"])}
    if not isinstance(answer, Mapping) or not isinstance(answer.get("rule"), str):
        return {"error": _plain(f"not an object with `verdict` and `rule`: {answer!r}"[:500])}
    verdict = answer.get("verdict")
    if verdict not in _CAUTION or (verdict == "fallback" and facts["proposed"] != "fallback"):
        return {"error": _plain(f"not a verdict: {verdict!r}"[:500])}
    return {"verdict": verdict, "rule": _plain(answer["rule"])[:200]}


def _plain(text: str) -> str:
    """On one line and storable anywhere: text columns take no NUL, UTF-8 no lone surrogates."""
    return " ".join(text.encode("utf-8", "replace").decode().replace("\0", "").split())


def _conclude(
    known: FeatureRows,
    row: dict[str, Any],
    proposal: _Proposal,
    answer: Mapping[str, Any],
    rules: Rules,
    day: date,
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
    reason = "; ".join(final.sentences)
    record = {
        "format": FORMAT,
        "decision_id": name,
        **identity,
        "declaration": rules.declaration,
        "day": day.isoformat(),
        "correlation_id": row["correlation_id"],
        "ticket": {"columns": known.columns, "values": encode_row(row)},
        "classes": rules.classes,
        **_score_part(final.score),
        **_rules_part(rules),
        "policy": {"input": final.facts, "answer": dict(answer)},
        "verdict": final.verdict,
        "queue": final.queue,
        "confidence": final.confidence,
        "band": final.band,
        "rule": final.rule,
        "reason": reason,
        "audit": final.audit,
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


def _obey(proposal: _Proposal, answer: Mapping[str, Any]) -> _Proposal:
    if "error" in answer:
        sentence = f"the policy gave no usable answer ({answer['error']}), so a person decides"
        return _restrict(proposal, "review", "policy_error", sentence)
    sentence = f"policy rule `{answer['rule']}` asks for {answer['verdict']}"
    return _restrict(proposal, answer["verdict"], f"policy:{answer['rule']}", sentence)


def _priority(proposal: _Proposal, rules: Rules) -> float:
    usable = proposal.score.probabilities if proposal.score and proposal.confidence is not None else ()
    others = sorted(usable, reverse=True)
    return priority(
        confidence=proposal.confidence,
        runner_up=others[1] if len(others) > 1 else None,
        wrong_cost=_wrong_cost(rules, proposal.queue),
    )


def _declared(rules: Rules, queue: str | None) -> Queue | None:
    return next((q for q in rules.queues if q.name == queue), None)


def _wrong_cost(rules: Rules, queue: str | None) -> float:
    declared = _declared(rules, queue)
    if declared is None or declared.wrong_cost is None:
        return rules.costs.wrong_automation
    return declared.wrong_cost


def _once(rows: Sequence[dict[str, Any]]) -> list[dict[str, Any]]:
    first: dict[Key, dict[str, Any]] = {}
    for row in rows:
        first.setdefault(_key(row), row)
    return list(first.values())


def _key(row: Mapping[str, Any]) -> Key:
    return row["source"], row["ticket_id"], row["ticket_version"]


def _day(day_of: date | Callable[[datetime], date] | None, created_at: datetime) -> date:
    if callable(day_of):
        return day_of(created_at)
    return created_at.astimezone(UTC).date() if day_of is None else day_of


def _scores(table: pa.Table) -> dict[Key, _Score]:
    missing = [c for c in (*KEY, "probabilities", "queue") if c not in table.column_names]
    if missing:
        raise DecisionError(f"the score table lacks {', '.join(missing)}")
    present = [c for c in SCORE_COLUMNS if c in table.column_names]
    return {_key(row): _score_of(row) for row in table.select(present).to_pylist()}


def _score_of(row: Mapping[str, Any]) -> _Score:
    length = row.get("text_length")
    return _Score(
        probabilities=tuple(math.nan if p is None else float(p) for p in row["probabilities"] or ()),
        queue=row["queue"],
        unseen_share=row.get("unseen_share"),
        text_length=None if length is None else int(length),
        terms=tuple((t["term"], round(float(t["weight"]), 6)) for t in row.get("terms") or ()),
    )


def _score_part(score: _Score | None) -> dict[str, Any]:
    if score is None:
        return {"scored": False, "predicted": None, "probabilities": [], "terms": [], "unseen_share": None,
                "text_length": None}  # fmt: skip
    return {
        "scored": True,
        "predicted": score.queue,
        "probabilities": [encode_number(p) for p in score.probabilities],
        "terms": score.terms,
        "unseen_share": encode_number(score.unseen_share),
        "text_length": score.text_length,
    }


def _recorded_score(content: Mapping[str, Any]) -> pa.Table | None:
    if not content["scored"]:
        return None
    row = {
        **{name: content[name] for name in KEY},
        "probabilities": [decode_number(p) for p in content["probabilities"]],
        "queue": content["predicted"],
        "unseen_share": decode_number(content["unseen_share"]),
        "text_length": content["text_length"],
        "terms": [{"term": term, "weight": weight} for term, weight in content["terms"]],
    }
    return pa.Table.from_pylist([row])


def _rules_part(rules: Rules) -> dict[str, Any]:
    """All of the rules that a verdict reads; of the queues only what is declared about them beyond a name."""
    t, c = rules.thresholds, rules.costs
    return {
        "thresholds": {
            "automate": t.automate,
            "draft": t.draft,
            "automate_accuracy": t.automate_accuracy,
            "draft_accuracy": t.draft_accuracy,
        },
        "costs": {"wrong_automation": c.wrong_automation, "wrong_draft": c.wrong_draft, "review": c.review},
        "queues": {
            q.name: {"wrong_cost": q.wrong_cost, "never_automate": q.never_automate} for q in rules.queues
        },
        "modes": dict(rules.modes),
        "audit_share": rules.audit_share,
        "fallback_queue": rules.fallback_queue,
    }


def _recorded_rules(content: Mapping[str, Any]) -> Rules:
    return Rules(
        automation=content["automation"],
        declaration=content["declaration"],
        model_name=content["model_name"],
        model_version=content["model_version"],
        classes=tuple(content["classes"]),
        policy_revision=content["policy_revision"],
        thresholds=Thresholds(**content["thresholds"]),
        costs=Costs(**content["costs"]),
        # as recorded, whatever names a later schema allows
        queues=tuple(Queue.model_construct(name=n, description="", **q) for n, q in content["queues"].items()),
        modes=content["modes"],
        audit_share=content["audit_share"],
        fallback_queue=content["fallback_queue"],
    )


def _differences(recorded: Any, replayed: Any, path: str = "") -> Iterable[Difference]:
    if isinstance(recorded, dict) and isinstance(replayed, dict):
        for key in sorted(recorded.keys() | replayed.keys()):
            inner = f"{path}.{key}" if path else str(key)
            yield from _differences(recorded.get(key), replayed.get(key), inner)
    elif isinstance(recorded, list) and isinstance(replayed, list) and len(recorded) == len(replayed):
        for index, (a, b) in enumerate(zip(recorded, replayed, strict=True)):
            yield from _differences(a, b, f"{path}[{index}]")
    elif recorded != replayed or type(recorded) is not type(replayed):
        yield Difference(path=path, recorded=recorded, replayed=replayed)
