"""The sandbox as one object: world, clock, helpdesk, CRM, quota, faults and journal, and what can be done to them.

What belongs here: everything that changes state, so that it is written down once and replayed after a restart. What does
not: HTTP (the vendors' routes and `control.py`).
"""

import hashlib
import re
import time
from collections import Counter
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, replace
from typing import Any, Final

import numpy as np

from sandbox.clock import SECOND, Clock, iso
from sandbox.faults import Faults
from sandbox.helpdesk.changes import CUSTOM_FIELDS, Change, read_change
from sandbox.helpdesk.lifecycle import DELETED
from sandbox.helpdesk.store import FIRST_TICKET_ID, TicketStore
from sandbox.journal import Journal, JournalError
from sandbox.quota import LIMITS, Quota
from sandbox.salesforce.records import Crm
from sandbox.settings import Settings
from sandbox.world.arrivals import ENTERED, LIVE_SLOT, live_blocks, spread
from sandbox.world.queues import PRIORITIES, QUEUES
from sandbox.world.spec import Drift, SpecError, WorldSpec, parse_drift
from sandbox.world.tickets import CHANNELS
from sandbox.world.world import World
from sandbox.zendesk.help_center import ArticleError, HelpCenter
from sandbox.zendesk.payloads import Payloads
from sandbox.zendesk.people import SERVICE_USER_ID, People

PAYLOAD_URL: Final = "https://telecom.zendesk.example"
"""The `url` inside payloads. It does not follow the port: a version's payload must not change with a restart."""
HEARTBEAT_US: Final = 10 * SECOND
RECENT_GUARD_US: Final = 60 * SECOND
SPEC_FIELDS: Final = ("seed", "tickets", "new_days", "history", "history_days")


class ServiceError(ValueError):
    """What was asked of the sandbox itself makes no sense; the message says what would."""


@dataclass(frozen=True, slots=True)
class Write:
    """One write that a client sent, for those who check that nothing is written twice."""

    ticket_id: int
    fields: dict[str, Any]
    idempotency_key: str | None
    at: int
    applied: bool
    error: str | None = None
    job_id: str | None = None


class Sandbox:
    """One running sandbox. Not thread-safe: the event loop is the only caller."""

    def __init__(self, settings: Settings, *, monotonic: Callable[[], float] = time.monotonic) -> None:
        self.monotonic = monotonic
        self.journal = Journal(settings.state)
        self.settings = self._remember(settings)
        self.quota = Quota(LIMITS[settings.quota], monotonic=monotonic)
        self.faults = Faults(settings.faults, seed=settings.world.seed)
        self.tokens: dict[str, float] = {}
        self._begin()
        self._replay()

    # -- beginning ----------------------------------------------------------------------------------------------------

    def _remember(self, settings: Settings) -> Settings:
        """A kept state goes on as the world it was; it can't be continued as another one."""
        kept = self.journal.value("world")
        if kept is None:
            sizes = {name: getattr(settings.world, name) for name in SPEC_FIELDS}
            drift = [[item.kind, item.at] for item in settings.world.drift]
            self.journal.set("world", {**sizes, "drift": drift, "until": settings.until})
            return settings
        drifts = tuple(Drift(kind, at) for kind, at in kept["drift"])
        world = WorldSpec(**{name: kept[name] for name in SPEC_FIELDS}, drift=drifts)
        return replace(settings, world=world, until=kept["until"])

    def _begin(self) -> None:
        settings = self.settings
        self.start = settings.until * SECOND
        self.clock = Clock(self.start, running=settings.clock_runs, monotonic=self.monotonic)
        self.world = World(settings.world)
        self.helpdesk = TicketStore(self.world, start=self.start)
        self.crm = Crm(self.world, start=self.start)
        self.payloads = Payloads(self.helpdesk, url=PAYLOAD_URL)
        self.help_center = HelpCenter(start=self.start, url=PAYLOAD_URL)
        self.people = People(
            self.world,
            start=self.start,
            url=PAYLOAD_URL,
            email=settings.credentials.zendesk_email,
            account_ids=self.crm.account_ids,
        )
        self.writes: list[Write] = []
        self.jobs: dict[str, dict[str, Any]] = {}
        self._advances = 0
        self._live_rate, self._live_slot = 0.0, 0
        self._heartbeat = 0

    def _replay(self) -> None:
        """Do again what the journal says was done, at the moments at which it was done."""
        kept = self.journal.value("clock") or 0
        for at, kind, body in self.journal.entries():
            self._pass_to(at)
            self._redo(kind, body, at)
            kept = max(kept, at)
        if (behind := kept - self.clock.now()) > 0:
            # a heartbeat on from the last one: the clock must not go back behind what was served after it
            self.clock.advance(behind + (HEARTBEAT_US if self.clock.running else 0))
        if self._live_rate != self.settings.live_per_minute:
            self._do("live", {"per_minute": self.settings.live_per_minute})
        self.tick()

    def _redo(self, kind: str, body: dict[str, Any], at: int) -> None:
        if kind == "change":
            self._apply_change(body, at)
        elif kind == "advance":
            self._apply_advance(body, at)
        elif kind == "create":
            self.helpdesk.create(**body, at=at)
        elif kind == "delete":
            self.helpdesk.delete(body["place"], at=at)
        elif kind == "job":
            self.jobs[body["id"]] = {"results": body["results"], "at": at, "taken_at": self.monotonic()}
        elif kind == "drift":
            self.world.spec = replace(self.world.spec, drift=(*self.world.spec.drift, Drift(body["kind"], body["at"])))
        elif kind == "release":
            self.helpdesk.release({int(p): m for p, m in body["moments"].items()}, delay=body["delay"])
        elif kind == "enter":
            self._apply_enter(body, at)
        elif kind == "article":
            self.help_center.edit(body["id"], body["fields"], at)
        elif kind == "live":
            self._live_rate, self._live_slot = body["per_minute"], self._slot(at) + 1
        else:
            raise JournalError(
                f"state file {self.journal.path}: unknown entry {kind!r}; it was made by a newer sandbox"
            )

    def _do(self, kind: str, body: dict[str, Any], *, at: int | None = None) -> None:
        at = self.tick() if at is None else at
        self.journal.append([(at, kind, body)])
        self._redo(kind, body, at)

    def close(self) -> None:
        """Keep where the clock stands and let go of the file."""
        if self.journal.path is not None:
            self.journal.set("clock", self.clock.now())
        self.journal.close()

    # -- time ---------------------------------------------------------------------------------------------------------

    def tick(self) -> int:
        """Let the world catch up with the clock; returns the moment, in microseconds since the epoch."""
        now = self.clock.now()
        self._pass_to(now)
        if self.journal.path is not None and now - self._heartbeat > HEARTBEAT_US:
            self.journal.set("clock", now)
            self._heartbeat = now
        return now

    def exportable(self, now: int) -> int:
        """Exports leave out what changed after this moment, as the vendor leaves out the last minute."""
        # several writes at one moment of a frozen clock are a few microseconds ahead of it
        return now - RECENT_GUARD_US if self.settings.recent_guard else now + SECOND

    def _slot(self, at: int) -> int:
        return int((at - self.start) // int(LIVE_SLOT * SECOND))

    def _pass_to(self, now: int) -> None:
        end = self._slot(now)
        if self._live_rate and end > self._live_slot:
            self.helpdesk.add(
                live_blocks(
                    seed=self.world.spec.seed,
                    per_minute=self._live_rate,
                    first_slot=self._live_slot,
                    end_slot=end,
                    first=len(self.helpdesk),
                )
            )
            self._live_slot = end
        # while tickets arrive live, nothing happens ahead of the last whole slot: the order of events then depends on their
        # times alone, not on when somebody asked, and a restart gives the same log
        settled = self.start + int(self._live_slot * LIVE_SLOT * SECOND) if self._live_rate else now
        self.helpdesk.catch_up(min(now, settled))

    def advance(self, hours: float, new_tickets: int | None, *, hold: bool = False) -> None:
        """Move the clock on: agents act, live tickets arrive; or, instead of those, this many new tickets.

        With `hold` agents wait for `release`, which lets them do what they would have done in the meantime.
        """
        if not 0 <= hours <= 24 * 366:
            raise ServiceError(f"advance_hours is {hours}; give a number from 0 to 8784")
        if new_tickets is not None and not (0 <= new_tickets <= 1_000_000 and (hours or not new_tickets)):
            raise ServiceError(
                f"new_tickets is {new_tickets}; give a number from 0 to 1000000, with advance_hours above 0"
            )
        span = int(hours * 3_600 * SECOND)
        # the entry says when the clock was moved; where it stands after that is kept apart
        self._do("advance", {"span": span, "new_tickets": new_tickets, "hold": hold})
        self.clock.advance(span)
        now = self.tick()
        self.journal.set("clock", now)

    def _apply_advance(self, body: dict[str, Any], at: int) -> None:
        span, count = body["span"], body["new_tickets"]
        if body.get("hold"):
            self.helpdesk.hold()
        if count is not None:
            self._live_slot = max(self._live_slot, self._slot(at + span))
        if count:
            self.helpdesk.add(
                spread(
                    "advance",
                    seed=self.world.spec.seed,
                    serial=self._advances,
                    start=(at - self.start) / SECOND,
                    seconds=span / SECOND,
                    count=count,
                    first=len(self.helpdesk),
                )
            )
        self._advances += 1

    def release(self, moments: Mapping[int, int], *, delay_minutes: float) -> None:
        """Agents go on; what clients moved during the hold is in effect from these moments (ticket id -> seconds since the epoch)."""
        places = {str(ticket_id - FIRST_TICKET_ID): at * SECOND for ticket_id, at in moments.items()}
        self._do("release", {"moments": places, "delay": int(delay_minutes * 60 * SECOND)})
        self.tick()

    def enter(self, count: int, *, hours: float, misfiled: bool) -> None:
        """Within the next hours people enter this many tickets that are solved already; misfiled ones in wrong queues."""
        if not (0 <= count <= 100_000 and 0 < hours <= 24 * 366):
            raise ServiceError(f"{count} tickets in {hours} hours: give 0 to 100000 tickets and up to 8784 hours")
        self._do("enter", {"count": count, "seconds": hours * 3_600, "kind": "misfiled" if misfiled else "entered"})

    def _apply_enter(self, body: dict[str, Any], at: int) -> None:
        self.helpdesk.add(
            spread(
                body["kind"],
                seed=self.world.spec.seed,
                serial=self._advances,
                start=(at - self.start) / SECOND,
                seconds=body["seconds"],
                count=body["count"],
                first=len(self.helpdesk),
            )
        )

    def opinions(self, ticket_ids: Iterable[int], *, error_share: float) -> dict[int, str]:
        """Where a person who reads them would put these tickets: where they belong, but for an error now and then.

        The same person errs on the same tickets whenever asked. Tickets that a client wrote are left out.
        """
        said = {}
        for ticket_id in ticket_ids:
            place = self.helpdesk.place_of(ticket_id)
            truth = None if place is None else self.helpdesk.truth(place)
            if truth is not None:
                chance, other = np.random.default_rng([self.world.spec.seed, 77, ticket_id]).random(2)
                wrong = (truth + 1 + int(other * (len(QUEUES) - 1))) % len(QUEUES)
                said[ticket_id] = QUEUES[wrong if chance < error_share else truth]
        return said

    def truth(self) -> list[dict[str, Any]]:
        """Of every ticket what only the world knows: where it belongs, and when it was first resolved."""
        self.tick()
        store = self.helpdesk
        return [
            {
                "id": place + FIRST_TICKET_ID,
                "created_at": store.created_us[place] / SECOND,
                "resolved_at": store.resolved_us[place] / SECOND or None,
                "queue": QUEUES[truth],
                "entered": store.blocks[store.block[place]].kind in ENTERED,
            }
            for place, versions in enumerate(store.versions)
            if versions and (truth := store.truth(place)) is not None
        ]

    def drift(self, kind: str) -> None:
        """Let the world change from now on."""
        try:
            checked = parse_drift(f"{kind}@0", first_moment=0)
        except SpecError as error:
            raise ServiceError(str(error)) from error
        now = self.tick()
        self._do("drift", {"kind": checked.kind, "at": (now - self.start) / SECOND}, at=now)

    def reset(self) -> None:
        """Back to how it was started: same seed, nothing written, the faults of its settings."""
        self.journal.clear()
        self.faults = Faults(self.settings.faults, seed=self.settings.world.seed)
        self.expire_tokens()
        self._begin()
        self._replay()

    def expire_tokens(self) -> None:
        """End every CRM session."""
        self.tokens = {}

    # -- what clients write -------------------------------------------------------------------------------------------

    def change(self, place: int, change: Change, *, key: str | None, job_id: str | None = None) -> None:
        """Apply a checked change of an existing ticket that is not closed."""
        body = {"place": place, "change": change.as_json(), "key": key, "job_id": job_id}
        self._do("change", body)

    def _apply_change(self, body: dict[str, Any], at: int) -> None:
        place = body["place"]
        self.helpdesk.change(place, read_change(body["change"]), author_id=SERVICE_USER_ID, at=at)
        self.writes.append(
            Write(place + FIRST_TICKET_ID, body["change"], body["key"], at, applied=True, job_id=body["job_id"])
        )

    def doubles(self) -> list[dict[str, Any]]:
        """What took effect twice on a ticket and should have once: the same comment, or the same mark of a client's."""
        counts: Counter[tuple[int, str]] = Counter()
        for write in self.writes:
            if write.applied:
                counts.update((write.ticket_id, mark) for mark in _marks(write.fields))
        return [{"ticket_id": i, "what": what, "times": n} for (i, what), n in sorted(counts.items()) if n > 1]

    def refuse(self, ticket_id: int, fields: object, error: str, *, key: str | None, job_id: str | None = None) -> None:
        """Note a write that had no effect."""
        shown = fields if isinstance(fields, dict) else {}
        self.writes.append(Write(ticket_id, shown, key, self.clock.now(), applied=False, error=error, job_id=job_id))

    def keep_job(self, results: list[dict[str, Any]]) -> None:
        """Remember what became of an update-many job's tickets, under the id that `next_job` gave."""
        self._do("job", {"id": self.next_job(), "results": results})

    def next_job(self) -> str:
        """The id of the job to come: the same over a restart, and no other job's."""
        return hashlib.md5(f"{self.start}/{len(self.jobs)}".encode(), usedforsecurity=False).hexdigest()

    def create(self, subject: str, body: str, *, customer: int, priority: str, channel: str = "api") -> int:
        """A ticket that a client opens; returns its id."""
        self._do(
            "create",
            {
                "subject": subject,
                "body": body,
                "customer": customer,
                "channel": CHANNELS.index(channel),
                "priority": PRIORITIES.index(priority),
            },
        )
        return len(self.helpdesk) - 1 + FIRST_TICKET_ID

    def delete(self, ticket_id: int) -> bool:
        """Delete a ticket; False if there is none."""
        self.tick()
        place = self.helpdesk.place_of(ticket_id)
        if place is None:
            return False
        self._do("delete", {"place": place})
        return True

    def edit_article(self, article_id: int | None, fields: dict[str, Any]) -> int:
        """What an editor of the Help Center does; None makes a new article. Returns its id."""
        try:
            checked = self.help_center.check(article_id, fields)
        except ArticleError as error:
            raise ServiceError(str(error)) from error
        self._do("article", {"id": checked, "fields": fields})
        return checked

    # -- what the control plane shows ---------------------------------------------------------------------------------

    def state(self) -> dict[str, Any]:
        """Clock, seed and counts; nothing that only the world knows."""
        now, spec, store = self.tick(), self.world.spec, self.helpdesk
        return {
            "clock": iso(now // SECOND),
            "clock_runs": self.clock.running,
            "until": iso(self.settings.until),
            "exportable_until": iso(self.exportable(now) // SECOND),
            **{name: getattr(spec, name) for name in SPEC_FIELDS},
            "live_per_minute": self._live_rate,
            "drift": [{"kind": item.kind, "at": iso(self.settings.until + item.at)} for item in spec.drift],
            "quota": self.settings.quota,
            "recent_guard": self.settings.recent_guard,
            "state_file": None if self.journal.path is None else str(self.journal.path),
            "counts": {
                **store.counts(),
                "users": len(self.people),
                "accounts": len(self.crm),
                "writes": len(self.writes),
                "jobs": len(self.jobs),
            },
            "faults": {
                "rates": dict(self.faults.plan.rates),
                "pending": list(self.faults.pending),
                "injected": dict(self.faults.counts),
            },
            "requests": self.faults.requests,
            "quota_refused": dict(self.quota.refused),
        }

    def manifest(self) -> dict[str, Any]:
        """Every ticket with its versions so far and its last update: what a client must have landed, and nothing more."""
        now, store = self.tick(), self.helpdesk
        tickets = [
            {
                "id": place + FIRST_TICKET_ID,
                "versions": versions,
                "updated_at": iso(store.updated[place]),
                "deleted": store.status[place] == DELETED,
            }
            for place, versions in enumerate(store.versions)
            if versions
        ]
        return {
            "clock": iso(now // SECOND),
            "exportable_until": iso(self.exportable(now) // SECOND),
            "totals": {**store.counts(), "users": len(self.people), "accounts": len(self.crm)},
            "tickets": tickets,
        }


def _marks(fields: Mapping[str, Any]) -> set[str]:
    """What names the action behind a write: its comment as a whole, the mark in it, and the newest word of the marker field."""
    comment = fields.get("comment") or {}
    body = str(comment.get("body", ""))
    found = set(re.findall(r"\[aios [^\]]+\]", body))
    if body:
        found.add(f"{'public' if comment.get('public', True) else 'private'}: {body}")
    for own in fields.get("custom_fields") or ():
        if CUSTOM_FIELDS.get(own.get("id")) == "aios_decision" and own.get("value"):
            found.add(f"marker {str(own['value']).split()[0]}")
    return found
