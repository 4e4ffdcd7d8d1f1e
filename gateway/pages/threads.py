"""What was written on a ticket after its own text, asked of the helpdesk when somebody looks.

What belongs here: the page, and how many may ask at once. What does not: asking (`resources/threads.py`).
"""

import threading

from fastapi import APIRouter, Response

from gateway.dependencies import Opened, Reader, Services
from resources.console_decision import DecisionView
from resources.declared_history import declared_as
from resources.threads import Conversation, conversation

router = APIRouter()

# a helpdesk that hangs may hold up so many of the threads that serve pages, and no more
_asking = threading.BoundedSemaphore(4)
WAIT_SECONDS = 1.0


@router.get("/decisions/{decision_id}/thread")
def thread_page(opened: Opened, person: Reader, decision_id: str, *, bare: bool = False) -> Response:
    """The conversation on a decision's ticket; `bare` without the page around it, to be put into another one."""
    decision = opened.views.decision(decision_id)
    masked = person.user.role in opened.views.masked_for(decision.automation)
    found = _asked(opened, decision)
    return opened.pages.render(
        "thread_part.html" if bare else "thread.html",
        person=person,
        decision=decision,
        thread=found.masked() if masked else found,
        masked=masked,
    )


def _asked(opened: Services, decision: DecisionView) -> Conversation:
    with opened.database.connection() as connection:
        automation = declared_as(connection, decision.declaration)
    if automation is None:
        return Conversation(problem="the declaration that this was decided under is not kept any more")
    if not _asking.acquire(timeout=WAIT_SECONDS):
        return Conversation(problem="the helpdesk is slow, and others wait for it already; look again in a moment")
    try:
        return conversation(opened.database, automation, source=decision.source, ticket_id=decision.ticket_id)
    finally:
        _asking.release()
