"""The promotion gate: may a version move on? One guard a question, each with its number, its limit and a sentence.

What belongs here: the pure verdicts over measured numbers. What does not: measuring (`resources/gatekeeper.py`) and moving the
alias (`resources/registry.py`).

A guard is `passed`, `failed`, `skipped` (it does not apply here, and says why) or `unknown` (it should apply and could not be
measured). Unknown holds a version back like a failure does: what could not be looked at was not found good.
"""

from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass, fields
from datetime import datetime
from typing import Any, Literal

from aios_core.lifecycle.comparison import Group
from aios_core.lifecycle.states import SHADOW
from aios_core.monitoring.intervals import wilson
from aios_core.training.parity import TOLERANCE, Parity

State = Literal["passed", "failed", "unknown", "skipped"]

WORSE_BY = 0.02  # of macro-F1 or accuracy; on a few hundred rows less than this is noise
MIN_GROUP_ROWS = 20
QUEUES, TIERS = "queues", "tiers"
CONFIDENCE = 0.95


@dataclass(frozen=True, slots=True, kw_only=True)
class Guard:
    """One question and its answer; `told` is a sentence."""

    name: str
    state: State
    told: str
    value: float | None = None
    limit: float | None = None

    @property
    def holds(self) -> bool:
        return self.state in ("passed", "skipped")


@dataclass(frozen=True, slots=True, kw_only=True)
class Gate:
    """All guards of one version, asked beside the champion of that moment (None: there was none)."""

    version: int
    beside: int | None
    guards: tuple[Guard, ...]

    @property
    def passed(self) -> bool:
        return all(guard.holds for guard in self.guards)

    @property
    def reason(self) -> str:
        """What people read: everything that holds it back, or what it was measured at."""
        against = [g.told for g in self.guards if not g.holds]
        return "; ".join(against or [g.told for g in self.guards if g.state == "passed" and g.name != "history"])

    def against(self, alias: str) -> tuple[Guard, ...]:
        """What stands in the way of this alias. A shadow decides nothing: neither incidents nor its past keep it out."""
        exempt = ("incidents", "history") if alias == SHADOW else ()
        return tuple(g for g in self.guards if not g.holds and g.name not in exempt)

    def as_json(self) -> dict[str, Any]:
        """What the history keeps of it."""
        return {"version": self.version, "beside": self.beside, "passed": self.passed,
                "guards": {g.name: {k: v for k, v in asdict(g).items() if k != "name"} for g in self.guards}}  # fmt: skip


@dataclass(frozen=True, slots=True, kw_only=True)
class OpenIncident:
    """Something that is degraded at this moment."""

    kind: str
    opened_at: datetime


def parity(agreement: Parity | None) -> Guard:
    """The exported version and the library that fitted it say the same."""
    name = "parity"
    if agreement is None or not agreement.rows:
        return Guard(name=name, state="unknown", told="parity with the fitted model was never measured; train again")
    error, missed = agreement.max_probability_error, agreement.label_mismatches
    told = f"{missed} of {agreement.rows} labels differ from the fitted model, probabilities by {error:.1g} at most"
    state: State = "passed" if agreement.agrees else "failed"
    return Guard(name=name, state=state, told=told, value=error, limit=TOLERANCE)


def quality(new: float | None, old: float | None, *, min_macro_f1: float, worse_by: float = WORSE_BY) -> Guard:
    """Macro-F1 on the frozen evaluation set: what is declared, and not clearly below the champion's on the same rows."""
    name = "quality"
    if new is None:
        told = "the version has no evaluation set, so its quality is unknown; train again"
        return Guard(name=name, state="unknown", told=told, limit=min_macro_f1)
    if not new >= min_macro_f1:  # NaN is not enough either
        told = f"macro-F1 {new:.3f} on held-back rows is below the {min_macro_f1:.3f} that `training.min_macro_f1` asks for"
        return Guard(name=name, state="failed", told=told, value=new, limit=min_macro_f1)
    if old is None:
        told = f"macro-F1 {new:.3f} on held-back rows, and there is no champion yet"
        return Guard(name=name, state="passed", told=told, value=new, limit=min_macro_f1)
    limit = max(min_macro_f1, old - worse_by)
    if new < old - worse_by:
        told = f"macro-F1 {new:.3f} on held-back rows is worse than the champion's {old:.3f}"
        return Guard(name=name, state="failed", told=told, value=new, limit=limit)
    told = f"macro-F1 {new:.3f} on held-back rows, the champion has {old:.3f}"
    return Guard(name=name, state="passed", told=told, value=new, limit=limit)


def fairness(kind: str, groups: Sequence[Group] | None, *, gap: float, absent: str = "") -> Guard:
    """No group bears much more error than all rows together: at most `gap` more, unless the champion does no better there.

    `kind` is `queues` or `tiers`. A group fails where its excess is proven: the lower end of Wilson's one-sided interval, at 5%
    divided by the number of groups looked at, lies above the whole's error plus `gap`. An unfairness that the champion shares
    is no reason to keep the champion. Groups of fewer than twenty rows are not looked at. `absent` says why there are none.

    Queues differ in how hard they are, so a first version's are only told: without a champion all of its tickets are a person's, and
    a queue it does not know well stays one, by its low confidence. Tiers should not differ, and are asked of a first version too.
    """
    name = f"fairness_{kind}"
    if groups is None:
        return Guard(name=name, state="skipped", told=absent, limit=gap)
    looked = [g for g in groups if g.rows >= MIN_GROUP_ROWS]
    if len(looked) < 2:
        told = f"fewer than two {kind} have {MIN_GROUP_ROWS} held-back rows: nothing is known of the error in each"
        return Guard(name=name, state="skipped", told=told, limit=gap)
    whole = sum(g.new_wrong for g in groups) / sum(g.rows for g in groups)
    worst = max(looked, key=lambda g: (g.new_error, g.name))
    confidence = 1 - (1 - CONFIDENCE) / len(looked)
    unfair = [
        g.name
        for g in looked
        if wilson(g.new_wrong, g.rows, confidence=confidence)[0] > whole + gap
        and (g.old_error is None or g.old_error < g.new_error)
    ]
    if kind == QUEUES and all(g.old_error is None for g in looked):
        told = f"error {worst.new_error:.1%} in {worst.name}, {whole:.1%} in all queues; there is no champion to do better or worse than"
        return Guard(name=name, state="skipped", told=told, value=worst.new_error - whole, limit=gap)
    told = (
        f"error {worst.new_error:.1%} in {worst.name}, {whole:.1%} in all {kind}, {gap:.0%} more are allowed"
        if not unfair
        else f"error proven to be more than {gap:.0%} above the {whole:.1%} of all {kind} in: {', '.join(unfair)}"
    )
    return Guard(name=name, state="failed" if unfair else "passed", told=told, value=worst.new_error - whole, limit=gap)


def latency(p95_ms: float | None, *, limit_ms: float) -> Guard:
    """The time to score one ticket alone."""
    name = "latency"
    if p95_ms is None:
        told = "there was no row to score, so the latency is unknown"
        return Guard(name=name, state="unknown", told=told, limit=limit_ms)
    good = p95_ms <= limit_ms
    told = f"one ticket takes {p95_ms:.3g} ms (p95)" + (
        "" if good else f", above the {limit_ms:g} ms of `lifecycle.max_p95_ms`"
    )
    return Guard(name=name, state="passed" if good else "failed", told=told, value=p95_ms, limit=limit_ms)


def incidents(opened: Sequence[OpenIncident], *, registered_at: datetime) -> Guard:
    """No open incident, but those that this version is the answer to: it was made after they opened, and none is a stop.

    Narrowing asks for a retraining and is lifted by a version that is good enough, and what follows a rollback may be promoted
    again; a stop is lifted by a person only.
    """
    blocking = sorted({i.kind for i in opened if i.kind == "stop" or i.opened_at >= registered_at})
    count = float(len(opened))
    if blocking:
        told = f"open incidents ({', '.join(blocking)}) that this version can't answer; close them first"
        return Guard(name="incidents", state="failed", told=told, value=count, limit=0.0)
    told = "no open incident" if not opened else "made after every open incident, as their answer"
    return Guard(name="incidents", state="passed", told=told, value=count, limit=0.0)


def returning(left_before: bool, *, version: int) -> Guard:
    """A version that was champion and was left comes back by a person's hand only."""
    told = f"version {version} was champion before and was left; promote it by hand: `aios model promote --force`"
    if left_before:
        return Guard(name="history", state="failed", told=told)
    return Guard(name="history", state="passed", told="it was never found wanting")


def percentile_95(milliseconds: Sequence[float]) -> float | None:
    """The nearest-rank 95th percentile; None without a measurement."""
    ordered = sorted(milliseconds)
    return ordered[min(len(ordered) - 1, -(-len(ordered) * 95 // 100) - 1)] if ordered else None


def agreement_in(evidence: Mapping[str, Any]) -> Parity | None:
    """The agreement that an earlier move of the same version has kept."""
    kept = evidence.get("agreement")
    if not isinstance(kept, Mapping):
        return None
    known = {f.name for f in fields(Parity)}
    return Parity(**{name: value for name, value in kept.items() if name in known})
