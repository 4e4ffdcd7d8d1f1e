"""What a decision on a single ticket reads and writes: the customer's facts, what was decided before, and the record.

What belongs here: the queries of the online path, within the caller's transaction. What does not: deciding (`gateway/decide/`,
`aios_core/decisions/`). They give what the batch path reads for this ticket, and leave what it would leave.
"""

from dataclasses import dataclass
from datetime import datetime
from typing import Any

import orjson
import pyarrow as pa
from psycopg import Connection

from aios_core.automation import Automation
from aios_core.canonical.batch import Landed
from aios_core.canonical.entities import Ticket
from aios_core.decisions.model import Decision
from aios_core.errors import PermanentError
from resources.canonical_reads import CONTACTS, CUSTOMERS, read_table
from resources.canonical_writes import write_entities
from resources.landing import land_one, lock_stream

OBJECT = "decide"  # in landing: tickets that were sent to be decided, beside those that a connector read

CONTACT = """
    select {columns} from linked_contacts t where automation = {automation} and source = {source} and contact_id = {contact}
    order by known_at, contact_id, version
"""
CUSTOMER = """
    select {columns} from customers t where automation = {automation} and customer_id = any({customers})
    order by known_at, customer_id, version
"""


class VersionTaken(PermanentError):
    """A version of the ticket is known with another content."""

    code = "ticket.version_conflict"


@dataclass(frozen=True, slots=True)
class Standing:
    """What was decided on this content before, and stays."""

    decision_id: str
    record: bytes
    decided_at: datetime


def facts_of(
    connection: Connection[Any], *, automation: str, source: str, requester_id: str | None, customer_id: str | None
) -> tuple[pa.Table, pa.Table]:
    """(contacts, customers): the rows of the canonical tables that could say something of this ticket, and no others."""
    contacts = CONTACTS.empty_table()
    if customer_id is None and requester_id is not None:
        about = {"automation": automation, "source": source, "contact": requester_id}
        contacts = read_table(connection, CONTACT, CONTACTS, about)
    linked = [c for c in contacts.column("customer_id").to_pylist() if c is not None]
    names = [customer_id] if customer_id is not None else sorted(set(linked))
    if not names:
        return contacts, CUSTOMERS.empty_table()
    return contacts, read_table(connection, CUSTOMER, CUSTOMERS, {"automation": automation, "customers": names})


def modes_of(connection: Connection[Any], automation: str) -> dict[str, str]:
    """As `ModeStore.current`, in this transaction."""
    return dict(
        connection.execute(
            "select distinct on (queue) queue, mode from modes where automation = %s order by queue, mode_id desc",
            (automation,),
        ).fetchall()
    )


def standing(connection: Connection[Any], automation: str, ticket: Ticket) -> Standing | None:
    """The decision on this version of the ticket that a model, of whatever version, or a person has made: it stays."""
    found = connection.execute(
        "select d.decision_id, d.record, d.decided_at from decisions d where d.automation = %s and d.source = %s"
        " and d.ticket_id = %s and d.ticket_version = %s and (d.model_version > 0 or exists"
        " (select from review_cases c where c.case_id = d.decision_id and c.state = 'decided'))"
        " order by exists (select from review_cases c where c.case_id = d.decision_id and c.state = 'decided') desc,"
        " d.decided_at desc, d.decision_id limit 1",
        (automation, ticket.source, ticket.ticket_id, ticket.version),
    ).fetchone()
    return None if found is None else Standing(found[0], bytes(found[1]), found[2])


def by_id(connection: Connection[Any], decision_id: str) -> Standing | None:
    """The decision as it is stored."""
    found = connection.execute(
        "select decision_id, record, decided_at from decisions where decision_id = %s", (decision_id,)
    ).fetchone()
    return None if found is None else Standing(found[0], bytes(found[1]), found[2])


def record(
    connection: Connection[Any],
    decision: Decision,
    ticket: Ticket,
    *,
    payload: dict[str, Any],
    automation: Automation,
    policy_text: str,
    now: datetime,
) -> None:
    """The ticket into landing and the canonical tables, where it is not there yet, and the decision with all that follows.

    `payload` is the ticket as it was sent. Raises VersionTaken.
    """
    from resources import recording  # brings the policy engine along

    lock_stream(connection, automation.name, ticket.source, OBJECT)
    landed = Landed(
        landing_id=0,
        external_id=ticket.ticket_id,
        version=ticket.version,
        payload=orjson.dumps(payload).decode(),
        correlation_id=ticket.correlation_id,
        landed_at=now,
    )
    known = connection.execute(
        "select subject, body from tickets where automation = %s and source = %s and ticket_id = %s and version = %s",
        (automation.name, ticket.source, ticket.ticket_id, ticket.version),
    ).fetchone()
    if known is not None and known != (ticket.subject, ticket.body):
        raise VersionTaken(
            f"ticket {ticket.ticket_id}: version {ticket.version} is known with another content; send changed content as a"
            " version of its own"
        )
    if known is None:
        landed = land_one(connection, automation=automation.name, source=ticket.source, object=OBJECT, record=landed)
        write_entities(connection, automation.name, [(landed, ticket)])
    recording.record(connection, [decision], automation=automation, policy_text=policy_text, now=now)
