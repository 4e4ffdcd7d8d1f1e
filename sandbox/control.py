"""The control plane: for tests and the demo only. No vendor has it, and it asks for no sign-in.

What belongs here: looking at a sandbox from outside, moving its clock, and breaking it on purpose. What does not: vendors' paths.
"""

from collections.abc import Callable
from dataclasses import asdict
from typing import Any

import orjson
from fastapi import APIRouter, Request, Response

from sandbox.clock import SECOND, iso
from sandbox.faults import FaultError, plan_from
from sandbox.helpdesk.store import FIRST_TICKET_ID
from sandbox.service import Sandbox, ServiceError


def answer(body: object, *, status: int = 200) -> Response:
    """A JSON response."""
    return Response(orjson.dumps(body), status, media_type="application/json")


async def read_object(request: Request) -> dict[str, Any]:
    """The request's JSON object; an empty body is an empty object."""
    try:
        body = orjson.loads(await request.body() or b"{}")
    except orjson.JSONDecodeError as error:
        raise ServiceError(f"the body is not JSON: {error}") from error
    if not isinstance(body, dict):
        raise ServiceError("the body must be a JSON object")
    return body


async def index(_: Request) -> Response:
    """What is here, for whoever opens the address in a browser."""
    return answer(
        {
            "what": "A pretend helpdesk and CRM with a seeded telecom world. Nothing here is real.",
            "helpdesk": "/api/v2 (Zendesk Support)",
            "crm": "/services/data (Salesforce)",
            "look": ["/sandbox/state", "/sandbox/manifest", "/sandbox/writes"],
            "play": ["/sandbox/people", "/sandbox/release", "/sandbox/enter", "/sandbox/truth"],
            "change": ["/sandbox/clock", "/sandbox/faults", "/sandbox/drift", "/sandbox/reset"],
        }
    )


class Control:
    """The endpoints over one sandbox."""

    def __init__(self, sandbox: Sandbox) -> None:
        self._sandbox = sandbox

    async def health(self, _: Request) -> Response:
        """Answers as soon as the world stands."""
        return answer({"status": "ok", "clock": iso(self._sandbox.clock.now() // SECOND)})

    async def state(self, _: Request) -> Response:
        """Clock, seed, counts, faults."""
        return answer(self._sandbox.state())

    async def manifest(self, _: Request) -> Response:
        """Every ticket's versions; deliberately without its true queue."""
        return answer(self._sandbox.manifest())

    async def writes(self, _: Request) -> Response:
        """Every write received, in order."""
        writes = [asdict(write) | {"at": iso(write.at // SECOND)} for write in self._sandbox.writes]
        return answer({"count": len(writes), "writes": writes})

    async def doubles(self, _: Request) -> Response:
        """Writes that took effect twice, which is once too often."""
        found = self._sandbox.doubles()
        return answer({"double_actions": len(found), "doubles": found})

    async def move_clock(self, request: Request) -> Response:
        """`{"advance_hours": 6, "new_tickets": 500}`: agents act, and tickets arrive meanwhile."""
        body = await read_object(request)
        hours, count = body.get("advance_hours"), body.get("new_tickets")
        if not isinstance(hours, int | float) or isinstance(hours, bool):
            raise ServiceError(f"advance_hours is {hours!r}; give a number of hours")
        if count is not None and (not isinstance(count, int) or isinstance(count, bool)):
            raise ServiceError(f"new_tickets is {count!r}; give a whole number or leave it out")
        self._sandbox.advance(float(hours), count, hold=body.get("hold") is True)
        return answer(self._sandbox.state())

    async def release(self, request: Request) -> Response:
        """`{"moments": {"100001": 1800000000}, "delay_minutes": 3}`: agents go on, given when clients' moves took effect."""
        body = await read_object(request)
        try:
            moments = {int(ticket_id): int(at) for ticket_id, at in dict(body.get("moments") or {}).items()}
            delay = float(body.get("delay_minutes", 0))
        except (TypeError, ValueError) as error:
            raise ServiceError("give moments as ticket id -> seconds since the epoch, and delay_minutes") from error
        self._sandbox.release(moments, delay_minutes=delay)
        return answer(self._sandbox.state())

    async def enter(self, request: Request) -> Response:
        """`{"tickets": 500, "hours": 24, "misfiled": true}`: people enter tickets that are solved already."""
        body = await read_object(request)
        count, hours = body.get("tickets"), body.get("hours", 24)
        if not isinstance(count, int) or not isinstance(hours, int | float):
            raise ServiceError(f"tickets is {count!r} and hours {hours!r}; give numbers")
        self._sandbox.enter(count, hours=float(hours), misfiled=body.get("misfiled") is True)
        return answer(self._sandbox.state())

    async def people(self, request: Request) -> Response:
        """`{"tickets": [100001], "error_share": 0.04}`: where people who read these tickets would put them."""
        body = await read_object(request)
        ids, share = body.get("tickets"), body.get("error_share", 0.0)
        if not isinstance(ids, list) or not isinstance(share, int | float) or not 0 <= share <= 1:
            raise ServiceError("give tickets as a list of ids, and error_share from 0 to 1")
        return answer({str(k): v for k, v in self._sandbox.opinions(map(int, ids), error_share=share).items()})

    async def truth(self, _: Request) -> Response:
        """What only the world knows, for measuring afterwards; a platform that reads this learns from the answers."""
        return answer({"tickets": self._sandbox.truth()})

    async def edit_article(self, request: Request) -> Response:
        """`{"id": 360001, "archived": true}`: an editor changes, archives or, without an id, writes an article."""
        body = await read_object(request)
        article_id = body.pop("id", None)
        if article_id is not None and not isinstance(article_id, int):
            raise ServiceError(f"id is {article_id!r}; give an article's number, or leave it out for a new one")
        return answer({"id": self._sandbox.edit_article(article_id, body)})

    async def set_faults(self, request: Request) -> Response:
        """`{"rates": {"429": 0.1}, "next": ["truncated"], "only": "/incremental", "delete": 3}` replaces the plan; `{}` ends it."""
        body = await read_object(request)
        plan = plan_from(body)
        self._sandbox.faults.configure(plan)
        deleted = self._delete(body.get("delete", 0), plan.rates.get("deletions", 0.0))
        return answer({**self._sandbox.state()["faults"], "deleted": deleted})

    def _delete(self, wanted: object, rate: float) -> list[int]:
        """Delete these tickets, or so many of them, or this share of all."""
        store = self._sandbox.helpdesk
        self._sandbox.tick()
        alive = [
            place + FIRST_TICKET_ID
            for place in range(len(store))
            if store.place_of(place + FIRST_TICKET_ID) is not None
        ]
        count = int(rate * len(alive))
        chosen = self._sandbox.faults.choose(count, alive) if count else []
        if isinstance(wanted, list):
            chosen += [int(item) for item in wanted]
        elif isinstance(wanted, int):
            chosen += self._sandbox.faults.choose(max(0, wanted), alive)
        return [ticket_id for ticket_id in chosen if self._sandbox.delete(ticket_id)]

    async def drift(self, request: Request) -> Response:
        """`{"kind": "class_shift"}`: the world changes from now on."""
        self._sandbox.drift(str((await read_object(request)).get("kind", "")))
        return answer(self._sandbox.state())

    async def reset(self, _: Request) -> Response:
        """Back to the start."""
        self._sandbox.reset()
        return answer(self._sandbox.state())


def control_router(sandbox: Sandbox) -> APIRouter:
    """The control plane's paths over one sandbox."""
    control, router = Control(sandbox), APIRouter(prefix="/sandbox")
    routes: tuple[tuple[str, str, Callable[[Request], Any]], ...] = (
        ("GET", "/health", control.health),
        ("GET", "/state", control.state),
        ("GET", "/manifest", control.manifest),
        ("GET", "/writes", control.writes),
        ("GET", "/doubles", control.doubles),
        ("POST", "/clock", control.move_clock),
        ("POST", "/release", control.release),
        ("POST", "/enter", control.enter),
        ("POST", "/people", control.people),
        ("GET", "/truth", control.truth),
        ("POST", "/articles", control.edit_article),
        ("POST", "/faults", control.set_faults),
        ("POST", "/drift", control.drift),
        ("POST", "/reset", control.reset),
    )
    for method, path, endpoint in routes:
        router.add_api_route(path, endpoint, methods=[method], response_model=None)
    return router


CONTROL_ERRORS = (ServiceError, FaultError)
