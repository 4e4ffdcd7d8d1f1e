"""A proposal: cut-offs for every queue, what they would change, and what is guaranteed of them.

What belongs here: putting certification, calibration and choice together, and the result as JSON. What does not: its words
(`page.py`), its picture (`plot.py`), and where tickets come from and proposals go (`resources/thresholds.py`).
"""

import hashlib
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass, replace
from typing import Any, Literal

import numpy as np

from aios_core.automation import Automation
from aios_core.decisions.record import canonical
from aios_core.decisions.thresholds import Thresholds
from aios_core.thresholds.calibrate import Calibration, calibrate
from aios_core.thresholds.certify import (
    Certified,
    Evidence,
    certify,
    evidence,
    grid_of,
    lower_bound,
    rows_needed,
    tested,
)
from aios_core.thresholds.choose import NEVER, Load, Pair, Stream, chain, stream_of, within
from aios_core.thresholds.tickets import NO_SCORE, ThresholdError, Tickets

SHARED = "*"  # the group of the queues without cut-offs of their own
UNSCORED = ""
MOST_POINTS = 150
FORMAT = "aios.thresholds/1"

# wrong ones among the tested that a test has to be able to bear: fewer, and a good queue would mostly fail it by chance
BEARS = 5
BEARS_SHARED = 1

Kind = Literal["own", "shared", "kept", "unproven", "person"]


@dataclass(frozen=True, slots=True, kw_only=True)
class Settings:
    """What a manager asks for: reviews a day that people can do (None: any number), and the error that is to be guaranteed."""

    capacity: float | None = None
    max_error: float = 0.02
    confidence: float = 0.9
    days: int = 30

    def __post_init__(self) -> None:
        if not (0 < self.max_error < 1 and 0.5 <= self.confidence < 1 and self.days >= 1):
            raise ThresholdError(
                f"an error of {self.max_error:g} with confidence {self.confidence:g} over {self.days} days can't be asked for; "
                "--max-error lies between 0 and 1, --confidence from 0.5 to below 1, --days is at least 1"
            )
        if self.capacity is not None and self.capacity < 0:
            raise ThresholdError(f"a capacity of {self.capacity:g} reviews a day can't be; it is at least 0")


@dataclass(frozen=True, slots=True, kw_only=True)
class Cut:
    """Where the bands of a queue begin; None: never."""

    automate: float | None
    draft: float | None


@dataclass(frozen=True, slots=True, kw_only=True)
class QueuePlan:
    """One predicted queue. `kind`: `own` cut-offs, those `shared` by many, `kept` for want of tickets, kept because nothing was proven
    (`unproven`), or always a `person`.

    `seen_now` and `seen` are the tested tickets of its group that would be automated under the cut-offs of now and the proposed ones.
    """

    queue: str
    kind: Kind
    now: Cut
    proposed: Cut
    load_now: Load
    load: Load
    seen_now: Evidence
    seen: Evidence


@dataclass(frozen=True, slots=True, kw_only=True)
class Basis:
    """What a proposal was made from. `stream`: `decisions` of this version, or its `evaluation` set where those are too few."""

    automation: str
    declaration: str
    model_name: str
    model_version: int
    stream: str
    stream_rows: int
    per_day: float
    labelled: int
    unbiased: int
    audited: int
    currency: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Proposal:
    """Cut-offs that were chosen, all that was looked at on the way, and notes that a person should read.

    `curve` runs from many reviews to few; `chosen` and `cheapest` are places on it. `changes` are dotted leaves of the declaration.
    """

    proposal_id: str
    basis: Basis
    settings: Settings
    shared: Cut
    queues: tuple[QueuePlan, ...]
    now: Load
    proposed: Load
    curve: tuple[Load, ...]
    chosen: int
    cheapest: int
    changes: Mapping[str, float | str]
    notes: tuple[str, ...]

    @property
    def thresholds(self) -> Thresholds:
        """The proposed cut-offs as decisions use them."""
        own = {plan.queue: Thresholds(**asdict(plan.proposed)) for plan in self.queues}
        return Thresholds(**asdict(self.shared), queues=own)

    def as_json(self) -> dict[str, Any]:
        """All of it as plain JSON; `read_proposal` reads it back."""
        return {"format": FORMAT, **asdict(self)}


def read_proposal(content: Mapping[str, Any]) -> Proposal:
    """A proposal out of `as_json`. Raises ThresholdError."""
    try:
        known = {name: value for name, value in content.items() if name != "format"}
        plans = [
            {**plan, **{n: Cut(**plan[n]) for n in ("now", "proposed")}, **{n: Load(**plan[n]) for n in ("load_now", "load")},
             **{n: Evidence(**plan[n]) for n in ("seen_now", "seen")}}
            for plan in known["queues"]
        ]  # fmt: skip
        return Proposal(**{
            **known,
            "basis": Basis(**known["basis"]),
            "settings": Settings(**known["settings"]),
            "shared": Cut(**known["shared"]),
            "queues": tuple(QueuePlan(**plan) for plan in plans),
            "now": Load(**known["now"]),
            "proposed": Load(**known["proposed"]),
            "curve": tuple(Load(**point) for point in known["curve"]),
            "notes": tuple(known["notes"]),
        })  # fmt: skip
    except (KeyError, TypeError) as error:
        raise ThresholdError(f"a kept proposal can't be read ({error!r}); propose again") from error


def propose(
    known: Tickets,
    stream: Tickets,
    *,
    automation: Automation,
    now: Thresholds,
    settings: Settings,
    basis: Basis,
    halved: bool,
    notes: Sequence[str] = (),
) -> Proposal:
    """Choose cut-offs on `known` (labelled tickets) for days like `stream` (labels not needed).

    `halved`: some tested ticket may be in the stream too, so half of the tests has to order the cut-offs.
    """
    calibration = calibrate(known)
    # audited tickets are tested, so they may not choose what is tested first
    others = None if halved else stream.where(~stream.unbiased)
    tests = tested(known, halved=halved)
    groups = _grouped(known, stream, tests, now=now, settings=settings)
    looked = {g.name: g.look(known, others, settings) for g in groups}
    groups = [g.judged(looked[g.name], tests, settings) for g in groups]
    streams = {g.name: _stream(g.queues, stream, calibration, automation, basis.per_day) for g in groups}
    options = {g.name: (streams[g.name], *g.options(looked[g.name])) for g in groups}
    steps, cheapest = chain(options)
    chosen = within(steps, cheapest, settings.capacity)
    pairs = {g.name: steps[chosen].pairs[g.name] for g in groups}
    plans = tuple(
        _plan(queue, group, pairs[group.name], tests, _stream((queue,), stream, calibration, automation, basis.per_day), settings)
        for group in groups
        for queue in group.queues
        if queue != UNSCORED
    )  # fmt: skip
    unscored = streams[UNSCORED].load((NEVER, NEVER))
    curve, places = _thinned([s.load for s in steps], (chosen, cheapest))
    made = Proposal(
        proposal_id="",
        basis=basis,
        settings=settings,
        shared=_cut(pairs[SHARED]),
        queues=tuple(sorted(plans, key=lambda p: p.queue)),
        now=sum((p.load_now for p in plans), unscored),
        proposed=steps[chosen].load,
        curve=curve,
        chosen=places[0],
        cheapest=places[1],
        changes=_changes(automation, {g.name: (g, _cut(pairs[g.name])) for g in groups}),
        notes=(*notes, *_notes(groups, tests, pairs, steps[chosen].load, settings)),
    )
    named = hashlib.sha256(canonical(made.as_json())).hexdigest()[:12]
    return read_proposal(made.as_json() | {"proposal_id": named})


@dataclass(frozen=True, slots=True, kw_only=True)
class _Group:
    """Queues with one pair of cut-offs. Only where `chosen` is it looked for another than `now`."""

    name: str
    kind: Kind
    queues: tuple[str, ...]
    now: Cut
    chosen: bool
    needed: int = 0

    def look(self, known: Tickets, others: Tickets | None, settings: Settings) -> Certified:
        if not self.chosen:
            return Certified(rows=0, passed={})
        return certify(
            known.of(self.queues),
            grid_of(self.now.automate, self.now.draft).tolist(),
            max_error=settings.max_error,
            confidence=settings.confidence,
            others=None if others is None else others.of(self.queues),
        )

    def judged(self, looked: Certified, tests: Tickets, settings: Settings) -> "_Group":
        """Where nothing passed, nothing is changed; but what is proven to err too often now is automated no more."""
        if not self.chosen or looked.passed or self.proven_bad(tests, settings):
            return self
        return replace(self, chosen=False, kind="unproven")

    def proven_bad(self, tests: Tickets, settings: Settings) -> bool:
        seen = evidence(tests.of(self.queues), self.now.automate, confidence=settings.confidence)
        return lower_bound(seen.wrong, seen.rows, settings.confidence) > settings.max_error

    def options(self, looked: Certified) -> tuple[list[float], list[float]]:
        """The cut-offs for automate and for draft that may be chosen."""
        if not self.chosen:
            return [_or_never(self.now.automate)], [_or_never(self.now.draft)]
        return [*looked.passed, NEVER], [*grid_of(self.now.automate, self.now.draft).tolist(), NEVER]


def _grouped(known: Tickets, stream: Tickets, tests: Tickets, *, now: Thresholds, settings: Settings) -> list[_Group]:
    """Queues with tickets enough choose by themselves, the others together; what is never automated anyhow is left as it is."""
    needed, few = (rows_needed(settings.max_error, settings.confidence, wrong=n) for n in (BEARS, BEARS_SHARED))
    names = sorted({q for part in (known, stream) for q in part.queue[part.confidence != NO_SCORE]} | set(now.queues))
    rows = {name: int((tests.queue == name).sum()) for name in names}
    able = {q for part in (known, stream) for q in part.queue[part.high != "review"]}
    people = [n for n in names if n not in able]
    own = [n for n in names if n in able and rows[n] >= needed]
    kept = [n for n in names if n in able and n in now.queues and n not in own]
    rest = tuple(n for n in names if n not in {*people, *own, *kept})
    together = sum(rows[n] for n in rest)
    return [
        *(_Group(name=n, kind="own", queues=(n,), now=_of(now, n), chosen=True, needed=needed) for n in own),
        *(_Group(name=n, kind="kept", queues=(n,), now=_of(now, n), chosen=False, needed=needed) for n in kept),
        *(_Group(name=n, kind="person", queues=(n,), now=_of(now, n), chosen=False) for n in people),
        _Group(name=SHARED, kind="shared" if together >= few else "kept", queues=rest, now=_of(now, None),
               chosen=together >= few, needed=few),
        _Group(name=UNSCORED, kind="person", queues=(UNSCORED,), now=Cut(automate=None, draft=None), chosen=False),
    ]  # fmt: skip


def _stream(
    queues: tuple[str, ...], stream: Tickets, calibration: Calibration, automation: Automation, per_day: float
) -> Stream:
    mine = stream.where(stream.confidence == NO_SCORE) if queues == (UNSCORED,) else stream.of(queues)
    share = per_day / max(len(stream), 1)
    return stream_of(
        mine, calibration, automation=automation, share=share, audit_share=automation.decisions.audit_share
    )


def _plan(
    queue: str, group: _Group, pair: Pair, tests: Tickets, stream: Stream, settings: Settings
) -> QueuePlan:  # fmt: skip
    own, proposed = tests.of(group.queues), _cut(pair)
    return QueuePlan(
        queue=queue,
        kind=group.kind,
        now=group.now,
        proposed=proposed,
        load_now=stream.load((_or_never(group.now.automate), _or_never(group.now.draft))),
        load=stream.load(pair),
        seen_now=evidence(own, group.now.automate, confidence=settings.confidence),
        seen=evidence(own, proposed.automate, confidence=settings.confidence),
    )


def _changes(automation: Automation, groups: Mapping[str, tuple[_Group, Cut]]) -> dict[str, float | str]:
    """Leaves of the declaration that differ: shared ones under `decisions`, own ones under `decisions.queues`.

    A queue that chose says both of its cut-offs, so that a later change of the shared ones leaves it as it was tested. One that keeps
    what it has says so where the shared ones move away from under it.
    """
    shared = groups[SHARED][1]
    found: dict[str, float | str] = {}
    for name, (group, cut) in groups.items():
        if group.kind == "person":
            continue
        at = "decisions" if name == SHARED else f"decisions.queues.{name}"
        chose = name != SHARED and group.chosen and cut != group.now
        for leaf in ("automate", "draft"):
            value, path = getattr(cut, leaf), f"{at}.{leaf}"
            inherits = name != SHARED and declared_at(automation, path) is None
            if chose or value != getattr(shared if inherits else group.now, leaf):
                found[path] = "never" if value is None else value
    return {path: value for path, value in sorted(found.items()) if value != declared_at(automation, path)}


def declared_at(automation: Automation, path: str) -> Any:
    """What the declaration says at a dotted leaf; None where it says nothing."""
    value: Any = automation
    for step in path.split("."):
        value = value.get(step) if isinstance(value, dict) else getattr(value, step, None)
    return value


def _notes(
    groups: Sequence[_Group], tests: Tickets, pairs: Mapping[str, Pair], load: Load, settings: Settings
) -> list[str]:
    error, sure = f"{settings.max_error:.1%}", f"{settings.confidence:.0%}"
    found = []
    for group in groups:
        told = "the shared cut-offs" if group.name == SHARED else group.name
        seen = evidence(tests.of(group.queues), group.now.automate, confidence=settings.confidence)
        if group.kind == "kept" and group.queues:
            found.append(
                f"{told}: fewer than the {group.needed} tickets that a test of {error} needs; left as declared, without a guarantee"
            )
        elif group.kind == "unproven":
            found.append(
                f"{told}: no cut-off is proven to keep its error under {error}, and none is changed; of {seen.rows} tested tickets that are "
                f"automated now {seen.wrong} were wrong, which is at most {seen.bound:.1%} with {sure} confidence"
            )
        elif group.chosen and pairs[group.name][0] == NEVER:
            why = "people are cheaper than its errors"
            if group.proven_bad(tests, settings):
                why = f"{seen.wrong} of {seen.rows} tested tickets were wrong, and no cut-off is proven to keep that under {error}"
            found.append(f"{told}: nothing is automated, since {why}")
    if settings.capacity is not None and load.reviews > settings.capacity:
        found.append(
            f"{load.reviews:.1f} reviews a day are the fewest that these cut-offs leave; people can do {settings.capacity:g}"
        )
    return found


def _thinned(loads: list[Load], keep: tuple[int, int]) -> tuple[tuple[Load, ...], list[int]]:
    """At most MOST_POINTS points in even steps, those of `keep` among them, and where these are now."""
    places = set(np.linspace(0, len(loads) - 1, min(len(loads), MOST_POINTS)).round().astype(int).tolist()) | set(keep)
    ordered = sorted(places)
    return tuple(loads[p] for p in ordered), [ordered.index(k) for k in keep]


def _of(now: Thresholds, queue: str | None) -> Cut:
    limits = now.of(queue)
    return Cut(automate=limits.automate, draft=limits.draft)


def _or_never(value: float | None) -> float:
    return NEVER if value is None else value


def _cut(pair: Pair) -> Cut:
    automate, draft = (None if value == NEVER else value for value in pair)
    return Cut(automate=automate, draft=draft)
