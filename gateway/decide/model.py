"""What `decide` takes and gives.

What belongs here: the shapes, and from the request's ticket to the canonical one. What does not: deciding (`decider.py`).
"""

from datetime import UTC, datetime
from typing import Annotated, Any, Literal

from msgspec.structs import replace
from pydantic import AwareDatetime, BaseModel, ConfigDict, Field

from aios_core.automation import Automation
from aios_core.canonical.entities import RESOLVED, Ticket
from aios_core.canonical.mapper import content_hash
from aios_core.canonical.values import MAX_ID_CHARS, clean_text, to_id, to_optional_id
from aios_core.checks import AHEAD, BACKWARDS, EARLIEST, STATUSES
from gateway.refusals import Refused
from resources.landing import correlation_id
from resources.online import OBJECT

MAX_TEXT = 1_000_000  # of one field; an automation's own limit is `checks.max_text_chars`

Id = Annotated[str, Field(min_length=1, max_length=MAX_ID_CHARS, pattern=r"^[^\x00]*[^\s\x00][^\x00]*$")]
Short = Annotated[str, Field(max_length=MAX_ID_CHARS, pattern=r"^[^\x00]*$")]
Text = Annotated[str, Field(max_length=MAX_TEXT)]
Value = str | int | float | bool | None


class Strict(BaseModel):
    """A misspelt field is an error, not a fact that is missing."""

    model_config = ConfigDict(extra="forbid")


class TicketIn(Strict):
    """A canonical ticket, the same for every helpdesk."""

    source: Id | None = Field(
        None, description="One of the automation's ticket sources; may be left out where it has one"
    )
    ticket_id: Id
    version: Id | None = Field(None, description="Of this content; default: its hash")
    created_at: AwareDatetime = Field(description="Customer facts count as they were known at this time")
    event_time: AwareDatetime | None = Field(None, description="When this version came about; default: `created_at`")
    known_at: AwareDatetime | None = Field(None, description="When the source knew it; default: now")
    subject: Text = ""
    body: Text = ""
    status: Literal[STATUSES] = "new"  # type: ignore[valid-type]  # one list of them, as the checks have it
    priority: Short | None = None
    channel: Short | None = None
    language: Short | None = None
    queue: Short | None = Field(None, description="Where it stands now")
    requester_id: Id | None = Field(None, description="The helpdesk's user, who leads to the customer")
    customer_id: Id | None = None
    tags: Annotated[list[Short], Field(max_length=200)] = []
    correlation_id: Annotated[str, Field(pattern=r"^[A-Za-z0-9_.:/+=@-]{1,128}$")] | None = None


class CustomerIn(Strict):
    """What is known of the customer; instead of what the CRM's tables say."""

    customer_id: Id
    attributes: Annotated[dict[Short, Value], Field(max_length=500)] = Field(
        default_factory=dict, description="CRM facts under the declaration's names"
    )


class DecideIn(Strict):
    """One ticket to decide."""

    model_config = ConfigDict(
        extra="forbid",
        json_schema_extra={
            "example": {
                "ticket": {"ticket_id": "4711", "created_at": "2026-11-20T09:30:00Z", "body": "I was charged twice."},
                "record": False,
            }
        },
    )

    ticket: TicketIn
    customer: CustomerIn | None = Field(
        None, description="Default: looked up as the batch path does, as known when the ticket was created"
    )
    record: bool = Field(True, description="false: decide, and leave no trace")


class Probability(BaseModel):
    queue: str
    probability: float | None


class Term(BaseModel):
    term: str
    weight: float | None


class ModelOut(BaseModel):
    name: str
    version: int = Field(description="0: there was no model")


class DecisionOut(BaseModel):
    """A decision in full."""

    decision_id: str
    automation: str
    source: str
    ticket_id: str
    ticket_version: str
    correlation_id: str
    verdict: Literal["automate", "draft", "review", "fallback"]
    queue: str | None
    confidence: float | None
    rule: str
    reason: str
    audit: bool
    model: ModelOut
    policy_revision: str
    declaration: str
    probabilities: list[Probability] = Field(description="Likeliest first")
    terms: list[Term] = Field(description="The words that spoke for the queue, strongest first")
    recorded: bool = Field(description="Whether the decision stands; false: a dry run")
    existing: bool = Field(description="It was decided before, and stays")
    record: dict[str, Any] = Field(description="Everything needed to make the decision again, byte for byte")


def canonical_ticket(given: DecideIn, automation: Automation, *, correlation: str | None, now: datetime) -> Ticket:
    """The canonical ticket, cleaned and checked as the batch path does. Raises Refused, RecordError."""
    t = given.ticket
    subject, body = clean_text(t.subject), clean_text(t.body)
    source = _source(t.source, automation)
    created = t.created_at.astimezone(UTC)
    ticket_id = to_id(t.ticket_id, field="ticket_id")
    draft = Ticket(
        source=source,
        ticket_id=ticket_id,
        version="",
        correlation_id="",
        event_time=(t.event_time or created).astimezone(UTC),
        known_at=(t.known_at or now).astimezone(UTC),
        created_at=created,
        subject=subject,
        body=body,
        status=t.status,
        priority=_plain(t.priority),
        channel=_plain(t.channel),
        language=_plain(t.language),
        queue=_plain(t.queue),
        requester_id=to_optional_id(t.requester_id, field="requester_id"),
        customer_id=to_optional_id(_customer_id(given), field="customer_id"),
        tags=tuple(clean_text(tag) for tag in t.tags),
    )
    version = to_id(t.version, field="version") if t.version is not None else content_hash(draft)
    minted = t.correlation_id or correlation or correlation_id(automation.name, source, OBJECT, ticket_id, version)
    ticket = replace(draft, version=version, correlation_id=minted)
    for problem in _problems(ticket, automation, now):
        raise Refused(422, "ticket.refused", f"ticket {ticket.ticket_id}: {problem}")
    if given.record:
        _recordable(ticket, automation)
    return ticket


def _plain(value: str | None) -> str | None:
    return None if value is None else clean_text(value).strip() or None


def _source(given: str | None, automation: Automation) -> str:
    known = automation.sources_of("tickets")
    if given is None and len(known) == 1:
        return known[0]
    if given not in known:
        raise Refused(
            422,
            "ticket.unknown_source",
            f"ticket.source: {given!r} is no ticket source of {automation.name}; there are: {', '.join(known)}",
        )
    return given


def _customer_id(given: DecideIn) -> str | None:
    own, named = given.ticket.customer_id, given.customer.customer_id if given.customer else None
    if own is not None and named is not None and own != named:
        raise Refused(
            422, "customer.other", f"the ticket names customer {own}, the facts are of {named}; send those of one"
        )
    return own or named


def _problems(ticket: Ticket, automation: Automation, now: datetime) -> list[str]:
    """What would have put this ticket into quarantine: the expectations of `aios_core/checks.py`, for a single row."""
    checks = automation.checks
    text = {"text": ticket.subject + ticket.body}
    found = [f"{name} is empty" for name in checks.required if not _given(text.get(name, getattr(ticket, name, None)))]
    length = len(ticket.subject) + len(ticket.body)
    if length > checks.max_text_chars:
        found.append(
            f"subject and body have {length:,} characters; checks.max_text_chars allows {checks.max_text_chars:,}"
        )
    for name in ("created_at", "event_time"):
        moment: datetime = getattr(ticket, name)
        if not EARLIEST <= moment <= now + AHEAD:
            found.append(
                f"{name} is {moment.isoformat()}; it should lie between {EARLIEST:%Y-%m-%d} and {now + AHEAD:%Y-%m-%d}"
            )
    if ticket.created_at - ticket.event_time > BACKWARDS:
        found.append("its `event_time` lies before its creation")
    if automation.queue_names and ticket.queue is not None and ticket.queue not in automation.queue_names:
        found.append(f"queue `{ticket.queue}` is not declared; there are: {', '.join(automation.queue_names)}")
    return found


def _given(value: Any) -> bool:
    return value is not None and value != ""


def _recordable(ticket: Ticket, automation: Automation) -> None:
    """What the batch path never decides is not recorded here either."""
    if ticket.created_at.date() < automation.start_date:
        raise Refused(
            422,
            "ticket.too_old",
            f"ticket {ticket.ticket_id} was created before {automation.start_date}, the automation's `start_date`; such"
            " tickets are training material: send `record: false` to see what would be decided",
        )
    resolved = ticket.status in RESOLVED and automation.decisions.tickets == "open"
    if resolved or ticket.status == "deleted":
        raise Refused(
            422,
            "ticket.resolved",
            f"ticket {ticket.ticket_id} is {ticket.status}, and {automation.name} decides open ones only; send"
            " `record: false` to see what would be decided",
        )
