"""The verdict about a degrading model: which remedy the evidence supports.

What belongs here: the rules, as one pure function. What does not: gathering the evidence (`evidence.py`, resources) and
carrying a remedy out (jobs move aliases and modes).

The reasoning, in the order it is gone through:

1. Without a champion there is nothing to judge.
2. **Stop.** `max_rollbacks` within the window: moving back and forth does not help, so everything goes to people, who are
   called. This comes first and needs no outcomes.
3. **Roll back** where the champion can't do its work and the last good version could: decisions without a usable score, or scoring
   runs that fail, proven to be more than declared and more than under the last good version. This needs no outcomes either.
4. Fewer than `min_outcomes` settled tickets: estimates stand in (`unlabelled.py`). They support narrowing, and a rollback only
   where the two versions' intervals lie apart. Without them no remedy, whatever drift says: drift tells that inputs changed, not
   that answers got worse; the reason says that it is seen.
5. **Roll back** where the last good version is better on the same tickets: by at least `better_by`, and the sign test over
   the tickets on which the two disagree leaves chance at most 1 %. The judge looks many times a day, so a laxer test would
   find "better" by looking often enough. The last good version must not itself be proven unfit, and no rollback may lie
   within `cooldown_hours`. A promotion starts no cooldown: a bad version must be left at once.
6. **Narrow** where the champion is proven unfit (below) and no better version stands ready: the world changed, not the
   model. Queues that explain it are held to review; where the rest is not good enough without them, everything is. A
   queue can be proven unfit while the whole is well: then only it is narrowed. Narrowing asks for a retraining, and needs no
   cooldown: sending work to people is the safe direction.
7. Otherwise nothing.

*Proven unfit* means: the upper end of Wilson's one-sided 95 % interval lies below `min_accuracy`, for all settled tickets
or for those that were automated; the latter may be held to more by `max_automated_errors`. A single queue must prove it by the
exact binomial test at 5 % divided by the number of queues, on twice as many tickets as another part of the window: the
judge would find a bad one by looking at many, and a world that changed everywhere shows first in the queue with the worst luck.
A queue into which drifted inputs went is not looked for, but named beforehand: it is judged at 5 % alone.
Where the whole is proven unfit and no queue can be named, everything is held. A point estimate below the limit is never enough:
fifty outcomes scatter by six points.

Nothing is lifted here. Narrowed queues return to normal when a newly promoted version is good on them now
(`aios_core/lifecycle/lifting.py`) or a person lifts them; a stop is lifted by a person only. The automation's policy may
make a remedy more careful (`careful.py`), never less.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import asdict, dataclass, field
from datetime import datetime, timedelta
from typing import Any, Literal

from aios_core.automation import Monitoring
from aios_core.decisions.model import EVERY_QUEUE, REVIEW_ONLY
from aios_core.monitoring.evidence import Estimated, Evidence, ModelQuality, Tally
from aios_core.monitoring.intervals import sign_test, so_few, wilson
from aios_core.monitoring.unlabelled import better_estimate, broken, unfit_estimate

Kind = Literal["none", "rollback", "narrow", "stop"]

CONFIDENCE = 0.95
CHANCE = 0.01  # a rollback's false alarm rate, each time the judge looks
PART_SHARE = 5  # a queue, or what was automated, is judged from a fifth of `min_outcomes` on, and at least ten
MIN_PART_OUTCOMES = 10
QUEUE_FACTOR = 2  # so many times as much is asked of a queue that is found by looking at all of them


@dataclass(frozen=True, slots=True, kw_only=True)
class Remedy:
    """What to do. `queues` are those to hold to review (`*`: all); `evidence` is plain JSON for the incident."""

    kind: Kind
    reason: str
    queues: tuple[str, ...] = ()
    retrain: bool = False
    evidence: dict[str, Any] = field(default_factory=dict)


def judge(evidence: Evidence, *, limits: Monitoring, now: datetime) -> Remedy:
    """The remedy that the evidence supports, with the reasoning of this module's docstring."""
    champion = evidence.champion
    told = summary(evidence)
    if champion is None:
        return Remedy(kind="none", reason="There is no champion to judge.", evidence=told)
    held = frozenset(queue for queue, mode in evidence.modes.items() if mode == REVIEW_ONLY)
    if evidence.rollbacks >= limits.max_rollbacks and EVERY_QUEUE not in held:
        reason = (
            f"{evidence.rollbacks} rollbacks within {limits.window_days} days, {limits.max_rollbacks} are the limit: "
            "moving back does not help. Everything goes to people until one lifts it."
        )
        return Remedy(kind="stop", queues=(EVERY_QUEUE,), reason=reason, evidence=told)
    settled = champion.overall.rows >= limits.min_outcomes
    better, waiting = _why_back(evidence, champion, limits, settled=settled), ""
    if better:
        waiting = _cooldown(evidence, limits, now)
        if not waiting:
            return Remedy(kind="rollback", reason=better, evidence=told)
    queues, reason = _narrowing(evidence, champion, limits) if settled else unfit_estimate(evidence, limits=limits)
    reason = " ".join(part for part in (reason or _too_few(evidence, champion, limits), waiting) if part)
    new = () if EVERY_QUEUE in held else tuple(q for q in queues if q not in held)
    if new:
        return Remedy(kind="narrow", queues=new, retrain=True, reason=reason, evidence=told)
    if queues:
        return Remedy(kind="none", reason=f"{reason} These are held to review already.", evidence=told)
    return Remedy(kind="none", reason=reason, evidence=told)


def _why_back(evidence: Evidence, champion: ModelQuality, limits: Monitoring, *, settled: bool) -> str:
    """Why the last good version should decide again; empty where nothing shows it."""
    last_good = evidence.last_good
    if last_good is None:
        return ""
    if last_good.overall.rows >= enough(limits) and unfit(last_good.overall, limits=limits):
        return ""  # no way back
    if reason := broken(evidence, limits=limits):
        return reason
    if not settled:
        return better_estimate(evidence, limits=limits)
    return _rollback_reason(evidence, champion, last_good) if _better(evidence, last_good, limits) else ""


def unfit(tally: Tally, *, limits: Monitoring, automated: bool = False) -> bool:
    """Whether accuracy is proven to be below what is asked."""
    asked = _asked_of_automated(limits) if automated else limits.min_accuracy
    return wilson(tally.correct, tally.rows, confidence=CONFIDENCE)[1] < asked


def _asked_of_automated(limits: Monitoring) -> float:
    """The least accuracy of what is automated."""
    if limits.max_automated_errors is None:
        return limits.min_accuracy
    return max(limits.min_accuracy, 1 - limits.max_automated_errors)


def _better(evidence: Evidence, last_good: ModelQuality, limits: Monitoring) -> bool:
    ahead = (evidence.last_good_only - evidence.champion_only) / max(last_good.overall.rows, 1)
    proven = sign_test(evidence.last_good_only, evidence.champion_only) <= CHANCE
    return ahead >= limits.better_by and ahead > 0 and proven


def _narrowing(evidence: Evidence, champion: ModelQuality, limits: Monitoring) -> tuple[tuple[str, ...], str]:
    """Queues that should be with people on this evidence, and why; no queues where all is well."""
    whole = unfit(champion.overall, limits=limits)
    automated = evidence.automated.rows >= enough(limits) and unfit(evidence.automated, limits=limits, automated=True)
    bad = _unfit_queues(evidence, champion, limits)
    if not bad and not whole and not automated:
        fine = f"Accuracy {_told(champion.overall)}: not proven to be below {limits.min_accuracy:.0%}."
        return (), fine + _drift_seen(evidence)
    names = ", ".join(f"{q} ({_told(t)})" for q, t in bad.items())
    if bad and _rest_is_good(evidence, champion, tuple(bad), limits):
        return tuple(bad), (
            f"Proven to be below {_limit(limits)}: {names}; the other queues are well. "
            "They go to people, and a retraining is asked for."
        )
    what = f"the champion's accuracy {_told(champion.overall)}" if whole else ""
    if automated:
        what += (" and " if what else "") + f"that of its automated decisions {_told(evidence.automated)}"
    if not what:
        what = f"that of {names}, with a rest that is not good enough,"
    last_good = _last_good_told(evidence)
    return (EVERY_QUEUE,), (
        f"Proven to be below {_limit(limits)}: {what}. {last_good} "
        "Everything goes to people, and a retraining is asked for."
    )


def _limit(limits: Monitoring) -> str:
    asked = _asked_of_automated(limits)
    also = "" if asked == limits.min_accuracy else f" ({asked:.0%} of what is automated)"
    return f"{limits.min_accuracy:.0%}{also}"


def enough(limits: Monitoring) -> int:
    """Fewest settled tickets from which a part of the window is judged."""
    return max(MIN_PART_OUTCOMES, limits.min_outcomes // PART_SHARE)


def enough_of_queue(limits: Monitoring) -> int:
    """Fewest settled tickets from which one queue among many is judged: it is looked for, not named beforehand."""
    return QUEUE_FACTOR * enough(limits)


def _unfit_queues(evidence: Evidence, champion: ModelQuality, limits: Monitoring) -> dict[str, Tally]:
    """Predicted queues proven unfit, over all settled tickets or over the automated ones, each with its tally."""
    named = frozenset(queue for day in evidence.drift if day.flagged for queue in day.queues)
    found = _proven(evidence.automated_by_queue, limits, automated=True, named=named)
    return dict(sorted((found | _proven(champion.by_queue, limits, automated=False, named=named)).items()))


def _proven(
    by_queue: Mapping[str, Tally], limits: Monitoring, *, automated: bool, named: frozenset[str]
) -> dict[str, Tally]:
    """One queue alone is the whole, and nothing is looked for; of several, each has to stand out of all of them.

    But for those `named` beforehand, by inputs and not by outcomes. Queues of too few tickets count among all: each is looked at once it
    has enough.
    """
    if len(by_queue) == 1:
        return {
            queue: tally
            for queue, tally in by_queue.items()
            if tally.rows >= enough(limits) and unfit(tally, limits=limits, automated=automated)
        }
    asked = _asked_of_automated(limits) if automated else limits.min_accuracy
    looked = {queue: tally for queue, tally in by_queue.items() if tally.rows >= enough_of_queue(limits)}
    chance = 1 - CONFIDENCE
    return {
        queue: tally
        for queue, tally in looked.items()
        if so_few(tally.correct, tally.rows, share=asked) <= (chance if queue in named else chance / len(by_queue))
    }


def _rest_is_good(evidence: Evidence, champion: ModelQuality, bad: tuple[str, ...], limits: Monitoring) -> bool:
    """Whether what is left without the bad queues reaches the limit, on all settled tickets and on the automated ones."""
    rest = _without(champion.overall, champion.by_queue, bad)
    automated = _without(evidence.automated, evidence.automated_by_queue, bad)
    if rest.accuracy is None or rest.accuracy < limits.min_accuracy:
        return False
    return automated.accuracy is None or automated.accuracy >= _asked_of_automated(limits)


def _without(whole: Tally, by_queue: Mapping[str, Tally], queues: tuple[str, ...]) -> Tally:
    for queue in queues:
        whole = whole.without(by_queue.get(queue, Tally()))
    return whole


def _cooldown(evidence: Evidence, limits: Monitoring, now: datetime) -> str:
    """Why no rollback may happen now; empty where one may. A rollback in the future (clocks differ) is a recent one."""
    if evidence.last_rollback_at is None:
        return ""
    until = evidence.last_rollback_at + timedelta(hours=limits.cooldown_hours)
    if now >= until:
        return ""
    return (
        f"The last good version is better, but the last rollback is too recent: none before {until:%Y-%m-%d %H:%M} UTC."
    )


def _rollback_reason(evidence: Evidence, champion: ModelQuality, last_good: ModelQuality) -> str:
    chance = sign_test(evidence.last_good_only, evidence.champion_only)
    return (
        f"Version {last_good.version} is better than version {champion.version} on the same {champion.overall.rows} settled "
        f"tickets: {_told(last_good.overall)} against {_told(champion.overall)}; it alone is right on "
        f"{evidence.last_good_only}, the champion alone on {evidence.champion_only} (by chance: {chance:.2g})."
    )


def _last_good_told(evidence: Evidence) -> str:
    if evidence.last_good is None:
        return "There is no other version to go back to."
    return f"Version {evidence.last_good.version} is no way back: {_told(evidence.last_good.overall)}."


def _too_few(evidence: Evidence, champion: ModelQuality, limits: Monitoring) -> str:
    return f"{champion.overall.rows} settled tickets of the {limits.min_outcomes} needed to judge." + _drift_seen(
        evidence
    )


def _drift_seen(evidence: Evidence) -> str:
    days = [d.day.isoformat() for d in sorted(evidence.drift, key=lambda d: d.day) if d.flagged]
    return f" Drift was flagged on {', '.join(days)}." if days else ""


def _told(tally: Tally) -> str:
    """`81.2% (65 of 80)`"""
    return f"{tally.accuracy:.1%} ({tally.correct} of {tally.rows})" if tally.rows else "unknown (no rows)"


def summary(evidence: Evidence) -> dict[str, Any]:
    """The evidence as plain JSON, with intervals: what an incident and an alias move keep."""
    return {
        "champion": _quality_json(evidence.champion),
        "last_good": _quality_json(evidence.last_good),
        "champion_only": evidence.champion_only,
        "last_good_only": evidence.last_good_only,
        "chance_of_difference": sign_test(evidence.last_good_only, evidence.champion_only),
        "disagreements": [asdict(d) for d in evidence.disagreements],
        "automated": _tally_json(evidence.automated),
        "automated_by_queue": {q: _tally_json(t) for q, t in evidence.automated_by_queue.items()},
        "drift": [
            {"day": d.day.isoformat(), "share": d.share, "flagged": d.flagged, "queues": list(d.queues)}
            for d in evidence.drift
        ],
        "rollbacks": evidence.rollbacks,
        "last_rollback_at": None if evidence.last_rollback_at is None else evidence.last_rollback_at.isoformat(),
        "modes": dict(evidence.modes),
        "open_incidents": evidence.open_incidents,
        "estimates": {
            "champion": _estimate_json(evidence.champion_estimate),
            "last_good": _estimate_json(evidence.last_good_estimate),
        },
        "failures": {"champion": asdict(evidence.champion_failures), "last_good": asdict(evidence.last_good_failures)},
    }


def _estimate_json(found: Estimated | None) -> dict[str, Any] | None:
    return None if found is None else asdict(found)


def _quality_json(quality: ModelQuality | None) -> dict[str, Any] | None:
    if quality is None:
        return None
    by_queue = {q: _tally_json(t) for q, t in quality.by_queue.items()}
    return {"version": quality.version, **_tally_json(quality.overall), "by_queue": by_queue}


def _tally_json(tally: Tally) -> dict[str, Any]:
    low, high = wilson(tally.correct, tally.rows, confidence=CONFIDENCE)
    return {"rows": tally.rows, "correct": tally.correct, "accuracy": tally.accuracy, "low": low, "high": high}
