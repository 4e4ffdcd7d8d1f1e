"""Jira Service Management: requests of a project, by JQL.

Source: the vendor's REST API version 3 (`/search/jql`). JQL knows minutes only and reads them in the time zone of the account that asks: give that account
UTC. Descriptions are asked for as rendered HTML, since the API's own document format has no plain text. Comments go by the service desk's API, which alone
says for sure whether a customer sees them. A queue there is a search over fields: map `queue` to a field that it searches for.
"""

from collections.abc import Sequence
from functools import cached_property
from typing import Literal

from pydantic import Field

from aios_core.declaration.listing import Auth, BasicAuth, Listing
from aios_core.declaration.source_base import ApiSource, Mapping, place
from aios_core.declaration.thread import Thread
from aios_core.declaration.writing import Notes, Reading, Step, Writing

# of the three categories that every status of every workflow belongs to
CATEGORIES = {"new": "new", "indeterminate": "open", "done": "solved", "undefined": "open"}
PRIORITIES = {"Highest": "urgent", "High": "high", "Medium": "normal", "Low": "low", "Lowest": "low"}

COMMENTS = "/rest/servicedeskapi/request/{id}/comment"
SAID = Listing(
    path=COMMENTS,
    params={"public": "true", "internal": "true", "start": "{offset}", "limit": "{size}"},
    items="values",
    paging="offset",
    last="isLastPage",
    size=50,
)


class JiraSource(ApiSource):
    """Requests of one project by their last change. The account's time zone has to be UTC."""

    connector: Literal["jira"]
    provides: Literal["tickets"] = "tickets"
    email: str = Field(description="Of the account; `${VAR}` allowed")
    token: str = Field(description="API token: always `${VAR}`")
    project: str = Field(pattern=r"^[A-Z][A-Z0-9_]*$", description="The project's key")

    @cached_property
    def lists(self) -> dict[str, Sequence[Listing]]:
        requests = Listing(
            path="/rest/api/3/search/jql",
            params={
                "jql": f'project = "{self.project}" AND updated >= "{{since}}" ORDER BY updated ASC, key ASC',
                "fields": "*navigable",
                "expand": "renderedFields",
                "maxResults": "{size}",
                "nextPageToken": "{token}",
            },
            items="issues",
            id="key",
            updated="fields.updated",
            since="%Y-%m-%d %H:%M",
            sorted=True,
            paging="token",
            following="nextPageToken",
            last="isLast",
            ignore=("expand",),
        )
        return {"tickets": (requests,)}

    @property
    def signs_in(self) -> Auth:
        return BasicAuth(kind="basic", username=self.email, password=self.token)

    @property
    def actions_a_ticket(self) -> tuple[int, float]:
        """20 writes to an issue in two seconds; an action is three at most."""
        return (6, 2.0)

    @property
    def usual(self) -> Mapping:
        return place(
            subject="fields.summary",
            body={"field": "renderedFields.description", "markup": "html"},
            created_at="fields.created",
            updated_at="fields.updated",
            resolved_at="fields.resolutiondate",
            status={"field": "fields.status.statusCategory.key", "values": CATEGORIES},
            priority={"field": "fields.priority.name", "values": PRIORITIES},
            requester_id="fields.reporter.accountId",
            tags="fields.labels",
        )

    @cached_property
    def thread(self) -> Thread:
        return Thread(
            listing=SAID.model_copy(update={"params": {**SAID.params, "expand": "attachment"}}),
            text="body",
            at="created.iso8601",
            author="author.displayName",
            public={"public": True},
            attachments="attachments.values",
        )

    @cached_property
    def writing(self) -> Writing:
        change = Step(
            method="PUT",
            path="/rest/api/3/issue/{id}",
            body={"fields": "{fields}", "update": {"labels": [{"add": "{tag}"}]}},
            carries=("queue", "assignee", "priority", "tags"),
            repeatable=True,
        )
        return Writing(
            read=Reading(path="/rest/api/3/issue/{id}", params={"expand": "renderedFields"}),
            notes=Notes(listing=SAID, text="body", only={"public": False}),
            replies=Notes(listing=SAID, text="body", only={"public": True}),
            steps=(
                change,
                Step(path=COMMENTS, body={"body": "{reply}", "public": True}, carries=("reply",)),
                Step(path=COMMENTS, body={"body": "{note}", "public": False}, carries=("note",)),
            ),
            root="fields.",
            assignee="fields.assignee.accountId",
        )
