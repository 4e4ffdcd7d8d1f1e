"""The life of a review case: waiting -> claimed -> decided, and back by release, skip or undo.

What belongs here: which step is allowed from where, by whom and when, as pure functions from one standing to the next.
What does not: rows and locks (`resources/reviews.py`), which call these inside a transaction that holds the row.

A refusal is a `ReviewConflict` that carries the standing it met, so that the person refused can be shown who was first.
"""

from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from typing import Literal

from aios_core.errors import PermanentError

State = Literal["waiting", "claimed", "decided"]
Verdict = Literal["confirmed", "corrected"]


@dataclass(frozen=True, slots=True, kw_only=True)
class Standing:
    """Where one case stands. `queue` is what was predicted, `verdict_queue` what a person said. Times are aware UTC."""

    case_id: str
    queue: str
    state: State = "waiting"
    claimed_by: str | None = None
    claim_expires: datetime | None = None
    verdict: Verdict | None = None
    verdict_queue: str | None = None
    comment: str | None = None
    decided_by: str | None = None
    decided_at: datetime | None = None
    closed: bool = False  # its batch is done: nothing is undone any more

    def held_by_other(self, actor: str, now: datetime) -> bool:
        """Somebody else holds a claim that has not run out."""
        if self.state != "claimed" or self.claimed_by == actor:
            return False
        return self.claim_expires is not None and self.claim_expires > now


class ReviewConflict(PermanentError):
    """Somebody else was first, or it is too late. `standing` is how the case really stands."""

    code = "review.conflict"

    def __init__(self, message: str, standing: Standing) -> None:
        super().__init__(message)
        self.standing = standing


class UnknownQueue(PermanentError):
    """A verdict names a queue that the automation doesn't have."""

    code = "review.unknown_queue"


class UnknownCase(PermanentError):
    """There is no such case, or a newer decision on the same ticket has replaced it."""

    code = "review.unknown_case"


def claim(case: Standing, *, actor: str, now: datetime, lease: timedelta) -> Standing:
    """Take a case for `lease`; taking one's own again prolongs it. Raises ReviewConflict."""
    _refuse_decided(case)
    if case.held_by_other(actor, now):
        raise ReviewConflict(f"{case.claimed_by} is deciding case {case.case_id}; take the next one", case)
    return replace(case, state="claimed", claimed_by=actor, claim_expires=now + lease)


def release(case: Standing, *, actor: str) -> Standing:
    """Give a case back. What one doesn't hold can't be given back, and asking for it harms nothing."""
    if case.state != "claimed" or case.claimed_by != actor:
        return case
    return replace(case, state="waiting", claimed_by=None, claim_expires=None)


def decide(case: Standing, *, actor: str, queue: str, comment: str | None, now: datetime) -> Standing:
    """Record a verdict. The same verdict by the same person twice is one verdict. Raises ReviewConflict.

    An own claim that ran out still counts as long as nobody took the case since: the work done is not thrown away.
    """
    if case.state == "decided" and case.decided_by == actor and case.verdict_queue == queue:
        return case
    _refuse_decided(case)
    if case.held_by_other(actor, now):
        raise ReviewConflict(f"{case.claimed_by} is deciding case {case.case_id}; your verdict was not taken", case)
    return replace(
        case,
        state="decided",
        claimed_by=None,
        claim_expires=None,
        verdict="confirmed" if queue == case.queue else "corrected",
        verdict_queue=queue,
        comment=comment or None,
        decided_by=actor,
        decided_at=now,
    )


def undo(case: Standing, *, actor: str, now: datetime, within: timedelta, lease: timedelta) -> Standing:
    """Take one's own verdict back; the case is claimed again. Raises ReviewConflict when too late or not one's own."""
    if case.state != "decided" or case.decided_at is None:
        raise ReviewConflict(f"Case {case.case_id} is not decided, so there is nothing to undo", case)
    if case.decided_by != actor:
        raise ReviewConflict(f"Case {case.case_id} was decided by {case.decided_by}; only they can undo it", case)
    if case.closed:
        raise ReviewConflict(f"Case {case.case_id}: its batch is done and sent on; correct it in the helpdesk", case)
    if now > case.decided_at + within:
        minutes = within.total_seconds() / 60
        raise ReviewConflict(
            f"Case {case.case_id} was decided more than {minutes:g} minutes ago; too late to undo", case
        )
    return replace(
        case,
        state="claimed",
        claimed_by=actor,
        claim_expires=now + lease,
        verdict=None,
        verdict_queue=None,
        comment=None,
        decided_by=None,
        decided_at=None,
    )


def _refuse_decided(case: Standing) -> None:
    if case.state == "decided":
        raise ReviewConflict(f"{case.decided_by} already decided case {case.case_id}: {case.verdict_queue}", case)
