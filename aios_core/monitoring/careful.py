"""What an automation's policy may do to a remedy: make it more careful, never less.

What belongs here: the question to the policy and what its answer changes. What does not: Rego (`resources/policy.py`) and the
verdict itself (`verdict.py`).

From least to most careful: nothing, roll back, narrow, stop. Rolling back is less careful than narrowing, since a machine goes on
deciding. A policy may so veto a rollback by holding queues to review instead, widen a narrowing to further queues or to all, or stop
everything; it can't ask for a rollback that the evidence does not support, nor take a remedy away.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from typing import Any

from aios_core.decisions.model import EVERY_QUEUE, REVIEW_ONLY
from aios_core.monitoring.evidence import Evidence
from aios_core.monitoring.verdict import Remedy

CARE = {"none": 0, "rollback": 1, "narrow": 2, "stop": 3}
MAX_RULE = 200


def facts_of(remedy: Remedy, evidence: Evidence, *, automation: str) -> dict[str, Any]:
    """What the policy sees of a remedy."""
    return {
        "automation": automation,
        "remedy": remedy.kind,
        "queues": list(remedy.queues),
        "retrain": remedy.retrain,
        "champion": None if evidence.champion is None else evidence.champion.version,
        "last_good": None if evidence.last_good is None else evidence.last_good.version,
        "settled": 0 if evidence.champion is None else evidence.champion.overall.rows,
        "rollbacks": evidence.rollbacks,
        "drifted_days": sum(day.flagged for day in evidence.drift),
        "held": sorted(queue for queue, mode in evidence.modes.items() if mode == REVIEW_ONLY),
    }


def careful(remedy: Remedy, answer: Mapping[str, Any] | None, *, evidence: Evidence) -> Remedy:
    """The remedy after the policy has spoken; `answer` None: it says nothing of remedies.

    An answer that can't be used, or that would be less careful, leaves the remedy as it is, and the reason says so. Queues that are
    held already are not held again.
    """
    if answer is None:
        return remedy
    kind, rule = answer.get("remedy"), str(answer.get("rule", ""))[:MAX_RULE]
    if "error" in answer or kind not in CARE:
        what = answer.get("error") or f"an unknown remedy {kind!r}"
        return replace(remedy, reason=f"{remedy.reason} (The policy gave no usable answer about it: {what}.)")
    if kind == remedy.kind and kind in ("none", "rollback"):
        return remedy
    asked = _queues(answer)
    if CARE[kind] < CARE[remedy.kind] or kind == "rollback":
        return replace(remedy, reason=f"{remedy.reason} (Policy rule `{rule}` asks for less care, which it may not.)")
    return _held(remedy, kind, asked, rule, evidence)


def _held(remedy: Remedy, kind: str, asked: tuple[str, ...], rule: str, evidence: Evidence) -> Remedy:
    """A narrowing or stop over what was proposed and what the policy adds."""
    wanted = tuple(dict.fromkeys((*remedy.queues, *asked))) or (EVERY_QUEUE,)
    if kind == "stop" or EVERY_QUEUE in wanted:
        wanted = (EVERY_QUEUE,)
    held = {queue for queue, mode in evidence.modes.items() if mode == REVIEW_ONLY}
    new = () if EVERY_QUEUE in held else tuple(queue for queue in wanted if queue not in held)
    if (kind, new) == (remedy.kind, remedy.queues):
        return remedy
    reason = f"{remedy.reason} Policy rule `{rule}` asks for more care."
    if not new:
        reason = f"{reason} What it asks for is held to review already."
        # a rollback that the policy vetoed stays vetoed
        return replace(remedy, kind="none", queues=(), retrain=False, reason=reason)
    return replace(remedy, kind="narrow" if kind == "narrow" else "stop", queues=new, reason=reason)


def _queues(answer: Mapping[str, Any]) -> tuple[str, ...]:
    given = answer.get("queues", ())
    if not isinstance(given, list | tuple):
        return ()
    return tuple(sorted({queue for queue in given if isinstance(queue, str)}))
