"""What the tests of landing, canonical and quarantine share: an automation, records and pages."""

from collections.abc import Iterator, Sequence
from datetime import UTC, date, datetime, timedelta
from typing import Any

from aios_core.automation import Automation
from resources.canonical import CanonicalStore, Progress
from resources.connectors.base import Page, Record, Reject, WriteResult
from resources.connectors.items import to_json_bytes
from resources.database import Database
from resources.landing import LandedPage, LandingStore

T0 = datetime(2026, 3, 1, 10, tzinfo=UTC)
GROUPS = {"4001": "billing", "4002": "outage"}


def automation(name: str = "desk_a", **changes: Any) -> Automation:
    """Tickets from a Zendesk, customers from a Salesforce, tickets from files."""
    facts: dict[str, Any] = {
        "name": name,
        "start_date": date(2026, 1, 1),
        "queues": [{"name": q} for q in GROUPS.values()],
        "sources": {
            "helpdesk": {
                "connector": "zendesk",
                "url": "u",
                "email": "e",
                "token": "t",
                "mapping": {"queue": {"field": "group_id", "values": GROUPS}},
            },
            "crm": {
                "connector": "salesforce",
                "url": "u",
                "client_id": "i",
                "client_secret": "s",
                "mapping": {"plan": "Plan__c"},
            },
            "files": {
                "connector": "file",
                "provides": "tickets",
                "path": "*.csv",
                "mapping": {"ticket_id": "key", "body": "text", "created_at": "when", "queue": "queue"},
            },
        },
    }
    return Automation.model_validate(facts | changes)


def iso(moment: datetime) -> str:
    return moment.strftime("%Y-%m-%dT%H:%M:%SZ")


def ticket(number: int, version: int = 1, **changes: Any) -> Record:
    """Version 1 is as it came; later ones an hour later each."""
    updated = T0 + timedelta(hours=version - 1)
    payload = {
        "id": number,
        "created_at": iso(T0),
        "updated_at": iso(updated),
        "subject": f"subject {number}",
        "description": "body",
        "status": "new",
        **changes,
    }
    return Record(object="tickets", external_id=str(number), version=payload["updated_at"], json=to_json_bytes(payload))


def account(number: int, day: int = 1, **changes: Any) -> Record:
    stamp = iso(T0.replace(day=day))
    payload = {"Id": str(number), "SystemModstamp": stamp, "LastModifiedDate": stamp, "Plan__c": "plus", **changes}
    return Record(object="customers", external_id=str(number), version=stamp, json=to_json_bytes(payload))


def page(records: Sequence[Record], *, rejects: Sequence[Reject] = (), cursor: str = "", name: str = "tickets") -> Page:
    return Page(object=name, records=tuple(records), rejects=tuple(rejects), cursor=cursor, done=True)


def land(
    database: Database, *records: Record, source: str = "helpdesk", automation: str = "desk_a", **options: Any
) -> LandedPage:
    """Records of one object, without moving a cursor."""
    made = page(records, name=records[0].object, **options)
    return LandingStore(database).land(automation=automation, source=source, page=made, previous_cursor=None)


def advance(database: Database, *sources: str, declared: Automation | None = None) -> Progress:
    """Everything landed of these sources, by default the helpdesk, becomes canonical."""
    return CanonicalStore(database).catch_up(automation=declared or automation(), sources=sources or ["helpdesk"])


def rows(database: Database, query: str, *parameters: Any) -> list[tuple[Any, ...]]:
    with database.connection() as connection:
        return connection.execute(query, parameters).fetchall()


class FakeConnector:
    """Gives the pages it was made with, from the one after the cursor on."""

    objects: tuple[str, ...] = ("tickets",)

    def __init__(self, pages: Sequence[Page], *, fails_after: int | None = None) -> None:
        self.pages = pages
        self.fails_after = fails_after

    def read(self, *, object: str, cursor: str | None) -> Iterator[Page]:
        cursors = [p.cursor for p in self.pages]
        start = cursors.index(cursor) + 1 if cursor in cursors else 0
        for number, one in enumerate(self.pages[start:]):
            if number == self.fails_after:
                raise ConnectionError("the source went away")
            yield one

    def write(self, actions: Sequence[Any]) -> list[WriteResult]:
        raise NotImplementedError

    def check(self) -> str:
        return "fake"

    def close(self) -> None:
        pass
