"""Freshdesk: tickets and contacts.

Source: the vendor's API reference, version 2. Tickets are listed by change, 100 a page and 300 pages a question; the list holds their descriptions only
where it is asked to. Deleted tickets are a list of their own. An update can't be bound to the version that was read.
"""

from collections.abc import Sequence
from functools import cached_property
from typing import Literal

from pydantic import Field

from aios_core.declaration.listing import Auth, BasicAuth, Listing
from aios_core.declaration.source_base import ApiSource, Mapping, place
from aios_core.declaration.thread import Thread
from aios_core.declaration.writing import Notes, Reading, Step, Writing

STATUSES = {"2": "open", "3": "pending", "4": "solved", "5": "closed"}
PRIORITIES = {"1": "low", "2": "normal", "3": "high", "4": "urgent"}
CHANNELS = {"1": "email", "2": "web", "3": "phone", "7": "chat", "9": "feedback_widget", "10": "outbound_email"}

CONVERSATIONS = Listing(
    path="/api/v2/tickets/{id}/conversations", params={"per_page": "{size}", "page": "{page}"}, paging="page"
)


class FreshdeskSource(ApiSource):
    """Tickets and contacts by their last change. A contact's `unique_external_id` is the customer's id in the CRM."""

    connector: Literal["freshdesk"]
    provides: Literal["tickets"] = "tickets"
    key: str = Field(description="API key of an agent: always `${VAR}`")

    @cached_property
    def lists(self) -> dict[str, Sequence[Listing]]:
        by_change = {"updated_since": "{since}", "per_page": "{size}", "page": "{page}"}
        tickets = Listing(
            path="/api/v2/tickets",
            params={**by_change, "order_by": "updated_at", "order_type": "asc", "include": "description"},
            updated="updated_at",
            sorted=True,
            paging="page",
            most_pages=300,
        )
        gone = tickets.model_copy(update={"params": {**tickets.params, "filter": "deleted"}})
        contacts = Listing(
            path="/api/v2/contacts",
            params={"_updated_since": "{since}", "per_page": "{size}", "page": "{page}"},
            updated="updated_at",
            paging="page",
        )
        return {"users": (contacts,), "tickets": (tickets, gone)}

    @property
    def signs_in(self) -> Auth:
        return BasicAuth(kind="basic", username=self.key, password="X")  # noqa: S106 (the vendor's word for none)

    @property
    def usual(self) -> Mapping:
        return place(
            subject="subject",
            body="description_text",
            created_at="created_at",
            updated_at="updated_at",
            status={"field": "status", "values": STATUSES},
            priority={"field": "priority", "values": PRIORITIES},
            channel={"field": "source", "values": CHANNELS},
            queue="group_id",
            requester_id="requester_id",
            tags="tags",
            deleted="deleted",
        )

    @cached_property
    def thread(self) -> Thread:
        return Thread(
            listing=CONVERSATIONS,
            text="body_text",
            at="created_at",
            author="user_id",
            public={"private": False},
            attachments="attachments",
        )

    @cached_property
    def writing(self) -> Writing:
        fields = ("queue", "assignee", "priority", "tags")
        return Writing(
            read=Reading(path="/api/v2/tickets/{id}"),
            notes=Notes(listing=CONVERSATIONS, text="body_text", only={"private": True}),
            replies=Notes(listing=CONVERSATIONS, text="body_text", only={"private": False, "incoming": False}),
            steps=(
                Step(method="PUT", path="/api/v2/tickets/{id}", body="{fields}", carries=fields, repeatable=True),
                Step(path="/api/v2/tickets/{id}/reply", body={"body": "{reply}"}, carries=("reply",)),
                Step(path="/api/v2/tickets/{id}/notes", body={"body": "{note}", "private": True}, carries=("note",)),
            ),
            numbers=True,
            assignee="responder_id",
            markup="html",
        )

    @cached_property
    def contact(self) -> Mapping:
        return place(customer_id="unique_external_id", updated_at="updated_at", created_at="created_at")
