"""Articles that may answer a case's ticket.

What belongs here: the page. What does not: searching (`resources/knowledge_index.py`).

It is a page of its own, so that the case page never waits for an index or an encoder: the first search after a change loads both.
"""

from typing import Annotated

from fastapi import APIRouter, Path, Response

from aios_core.retrieval.articles import KnowledgeError
from aios_core.retrieval.gaps import is_gap
from aios_core.retrieval.question import question
from gateway.dependencies import Now, Opened, Reader

router = APIRouter()

SHOWN = 5


@router.get("/cases/{case_id}/articles")
def articles_page(
    opened: Opened, person: Reader, now: Now, case_id: Annotated[str, Path(max_length=200)], *, bare: bool = False
) -> Response:
    """The best articles that may be cited now, with the passage that fits; a case without text or knowledge says so.

    `bare` without the page around it, to be put into the case's page.
    """
    case = opened.reviews.case(case_id)
    context = opened.beside.context(case_id=case_id, decision_id=case.decision_id)
    ticket = context.ticket
    hits, problem = [], ""
    if ticket is None:
        problem = "The ticket's text is not kept any more."
    else:
        try:
            asks = question(ticket.subject, ticket.body, queue=context.decision.queue)
            hits = opened.knowledge().search(case.automation, asks, now=now, limit=SHOWN)
        except KnowledgeError:
            problem = "This automation has no articles to search."
    near = [hit for hit in hits if not is_gap(hit.score, by_meaning=hit.meaning is not None)]
    template = "articles_part.html" if bare else "articles.html"
    return opened.pages.render(template, person=person, case=case, hits=hits, near=near, problem=problem)
