"""What stands beside a case: its ticket in all versions, the customer and their earlier tickets, and for whom texts are masked.

What belongs here: these reads, each bounded, and the masking of their texts. What does not: the decision (`console_decision.py`), the
case itself and its steps (`reviews.py`).
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from typing import Any

from psycopg import Connection
from psycopg.errors import QueryCanceled
from psycopg.rows import DictRow

from aios_core.privacy.masking import mask
from resources.console_decision import DecisionView, read_decision
from resources.database import Database, rows

VERSIONS = 20
EARLIER = 6
EARLIER_WITHIN = timedelta(days=365)
EARLIER_MS = 2_000


@dataclass(frozen=True, slots=True, kw_only=True)
class TicketView:
    """The version of a ticket that was decided on. Text as it came: the page escapes it."""

    source: str
    ticket_id: str
    subject: str
    body: str
    status: str
    priority: str | None
    channel: str | None
    language: str | None
    queue: str | None
    requester_id: str | None
    customer_id: str | None
    tags: tuple[str, ...]
    created_at: datetime
    run_id: str | None


@dataclass(frozen=True, slots=True, kw_only=True)
class CustomerView:
    """The newest CRM facts about the ticket's customer."""

    customer_id: str
    known_at: datetime
    attributes: dict[str, Any]


@dataclass(frozen=True, slots=True, kw_only=True)
class VersionView:
    """One version of the ticket. `text` is given only where it differs from the version that was decided on."""

    version: str
    at: datetime
    status: str
    priority: str | None
    queue: str | None
    decided_on: bool
    subject: str
    text: str | None


@dataclass(frozen=True, slots=True, kw_only=True)
class CaseContext:
    """Everything a person needs beside a case."""

    ticket: TicketView | None  # None: erased since
    customer: CustomerView | None
    decision: DecisionView
    events: tuple[DictRow, ...]
    versions: tuple[VersionView, ...]  # newest first
    outcomes: tuple[DictRow, ...]
    mask_for: frozenset[str]  # roles that read masked texts

    @property
    def newer(self) -> VersionView | None:
        """What the customer has written since, where that is another text than the one decided on."""
        first = self.versions[0] if self.versions else None
        return first if first is not None and first.text is not None else None

    def seen_by(self, role: str) -> "CaseContext":
        """The same, masked where the automation declares it for this role."""
        if role not in self.mask_for:
            return self
        versions = tuple(
            replace(v, subject=masked(v.subject), text=None if v.text is None else masked(v.text))
            for v in self.versions
        )
        return replace(
            self,
            ticket=masked_ticket(self.ticket),
            customer=masked_customer(self.customer),
            decision=masked_decision(self.decision),
            versions=versions,
        )


class CaseViews:
    """Reads for the page of one case."""

    def __init__(self, database: Database) -> None:
        self._database = database

    def context(self, *, case_id: str, decision_id: str) -> CaseContext:
        """The ticket, its versions, customer, decision and history of a case. Raises UnknownDecision."""
        with self._database.connection() as conn:
            decision = read_decision(conn, decision_id)
            same_ticket = (decision.automation, decision.source, decision.ticket_id)
            return CaseContext(
                ticket=ticket_of(conn, decision),
                customer=customer_of(conn, decision),
                decision=decision,
                events=tuple(rows(conn, _EVENTS, (case_id,))),
                versions=tuple(_versions(conn, decision)),
                outcomes=tuple(rows(conn, _OUTCOMES, same_ticket)),
                mask_for=roles_masked(conn, automation=decision.automation, declaration=decision.declaration),
            )

    def earlier(self, context: CaseContext) -> list[DictRow] | None:
        """The customer's newest tickets before this one; None where Postgres did not find them in the time it is given."""
        ticket, decision = context.ticket, context.decision
        if ticket is None:
            return []
        customer = context.customer.customer_id if context.customer else ticket.customer_id
        if ticket.requester_id is None and customer is None:
            return []
        wanted = {
            "automation": decision.automation,
            "source": ticket.source,
            "ticket": ticket.ticket_id,
            "requester": ticket.requester_id,
            "customer": customer,
            "before": ticket.created_at,
            "after": ticket.created_at - EARLIER_WITHIN,
            "limit": EARLIER,
        }
        try:
            with self._database.connection() as conn:
                conn.execute(f"set local statement_timeout = {EARLIER_MS}")
                return rows(conn, _EARLIER, wanted)
        except QueryCanceled:
            return None


def masked(text: str) -> str:
    """All of a text, without e-mail addresses and long numbers."""
    return mask(text, limit=len(text) + 1_000)


def masked_ticket(ticket: TicketView | None) -> TicketView | None:
    """A ticket with its texts masked."""
    if ticket is None:
        return None
    return replace(
        ticket, subject=masked(ticket.subject), body=masked(ticket.body), tags=tuple(masked(t) for t in ticket.tags)
    )


def masked_customer(customer: CustomerView | None) -> CustomerView | None:
    """A customer whose facts are masked where they are text."""
    if customer is None:
        return None
    facts = {key: masked(value) if isinstance(value, str) else value for key, value in customer.attributes.items()}
    return replace(customer, attributes=facts)


def masked_decision(decision: DecisionView) -> DecisionView:
    """A decision whose words and facts are masked."""
    return replace(
        decision,
        terms=tuple(replace(term, text=masked(term.text)) for term in decision.terms),
        policy_input=_masked_values(decision.policy_input),
    )


def roles_masked(conn: Connection[Any], *, automation: str, declaration: str = "") -> frozenset[str]:
    """The roles for which the automation's newest declaration, or the one decided under, masks texts."""
    found = conn.execute(_MASKED, {"automation": automation, "declaration": declaration}).fetchall()
    return frozenset(row[0] for row in found)


def ticket_of(conn: Connection[Any], decision: DecisionView) -> TicketView | None:
    """The version of the ticket that was decided on; None where it is not kept any more."""
    found = rows(
        conn,
        "select t.*, l.run_id from tickets t left join landing_records l on l.landing_id = t.landing_id"
        " where t.automation = %s and t.source = %s and t.ticket_id = %s and t.version = %s",
        (decision.automation, decision.source, decision.ticket_id, decision.ticket_version),
    )
    if not found:
        return None
    values = {name: found[0][name] for name in TicketView.__dataclass_fields__}
    return TicketView(**values | {"tags": tuple(values["tags"])})


def customer_of(conn: Connection[Any], decision: DecisionView) -> CustomerView | None:
    """The ticket names its customer itself, or through the helpdesk's user."""
    found = rows(conn, _CUSTOMER, (decision.automation, decision.source, decision.ticket_id, decision.ticket_version))
    return CustomerView(**found[0]) if found else None


def _versions(conn: Connection[Any], decision: DecisionView) -> Sequence[VersionView]:
    found = rows(conn, _VERSIONS, (decision.automation, decision.source, decision.ticket_id, VERSIONS))
    content = next((r["content_hash"] for r in found if r["version"] == decision.ticket_version), None)
    shown = ("version", "at", "status", "priority", "queue", "subject")
    return [
        VersionView(
            **{name: row[name] for name in shown},
            decided_on=row["version"] == decision.ticket_version,
            text=row["body"] if row["content_hash"] != content else None,
        )
        for row in found
    ]


def _masked_values(values: Mapping[str, Any]) -> dict[str, Any]:
    return {key: masked(value) if isinstance(value, str) else value for key, value in values.items()}


_EVENTS = "select kind, actor, detail, at from review_events where case_id = %s order by event_id limit 50"

_OUTCOMES = """
select queue, origin, actor, event_time as at from outcomes
where automation = %s and source = %s and ticket_id = %s order by event_time desc limit 20
"""

# a version may be as long as a ticket is; what a person reads beside a case is its beginning
_VERSIONS = """
select version, event_time as at, status, priority, queue, subject, left(body, 4000) as body, content_hash from tickets
where automation = %s and source = %s and ticket_id = %s order by event_time desc, known_at desc, landing_id desc limit %s
"""

_CUSTOMER = """
select c.customer_id, c.known_at, c.attributes from tickets t
left join lateral (select customer_id from linked_contacts where automation = t.automation and source = t.source
  and contact_id = t.requester_id order by event_time desc limit 1) k on true
join customers c on c.automation = t.automation and c.customer_id = coalesce(t.customer_id, k.customer_id)
where t.automation = %s and t.source = %s and t.ticket_id = %s and t.version = %s
order by c.event_time desc limit 1
"""

_EARLIER = """
with found as (
    select distinct on (ticket_id) ticket_id, subject, status, created_at from tickets
    where automation = %(automation)s and source = %(source)s and ticket_id <> %(ticket)s
      and created_at < %(before)s and created_at >= %(after)s
      and (requester_id = %(requester)s or customer_id = %(customer)s)
    order by ticket_id, event_time desc
)
select f.*, o.queue as outcome, d.queue as decided, d.verdict, d.decision_id
from (select * from found order by created_at desc limit %(limit)s) f
left join lateral (
    select queue from outcomes where automation = %(automation)s and source = %(source)s and ticket_id = f.ticket_id
    order by known_at desc limit 1) o on true
left join lateral (
    select queue, verdict, decision_id from decisions
    where automation = %(automation)s and source = %(source)s and ticket_id = f.ticket_id
    order by coalesce(known_at, decided_at) desc, decided_at desc limit 1) d on true
order by f.created_at desc
"""

_MASKED = """
select distinct role from declarations p
cross join lateral jsonb_array_elements_text(coalesce(p.content #> '{review,mask_for}', '[]'::jsonb)) as role
where p.version = %(declaration)s or p.version = (
    select version from declarations where automation = %(automation)s order by seen_at desc, version limit 1)
"""
