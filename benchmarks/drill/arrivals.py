"""Tickets as they arrive in the helpdesk, and as a webhook would hand them to the gateway.

What belongs here: letting some arrive, reading them, and the request's shape. What does not: asking (`load.py`).
"""

from datetime import UTC, datetime
from typing import Any

import httpx

from aios_core.automation import Automation
from aios_core.canonical.entities import Ticket
from aios_core.canonical.mapper import identify, map_record
from benchmarks.drill.platform import DrillBroken, Platform
from sandbox.settings import Credentials

SOURCE = "helpdesk"


def let_arrive(platform: Platform, automation: Automation, *, count: int, hours: float) -> list[dict[str, Any]]:
    """Move the helpdesk's clock on; the new tickets, as `decide` takes them. Raises DrillBroken where none came."""
    before = httpx.get(f"{platform.sandbox}/sandbox/state", timeout=30, trust_env=False).raise_for_status().json()
    platform.advance(hours, new_tickets=count)
    since = int(datetime.fromisoformat(before["clock"]).timestamp())
    known = Credentials()
    page = httpx.get(
        f"{platform.sandbox}/api/v2/incremental/tickets/cursor.json",
        params={"start_time": since, "per_page": 1_000},
        auth=(f"{known.zendesk_email}/token", known.zendesk_token),
        timeout=60,
        trust_env=False,
    )
    tickets = [mapped(automation, payload) for payload in page.raise_for_status().json()["tickets"]]
    found = [as_request(t) for t in tickets if t.status == "new" and t.created_at.timestamp() >= since]
    if not found:
        raise DrillBroken(f"none of {count} new tickets came in {hours:g} h; is this the drill's own sandbox?")
    return found


def mapped(automation: Automation, payload: dict[str, Any]) -> Ticket:
    """The canonical ticket, as ingestion makes it."""
    source = automation.sources[SOURCE]
    external_id, version = identify(source, object="tickets", payload=payload)
    ticket = map_record(
        source,
        source_name=SOURCE,
        object="tickets",
        payload=payload,
        correlation_id="",
        landed_at=datetime.now(UTC),
        external_id=external_id or "",
        version=version or "",
    )
    assert isinstance(ticket, Ticket)  # a helpdesk's `tickets` are nothing else
    return ticket


def as_request(ticket: Ticket) -> dict[str, Any]:
    """What `decide` takes of it; the version is left to be made from its content."""
    return {
        "ticket_id": ticket.ticket_id,
        "created_at": ticket.created_at.isoformat(),
        "event_time": ticket.event_time.isoformat(),
        "known_at": ticket.known_at.isoformat(),
        "subject": ticket.subject,
        "body": ticket.body,
        "status": ticket.status,
        "priority": ticket.priority,
        "channel": ticket.channel,
        "language": ticket.language,
        "requester_id": ticket.requester_id,
        "tags": list(ticket.tags),
    }
