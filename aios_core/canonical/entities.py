"""Tickets, contacts and customers: the same for every vendor.

What belongs here: the entities and what can be said of them without knowing a vendor. What does not: vendor payloads
(a mapper module a vendor, beside this file) and storage (`resources/`).

Two clocks are kept apart. `event_time` is when something became true in the world; `known_at` is when the source
recorded it, by the source's own clock where it has one, else the moment of landing. Features may only use what was
known at the moment of the decision.

What is made by the million is a msgspec struct, here and in `batch.py` and `resources/connectors/base.py`: a frozen dataclass
takes six to eight times as long to make.
"""

from datetime import datetime
from typing import Any

from msgspec import Struct, field


class Ticket(Struct, frozen=True, kw_only=True, gc=False):
    """One version of one ticket. All times are timezone-aware UTC."""

    source: str
    ticket_id: str
    version: str
    correlation_id: str
    event_time: datetime
    known_at: datetime
    created_at: datetime
    subject: str
    body: str
    status: str = "new"  # new | open | pending | solved | closed | deleted
    priority: str | None = None
    channel: str | None = None
    language: str | None = None
    queue: str | None = None  # where it stands now, in the automation's own queue names
    requester_id: str | None = None  # the helpdesk's own user; a Contact tells which customer it is
    customer_id: str | None = None  # set where the payload itself names the customer
    tags: tuple[str, ...] = ()
    custom: dict[str, Any] = field(default_factory=dict)


class Customer(Struct, frozen=True, kw_only=True, gc=False):
    """One version of one customer; `attributes` holds the CRM facts under the declaration's names."""

    source: str
    customer_id: str
    version: str
    correlation_id: str
    event_time: datetime
    known_at: datetime
    attributes: dict[str, Any] = field(default_factory=dict)


class Contact(Struct, frozen=True, kw_only=True, gc=False):
    """One version of a helpdesk user and the customer it belongs to: the join from a ticket to CRM facts."""

    source: str
    contact_id: str
    version: str
    customer_id: str | None
    event_time: datetime
    known_at: datetime


RESOLVED = frozenset({"solved", "closed"})


def states_outcome(ticket: Ticket) -> bool:
    """Whether this version says what turned out to be right: an agent resolved it, in a queue that the automation knows."""
    return ticket.status in RESOLVED and ticket.queue is not None
