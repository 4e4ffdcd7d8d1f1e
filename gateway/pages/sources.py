"""Sources: what was read from each and when, what is left of a vendor's quota, and who is left alone for not answering.

What belongs here: the page. What does not: the numbers (`resources/source_reads.py`, `resources/breakers.py`).
"""

from fastapi import APIRouter, Response

from gateway.dependencies import Now, Opened, Reader
from resources.breakers import Breakers
from resources.source_reads import SourceReads

router = APIRouter()


@router.get("/sources")
def sources_page(opened: Opened, person: Reader, now: Now) -> Response:
    states = SourceReads(opened.database).states()
    by_automation: dict[str, list[object]] = {}
    for state in states:
        by_automation.setdefault(state.automation, []).append(state)
    shown = {f"{s.connector} " for s in states}
    others = [k for k in Breakers(opened.database).all() if not k.key.startswith(tuple(shown) or ("\0",))]
    return opened.pages.render("sources.html", person=person, automations=by_automation, others=others, now=now)
