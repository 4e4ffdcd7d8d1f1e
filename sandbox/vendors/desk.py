"""The helpdesk and its customers in no vendor's words: what each vendor's module spells in its own.

What belongs here: facts, in the order of their last change, and changing them. What does not: shapes, paging and HTTP (a module a vendor).
"""

from dataclasses import dataclass
from typing import Any, Final, Literal

import numpy as np
from numpy.typing import NDArray

from sandbox.clock import SECOND
from sandbox.helpdesk.changes import ChangeError, read_change
from sandbox.helpdesk.lifecycle import CLOSED, DELETED, SOLVED, STATUSES
from sandbox.helpdesk.store import FIRST_TICKET_ID
from sandbox.service import Sandbox
from sandbox.world.queues import PRIORITIES
from sandbox.world.tickets import CHANNELS
from sandbox.zendesk.people import FIRST_AGENT_ID, FIRST_USER_ID

Kept = Literal["there", "deleted"]
ALL: Final = 10**6


@dataclass(frozen=True, slots=True, kw_only=True)
class Ticket:
    """A ticket as it stands, or as it was written. Times are seconds since the epoch; `group_id` is None in general triage."""

    ticket_id: int
    subject: str
    body: str
    status: str
    priority: str
    channel: str
    group_id: int | None
    requester_id: int
    assignee_id: int | None
    tags: tuple[str, ...]
    created: int
    updated: int
    solved: int | None


@dataclass(frozen=True, slots=True, kw_only=True)
class Person:
    """A customer as the helpdesk and the CRM know them; `account_id` is the CRM's."""

    user_id: int
    account_id: str
    name: str
    email: str
    phone: str
    plan: str
    created: int
    updated: int


@dataclass(frozen=True, slots=True, kw_only=True)
class Comment:
    """What a client wrote on a ticket."""

    comment_id: int
    author_id: int
    body: str
    public: bool
    at: int


class Unchanged(Exception):
    """The helpdesk refuses a change; the message says why."""


class Desk:
    """One sandbox's tickets and people."""

    def __init__(self, sandbox: Sandbox) -> None:
        self.sandbox = sandbox
        self._ordered: tuple[tuple[int, object], NDArray[np.intp], NDArray[np.int64]] | None = None

    def changed(self, since: float, *, kept: Kept = "there") -> list[int]:
        """Places of tickets changed at or after a second, the oldest change first."""
        self.sandbox.tick()
        order, updated = self._order()
        store = self.sandbox.helpdesk
        deleted = np.asarray(store.status, dtype=np.int64)[order] == DELETED
        wanted = (updated >= since) & (deleted == (kept == "deleted"))
        return order[wanted].tolist()

    def _order(self) -> tuple[NDArray[np.intp], NDArray[np.int64]]:
        """Existing places by (second of the last change, id); sorted anew only when something has changed."""
        store = self.sandbox.helpdesk
        versions = np.asarray(store.versions, dtype=np.int64)
        mark = (int(versions.sum()), store)
        if self._ordered is None or self._ordered[0] != mark:
            updated = np.asarray(store.updated, dtype=np.int64)
            existing = np.flatnonzero(versions > 0)
            order = existing[np.lexsort((existing, updated[existing]))]
            self._ordered = (mark, order, updated[order])
        return self._ordered[1], self._ordered[2]

    def place_of(self, ticket_id: str) -> int | None:
        """Where a ticket is kept; None where there is none."""
        self.sandbox.tick()
        known = ticket_id.isascii() and ticket_id.isdigit() and len(ticket_id) < 16
        return self.sandbox.helpdesk.place_of(int(ticket_id)) if known else None

    def ticket(self, place: int) -> Ticket:
        """As it stands."""
        store, overlay = self.sandbox.helpdesk, self.sandbox.helpdesk.overlays.get(place)
        subject, body = store.text(place)
        agent = FIRST_AGENT_ID + store.agent[place] if store.touched(place) else None
        if overlay is not None and overlay.assignee_id is not None:
            agent = overlay.assignee_id or None
        done = store.status[place] in (SOLVED, CLOSED) and store.touched(place)
        return Ticket(
            ticket_id=place + FIRST_TICKET_ID,
            subject=subject if overlay is None or overlay.subject is None else overlay.subject,
            body=body,
            status=STATUSES[store.status[place]],
            priority=PRIORITIES[store.priority[place]],
            channel=CHANNELS[store.channel[place]],
            group_id=store.group[place] or None,
            requester_id=FIRST_USER_ID + store.customer[place],
            assignee_id=agent,
            tags=store.tags(place),
            created=store.created_us[place] // SECOND,
            updated=store.updated[place],
            solved=store.solved_us[place] // SECOND if done else None,
        )

    def as_written(self, place: int) -> Ticket:
        """As it was when it was written: what an out-of-order delivery brings."""
        store = self.sandbox.helpdesk
        subject, body = store.text(place)
        created = store.created_us[place] // SECOND
        return Ticket(
            ticket_id=place + FIRST_TICKET_ID,
            subject=subject,
            body=body,
            status="new",
            priority=PRIORITIES[store.first_priority(place)],
            channel=CHANNELS[store.channel[place]],
            group_id=None,
            requester_id=FIRST_USER_ID + store.customer[place],
            assignee_id=None,
            tags=store.first_tags(place),
            created=created,
            updated=created,
            solved=None,
        )

    def page(self, path: str, places: list[int]) -> list[Ticket]:
        """Tickets of a page; some twice, or an old version after the new one, where a fault says so."""
        faults, store = self.sandbox.faults, self.sandbox.helpdesk
        found = [self.ticket(place) for place in places]
        if places and faults.page_fault("duplicates", path):
            found += [self.ticket(place) for place in faults.choose(1 + len(places) // 20, places)]
        outdated = [place for place in places if store.versions[place] > 1]
        if outdated and faults.page_fault("late", path):
            found += [self.as_written(place) for place in faults.choose(3, outdated)]
        return found

    def comments(self, place: int) -> list[Comment]:
        """What clients wrote on a ticket, oldest first."""
        overlay = self.sandbox.helpdesk.overlays.get(place)
        first = (place + FIRST_TICKET_ID) * 1_000
        return [
            Comment(comment_id=first + n, author_id=s.author_id, body=s.body, public=s.public, at=s.at // SECOND)
            for n, s in enumerate(overlay.comments if overlay else ())
        ]

    def write(self, place: int, **fields: Any) -> None:
        """Change a ticket; the fields are those of `read_change`, those that are None are left as they are. Raises Unchanged."""
        given = {name: value for name, value in fields.items() if value is not None}
        try:
            change = read_change(given)
            if self.sandbox.helpdesk.status[place] == CLOSED:
                raise ChangeError("status", "ClosedTicket", "a closed ticket can't be changed")
        except ChangeError as error:
            self.sandbox.refuse(place + FIRST_TICKET_ID, given, error.code, key=None)
            raise Unchanged(error.description) from error
        self.sandbox.change(place, change, key=None)

    def people(self, since: float) -> list[Person]:
        """Customers changed at or after a second, the oldest change first."""
        now = self.sandbox.tick() // SECOND
        found, _ = self.sandbox.people.updated_after((max(int(since) - 1, 0), ALL * ALL), until=now, limit=ALL)
        return [self.person(user_id, now=now) for _, user_id in found if user_id >= FIRST_USER_ID]

    def person(self, user_id: int, *, now: int) -> Person:
        """One customer."""
        user = self.sandbox.people.user(user_id, now=now)
        index = user_id - FIRST_USER_ID
        customers = self.sandbox.world.customers
        start = self.sandbox.start // SECOND
        changed = bool(customers.changed_at[index] + start <= now)
        updated = customers.changed_at[index] if changed else customers.modified_at[index]
        return Person(
            user_id=user_id,
            account_id=str(user["external_id"]),
            name=user["name"],
            email=user["email"],
            phone=user["phone"],
            plan=user["user_fields"]["plan"],
            created=start + int(customers.created_at[index]),
            updated=start + int(np.floor(updated)),
        )
