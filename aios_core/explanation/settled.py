"""Which rule settled a decision: every rule in the order in which it was asked, with the numbers that it compared.

What belongs here: reading them out of a decision's record, in sentences. What does not: the rules (`aios_core/decisions/proposal.py`), whose
order this follows.
"""

from collections.abc import Mapping
from dataclasses import asdict, dataclass
from typing import Any

from aios_core.decisions import reasons
from aios_core.decisions.record import decode_number, recorded_thresholds
from aios_core.scoring.novelty import LIMIT, is_novel

Facts = Mapping[str, Any]


@dataclass(frozen=True, slots=True, kw_only=True)
class Step:
    """One rule. `asks` is the verdict that it asked for, None where it asked for nothing; `settled` marks the one that had the last word."""

    rule: str
    told: str
    asks: str | None
    settled: bool

    def as_json(self) -> dict[str, Any]:
        return asdict(self)


def steps(record: Facts) -> tuple[Step, ...]:
    """The rules of a decision's record (`aios_core/decisions/record.py`), first asked first."""
    final = str(record["rule"])
    found = [*_band(record), *_novelty(record), *_cost(record), *_flags(record), *_policy(record)]
    return tuple(Step(rule=rule, told=told, asks=asks, settled=rule == final) for rule, told, asks in found)


def headline(record: Facts) -> str:
    """What settled it, in one line: `71.0% sure of billing, below the 83.0% needed to automate: draft, by rule threshold`."""
    settled = next((step for step in steps(record) if step.settled), None)
    told = settled.told if settled is not None else str(record["reason"])
    return f"{told}: {record['verdict']}, by rule `{record['rule']}`"


_Told = list[tuple[str, str, str | None]]


def _band(record: Facts) -> _Told:
    queue, confidence, limits = record["queue"], record["confidence"], recorded_thresholds(record).of(record["queue"])
    if confidence is None:
        return [_unscored(record)]
    automate, draft = limits.automate, limits.draft
    if automate is not None and confidence >= automate:
        return [("threshold", reasons.high(queue, confidence, automate), "automate")]
    if automate is not None:
        sure, needed = reasons.percents(confidence, automate)
        told = f"{sure} sure of {queue}, below the {needed} needed to automate"
    else:
        told = f"{reasons.percent(confidence)} sure of {queue}; nothing is automated under this model version"
    if draft is not None and confidence >= draft:
        return [("threshold", f"{told}, enough for a draft ({reasons.percents(confidence, draft)[1]})", "draft")]
    if draft is not None:
        return [
            ("threshold", f"{told}, and below the {reasons.percents(confidence, draft)[1]} needed to draft", "review")
        ]
    return [("threshold", f"{told}, nor drafted", "review")]


def _unscored(record: Facts) -> tuple[str, str, str | None]:
    rule = "unusable_score" if record["scored"] else "no_score" if record["model_version"] else "no_model"
    asks = "review" if record["queue"] is None else "fallback"
    return rule, str(record["reason"]).split("; ", maxsplit=1)[0], asks


def _novelty(record: Facts) -> _Told:
    novelty = decode_number(record.get("novelty"))
    if novelty is None or record["confidence"] is None:
        return []
    if is_novel(novelty):
        return [("novel", reasons.novel(novelty, decode_number(record["unseen_share"])), "review")]
    return [
        ("novel", f"like the tickets that the model learnt from (novelty {novelty:.2f}, the limit is {LIMIT:g})", None)
    ]


def _cost(record: Facts) -> _Told:
    """The cost of a mistake at this confidence beside that of a review, as `proposal._weigh` compares them."""
    queue, confidence, costs = record["queue"], record["confidence"], record["costs"]
    if record["rule"] == "undeclared_queue":
        return [("undeclared_queue", f"the automation declares no queue {queue}", "review")]
    if confidence is None or record["rule"] == "novel":
        return []
    own = record["queues"].get(queue, {}).get("wrong_cost")
    wrong, review, band = costs["wrong_automation"] if own is None else own, costs["review"], record["band"]
    doubt, asks, told = 1.0 - confidence, None, list[str]()
    if band == "high":
        expected = doubt * wrong
        told.append(f"an automated mistake costs {wrong:g}, so {expected:.2f} on average; a review costs {review:g}")
        asks = "draft" if expected > review else None
    if band == "middle" or asks == "draft":
        expected = doubt * costs["wrong_draft"]
        told.append(
            f"a drafted mistake costs {costs['wrong_draft']:g}, so {expected:.2f} on average; a review costs {review:g}"
        )
        asks = "review" if expected > review else asks
    return [("expected_cost", "; ".join(told), asks)] if told else []


def _flags(record: Facts) -> _Told:
    """The random slice, the mode and queues that are never automated; only where they asked for something."""
    flags, queue = record["policy"]["input"].get("flags", {}), record["queue"]
    found: _Told = []
    if flags.get("audit"):
        found.append(("audit", "drawn for the random slice that people always see", "review"))
    if flags.get("review_only"):
        found.append(("mode", reasons.held("*" if record["modes"].get("*") == "review_only" else str(queue)), "review"))
    if flags.get("never_automate"):
        found.append(("never_automate", f"{queue} is declared as never automated", "review"))
    return found


def _policy(record: Facts) -> _Told:
    answer = record["policy"]["answer"]
    if "error" in answer:
        return [("policy_error", f"the policy gave no usable answer ({answer['error']})", "review")]
    return [
        (f"policy:{answer['rule']}", f"policy rule `{answer['rule']}` asks for {answer['verdict']}", answer["verdict"])
    ]
