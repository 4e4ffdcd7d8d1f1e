"""Synthetic transactions in Postgres: the rows of `probes`, and where each probe stands.

What belongs here: beginning a probe, reading its stations from the tables that it passes, and closing it. What does not: the verdict
(`aios_core/synthetic.py`), and the helpdesk, which is asked by its connector.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any, Protocol

from psycopg import Connection

from aios_core.automation import Automation
from aios_core.synthetic import MARK, Probe, State, judged, namespace
from resources.database import Database, rows

SHOWN = 20
FORGOTTEN_DAYS = 30
MANY = 1000  # more tickets than there are probes: asking for all of those costs less than telling all of these


class Helpdesk(Protocol):
    """What a probe needs of a helpdesk."""

    def create(self, *, subject: str, body: str, tags: Sequence[str], external_id: str) -> str:
        """A new ticket's id; creating with the same external id again gives no second ticket where the vendor can tell."""
        ...

    def tags_of(self, ticket_id: str) -> tuple[str, ...] | None:
        """Its tags now; None where there is no such ticket."""
        ...

    def delete(self, ticket_id: str) -> None:
        """Gone afterwards, whether it was there or not."""
        ...


@dataclass(frozen=True, slots=True, kw_only=True)
class Closed:
    """A probe as it was judged."""

    probe: Probe
    state: State
    problem: str


class ProbeStore:
    """The probes of all automations."""

    def __init__(self, database: Database) -> None:
        self._database = database

    def begin(self, probe_id: str, *, automation: str, now: datetime) -> bool:
        """Written before the helpdesk is asked, so that a ticket made by a process that died is known; False: begun already."""
        with self._database.connection() as conn:
            return bool(
                conn.execute(
                    "insert into probes (probe_id, automation, asked_at) values (%s, %s, %s) on conflict do nothing",
                    (probe_id, automation, now),
                ).rowcount
            )

    def created(self, probe_id: str, *, ticket_id: str, now: datetime) -> None:
        with self._database.connection() as conn:
            conn.execute(
                "update probes set ticket_id = %s, created_at = %s where probe_id = %s and ticket_id is null",
                (ticket_id, now, probe_id),
            )

    def seen(self, probe_id: str, *, now: datetime) -> None:
        """The write was read back from the helpdesk."""
        with self._database.connection() as conn:
            conn.execute("update probes set seen_at = %s where probe_id = %s and seen_at is null", (now, probe_id))

    def open(self, automation: str) -> list[Probe]:
        """Probes that are not judged yet, oldest first, with the stations that they are known to have passed by now."""
        with self._database.connection() as conn:
            conn.execute(_FOUND_AGAIN, {"automation": automation})
            conn.execute(_STATIONS, {"automation": automation, "twin": namespace(automation)})
            found = rows(conn, _OPEN, {"automation": automation, "twin": namespace(automation)})
        return [Probe(**row) for row in found]

    def close(self, probe_id: str, *, state: State, problem: str, now: datetime) -> None:
        """Judged once: a later judgement changes nothing."""
        with self._database.connection() as conn:
            conn.execute(
                "update probes set state = %s, problem = %s, closed_at = %s where probe_id = %s and state = 'open'",
                (state, problem, now, probe_id),
            )

    def unremoved(self, automation: str) -> list[tuple[str, str]]:
        """(probe, ticket id) of judged probes whose ticket is in the helpdesk still."""
        with self._database.connection() as conn:
            return conn.execute(
                "select probe_id, ticket_id from probes where automation = %s and state <> 'open' and removed_at is null"
                " and ticket_id is not null order by asked_at",
                (automation,),
            ).fetchall()

    def removed(self, probe_id: str, *, now: datetime) -> None:
        with self._database.connection() as conn:
            conn.execute("update probes set removed_at = %s where probe_id = %s", (now, probe_id))

    def newest(self, automation: str, *, limit: int = SHOWN) -> list[dict[str, Any]]:
        """The last probes, newest first, as their rows."""
        with self._database.connection() as conn:
            return rows(
                conn, "select * from probes where automation = %s order by asked_at desc limit %s", (automation, limit)
            )

    def forget(self, automation: str, *, now: datetime) -> int:
        """Probes of long ago; returns how many."""
        with self._database.connection() as conn:
            return conn.execute(
                "delete from probes where automation = %s and removed_at is not null and asked_at < %s",
                (automation, now - timedelta(days=FORGOTTEN_DAYS)),
            ).rowcount


def round_trip(
    store: ProbeStore,
    helpdesk: Helpdesk,
    *,
    automation: Automation,
    now: datetime,
    held_back: frozenset[str] = frozenset(),
    begin: bool = True,
) -> list[Closed]:
    """Judge what is under way, remove what is judged, and send the next probe; returns those judged now.

    `held_back` are the queues in review only (`*`: all). Running it twice at the same moment begins one probe.
    """
    closed = [
        c for probe in store.open(automation.name) if (c := _look(store, helpdesk, probe, automation, held_back, now))
    ]
    for probe_id, ticket_id in store.unremoved(automation.name):
        helpdesk.delete(ticket_id)
        store.removed(probe_id, now=now)
    store.forget(automation.name, now=now)
    probe_id = f"{MARK}:{automation.name}:{now:%Y%m%dT%H%M%S}"
    if begin and store.begin(probe_id, automation=automation.name, now=now):
        declared = automation.synthetic
        ticket_id = helpdesk.create(subject=declared.subject, body=declared.body, tags=(MARK,), external_id=probe_id)
        store.created(probe_id, ticket_id=ticket_id, now=now)
    return closed


def _look(
    store: ProbeStore,
    helpdesk: Helpdesk,
    probe: Probe,
    automation: Automation,
    held_back: frozenset[str],
    now: datetime,
) -> Closed | None:
    if probe.sent_at is not None and probe.seen_at is None and probe.ticket_id is not None:
        tags = helpdesk.tags_of(probe.ticket_id)
        if tags is not None and set(automation.actions.tags) <= set(tags):
            store.seen(probe.probe_id, now=now)
            probe = next(p for p in store.open(automation.name) if p.probe_id == probe.probe_id)
    held = "*" in held_back or (probe.queue or "") in held_back
    state, problem = judged(probe, automation, now=now, held_back=held)
    if state == "open":
        return None
    store.close(probe.probe_id, state=state, problem=problem, now=now)
    return Closed(probe=probe, state=state, problem=problem)


def probe_tickets(conn: Connection[Any], automation: str, ticket_ids: Sequence[str]) -> set[str]:
    """Which of these tickets are probes, whatever their tags say: an agent may take a tag off."""
    if len(ticket_ids) > MANY:
        known = conn.execute("select ticket_id from probes where automation = %s", (automation,))
        return {row[0] for row in known}.intersection(ticket_ids)
    found = conn.execute(
        "select ticket_id from probes where automation = %s and ticket_id = any(%s)", (automation, list(ticket_ids))
    )
    return {row[0] for row in found}


# a ticket whose making was not written down, as the process died in between, is known by its external id once it has landed
_FOUND_AGAIN = """
update probes p set ticket_id = l.external_id, created_at = l.landed_at
from landing_records l
where p.automation = %(automation)s and p.state = 'open' and p.ticket_id is null and l.automation = p.automation
  and l.object = 'tickets' and l.landed_at >= p.asked_at and l.payload ->> 'external_id' = p.probe_id
"""

_STATIONS = """
update probes p set
    landed_at = (select min(l.landed_at) from landing_records l
                 where l.automation = p.automation and l.object = 'tickets' and l.external_id = p.ticket_id),
    (decided_at, verdict, queue) = (select d.decided_at, d.verdict, d.queue from decisions d
                 where d.automation = %(twin)s and d.ticket_id = p.ticket_id order by d.decided_at limit 1),
    sent_at = (select min(o.sent_at) from outbox o
               where o.automation = %(twin)s and o.external_id = p.ticket_id and o.state = 'sent')
where p.automation = %(automation)s and p.state = 'open' and p.ticket_id is not null
"""

_OPEN = """
select p.probe_id, p.asked_at, p.ticket_id, p.verdict, p.queue, p.created_at, p.landed_at, p.decided_at, p.sent_at, p.seen_at,
       (select o.state from outbox o where o.automation = %(twin)s and o.external_id = p.ticket_id
        order by o.action_id desc limit 1) as sending
from probes p where p.automation = %(automation)s and p.state = 'open' order by p.asked_at
"""
