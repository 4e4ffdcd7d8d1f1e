"""Alerts: what fires, who looks after it, what is silenced, and how the messages fared.

What belongs here: the page and its forms. What does not: what fires (`aios_core/alerting/`) and the rows (`resources/alerts.py`).

Whoever is signed in may acknowledge: it says that somebody looks. A silence hides what others would be told, so it is for leads and
administrators.
"""

from datetime import timedelta
from typing import Annotated

from fastapi import APIRouter, Form, Path, Response
from fastapi.responses import RedirectResponse

from aios_core.alerting.notices import Alert
from aios_core.alerting.rules import rank
from aios_core.alerting.signals import EVERYTHING
from gateway.dependencies import Now, Opened, Person, Poster, Reader, Services, said
from resources.alert_deliveries import DeliveryStore
from resources.alerts import AlertRefused, AlertStore

router = APIRouter()

SILENCES = ("lead", "admin")
HOURS = (1, 4, 24, 72, 168)
SHOWN = 100
LOOKS_LATE = timedelta(minutes=5)

Number = Annotated[int, Path(ge=1, le=2**63 - 1)]


@router.get("/alerts")
def alerts_page(opened: Opened, person: Reader, now: Now) -> Response:
    return _page(opened, person, now)


@router.get("/alerts/{alert_id}")
def alert_page(opened: Opened, person: Reader, alert_id: Number) -> Response:
    store = AlertStore(opened.database)
    alert = store.get(alert_id)
    return opened.pages.render("alert.html", person=person, a=alert, events=store.timeline(alert_id))


@router.post("/alerts/{alert_id}/acknowledge")
def acknowledge(
    opened: Opened, poster: Poster, now: Now, alert_id: Number, note: Annotated[str, Form()] = ""
) -> Response:
    try:
        AlertStore(opened.database).acknowledge(alert_id, actor=_actor(poster), now=now, note=said(note))
    except AlertRefused as error:
        return _page(opened, poster, now, status=409, problem=str(error))
    return RedirectResponse("/alerts", status_code=303)


@router.post("/alerts/{alert_id}/silence")
def silence(
    opened: Opened,
    poster: Poster,
    now: Now,
    alert_id: Number,
    hours: Annotated[int, Form(ge=1, le=max(HOURS))],
    reason: Annotated[str, Form()] = "",
) -> Response:
    store = AlertStore(opened.database)
    alert = store.get(alert_id)
    if poster.user.role not in SILENCES:
        return _page(opened, poster, now, status=403, problem="Only a lead or an administrator silences alerts.")
    try:
        store.silence(
            automation=alert.automation,
            rule=alert.rule,
            subject=alert.subject,
            reason=said(reason),
            actor=_actor(poster),
            until=now + timedelta(hours=hours),
            now=now,
        )
    except AlertRefused as error:
        return _page(opened, poster, now, status=422, problem=str(error))
    return RedirectResponse("/alerts", status_code=303)


@router.post("/alerts/silences/{silence_id}/end")
def end_silence(opened: Opened, poster: Poster, now: Now, silence_id: Number) -> Response:
    if poster.user.role not in SILENCES:
        return _page(opened, poster, now, status=403, problem="Only a lead or an administrator ends a silence.")
    AlertStore(opened.database).end_silence(silence_id, actor=_actor(poster), now=now)
    return RedirectResponse("/alerts", status_code=303)


def _page(opened: Services, person: Person, now: Now, *, status: int = 200, problem: str = "") -> Response:
    store, messages = AlertStore(opened.database), DeliveryStore(opened.database)
    silences = store.silences(now=now)
    firing = store.alerts(states=("firing",), limit=SHOWN)
    hidden = {
        a.alert_id for a in firing if any(s.automation == a.automation and s.covers(a, now=now) for s in silences)
    }
    loud = [a for a in firing if a.alert_id not in hidden]
    return opened.pages.render(
        "alerts.html",
        status=status,
        person=person,
        groups=_grouped([a for a in loud if a.acknowledged_at is None]),
        acknowledged=[a for a in loud if a.acknowledged_at is not None],
        silenced=[a for a in firing if a.alert_id in hidden],
        silences=silences,
        history=store.alerts(states=("resolved",), limit=SHOWN),
        messages=messages.newest(states=("pending", "dead", "nowhere"), limit=20),
        looks=store.looks(),
        looks_late=LOOKS_LATE,
        may_silence=person.user.role in SILENCES,
        everything=EVERYTHING,
        hours=HOURS,
        shown=SHOWN,
        problem=problem,
        now=now,
    )


def _grouped(alerts: list[Alert]) -> list[list[Alert]]:
    """What belongs to one incident side by side; the worst group first."""
    groups: dict[tuple[str, str], list[Alert]] = {}
    for alert in alerts:
        groups.setdefault((alert.automation, alert.group), []).append(alert)
    found = [sorted(group, key=lambda a: -rank(a.severity)) for group in groups.values()]
    return sorted(found, key=lambda group: -rank(group[0].severity))


def _actor(person: Person) -> str:
    return f"person:{person.username}"
