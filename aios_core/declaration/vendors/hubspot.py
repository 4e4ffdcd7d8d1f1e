"""HubSpot: tickets, or contacts and companies, by the CRM's search.

Source: the vendor's CRM API version 3. A search is sorted, gives 100 a page and 10,000 a question; it does not say what an object is associated with.
What was archived is a list of its own, without times, read whole.
Notes are objects of their own, associated with a ticket. Tickets have no tags: map `tags` to a text property. The CRM's API sends customers nothing.
"""

from collections.abc import Sequence
from functools import cached_property
from typing import Literal

from pydantic import Field

from aios_core.declaration.listing import Auth, BearerAuth, Listing
from aios_core.declaration.source_base import ApiSource, Mapping, place
from aios_core.declaration.thread import Thread
from aios_core.declaration.writing import Call, Notes, Reading, Several, Step, Writing

OBJECTS = Literal["tickets", "contacts", "companies"]
CHANGED = {"tickets": "hs_lastmodifieddate", "contacts": "lastmodifieddate", "companies": "hs_lastmodifieddate"}
OWN = {
    "tickets": (
        "subject",
        "content",
        "hs_pipeline_stage",
        "hs_ticket_priority",
        "source_type",
        "hubspot_owner_id",
        "createdate",
    ),
    "contacts": ("email", "phone", "createdate"),
    "companies": ("name", "domain", "phone", "createdate"),
}
NOTE_TO_TICKET = 228  # the vendor's own type of association
PRIORITIES = {"LOW": "low", "MEDIUM": "normal", "HIGH": "high", "URGENT": "urgent"}

NOTES = Listing(
    path="/crm/v3/objects/tickets/{id}/associations/notes",
    params={"limit": "{size}", "after": "{token}"},
    items="results",
    paging="token",
    following="paging.next.after",
    size=500,
)


class HubspotSource(ApiSource):
    """Objects of one kind by their last change. A stage of a pipeline means what the account makes of it: map `status` and `queue`."""

    connector: Literal["hubspot"]
    provides: Literal["tickets", "customers"]
    token: str = Field(description="Of a private app: always `${VAR}`")
    object: OBJECTS | None = Field(None, description="Default: tickets, or contacts for customers")
    archived: bool = Field(True, description="Also read what was archived: each read lists all of it")

    @property
    def kind(self) -> OBJECTS:
        """The objects that are read."""
        return self.object or ("tickets" if self.provides == "tickets" else "contacts")

    @cached_property
    def lists(self) -> dict[str, Sequence[Listing]]:
        changed = CHANGED[self.kind]
        search = Listing(
            path=f"/crm/v3/objects/{self.kind}/search",
            method="POST",
            body={
                "filterGroups": [{"filters": [{"propertyName": changed, "operator": "GTE", "value": "{since}"}]}],
                "sorts": [{"propertyName": changed, "direction": "ASCENDING"}],
                "properties": [*self._properties],
                "limit": "{size}",
                "after": "{token}",
            },
            items="results",
            updated=f"properties.{changed}",
            since="epoch_ms",
            sorted=True,
            paging="token",
            following="paging.next.after",
            most_pages=100,
        )
        gone = Listing(
            path=f"/crm/v3/objects/{self.kind}",
            params={
                "archived": "true",
                "limit": "{size}",
                "after": "{token}",
                "properties": ",".join(self._properties),
            },
            items="results",
            paging="token",
            following="paging.next.after",
        )
        return {self.provides: (search, *((gone,) if self.archived else ()))}

    @cached_property
    def thread(self) -> Thread | None:
        """Notes; what was mailed is in lists of its own, which are not read."""
        if self.kind != "tickets":
            return None
        texts = _notes_read("hs_note_body", "hs_timestamp", "hubspot_owner_id", "hs_attachment_ids")
        return Thread(
            listing=NOTES,
            texts=texts,
            text="properties.hs_note_body",
            at="properties.hs_timestamp",
            author="properties.hubspot_owner_id",
            markup="html",
        )

    @cached_property
    def writing(self) -> Writing | None:
        if self.kind != "tickets":
            return None
        tickets, note = "/crm/v3/objects/tickets", {"hs_timestamp": "{now}", "hs_note_body": "{note}"}
        kind = {"associationCategory": "HUBSPOT_DEFINED", "associationTypeId": NOTE_TO_TICKET}
        return Writing(
            read=Reading(
                method="POST",
                path=f"{tickets}/batch/read",
                body={"properties": [*self._properties], "inputs": ["{each}"]},
                several=Several(most=100, each={"id": "{id}"}, items="results"),
            ),
            notes=Notes(listing=NOTES, texts=_notes_read("hs_note_body"), text="properties.hs_note_body"),
            steps=(
                Step(
                    path=f"{tickets}/batch/update",
                    body={"inputs": ["{each}"]},
                    several=Several(most=100, each={"id": "{id}", "properties": "{fields}"}, items="results"),
                    carries=("queue", "assignee", "priority", "tags"),
                    repeatable=True,
                ),
                Step(
                    path="/crm/v3/objects/notes",
                    body={"properties": note, "associations": [{"to": {"id": "{id}"}, "types": [kind]}]},
                    carries=("note",),
                ),
            ),
            root="properties.",
            assignee="properties.hubspot_owner_id",
            joined=";",
            markup="html",
        )

    @property
    def _properties(self) -> tuple[str, ...]:
        """Those that any object of this kind has, and those that the declaration names."""
        named = [r.field.removeprefix("properties.") for r in self.mapping.values() if r.field]
        return tuple(dict.fromkeys((*OWN[self.kind], CHANGED[self.kind], *named)))

    @property
    def signs_in(self) -> Auth:
        return BearerAuth(kind="bearer", token=self.token)

    @property
    def allowed(self) -> tuple[int, float]:
        """What a private app may ask, in the vendor's smallest plan."""
        return (self.requests_a_minute, 60.0) if self.requests_a_minute is not None else (100, 10.0)

    @property
    def allowed_at(self) -> dict[str, tuple[int, float]]:
        """Searches: 5 a second, whatever the plan."""
        return {"/search": (5, 1.0)}

    @property
    def usual(self) -> Mapping:
        if self.provides == "customers":
            return place(updated_at=f"properties.{CHANGED[self.kind]}", created_at="properties.createdate")
        return place(
            subject="properties.subject",
            body="properties.content",
            created_at="properties.createdate",
            updated_at="properties.hs_lastmodifieddate",
            priority={"field": "properties.hs_ticket_priority", "values": PRIORITIES},
            channel="properties.source_type",
            deleted="archived",
        )


def _notes_read(*properties: str) -> Call:
    return Call(
        method="POST",
        path="/crm/v3/objects/notes/batch/read",
        body={"properties": list(properties), "inputs": [{"id": "{each}"}]},
        answer="results",
    )
