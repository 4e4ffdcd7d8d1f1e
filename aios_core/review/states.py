"""The life of a review case: waiting -> claimed -> decided, and back by release, skip, undo or a lead's word.

What belongs here: which step is allowed from where, by whom and when, as pure functions from one standing to the next.
What does not: rows and locks (`resources/review_steps.py`), which call these inside a transaction that holds the row, and how many
opinions a case needs (`second.py`).

A verdict is an opinion. A case is decided when as many people as it needs agree, each counted once, or when a lead has settled it.
As soon as two opinions differ the case is contested: nobody but a lead settles it. A verdict that a lead sends back ends the round:
its opinions are kept, count no more, and everybody may speak again.

A refusal is a `ReviewConflict` that carries the standing it met, so that the person refused can be shown who was first, or a
`NotAllowed` where only a lead may.
"""

from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from datetime import datetime, timedelta
from typing import Any, Literal

from aios_core.errors import PermanentError

State = Literal["waiting", "claimed", "decided"]
Verdict = Literal["confirmed", "corrected"]
CLOSED = "its batch is done and sent on; correct it in the helpdesk"


@dataclass(frozen=True, slots=True, kw_only=True)
class Opinion:
    """What one person said in this round. `form` are the answers of the declared verdict form; `at` is aware UTC."""

    actor: str
    queue: str
    comment: str | None = None
    at: datetime
    form: Mapping[str, Any] = field(default_factory=dict)


@dataclass(frozen=True, slots=True, kw_only=True)
class Standing:
    """Where one case stands. `queue` is what was predicted, `verdict_queue` what stands. Times are aware UTC.

    `opinions` are those of this round, the oldest first. `overridden`: a lead settled it. `rework` is why a lead sent it back.
    """

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
    assigned_to: str | None = None
    opinions: tuple[Opinion, ...] = ()
    opinions_needed: int = 1
    contested: bool = False
    overridden: bool = False
    rework: str | None = None
    round: int = 1
    form: Mapping[str, Any] = field(default_factory=dict)

    def held_by_other(self, actor: str, now: datetime) -> bool:
        """Somebody else holds a claim that has not run out."""
        if self.state != "claimed" or self.claimed_by == actor:
            return False
        return self.claim_expires is not None and self.claim_expires > now

    def opinion_of(self, actor: str) -> Opinion | None:
        """What this person said in this round."""
        return next((o for o in self.opinions if o.actor == actor), None)


class ReviewConflict(PermanentError):
    """Somebody else was first, or it is too late. `standing` is how the case really stands."""

    code = "review.conflict"

    def __init__(self, message: str, standing: Standing) -> None:
        super().__init__(message)
        self.standing = standing


class NotAllowed(PermanentError):
    """Only a lead may do this."""

    code = "review.forbidden"


class UnknownQueue(PermanentError):
    """A verdict names a queue that the automation doesn't have."""

    code = "review.unknown_queue"


class UnknownCase(PermanentError):
    """There is no such case, or a newer decision on the same ticket has replaced it."""

    code = "review.unknown_case"


def claim(case: Standing, *, actor: str, now: datetime, lease: timedelta, lead: bool = False) -> Standing:
    """Take a case for `lease`; taking one's own again prolongs it. Raises ReviewConflict."""
    _refuse_decided(case)
    _refuse_not_ones_turn(case, actor, lead=lead)
    if case.opinion_of(actor) is not None:
        raise ReviewConflict(f"you have decided case {case.case_id}; another person's opinion is asked now", case)
    if case.held_by_other(actor, now):
        raise ReviewConflict(f"{case.claimed_by} is deciding case {case.case_id}; take the next one", case)
    return replace(case, state="claimed", claimed_by=actor, claim_expires=now + lease)


def heartbeat(case: Standing, *, actor: str, now: datetime, lease: timedelta) -> Standing:
    """Prolong one's own lease, also one that ran out as long as nobody took the case. Raises ReviewConflict where it is lost."""
    if case.state != "claimed" or case.claimed_by != actor:
        by = case.claimed_by or case.decided_by
        raise ReviewConflict(f"case {case.case_id} is no longer yours" + (f": {by} has it" if by else ""), case)
    return replace(case, claim_expires=now + lease)


def release(case: Standing, *, actor: str, keep_assignment: bool = False) -> Standing:
    """Give a case back. What one doesn't hold can't be given back, and asking for it harms nothing.

    Who was assigned a case and gives it back leaves it to everybody, unless the assignment is kept.
    """
    if case.assigned_to == actor and not keep_assignment and case.state != "decided":
        case = replace(case, assigned_to=None)
    if case.state != "claimed" or case.claimed_by != actor:
        return case
    return replace(case, state="waiting", claimed_by=None, claim_expires=None)


def reassign(
    case: Standing, *, actor: str, to: str, now: datetime, lead: bool = False, to_lead: bool = False
) -> Standing:
    """Leave a case to one person, who alone gets it until they give it back. Raises ReviewConflict.

    Who holds it may, who was assigned it may, anybody may while nobody has it; a lead always may.
    """
    _refuse_decided(case)
    if not lead:
        _refuse_not_ones_turn(case, actor, lead=False)
        if case.held_by_other(actor, now):
            raise ReviewConflict(
                f"{case.claimed_by} is deciding case {case.case_id}; only a lead can take it away", case
            )
    if case.opinion_of(to) is not None:
        raise ReviewConflict(f"{to} has decided case {case.case_id}; another person's opinion is asked now", case)
    if case.contested and not to_lead:
        raise ReviewConflict(
            f"opinions on case {case.case_id} differ; it can only be left to a lead, and {to} is none", case
        )
    if case.state == "claimed" and case.claimed_by == to:
        return replace(case, assigned_to=to)
    return replace(case, state="waiting", claimed_by=None, claim_expires=None, assigned_to=to)


def decide(
    case: Standing,
    *,
    actor: str,
    queue: str,
    comment: str | None,
    now: datetime,
    form: Mapping[str, Any] | None = None,
    needed: int | None = None,
    lead: bool = False,
) -> Standing:
    """Record an opinion, and the verdict once enough people agree. The same by the same person twice is one. Raises ReviewConflict.

    `needed` raises how many opinions the case needs; what is needed never falls. An own claim that ran out still counts as long as
    nobody took the case since: the work done is not thrown away. A lead's verdict on a contested case settles it.
    """
    if case.state == "decided" and case.decided_by == actor and case.verdict_queue == queue:
        return case
    mine = case.opinion_of(actor)
    if mine is not None and mine.queue == queue:
        return case
    _refuse_decided(case)
    if mine is not None:
        raise ReviewConflict(f"you said {mine.queue} on case {case.case_id}; undo that first", case)
    _refuse_not_ones_turn(case, actor, lead=lead)
    if case.held_by_other(actor, now):
        raise ReviewConflict(f"{case.claimed_by} is deciding case {case.case_id}; your verdict was not taken", case)
    opinion = Opinion(actor=actor, queue=queue, comment=comment or None, at=now, form=dict(form or {}))
    if case.contested:
        return _settled(case, opinion, overridden=True)
    return _weighed(
        replace(
            case,
            opinions=(*case.opinions, opinion),
            opinions_needed=max(case.opinions_needed, needed or 1),
            state="waiting",
            claimed_by=None,
            claim_expires=None,
            assigned_to=None,
        )
    )


def undo(
    case: Standing, *, actor: str, now: datetime, within: timedelta, lease: timedelta, lead: bool = False
) -> Standing:
    """Take one's own verdict back; the case is claimed again where nobody else has it now. Raises ReviewConflict when too late or not
    one's own. A lead's word taken back leaves what the opinions say by themselves.
    """
    mine = case.opinion_of(actor)
    if case.state == "decided" and case.decided_by != actor:
        raise ReviewConflict(f"Case {case.case_id} was decided by {case.decided_by}; only they can undo it", case)
    said_at = case.decided_at if case.state == "decided" else mine.at if mine else None
    if said_at is None:
        raise ReviewConflict(f"Case {case.case_id} is not decided, so there is nothing to undo", case)
    if case.closed:
        raise ReviewConflict(f"Case {case.case_id}: {CLOSED}", case)
    if now > said_at + within:
        minutes = within.total_seconds() / 60
        raise ReviewConflict(
            f"Case {case.case_id} was decided more than {minutes:g} minutes ago; too late to undo", case
        )
    left = case.opinions if case.overridden else tuple(o for o in case.opinions if o.actor != actor)
    weighed = _weighed(replace(_unsettled(case), opinions=left))
    free = weighed.state != "decided" and not weighed.held_by_other(actor, now)
    theirs = weighed.assigned_to in (None, actor) and (lead or not weighed.contested)
    if not free or not theirs or weighed.opinion_of(actor) is not None:
        return weighed
    return replace(weighed, state="claimed", claimed_by=actor, claim_expires=now + lease)


def reject(case: Standing, *, actor: str, reason: str, now: datetime, lead: bool) -> Standing:
    """Send a verdict back: the case waits anew, and the reason is shown with it. Raises NotAllowed, ReviewConflict."""
    _refuse_other_than_lead(case, actor, lead=lead, what="send a verdict back")
    if case.closed:
        raise ReviewConflict(f"Case {case.case_id}: {CLOSED}", case)
    if not case.opinions and case.state != "decided":
        raise ReviewConflict(f"nobody has decided case {case.case_id}, so there is nothing to send back", case)
    if case.held_by_other(actor, now):
        raise ReviewConflict(f"{case.claimed_by} is deciding case {case.case_id}; wait for what they say", case)
    return replace(
        _unsettled(case),
        state="waiting",
        claimed_by=None,
        claim_expires=None,
        assigned_to=None,
        opinions=(),
        contested=False,
        rework=reason,
        round=case.round + 1,
    )


def override(
    case: Standing,
    *,
    actor: str,
    queue: str,
    comment: str | None,
    now: datetime,
    lead: bool,
    form: Mapping[str, Any] | None = None,
) -> Standing:
    """A lead settles a case over what others said or would say; opinions are kept beside it. Raises NotAllowed, ReviewConflict."""
    _refuse_other_than_lead(case, actor, lead=lead, what="settle a case over others' verdicts")
    if case.state == "decided" and case.overridden and case.decided_by == actor and case.verdict_queue == queue:
        return case
    if case.closed:
        raise ReviewConflict(f"Case {case.case_id}: {CLOSED}", case)
    said = Opinion(actor=actor, queue=queue, comment=comment or None, at=now, form=dict(form or {}))
    return _settled(case, said, overridden=True)


def contest(case: Standing) -> Standing:
    """A verdict that contradicts another one on the same text goes to a lead. What was said stays as an opinion."""
    if case.state != "decided" or case.closed or case.overridden:
        return case
    return replace(_unsettled(case), state="waiting", contested=True)


def _weighed(case: Standing) -> Standing:
    """What the opinions of this round amount to: a verdict, a contested case, or one that waits for more."""
    contested = len({o.queue for o in case.opinions}) > 1
    if contested or len(case.opinions) < case.opinions_needed:
        return replace(case, contested=contested)
    return _settled(replace(case, contested=False), case.opinions[-1], overridden=False)


def _settled(case: Standing, said: Opinion, *, overridden: bool) -> Standing:
    return replace(
        case,
        state="decided",
        claimed_by=None,
        claim_expires=None,
        assigned_to=None,
        contested=False,
        overridden=overridden,
        verdict="confirmed" if said.queue == case.queue else "corrected",
        verdict_queue=said.queue,
        comment=said.comment,
        form=said.form,
        decided_by=said.actor,
        decided_at=said.at,
    )


def _unsettled(case: Standing) -> Standing:
    """Without a verdict; who holds a case that is not decided goes on holding it."""
    return replace(
        case,
        state="waiting" if case.state == "decided" else case.state,
        overridden=False,
        verdict=None,
        verdict_queue=None,
        comment=None,
        form={},
        decided_by=None,
        decided_at=None,
    )


def _refuse_decided(case: Standing) -> None:
    if case.state == "decided":
        raise ReviewConflict(f"{case.decided_by} already decided case {case.case_id}: {case.verdict_queue}", case)


def _refuse_not_ones_turn(case: Standing, actor: str, *, lead: bool) -> None:
    if case.contested and not lead:
        raise ReviewConflict(f"opinions on case {case.case_id} differ; a lead settles it now", case)
    if case.assigned_to not in (None, actor):
        raise ReviewConflict(f"case {case.case_id} was left to {case.assigned_to}; take the next one", case)


def _refuse_other_than_lead(case: Standing, actor: str, *, lead: bool, what: str) -> None:
    if not lead:
        raise NotAllowed(
            f"case {case.case_id}: only a lead may {what}, and {actor} is none; ask one, or leave a comment"
        )
