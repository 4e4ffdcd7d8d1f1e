"""Whether a ticket has changed since it was decided on: then the decision is asked about again, not written over it.

What belongs here: the comparison, the same for every vendor. What does not: reading the ticket, and rows.

Compared is what a decision goes by and what an action changes: the text, whether it is resolved, the queue, and the priority where one is set.
A ticket's own time of change says less: our own writes move it, and so does a colleague's glance.
"""

from dataclasses import dataclass

from aios_core.canonical.entities import RESOLVED, Ticket
from aios_core.canonical.mapper import content_hash


@dataclass(frozen=True, slots=True, kw_only=True)
class Seen:
    """A ticket as it was decided on. `ours` are queues, `our_priorities` priorities that actions of ours have set meanwhile."""

    content_hash: str
    queue: str | None
    priority: str | None
    ours: frozenset[str] = frozenset()
    our_priorities: frozenset[str] = frozenset()


def conflict(seen: Seen | None, now: Ticket, *, queue: str | None = None, priority: str | None = None) -> str | None:
    """Why an action that sets this queue and priority must not be written to the ticket as it stands; None: it may be."""
    if now.status in RESOLVED:
        return f"the ticket was {now.status} before this action came"
    if seen is None:
        return None
    if content_hash(now) != seen.content_hash:
        return "what the ticket says was changed since the decision"
    if queue is not None and now.queue not in {seen.queue, queue, *seen.ours}:
        return f"somebody moved the ticket to {now.queue or 'no queue'} since the decision"
    if priority is not None and now.priority not in {seen.priority, priority, *seen.our_priorities}:
        return f"somebody set the ticket's priority to {now.priority or 'none'} since the decision"
    return None
