"""Intercom: conversations, by search.

Source: the vendor's OpenAPI description, version 2.14. A search can't be sorted: it is read to its end before its newest moment counts. Texts are HTML.
Conversations that were deleted are not listed. What is written has an author, an admin of the workspace; a conversation's priority can't be set by this API.
"""

from collections.abc import Sequence
from functools import cached_property
from typing import Literal

from pydantic import Field

from aios_core.declaration.listing import Auth, BearerAuth, Listing
from aios_core.declaration.source_base import ApiSource, Mapping, place
from aios_core.declaration.thread import Thread
from aios_core.declaration.writing import Call, Notes, Reading, Step, Writing

STATES = {"open": "open", "snoozed": "pending", "closed": "closed"}
PRIORITIES = {"priority": "high", "not_priority": "normal"}


class IntercomSource(ApiSource):
    """Conversations by their last change. A contact's `external_id` is the customer's id in the CRM."""

    connector: Literal["intercom"]
    provides: Literal["tickets"] = "tickets"
    token: str = Field(description="Access token: always `${VAR}`")
    admin: str | None = Field(
        None, pattern=r"^(\d+|\$\{\w+\})$", description="Id of the admin who writes; none: nothing can be written"
    )

    @cached_property
    def lists(self) -> dict[str, Sequence[Listing]]:
        conversations = Listing(
            path="/conversations/search",
            method="POST",
            body={
                "query": {"field": "updated_at", "operator": ">", "value": "{since}"},
                "pagination": {"per_page": "{size}", "starting_after": "{token}"},
            },
            items="conversations",
            updated="updated_at",
            since="epoch",
            exclusive=True,
            paging="token",
            following="pages.next.starting_after",
            size=150,
        )
        return {"tickets": (conversations,)}

    @property
    def signs_in(self) -> Auth:
        return BearerAuth(kind="bearer", token=self.token)

    @property
    def says(self) -> dict[str, str]:
        return {"Intercom-Version": "2.14"}

    @property
    def usual(self) -> Mapping:
        return place(
            subject={"field": "source.subject", "markup": "html"},
            body={"field": "source.body", "markup": "html"},
            created_at="created_at",
            updated_at="updated_at",
            status={"field": "state", "values": STATES},
            priority={"field": "priority", "values": PRIORITIES},
            channel="source.type",
            queue="team_assignee_id",
            requester_id="contacts.contacts.0.id",
            customer_id="contacts.contacts.0.external_id",
            tags="tags.tags",
        )

    @cached_property
    def thread(self) -> Thread:
        return Thread(
            read=Call(path="/conversations/{id}"),
            inside="conversation_parts.conversation_parts",
            text="body",
            at="created_at",
            author="author.name",
            public={"part_type": "comment"},
            attachments="attachments",
            markup="html",
        )

    @cached_property
    def writing(self) -> Writing | None:
        if self.admin is None:
            return None
        one, parts = "/conversations/{id}", "conversation_parts.conversation_parts"
        tag = Call(method="POST", path="/tags", body={"name": "{tag}"}, answer="id")  # the same tag where there is one

        def assigned(kind: str, to: str) -> Step:
            body = {"message_type": "assignment", "type": kind, "admin_id": self.admin, "assignee_id": f"{{{to}}}"}
            carries = ("queue",) if to == "queue" else ("assignee",)
            return Step(path=f"{one}/parts", body=body, carries=carries, repeatable=True)

        def said(kind: str, text: str) -> Step:
            body = {"message_type": kind, "type": "admin", "admin_id": self.admin, "body": f"{{{text}}}"}
            return Step(path=f"{one}/reply", body=body, carries=(text,))

        return Writing(
            read=Reading(path=one),
            notes=Notes(inside=parts, text="body", only={"part_type": "note"}),
            replies=Notes(inside=parts, text="body", only={"part_type": "comment", "author.type": "admin"}),
            steps=(
                assigned("team", "queue"),
                assigned("admin", "assignee"),
                Step(
                    path=f"{one}/tags",
                    first=tag,
                    body={"id": "{found}", "admin_id": self.admin},
                    carries=("tags",),
                    repeatable=True,
                ),
                said("comment", "reply"),
                said("note", "note"),
            ),
            assignee="admin_assignee_id",
            markup="html",
        )
