"""Models: what each alias points to, how it came there, and two versions side by side."""

from typing import Annotated, Any

from fastapi import APIRouter, Path, Response

from gateway.dependencies import Now, Opened, Reader, Services
from resources.comparisons import kept_comparison, kept_comparisons
from resources.registry import Registry

router = APIRouter()

STAGES = ("champion", "canary", "shadow", "candidate", "last_good")
SHOWN = 200

Version = Annotated[int, Path(ge=1, le=2**31 - 1)]
Name = Annotated[str, Path(pattern=r"^[a-z][a-z0-9_]*$", max_length=63)]


@router.get("/models")
def models_page(opened: Opened, person: Reader) -> Response:
    registry = _registry(opened)
    found = {name: registry.standing(name=name) for name in registry.names()}
    return opened.pages.render("models.html", person=person, models=found, stages=STAGES)


@router.get("/models/{name}")
def model_page(opened: Opened, person: Reader, now: Now, name: Name) -> Response:
    registry = _registry(opened)
    versions = registry.versions(name)
    if not versions:
        return _missing(opened, person, "No such model", f"There is no model {name}.", "/models", "All models")
    standing = registry.standing(name=name)
    compared = kept_comparisons(opened.lake, automation=versions[0].automation, name=name)
    return opened.pages.render(
        "model.html",
        person=person,
        name=name,
        versions=versions,
        aliases={v.version: [a for a in STAGES if standing.get(a) == v.version] for v in versions},
        moves=registry.history(name)[:SHOWN],
        shown=SHOWN,
        compared=compared,
        now=now,
    )


@router.get("/models/{name}/compare/{old}/{new}")
def comparison_page(opened: Opened, person: Reader, name: Name, old: Version, new: Version) -> Response:
    versions = {v.version: v for v in _registry(opened).versions(name)}
    automation = next((v.automation for v in versions.values()), None)
    found = None
    if automation is not None:
        found = kept_comparison(opened.lake, automation=automation, name=name, old=old, new=new)
    if found is None:
        message = (
            f"Versions {old} and {new} of {name} were not compared yet. `aios model compare {name} {old} {new}` does it; so does "
            "training, with the champion of that moment."
        )
        return _missing(opened, person, "No such comparison", message, f"/models/{name}", "To the model")
    return opened.pages.render("comparison.html", person=person, name=name, found=found)


def _registry(opened: Services) -> Registry:
    return Registry(opened.database, lake=opened.lake)


def _missing(opened: Services, person: Any, title: str, message: str, link: str, label: str) -> Response:
    return opened.pages.render(
        "message.html", status=404, person=person, title=title, message=message, link=(link, label)
    )
