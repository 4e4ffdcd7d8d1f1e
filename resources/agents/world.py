"""What an agent's tools read: the knowledge index, one customer's record, one requester's tickets, and a status page.

What belongs here: reading, each read bounded. What does not: who may read what (`running.py`, `tooling.py`). Nothing here writes.

The customer is this ticket's, whatever an argument says: there is no way here to name another one.
"""

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from typing import Any, Final

import httpx

from aios_core.drafting.model import Source, Value
from aios_core.errors import ConfigurationError, RetryableError
from aios_core.retrieval.filters import Filter
from resources.database import Database, rows
from resources.deployments import expand
from resources.drafting import sources_of
from resources.knowledge_index import KnowledgeSearch

BODY_CHARS: Final = 4_000
OTHER_TICKETS: Final = 10
OTHER_DAYS: Final = 180
STATUS_BYTES: Final = 200_000


class StatusPageError(RetryableError):
    """The status page gave no usable answer."""

    code = "agent.status_page"


class StatusPage:
    """The declared status page: one GET with `area` and `service`, answered in JSON. Redirects are not followed."""

    def __init__(self, url: str, *, timeout_seconds: float) -> None:
        self._url = expand(url)
        if not self._url.startswith(("http://", "https://")):
            raise ConfigurationError(f"agents.outages: `{url}` is no http or https URL")
        self._timeout = timeout_seconds

    def ask(self, *, area: str, service: str | None) -> Any:
        """What it says. Raises StatusPageError where that is nothing, too much, or no JSON."""
        asked = {"area": area, **({"service": service} if service else {})}
        try:
            with httpx.Client(timeout=self._timeout) as client, client.stream("GET", self._url, params=asked) as answer:
                body = b""
                for chunk in answer.iter_bytes():
                    body += chunk
                    if len(body) > STATUS_BYTES:
                        raise StatusPageError(f"the status page answered with more than {STATUS_BYTES:,} bytes")
                if answer.status_code != httpx.codes.OK:
                    raise StatusPageError(f"the status page answered HTTP {answer.status_code}")
            return json.loads(body)
        except httpx.HTTPError as error:
            raise StatusPageError(f"the status page can't be reached: {type(error).__name__}") from error
        except ValueError as error:
            raise StatusPageError("the status page did not answer JSON") from error


@dataclass(frozen=True, slots=True, kw_only=True)
class CaseKey:
    """Whose case it is."""

    automation: str
    source: str
    ticket_id: str
    requester_id: str | None
    customer_id: str | None
    language: str


class TicketWorld:
    """The world of one ticket, at one moment."""

    def __init__(
        self,
        case: CaseKey,
        *,
        database: Database,
        search: KnowledgeSearch,
        customer: Mapping[str, Value],
        now: datetime,
        articles: int,
        status_page: StatusPage | None = None,
    ) -> None:
        self._case, self._database, self._search = case, database, search
        self._record, self._now, self._articles, self._status_page = customer, now, articles, status_page

    @property
    def ticket_id(self) -> str:
        return self._case.ticket_id

    @property
    def customer_id(self) -> str | None:
        return self._case.customer_id

    def tickets_of_requester(self) -> Sequence[str]:
        """Their other tickets of the last half year, newest first. A requester that nobody knows has none."""
        if self._case.requester_id is None:
            return ()
        since = self._now - timedelta(days=OTHER_DAYS)
        with self._database.connection() as connection:
            found = rows(connection, _OTHERS, (*self._key, since, self._now, self._case.requester_id, OTHER_TICKETS))
        return [row["ticket_id"] for row in found]

    def search(self, query: str) -> tuple[Source, ...]:
        found = self._search.search(
            self._case.automation,
            query,
            now=self._now,
            filter=Filter(language=self._case.language),
            limit=self._articles,
        )
        return tuple(replace(source, number=0) for source in sources_of(found, most=self._articles))

    def customer(self) -> Mapping[str, Value]:
        return self._record

    def ticket(self, ticket_id: str) -> Mapping[str, Any] | None:
        with self._database.connection() as connection:
            found = rows(connection, _TICKET, (self._case.automation, self._case.source, ticket_id, self._now))
        if not found:
            return None
        return {name: value.isoformat() if isinstance(value, datetime) else value for name, value in found[0].items()}

    def outages(self, *, area: str, service: str | None) -> Any:
        if self._status_page is None:
            raise ConfigurationError("no status page is declared; `agents.outages` names one")
        return self._status_page.ask(area=area, service=service)

    @property
    def _key(self) -> tuple[str, str, str]:
        return (self._case.automation, self._case.source, self._case.ticket_id)


_OTHERS = """
select ticket_id, max(created_at) as created_at from tickets
where automation = %s and source = %s and ticket_id <> %s and created_at >= %s and known_at <= %s and requester_id = %s
group by ticket_id order by created_at desc, ticket_id limit %s
"""

_TICKET = f"""
select ticket_id, created_at, status, priority, queue, subject, left(body, {BODY_CHARS}) as body from tickets
where automation = %s and source = %s and ticket_id = %s and known_at <= %s
order by event_time desc, known_at desc, landing_id desc limit 1
"""
