"""What goes on while the soak runs: the world lives, vendors have bad days, actions are decided, systems call us, and somebody fills a file.

What belongs here: each of these as one step that is repeated in a thread. What does not: killing (`killing.py`) and judging (`judging.py`).
"""

import base64
import hashlib
import hmac
import itertools
import json
import random
import threading
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import httpx
import psycopg

from aios_core.automation import Automation
from aios_core.decisions.actions import OutboxAction
from aios_core.errors import RetryableError
from benchmarks.soak.vendors import GROUPS, NAME, QUEUES, TICKETS, WRITERS
from resources.database import Database, rows
from resources.outbox import enqueue

SECRET = "of the soak"
MOODS: tuple[dict[str, Any], ...] = (
    {"429": 0.15, "5xx": 0.1, "slow": 0.1},
    {"truncated": 0.1, "malformed": 0.1, "duplicates": 0.5, "late": 0.5},
    {"timeout": 0.05, "lost_response": 0.1, "hung": 0.05},
    {"expired_token": 0.2, "5xx": 0.05, "duplicates": 0.3},
    {"429": 0.05, "5xx": 0.05, "truncated": 0.05, "malformed": 0.05, "lost_response": 0.05, "late": 0.3},
)
TIMES = {"retry_after": 1, "slow_ms": 150, "timeout_ms": 600}
FIRST_TICKET_ID = 100_001


@dataclass(slots=True)
class Control:
    """The sandbox's control plane, which no fault hits."""

    url: str

    def get(self, path: str) -> Any:
        return httpx.get(f"{self.url}/sandbox/{path}", timeout=30, trust_env=False).raise_for_status().json()

    def post(self, path: str, **content: Any) -> Any:
        answer = httpx.post(f"{self.url}/sandbox/{path}", json=content, timeout=30, trust_env=False)
        return answer.raise_for_status().json()


class Repeated:
    """A step in a thread of its own, again and again until it is told to end. What it raises is kept, and raised at its end."""

    def __init__(self, step: Callable[[], None], *, every: float) -> None:
        self._step, self._every, self._over = step, every, threading.Event()
        self._error: BaseException | None = None
        self._thread = threading.Thread(target=self._work, daemon=True)
        self._thread.start()

    def end(self) -> None:
        self._over.set()
        self._thread.join(60)
        if self._error is not None:
            raise self._error

    def _work(self) -> None:
        try:
            while not self._over.wait(self._every):
                self._step()
        except BaseException as error:
            self._error = error


@dataclass(slots=True)
class World:
    """Time passes, tickets come, agents work, people delete; vendors are in one mood after the other, and at half time they have a new field."""

    control: Control
    order: random.Random
    widened: bool = False

    def live(self) -> None:
        """Some minutes: agents work, and not so fast that nothing is left to write to."""
        hours, arriving = self.order.uniform(0.05, 0.5), self.order.randrange(0, 6)
        self.control.post("clock", advance_hours=hours, new_tickets=arriving)

    def mood(self) -> None:
        """Other faults than before."""
        rates = dict(self.order.choice(MOODS)) | ({"new_field": 1.0} if self.widened else {})
        self.control.post("faults", rates=rates, delete=self.order.randrange(0, 2), **TIMES)

    def calm(self) -> None:
        """No faults any more. The new field stays: vendors take nothing back."""
        self.control.post("faults", rates={"new_field": 1.0} if self.widened else {})


@dataclass(slots=True)
class Decider:
    """Enters actions for tickets as they became canonical: each helpdesk writes to tickets of its own, two actions each."""

    automation: Automation
    database: Database
    order: random.Random
    decided: dict[str, set[int]] = field(default_factory=lambda: {name: set() for name in WRITERS})

    def step(self) -> None:
        """A few tickets of one helpdesk; what Postgres did not take is decided again later."""
        name = self.order.choice(WRITERS)
        try:
            with self.database.connection() as connection:
                found = rows(connection, _UNDECIDED, (NAME, name))
                mine = {row["ticket_id"]: place for row in found if (place := self._mine(name, row["ticket_id"]))}
                chosen = self.order.sample(sorted(mine), min(3, len(mine)))
                actions = [a for own_id in chosen for a in self._actions(name, own_id, mine[own_id])]
                enqueue(connection, self.automation, actions, now=datetime.now(UTC))
        except (psycopg.OperationalError, RetryableError):
            return
        self.decided[name] |= {mine[own_id] for own_id in chosen}

    def _mine(self, name: str, own_id: str) -> int | None:
        """The sandbox's number of this vendor's ticket, if this vendor writes to it and has not yet."""
        number = sandbox_id(name, own_id)
        fits = number % len(WRITERS) == WRITERS.index(name) and number not in self.decided[name]
        return number if fits else None

    def _actions(self, name: str, own_id: str, number: int) -> list[OutboxAction]:
        queue = self.order.choice(QUEUES)
        return [
            OutboxAction(
                target=name,
                kind=kind,  # type: ignore[arg-type]  # one of the two
                external_id=own_id,
                payload={
                    "queue": queue,
                    "tags": ["aios"],
                    "comment": f"soak {name} {number} {step}",
                    "decision_id": f"soak-{name}-{number}-{step}",
                    "confidence": 0.9,
                },
                idempotency_key=f"soak:{name}:{number}:{step}",
            )
            for step, kind in enumerate(("assign", "note"))
        ]


# the newest version of each ticket, if it is one that may still be written to
_UNDECIDED = """
select ticket_id from (select distinct on (ticket_id) ticket_id, status from tickets where automation = %s and source = %s
  order by ticket_id, event_time desc, landing_id desc) n where status in ('new', 'open')
"""


def sandbox_id(vendor: str, own_id: str) -> int:
    """The sandbox's number of a vendor's ticket."""
    if vendor == "jira":
        return int(own_id.removeprefix("CARE-"))
    return int(own_id, 16 if vendor == "servicenow" else 10)


@dataclass(slots=True)
class Caller:
    """Systems that call us: new deliveries, old ones again, forged ones. What was acknowledged must be there once at the end."""

    gateway: str
    order: random.Random
    acknowledged: set[tuple[str, str]] = field(default_factory=set)
    sent: list[tuple[str, str, bytes]] = field(default_factory=list)
    forged_taken: int = 0
    unanswered: int = 0
    numbers: Iterator[int] = field(default_factory=itertools.count)

    def step(self) -> None:
        """One delivery, mostly a new one."""
        chance = self.order.random()
        if self.sent and chance < 0.3:
            source, own, body = self.order.choice(self.sent[-50:])
        else:
            source = self.order.choice([name for name, vendor in TICKETS.items() if vendor.scheme])
            own = f"{source}-{next(self.numbers)}"
            ticket = FIRST_TICKET_ID + self.order.randrange(0, 200)
            body = json.dumps({"id": own, "detail": {"id": str(ticket)}}).encode()
            self.sent.append((source, own, body))
        forged = chance > 0.95
        status = self._post(source, own, body, secret="guessed" if forged else SECRET)
        if forged:
            self.forged_taken += status == 200
        elif status == 200:
            self.acknowledged.add((source, own))
        else:
            self.unanswered += 1

    def again(self) -> None:
        """Whoever got no answer tries again, as such systems do."""
        for source, own, body in self.sent:
            if (source, own) not in self.acknowledged and self._post(source, own, body, secret=SECRET) == 200:
                self.acknowledged.add((source, own))

    def _post(self, source: str, own: str, body: bytes, *, secret: str) -> int:
        headers = signed(TICKETS[source].scheme or "", own, body, secret=secret)
        try:
            answer = httpx.post(
                f"{self.gateway}/hooks/{NAME}/{source}", content=body, headers=headers, timeout=5, trust_env=False
            )
        except httpx.HTTPError:
            return 0
        return answer.status_code


def signed(scheme: str, own: str, body: bytes, *, secret: str) -> dict[str, str]:
    """The headers with which a vendor proves a delivery."""
    if scheme == "zendesk":
        stamp = datetime.now(UTC).isoformat()
        mac = hmac.new(secret.encode(), stamp.encode() + body, hashlib.sha256).digest()
        return {
            "X-Zendesk-Webhook-Signature": base64.b64encode(mac).decode(),
            "X-Zendesk-Webhook-Signature-Timestamp": stamp,
            "X-Zendesk-Webhook-Invocation-Id": own,
        }
    if scheme == "intercom":
        return {"X-Hub-Signature": "sha1=" + hmac.new(secret.encode(), body, hashlib.sha1).hexdigest()}
    if scheme == "token":
        return {"Authorization": f"Bearer {secret}", "X-Delivery-Id": own}
    mac_hex = "sha256=" + hmac.new(secret.encode(), body, hashlib.sha256).hexdigest()
    if scheme == "jira":
        return {"X-Hub-Signature": mac_hex, "X-Atlassian-Webhook-Identifier": own}
    return {"X-Hub-Signature-256": mac_hex, "X-GitHub-Delivery": own}


@dataclass(slots=True)
class Paper:
    """Somebody appends to files: whole lines, halves of lines that are finished later, and lines that are no records."""

    folder: Path
    order: random.Random
    written: dict[str, str] = field(default_factory=dict)
    broken: int = 0
    half: bytes = b""
    numbers: Iterator[int] = field(default_factory=lambda: itertools.count(1))

    def step(self) -> None:
        """A line or two, or what was missing of the last."""
        text = self.half
        self.half = b""
        for _ in range(self.order.randrange(0, 4)):
            text += self._line()
        if text.endswith(b"\n") and self.order.random() < 0.3:
            line = self._line()
            cut = self.order.randrange(1, len(line) - 1)
            text, self.half = text + line[:cut], line[cut:]
        with (self.folder / "desk.jsonl").open("ab") as file:
            file.write(text)

    def finish(self) -> None:
        """The last line to its end."""
        with (self.folder / "desk.jsonl").open("ab") as file:
            file.write(self.half)
        self.half = b""

    def _line(self) -> bytes:
        if self.order.random() < 0.05:
            self.broken += 1
            return b'{"ticket_id": \n'
        number = next(self.numbers)
        moment = (datetime(2026, 3, 1, tzinfo=UTC) + timedelta(seconds=number)).isoformat()
        own_id = f"P{self.order.randrange(1, number + 1)}"  # now and then a later version of an older ticket
        self.written[own_id] = moment
        queue = self.order.choice(list(GROUPS.values()))
        row = {"ticket_id": own_id, "created_at": "2026-03-01T00:00:00Z", "updated_at": moment, "queue": queue,
               "subject": f"Paper {own_id}", "body": f"Written at {moment}"}  # fmt: skip
        return json.dumps(row).encode() + b"\n"


def wait_until(ready: Callable[[], bool], *, seconds: float, what: str) -> None:
    """Raises TimeoutError."""
    until = time.monotonic() + seconds
    while not ready():
        if time.monotonic() > until:
            raise TimeoutError(f"waited {seconds:g} s in vain for {what}")
        time.sleep(0.1)
