"""What a drill plays on: an automation of its own, a helpdesk whose clock lies in the past, and the truth about its tickets.

What belongs here: the drill's declaration and the sandbox's state file, both made before the platform starts, and reading which
queue each ticket really belongs to. What does not: the platform's processes (`platform.py`).

The truth is the sandbox world's own, drawn again from its seed and its journal: the helpdesk itself never shows it.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import yaml

from benchmarks.workspace import DECLARATION
from sandbox.clock import SECOND
from sandbox.helpdesk.store import FIRST_TICKET_ID
from sandbox.journal import Journal
from sandbox.service import SPEC_FIELDS, Sandbox
from sandbox.settings import Settings
from sandbox.world.arrivals import Block, spread
from sandbox.world.queues import QUEUES
from sandbox.world.spec import WorldSpec
from sandbox.world.world import World

NAME = "rollback_drill"
# agents work through what the good version decided before the first drill, so that the judge has outcomes to go by
SETTLING_HOURS = 48
HOURS_A_DRILL = 1.0
# what differs from the shipped automation, and why it has to: each drill is a rollback, and there are many in one window
CHANGES: Mapping[str, Mapping[str, Any]] = {"monitoring": {"cooldown_hours": 0, "max_rollbacks": 100_000}}


@dataclass(frozen=True, slots=True, kw_only=True)
class Size:
    """How large the world is: labelled history to train on, and tickets that the good version decides before the first drill."""

    history: int = 2_000
    tickets: int = 400
    seed: int = 7


def declare(folder: Path, *, start: datetime) -> Path:
    """Write the drill's automation into `folder`: the shipped one under another name, with `CHANGES`; returns its file."""
    document = yaml.safe_load(DECLARATION.read_text(encoding="utf-8"))
    attributes = document["attributes"]
    attributes |= {"name": NAME, "description": "The shipped automation, drilled.", "start_date": start.date()}
    for block, values in CHANGES.items():
        attributes[block] = {**attributes.get(block, {}), **values}
    target = folder / NAME
    target.mkdir(parents=True)
    (target / "policy.rego").write_bytes((DECLARATION.parent / "policy.rego").read_bytes())
    file = target / "defs.yaml"
    file.write_text(yaml.safe_dump(document, sort_keys=False), encoding="utf-8")
    return file


def make_world(state: Path, *, size: Size, drills: int, now: datetime) -> WorldSpec:
    """The sandbox's state file. Its clock stands so far back that all drills fit before `now`: no ticket comes from the future."""
    room = timedelta(hours=SETTLING_HOURS + HOURS_A_DRILL * (drills + 2) + 24)
    until = int((now - room).replace(minute=0, second=0, microsecond=0).timestamp())
    spec = WorldSpec(seed=size.seed, tickets=size.tickets, history=size.history)
    Sandbox(Settings(until=until, world=spec, state=state)).close()
    return spec


def first_new_day(spec: WorldSpec, state: Path) -> datetime:
    """Midnight before the first ticket that no agent has touched: the first that the automation decides."""
    journal = Journal(state)
    until = int(journal.value("world")["until"])
    journal.close()
    begin = datetime.fromtimestamp(until, UTC) - timedelta(days=spec.new_days)
    return begin.replace(hour=0, minute=0, second=0, microsecond=0)


def truths(state: Path) -> dict[str, str]:
    """Ticket id -> the queue where it belongs, for every ticket that has been announced so far."""
    journal = Journal(state)
    try:
        kept = journal.value("world")
        entries = list(journal.entries())
    finally:
        journal.close()
    spec = WorldSpec(**{name: kept[name] for name in SPEC_FIELDS})
    world = World(spec)
    found: dict[str, str] = {}
    for block in [*world.past(), *_announced(spec, entries, start=kept["until"] * SECOND)]:
        for place, code in enumerate(world.columns(block).truth.tolist(), start=block.first):
            found[str(place + FIRST_TICKET_ID)] = QUEUES[code]
    return found


def _announced(spec: WorldSpec, entries: list[tuple[int, str, Any]], *, start: int) -> list[Block]:
    """The blocks that moves of the clock have brought, as the sandbox's service draws them."""
    blocks: list[Block] = []
    first, serial = spec.history + spec.tickets, 0
    for at, kind, body in entries:
        if kind == "create":
            first += 1
        if kind != "advance":
            continue
        if count := body["new_tickets"]:
            moved = (at - start) / SECOND
            blocks += spread("advance", seed=spec.seed, serial=serial, start=moved, seconds=body["span"] / SECOND,
                             count=count, first=first)  # fmt: skip
            first += count
        serial += 1
    return blocks
