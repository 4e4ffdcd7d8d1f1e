"""A status page, as a carrier has one: which cities have an outage now, drawn from the world's seed.

What belongs here: its outages and its one path. What does not: tickets, which know nothing of it.

A city has an outage of a service on about one day in nine. It begins at some hour of that day of the sandbox's clock and lasts 2 to 12 hours;
the same seed and moment give the same page.
"""

import hashlib
from datetime import UTC, datetime, timedelta
from typing import Final

from fastapi import APIRouter, Request, Response

from sandbox.clock import SECOND, iso
from sandbox.control import answer
from sandbox.service import Sandbox
from sandbox.world.phrasebook import read_sections

SERVICES: Final = ("mobile", "internet", "tv", "landline")
ONE_IN: Final = 9
CAUSES: Final = ("a cut fibre", "a power failure", "maintenance that took longer", "a broken router")


def outages(seed: int, moment: datetime) -> list[dict[str, str]]:
    """What is out of order at a moment: those of today and yesterday that have begun and not ended."""
    midnight = moment.replace(hour=0, minute=0, second=0, microsecond=0)
    found = []
    for day in (midnight - timedelta(days=1), midnight):
        for city in read_sections("slots")["city"]:
            for service in SERVICES:
                drawn = hashlib.sha256(f"{seed}:{day:%Y-%m-%d}:{city}:{service}".encode()).digest()
                begun = day + timedelta(minutes=int.from_bytes(drawn[1:3]) % 1440)
                ends = begun + timedelta(minutes=120 + int.from_bytes(drawn[3:5]) % 600)
                if drawn[0] % ONE_IN == 0 and begun <= moment < ends:
                    found.append(
                        {
                            "area": city,
                            "service": service,
                            "since": iso(begun.timestamp()),
                            "expected_until": iso(ends.timestamp()),
                            "cause": CAUSES[drawn[5] % len(CAUSES)],
                        }
                    )
    return found


class StatusPage:
    """The page over one sandbox."""

    def __init__(self, sandbox: Sandbox) -> None:
        self._sandbox = sandbox

    async def read(self, request: Request) -> Response:
        """`?area=Springfield&service=internet`; both may be left out, and case does not matter."""
        seconds = self._sandbox.clock.now() // SECOND
        area, service = (request.query_params.get(name, "").strip().lower() for name in ("area", "service"))
        found = outages(self._sandbox.settings.world.seed, datetime.fromtimestamp(seconds, UTC))
        matching = [o for o in found if area in ("", o["area"].lower()) and service in ("", o["service"])]
        return answer({"at": iso(seconds), "outages": matching})


def router(sandbox: Sandbox) -> APIRouter:
    """Its one path; like a real one, it asks for no sign-in."""
    routes = APIRouter(prefix="/status")
    routes.add_api_route("/outages", StatusPage(sandbox).read, methods=["GET"], response_model=None)
    return routes
