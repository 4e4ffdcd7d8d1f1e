"""Why a decision came out as it did, and what a model version goes by, errs at and takes for what.

What belongs here: the pages. What does not: the explanations (`resources/explanations.py`).

Who may see what: the tickets that are like the one at hand are shown to everybody who is signed in, since reviewers decide by them; the
tickets behind a confusion are a list to read through, so their text is for leads and administrators. Both are masked and cut; a
reviewer gets the list without the text.
"""

from typing import Annotated

from fastapi import APIRouter, Path, Query, Response

from aios_core.errors import AiosError
from gateway.dependencies import Opened, Person, Reader, Services, to
from gateway.pages.models import Name, Version
from resources.registry import UnknownModel

router = APIRouter()

READS_LISTS = ("lead", "admin")
MATRIX_UP_TO = 24  # classes; more do not fit on a page, and the list of mistakes says the same
FIRST_SEGMENTS = 12
MISTAKES = 25

Queue = Annotated[str, Query(max_length=200)]
Decision = Annotated[str, Path(max_length=100)]


@router.get("/decisions/{decision_id}/why")
def why_page(opened: Opened, person: Reader, decision_id: Decision, *, bare: bool = False) -> Response:
    """All that speaks for a decision; `bare` without the page around it, to be put into another one."""
    found = opened.explanations().decision(decision_id)
    decision = opened.views.decision(decision_id)
    template = "evidence.html" if bare else "why.html"
    masked = person.user.role in opened.views.masked_for(decision.automation)
    return opened.pages.render(template, person=person, decision=decision, found=found, masked=masked)


@router.get("/models/{name}/versions/{version}")
def version_page(opened: Opened, person: Reader, name: Name, version: Version) -> Response:
    from aios_core.explanation.page import HEADINGS, summary

    try:
        found = opened.explanations().version(name, version)
    except AiosError as error:
        return _untold(opened, person, name, error)
    grouped: dict[str, list[object]] = {}
    for segment in found.segments if found is not None else ():
        grouped.setdefault(segment.dimension, []).append(segment)
    return opened.pages.render(
        "version.html",
        person=person,
        name=name,
        version=version,
        found=found,
        summary="" if found is None else summary(found),
        headings=HEADINGS,
        grouped=grouped,
        widest=max((s.high for s in found.segments), default=1.0) if found is not None else 1.0,
        first=FIRST_SEGMENTS,
        matrix=found is not None and len(found.confusion.classes) <= MATRIX_UP_TO,
        mistakes=[] if found is None else found.confusion.mistakes(MISTAKES),
    )


@router.get("/models/{name}/versions/{version}/rows")
def rows_page(opened: Opened, person: Reader, name: Name, version: Version, label: Queue, predicted: Queue) -> Response:
    """The held-back tickets of one cell."""
    with_text = person.user.role in READS_LISTS
    explanations = opened.explanations()
    try:
        rows = explanations.cell(name, version, label=label, predicted=predicted, with_text=with_text)
        found = explanations.version(name, version)
    except AiosError as error:
        return _untold(opened, person, name, error)
    return opened.pages.render(
        "rows.html",
        person=person,
        name=name,
        version=version,
        label=label,
        predicted=predicted,
        rows=rows,
        total=0 if found is None else found.confusion.of(label, predicted),
        with_text=with_text,
    )


def _untold(opened: Services, person: Person, name: str, error: AiosError) -> Response:
    """There is no such version, or its files are not what was registered."""
    missing = isinstance(error, UnknownModel)
    return opened.pages.render(
        "message.html",
        status=404 if missing else 503,
        person=person,
        title="No such version" if missing else "This version can't be explained",
        message=f"{str(error)[:1].upper()}{str(error)[1:]}.",
        link=(to("models", name), "To the model"),
    )
