"""The page of one case: what a person needs to decide it.

What belongs here: putting that page and its slower parts together. What does not: the steps taken on it (`steps.py`), and what is
shown (`resources/console_case.py`).
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime

from fastapi import APIRouter, Response
from psycopg.rows import DictRow

from aios_core.review.states import Opinion, UnknownCase
from gateway.dependencies import Now, Opened, Person, Reader, Services, said
from resources.agents.store import transcript_of_decision
from resources.console_decision import top
from resources.console_draft import DraftView, read_draft
from resources.review_cases import LEADS
from resources.reviews import Batch, Case
from resources.users import UserStore

router = APIRouter()

TOP = 3
SAYING = ("decide", "undo", "conflict")  # events that tell which queue somebody chose


@dataclass(frozen=True, slots=True, kw_only=True)
class Choice:
    """A queue to choose with one key. `probability` is None where the model gave none."""

    queue: str
    probability: float | None


@dataclass(frozen=True, slots=True, kw_only=True)
class Unsent:
    """A verdict that was not taken, because of one field of its form: what was chosen and written stays on the page."""

    queue: str
    comment: str
    answers: Mapping[str, str]
    field: str
    reason: str


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
    unsent: Unsent | None = None,
) -> Response:
    """The page of a case as it stands, or with a verdict that was not taken."""
    case = opened.reviews.case(case_id)
    context = opened.beside.context(case_id=case_id, decision_id=case.decision_id)
    masked = person.user.role in context.mask_for
    queues = opened.reviews.choices(case_id)
    choices = first_choices(queues, context.decision.probabilities)
    chosen = {c.queue for c in choices}
    return opened.pages.render(
        "case.html",
        status=422 if unsent else 200,
        person=person,
        unsent=unsent,
        fields=opened.reviews.form(case_id).fields,
        lead=person.user.role in LEADS,
        seen=opinions_shown(case, person),
        events=events_shown(context.events, case, person),
        people=people_for(opened, person),
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
        agent=transcript_of_decision(opened.database, case.decision_id),
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
    """Whether this person's word on the case can still be taken back: the verdict, or an opinion that waits for others."""
    standing = case.standing
    own = standing.opinion_of(person.username)
    said_at = standing.decided_at if standing.decided_by == person.username else own.at if own else None
    return said_at is not None and not standing.closed and now <= said_at + case.undo


def opinions_shown(case: Case, person: Person) -> tuple[Opinion, ...]:
    """Others' opinions, where one may see them."""
    return case.opinions if _may_lean(case, person) else ()


def events_shown(events: Sequence[DictRow], case: Case, person: Person) -> list[DictRow]:
    """What happened to the case; of an opinion that one may not see yet, only that it was given."""
    if _may_lean(case, person):
        return list(events)
    return [e if e["kind"] not in SAYING or e["actor"] == person.username else e | {"detail": {}} for e in events]


def _may_lean(case: Case, person: Person) -> bool:
    """An opinion is given before others' are seen: after one's own, on a decided case, and as a lead there is nothing to lean on."""
    if not case.opinions or case.standing.state == "decided" or person.user.role in LEADS:
        return True
    return case.standing.opinion_of(person.username) is not None


def people_for(opened: Services, person: Person) -> list[str]:
    """Who a case can be left to."""
    return [user.username for user in UserStore(opened.database).users() if user.username != person.username]


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
