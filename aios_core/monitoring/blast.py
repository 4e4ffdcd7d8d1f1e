"""The blast radius: since when a version that was left decided badly, and what becomes of each of its decisions.

What belongs here: both as pure functions. What does not: finding the decisions and recording what replaces them
(`resources/repairs.py`), scoring and deciding again (`aios_assets/repair.py`).

A ticket moves once more only where the good version names another queue, and nobody has spoken since: an outcome, a person's
verdict, a newer decision or a closed ticket stand. What the good version is as sure of as the one that was left goes through the outbox;
what it is less sure of goes to people, since a machine has erred there once.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import UTC, date, datetime, time
from typing import Literal

from aios_core.decisions.proposal import CAUTION

Fate = Literal["unchanged", "corrected", "review", "settled"]
FATES: tuple[Fate, ...] = ("unchanged", "corrected", "review", "settled")

MIN_BEFORE = 20  # settled tickets from before the first drifted day; fewer do not show that the version was well then


@dataclass(frozen=True, slots=True, kw_only=True)
class Onset:
    """Decisions at `at` or later, on tickets of `since_day` or later (None: of any day), are looked at again."""

    at: datetime
    since_day: date | None
    why: str


def onset(*, promoted_at: datetime, drifted: date | None, before: Sequence[tuple[bool, bool]]) -> Onset:
    """Since when the version decided badly.

    As a rule since its promotion: it was found worse than the version before it. Where a partition drifted later under it, and the
    settled tickets `before` that day, (it was right, the good version would have been), show it no worse, since that day: what it
    decided well then need not move.
    """
    if drifted is None or datetime.combine(drifted, time(), tzinfo=UTC) <= promoted_at:
        return Onset(at=promoted_at, since_day=None, why="its promotion")
    if len(before) < MIN_BEFORE:
        why = (
            f"its promotion; only {len(before)} settled tickets tell how it was before the first drifted day, {drifted}"
        )
        return Onset(at=promoted_at, since_day=None, why=why)
    ours, theirs = sum(a and not b for a, b in before), sum(b and not a for a, b in before)
    if theirs > ours:
        why = (
            f"its promotion; it was worse before the first drifted day, {drifted}, already ({theirs} to {ours} tickets)"
        )
        return Onset(at=promoted_at, since_day=None, why=why)
    why = f"the first drifted day, {drifted}; on {len(before)} settled tickets before it, it was no worse"
    return Onset(at=promoted_at, since_day=drifted, why=why)


def untouched(*, verdict: str, settled: bool) -> Fate | None:
    """The fate of a decision that is not made again, None where it is: others have spoken, or a person was asked then."""
    if settled:
        return "settled"
    return "unchanged" if verdict == "review" else None


def fate(*, verdict: str, queue: str | None, new_verdict: str, new_queue: str | None) -> Fate:
    """What becomes of a decision that nobody has spoken on since, now that the good version was asked."""
    if new_queue == queue:
        return "unchanged"
    return "corrected" if CAUTION[new_verdict] <= CAUTION[verdict] else "review"
