"""An incident's timeline: what happened, when, and where to look, put in order.

What belongs here: the facts that a timeline is made of, and its entries, as a pure function. What does not: finding the facts
(`resources/incidents.py`) and showing the entries (the console, `aios incident show`).

    rollback:  drifted ─► flagged ─► decided ─► moved ─► confirmed ─► repaired ─► closed
    narrow:    drifted ─► flagged ─► decided ─► moved ─► confirmed ─► lifted, closed

*Drifted* is the first partition that drift was found in under the version at fault; there may be none. *Flagged* is when the judge
said that a remedy is due, *decided* when the remedy's job began and the incident was opened. *Moved* is the change itself: of the alias,
or of a queue's mode. *Confirmed* is the first decision made under it, by batch and by gateway, so that it is seen and not assumed.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import UTC, date, datetime, time
from typing import Any, Literal

from aios_core.decisions.model import EVERY_QUEUE, REVIEW_ONLY

EntryKind = Literal["drifted", "flagged", "decided", "moved", "confirmed", "repaired", "lifted", "closed"]
ORDER: tuple[EntryKind, ...] = (
    "drifted", "flagged", "decided", "moved", "confirmed", "repaired", "lifted", "closed",
)  # fmt: skip
LinkKind = Literal["run", "report", "decision", "model", "batch"]
RUN = "run:"  # an actor that is a run


@dataclass(frozen=True, slots=True, kw_only=True)
class Link:
    """Where to look: `target` is a run's or decision's id, a report's path, a model's or batch's name."""

    kind: LinkKind
    target: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Entry:
    """One line of a timeline."""

    at: datetime
    kind: EntryKind
    text: str
    links: tuple[Link, ...] = ()


@dataclass(frozen=True, slots=True, kw_only=True)
class Drifted:
    """The first partition in which drift was found under the version at fault."""

    day: date
    version: int
    reason: str
    report: str | None
    measured_at: datetime


@dataclass(frozen=True, slots=True, kw_only=True)
class AliasMoved:
    """The champion's move."""

    name: str
    version: int
    previous: int | None
    actor: str
    at: datetime


@dataclass(frozen=True, slots=True, kw_only=True)
class ModeSet:
    """A queue's mode, set because of the incident."""

    queue: str
    mode: str
    actor: str
    at: datetime


@dataclass(frozen=True, slots=True, kw_only=True)
class FirstDecision:
    """The first decision under what was moved; `way` is `batch` or `gateway`."""

    decision_id: str
    way: str
    at: datetime


@dataclass(frozen=True, slots=True, kw_only=True)
class Repair:
    """How the blast radius was dealt with; `fates` counts decisions by what became of them."""

    good_version: int
    onset: datetime
    why: str
    run_id: str | None
    started_at: datetime
    finished_at: datetime | None
    fates: Mapping[str, int] = field(default_factory=dict)
    batches: tuple[str, ...] = ()

    @property
    def listed(self) -> int:
        return sum(self.fates.values())


@dataclass(frozen=True, slots=True, kw_only=True)
class Story:
    """All that is known of one incident."""

    incident_id: int
    automation: str
    remedy: str
    queue: str | None
    reason: str
    evidence: Mapping[str, Any]
    actor: str
    opened_at: datetime
    closed_at: datetime | None = None
    closed_by: str | None = None
    closed_why: str | None = None
    assessed_at: datetime | None = None
    drifted: Drifted | None = None
    moved: AliasMoved | None = None
    modes: tuple[ModeSet, ...] = ()
    confirmed: tuple[FirstDecision, ...] = ()
    repair: Repair | None = None


def timeline(story: Story) -> tuple[Entry, ...]:
    """The entries in the order of their times; what happened at the same moment, in the order of its causes."""
    entries = [*_before(story), *_moves(story), *_after(story)]
    return tuple(sorted(entries, key=lambda e: (e.at, ORDER.index(e.kind))))


def seconds_to_move(story: Story) -> float | None:
    """From flagged to moved; None where either is not known."""
    moved = [*([story.moved.at] if story.moved else []), *(m.at for m in story.modes if m.mode == REVIEW_ONLY)]
    return None if story.assessed_at is None or not moved else (min(moved) - story.assessed_at).total_seconds()


def _before(story: Story) -> list[Entry]:
    found = []
    if (drifted := story.drifted) is not None:
        report = () if drifted.report is None else (Link(kind="report", target=drifted.report),)
        text = f"First drifted partition {drifted.day} under version {drifted.version}. {drifted.reason}".rstrip()
        found.append(
            Entry(at=datetime.combine(drifted.day, time(), tzinfo=UTC), kind="drifted", text=text, links=report)
        )
    if story.assessed_at is not None:
        found.append(Entry(at=story.assessed_at, kind="flagged", text=f"The judge asked for a remedy. {story.reason}"))
    what = {"rollback": "roll back", "narrow": "narrow", "stop": "stop"}.get(story.remedy, story.remedy)
    where = "" if story.remedy != "narrow" else f" {_queue(story.queue)}"
    found.append(
        Entry(
            at=story.opened_at,
            kind="decided",
            text=f"{_who(story.actor)} began to {what}{where}.",
            links=_run(story.actor),
        )
    )
    return found


def _moves(story: Story) -> list[Entry]:
    found = []
    if (moved := story.moved) is not None:
        left = "" if moved.previous is None else f" from version {moved.previous}"
        links = (*_run(moved.actor), Link(kind="model", target=moved.name))
        text = f"The champion of {moved.name} was moved{left} to version {moved.version}."
        found.append(Entry(at=moved.at, kind="moved", text=text, links=links))
    for mode in story.modes:
        held = mode.mode == REVIEW_ONLY
        text = f"{_queue(mode.queue)} goes to people only." if held else f"{_queue(mode.queue)} is automated again."
        text = text[:1].upper() + text[1:]
        found.append(Entry(at=mode.at, kind="moved" if held else "lifted", text=text, links=_run(mode.actor)))
    return found


def _after(story: Story) -> list[Entry]:
    found = [
        Entry(
            at=first.at,
            kind="confirmed",
            text=f"The first decision under it, by the {first.way}.",
            links=(Link(kind="decision", target=first.decision_id),),
        )
        for first in story.confirmed
    ]
    if (repair := story.repair) is not None and repair.finished_at is not None:
        links = (
            *_run(f"{RUN}{repair.run_id}" if repair.run_id else ""),
            *(Link(kind="batch", target=b) for b in repair.batches),
        )
        found.append(Entry(at=repair.finished_at, kind="repaired", text=_repaired(repair), links=links))
    if story.closed_at is not None:
        why = f": {story.closed_why}" if story.closed_why else "."
        by = story.closed_by or ""
        found.append(Entry(at=story.closed_at, kind="closed", text=f"{_who(by)} closed it{why}", links=_run(by)))
    return found


def _repaired(repair: Repair) -> str:
    fates = repair.fates
    return (
        f"{repair.listed} decisions since {repair.why} were looked at again under version {repair.good_version}: "
        f"{fates.get('unchanged', 0)} unchanged, {fates.get('corrected', 0)} corrected, {fates.get('review', 0)} sent to review, "
        f"{fates.get('settled', 0)} settled by people before."
    )


def _queue(queue: str | None) -> str:
    return "everything" if queue in (None, EVERY_QUEUE) else f"queue {queue}"


def _who(actor: str) -> str:
    return "A run" if actor.startswith(RUN) else actor.removeprefix("person:") or "Somebody"


def _run(actor: str) -> tuple[Link, ...]:
    return (Link(kind="run", target=actor.removeprefix(RUN)),) if actor.startswith(RUN) else ()
