"""Cut-offs: the newest proposal of an automation, with its curve. Accepting is the command line's: it changes a file."""

from typing import Annotated

from fastapi import APIRouter, Path, Response
from markupsafe import Markup

from aios_core.thresholds import page
from aios_core.thresholds.plot import curve_svg
from gateway.dependencies import Now, Opened, Reader
from resources.thresholds import ThresholdStore

router = APIRouter()

Name = Annotated[str, Path(pattern=r"^[a-z][a-z0-9_]*$", max_length=63)]
SHOWN = 20


@router.get("/automations/{name}/thresholds")
def thresholds_page(opened: Opened, person: Reader, now: Now, name: Name) -> Response:
    found = ThresholdStore(opened.database).of(name, limit=SHOWN)
    if not found:
        told = (
            f"No cut-offs have been proposed for {name}. `aios thresholds propose --automation {name}` chooses them on past tickets; "
            "nothing moves by itself."
        )
        return opened.pages.render(
            "message.html", status=404, person=person, title="No proposal", message=told, link=("/models", "All models")
        )
    newest = found[0].proposal
    return opened.pages.render(
        "thresholds.html",
        person=person,
        name=name,
        newest=found[0],
        stored=found,
        # made of numbers and escaped words
        curve=Markup(curve_svg(newest)),  # noqa: S704
        columns=page.COLUMNS,
        rows=page.plan_rows(newest),
        summary=page.summary(newest),
        guarantee=page.guarantee(newest),
        now=now,
    )
