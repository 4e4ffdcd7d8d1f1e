"""The page of one case: what a person needs to decide it.

What belongs here: putting that page and its slower parts together. What does not: the steps taken on it (`steps.py`), and what is
shown (`resources/console_case.py`).
"""

from dataclasses import dataclass
from datetime import datetime

from fastapi import APIRouter, Response

from aios_core.review.states import UnknownCase
from gateway.dependencies import Now, Opened, Person, Reader, Services, said
from resources.console_decision import top
from resources.console_draft import DraftView, read_draft
from resources.reviews import Batch, Case

router = APIRouter()

TOP = 3


@dataclass(frozen=True, slots=True, kw_only=True)
class Choice:
    """A queue to choose with one key. `probability` is None where the model gave none."""

    queue: str
    probability: float | None


@router.get("/cases/{case_id}")
def case_page(opened: Opened, person: Reader, now: Now, case_id: str, after: str = "") -> Response:
    return shown(opened, person, case_id, now, after=after)


@router.get("/cases/{case_id}/earlier")
def earlier_tickets(opened: Opened, person: Reader, case_id: str, *, bare: bool = False) -> Response:
    """The customer's earlier tickets; `bare` without the page around it, to be put into another one."""
    case = opened.reviews.case(case_id)
    context = opened.beside.context(case_id=case_id, decision_id=case.decision_id)
    masked = person.user.role in context.mask_for
    found = opened.beside.earlier(context)
    template = "earlier_part.html" if bare else "earlier.html"
    return opened.pages.render(template, person=person, case=case, earlier=found, masked=masked)


def shown(
    opened: Services,
    person: Person,
    case_id: str,
    now: datetime,
    *,
    after: str = "",
) -> Response:
    """The page of a case as it stands."""
    case = opened.reviews.case(case_id)
    context = opened.beside.context(case_id=case_id, decision_id=case.decision_id)
    masked = person.user.role in context.mask_for
    queues = opened.reviews.choices(case_id)
    choices = first_choices(queues, context.decision.probabilities)
    chosen = {c.queue for c in choices}
    return opened.pages.render(
        "case.html",
        person=person,
        case=case,
        context=context.seen_by(person.user.role),
        masked=masked,
        choices=choices,
        others=[q for q in queues if q not in chosen],
        batch=batch_of(opened, case),
        held_by_other=case.standing.held_by_other(person.username, now),
        may_undo=may_undo(case, person, now),
        after=after_verdict(opened, after, person, now),
        draft=draft_for(opened, case.decision_id, masked=masked),
        now=now,
    )


def draft_for(opened: Services, decision_id: str, *, masked: bool) -> DraftView | None:
    """The newest draft for a decision, where one was written."""
    draft = read_draft(opened.database, decision_id)
    return draft.masked() if draft is not None and masked else draft


def first_choices(queues: list[str], probabilities: tuple[tuple[str, float], ...]) -> list[Choice]:
    """The likeliest queues that may be chosen; without a score the first ones as declared."""
    likely = [Choice(queue=q, probability=p) for q, p in top(probabilities, len(probabilities)) if q in set(queues)]
    return likely[:TOP] or [Choice(queue=q, probability=None) for q in queues[:TOP]]


def may_undo(case: Case, person: Person, now: datetime) -> bool:
    standing = case.standing
    mine = standing.state == "decided" and standing.decided_by == person.username and not standing.closed
    return mine and standing.decided_at is not None and now <= standing.decided_at + case.undo


def after_verdict(opened: Services, case_id: str, person: Person, now: datetime) -> Case | None:
    """The case just decided, while its verdict can be undone: shown with the way back."""
    if not case_id:
        return None
    try:
        case = opened.reviews.case(said(case_id))
    except UnknownCase:
        return None
    return case if may_undo(case, person, now) else None


def batch_of(opened: Services, case: Case) -> Batch | None:
    return opened.reviews.batch(automation=case.automation, batch=case.batch) if case.batch else None
