"""Deliveries: what goes back to helpdesks, what failed for good, and what a dry run would have done.

What belongs here: the page and the form that sends dead writes again. What does not: the outbox (`resources/outbox.py`), the numbers
(`resources/deliveries.py`) and the comparison (`resources/dry_run.py`).

Everybody who is signed in may read. Sending again changes other people's systems, so it is for leads and administrators.
"""

from datetime import datetime, timedelta
from typing import Annotated, Literal

from fastapi import APIRouter, Form, Query, Response
from fastapi.responses import RedirectResponse
from psycopg.errors import QueryCanceled

from gateway.dependencies import Now, Opened, Person, Poster, Reader, Services
from resources.deliveries import Deliveries, Standing
from resources.dry_run import Compared, DryRuns
from resources.outbox import Outbox, Revived

router = APIRouter()

REPLAYS = ("lead", "admin")
SHOWN = 50
DAYS = (7, 30, 0)  # of a dry run; 0 is all of it
COMPARE_MS = 3_000

Number = Annotated[int, Form(ge=1, le=2**63 - 1)]
Count = Annotated[int | None, Query(ge=0, le=2**31)]


@router.get("/deliveries")
def deliveries_page(
    opened: Opened,
    person: Reader,
    now: Now,
    days: Literal["7", "30", "0"] = "7",
    again: Count = None,
    outdated: Count = None,
) -> Response:
    done = None if again is None else Revived(again=again, outdated=outdated or 0)
    return _page(opened, person, now, days=int(days), done=done)


@router.post("/deliveries/replay")
def replay(
    opened: Opened,
    poster: Poster,
    now: Now,
    automation: Annotated[str, Form(max_length=200)],
    action: Annotated[list[Number] | None, Form(max_length=SHOWN)] = None,
    every: Annotated[bool, Form()] = False,
) -> Response:
    if poster.user.role not in REPLAYS:
        return _page(opened, poster, now, status=403, problem="Only a lead or an administrator sends writes again.")
    outbox = Outbox(opened.database)
    wanted = outbox.dead_ids(automation) if every else action or []
    if not wanted:
        return _page(opened, poster, now, status=422, problem="Nothing was chosen, so nothing was sent again.")
    done = outbox.revive(automation, wanted, actor=f"person:{poster.username}", now=now)
    return RedirectResponse(f"/deliveries?again={done.again}&outdated={done.outdated}", status_code=303)


def _page(
    opened: Services,
    person: Person,
    now: datetime,
    *,
    days: int = DAYS[0],
    done: Revived | None = None,
    status: int = 200,
    problem: str = "",
) -> Response:
    deliveries, outbox = Deliveries(opened.database), Outbox(opened.database)
    standings = deliveries.standings(now=now)
    automations: dict[str, list[Standing]] = {}
    for standing in standings:
        automations.setdefault(standing.automation, []).append(standing)
    return opened.pages.render(
        "deliveries.html",
        status=status,
        person=person,
        automations=automations,
        counted=all(s.totals is not None for s in standings),
        dead={name: outbox.dead(name, limit=SHOWN) for name, of in automations.items() if any(s.dead for s in of)},
        retried={
            name: deliveries.retried(name, limit=SHOWN)
            for name, of in automations.items()
            if any(s.retried for s in of)
        },
        kept={name: _compared(opened, name, now, days) for name, of in automations.items() if _keeps(of)},
        replays=deliveries.replays(limit=10),
        masked={name for name in automations if person.user.role in opened.views.masked_for(name)},
        may_replay=person.user.role in REPLAYS,
        days=days,
        choices=DAYS,
        shown=SHOWN,
        done=done,
        problem=problem,
        now=now,
    )


def _keeps(standings: list[Standing]) -> bool:
    return any(s.totals is not None and s.totals.kept for s in standings)


def _compared(opened: Services, automation: str, now: datetime, days: int) -> Compared | None:
    """None where comparing takes too long for a page."""
    since = now - timedelta(days=days) if days else None
    try:
        return DryRuns(opened.database).compare(automation, since=since, at_most_ms=COMPARE_MS)
    except QueryCanceled:
        return None
