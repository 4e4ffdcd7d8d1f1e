"""What the rules say of one ticket before the policy is asked.

What belongs here: the order of the rules. What does not: the wording (`reasons.py`), the policy (`answers.py`).

A verdict starts from the band of the confidence and is then only ever made more cautious, in this order: novelty, expected
cost, audit slice, mode, queues never automated, and last the policy.
"""

from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from typing import Any

from aios_core.decisions import reasons
from aios_core.decisions.model import NO_MODEL, Band, Rules, Verdict, in_audit_slice
from aios_core.decisions.scores import Score, unusable
from aios_core.decisions.thresholds import Thresholds
from aios_core.scoring.novelty import is_novel

Facts = dict[str, Any]

CRM_PREFIX = "crm_"

# how cautious a verdict is: rules and policy move one only upwards
CAUTION: dict[str, int] = {"automate": 0, "draft": 1, "fallback": 1, "review": 2}


@dataclass(frozen=True, slots=True, kw_only=True)
class Proposal:
    """What the rules say before the policy is asked."""

    score: Score | None
    queue: str | None
    confidence: float | None
    band: Band
    verdict: Verdict
    rule: str
    sentences: tuple[str, ...]
    audit: bool = False
    facts: Facts = field(default_factory=dict)


def propose(row: Mapping[str, Any], score: Score | None, rules: Rules) -> Proposal:
    """Everything but the policy; the policy's input is in `facts`."""
    audit = in_audit_slice(rules.automation, row["ticket_id"], rules.audit_share)
    start = _start(score, rules)
    held = rules.review_only(start.queue)
    never = start.queue is not None and start.queue in rules.queues and rules.queues[start.queue].never_automate
    if audit:
        start = restrict(start, "review", "audit", "drawn for the random slice that people always see")
    if held:
        start = restrict(start, "review", "mode", reasons.held(held))
    if never:
        start = restrict(start, "review", "never_automate", f"{start.queue} is declared as never automated")
    facts = _facts(row, start, rules, audit=audit, held=held is not None, never=never)
    return replace(start, audit=audit, facts=facts)


def restrict(proposal: Proposal, verdict: Verdict, rule: str, sentence: str) -> Proposal:
    """The more cautious of two verdicts; a rule that changes nothing is not part of the reason."""
    if CAUTION[verdict] <= CAUTION[proposal.verdict]:
        return proposal
    return replace(proposal, verdict=verdict, rule=rule, sentences=(*proposal.sentences, sentence))


def _start(score: Score | None, rules: Rules) -> Proposal:
    """Band and expected cost; or, without a usable score, the declared way out."""
    if score is None:
        return _unscored(rules)
    problem = unusable(score, rules)
    if problem:
        return _person("unusable_score", f"the score can't be used: {problem}", score=score)
    queue = str(score.queue)
    confidence = score.probabilities[rules.classes.index(queue)]
    band, verdict, sentence = _band(queue, confidence, rules.thresholds.of(queue))
    proposal = Proposal(
        score=score,
        queue=queue,
        confidence=confidence,
        band=band,
        verdict=verdict,
        rule="threshold",
        sentences=(sentence,),
    )
    if is_novel(score.novelty):
        # also where the confidence alone would have asked for a person: why it is low is what they want to know
        sentence = reasons.novel(score.novelty, score.unseen_share)
        return replace(proposal, verdict="review", rule="novel", sentences=(*proposal.sentences, sentence))
    if rules.queues and queue not in rules.queues:
        return restrict(proposal, "review", "undeclared_queue", f"the automation declares no queue {queue}")
    return _weigh(proposal, rules)


def _unscored(rules: Rules) -> Proposal:
    none = rules.model_version == NO_MODEL
    rule = "no_model" if none else "no_score"
    why = "there is no model version to score with" if none else "the model gave no score for this ticket"
    if rules.fallback_queue is None:
        return _person(rule, f"{why}, so a person decides")
    return Proposal(
        score=None,
        queue=rules.fallback_queue,
        confidence=None,
        band="none",
        verdict="fallback",
        rule=rule,
        sentences=(f"{why}, so it goes to {rules.fallback_queue} as declared",),
    )


def _person(rule: str, sentence: str, *, score: Score | None = None) -> Proposal:
    return Proposal(
        score=score, queue=None, confidence=None, band="none", verdict="review", rule=rule, sentences=(sentence,)
    )


def _band(queue: str, confidence: float, thresholds: Thresholds) -> tuple[Band, Verdict, str]:
    if thresholds.automate is not None and confidence >= thresholds.automate:
        return "high", "automate", reasons.high(queue, confidence, thresholds.automate)
    if thresholds.draft is not None and confidence >= thresholds.draft:
        return "middle", "draft", reasons.middle(queue, confidence, thresholds)
    return "low", "review", reasons.low(queue, confidence, thresholds)


def _weigh(proposal: Proposal, rules: Rules) -> Proposal:
    """A verdict stands only while the expected cost of its mistake is at most the cost of a review."""
    doubt = 1.0 - (proposal.confidence or 0.0)
    review = rules.costs.review
    if proposal.verdict == "automate" and (cost := doubt * rules.wrong_cost(proposal.queue)) > review:
        proposal = restrict(proposal, "draft", "expected_cost", reasons.dear("automate", cost, review))
    if proposal.verdict == "draft" and (cost := doubt * rules.costs.wrong_draft) > review:
        proposal = restrict(proposal, "review", "expected_cost", reasons.dear("draft", cost, review))
    return proposal


def _facts(row: Mapping[str, Any], proposal: Proposal, rules: Rules, *, audit: bool, held: bool, never: bool) -> Facts:
    """What the policy sees. No floats: so a day has a few hundred distinct inputs, and each is asked once."""
    novelty = proposal.score.novelty if proposal.score else None
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
            # absent where nothing is known of it, as in every decision made before there was novelty
            **({} if novelty is None else {"novel": is_novel(novelty)}),
        },
    }
