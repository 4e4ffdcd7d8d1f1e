"""ServiceNow: incidents and users, by the Table API.

Source: the vendor's Table API reference. Rows are asked for by an encoded query, which sorts them too; times are written in UTC without saying so.
Rows that were deleted are not listed: a Business Rule may post them to our webhook, or they are closed first, as the vendor advises.
All of an action is one request, so it is there as a whole or not at all. `priority` is computed from impact and urgency, which are written instead; labels
(`sys_tags`) can't be set by this API: map `tags` to a text field of the table.
"""

from collections.abc import Sequence
from functools import cached_property
from typing import Literal

from pydantic import Field

from aios_core.declaration.listing import Auth, BasicAuth, Listing, OAuth
from aios_core.declaration.source_base import ApiSource, Mapping, place
from aios_core.declaration.thread import Thread
from aios_core.declaration.writing import Notes, Reading, Step, Writing

STATES = {"1": "new", "2": "open", "3": "pending", "6": "solved", "7": "closed", "8": "closed"}
PRIORITIES = {"1": "urgent", "2": "high", "3": "normal", "4": "low", "5": "low"}
# the vendor's own table of which impact and urgency make which priority
INSTEAD = {
    "urgent": {"impact": "1", "urgency": "1"},
    "high": {"impact": "2", "urgency": "1"},
    "normal": {"impact": "2", "urgency": "2"},
    "low": {"impact": "2", "urgency": "3"},
}


class ServicenowSource(ApiSource):
    """Incidents (or another table of tasks) and users by `sys_updated_on`. Signs in by name and password, or by OAuth."""

    connector: Literal["servicenow"]
    provides: Literal["tickets"] = "tickets"
    table: str = Field("incident", pattern=r"^[a-z][a-z0-9_]*$")
    username: str | None = Field(None, description="`${VAR}` allowed")
    password: str | None = Field(None, description="Always `${VAR}`")
    client_id: str | None = Field(None, description="For OAuth by client credentials; `${VAR}` allowed")
    client_secret: str | None = Field(None, description="Always `${VAR}`")

    @cached_property
    def lists(self) -> dict[str, Sequence[Listing]]:
        return {"users": (_table("sys_user"),), "tickets": (_table(self.table),)}

    @property
    def signs_in(self) -> Auth | None:
        if self.client_id is not None and self.client_secret is not None:
            path, secret = "/oauth_token.do", self.client_secret
            return OAuth(kind="oauth", token_path=path, client_id=self.client_id, client_secret=secret)
        if self.username is not None and self.password is not None:
            return BasicAuth(kind="basic", username=self.username, password=self.password)
        return None

    @property
    def usual(self) -> Mapping:
        return place(
            subject="short_description",
            body="description",
            created_at="sys_created_on",
            updated_at="sys_updated_on",
            status={"field": "state", "values": STATES},
            priority={"field": "priority", "values": PRIORITIES},
            channel="contact_type",
            queue="assignment_group",
            requester_id="caller_id",
        )

    @cached_property
    def thread(self) -> Thread:
        entries = Listing(
            path="/api/now/table/sys_journal_field",
            params={
                "sysparm_query": "element_id={id}^elementINcomments,work_notes^ORDERBYsys_created_on",
                "sysparm_fields": "sys_id,element,value,sys_created_on,sys_created_by",
                "sysparm_limit": "{size}",
                "sysparm_offset": "{offset}",
            },
            items="result",
            id="sys_id",
            paging="offset",
        )
        return Thread(
            listing=entries,
            text="value",
            at="sys_created_on",
            author="sys_created_by",
            public={"element": "comments"},
        )

    @cached_property
    def writing(self) -> Writing:
        row = f"/api/now/table/{self.table}/{{id}}"
        # journal fields are empty in a row but for their display value, which holds all of their entries
        journal = Listing(
            path=f"/api/now/table/{self.table}",
            params={
                "sysparm_query": "sys_id={id}",
                "sysparm_fields": "sys_id,work_notes,comments",
                "sysparm_display_value": "true",
                "sysparm_limit": 1,
            },
            items="result",
            id="sys_id",
        )
        plain = {"sysparm_exclude_reference_link": "true"}
        change = Step(
            method="PATCH",
            path=row,
            params=plain,
            body={"*": "{fields}", "comments": "{reply}", "work_notes": "{note}"},
            carries=("queue", "assignee", "priority", "tags", "reply", "note"),
        )
        return Writing(
            read=Reading(path=row, params=plain, answer="result"),
            notes=Notes(listing=journal, text="work_notes"),
            replies=Notes(listing=journal, text="comments"),
            steps=(change,),
            assignee="assigned_to",
            joined=",",
            instead={"priority": INSTEAD},
        )

    @cached_property
    def contact(self) -> Mapping:
        return place(customer_id="employee_number", updated_at="sys_updated_on", created_at="sys_created_on")


def _table(name: str) -> Listing:
    return Listing(
        path=f"/api/now/table/{name}",
        params={
            "sysparm_query": "sys_updated_on>={since}^ORDERBYsys_updated_on^ORDERBYsys_id",
            "sysparm_limit": "{size}",
            "sysparm_offset": "{offset}",
            # references as plain ids; the links beside them would be another kind of value in each row
            "sysparm_exclude_reference_link": "true",
        },
        items="result",
        id="sys_id",
        updated="sys_updated_on",
        since="%Y-%m-%d %H:%M:%S",
        sorted=True,
        paging="offset",
        size=1000,
    )
