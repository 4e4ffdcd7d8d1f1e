"""Pipedrive: persons or organizations as customers.

Source: the vendor's API reference, version 2. Lists are sorted by change and followed by a cursor.
"""

from collections.abc import Sequence
from functools import cached_property
from typing import Literal

from pydantic import Field

from aios_core.declaration.listing import Auth, HeaderAuth, Listing
from aios_core.declaration.source_base import ApiSource, Mapping, place


class PipedriveSource(ApiSource):
    """Persons (or organizations) by their last change; attributes are what the declaration maps, custom fields by their keys."""

    connector: Literal["pipedrive"]
    provides: Literal["customers"] = "customers"
    token: str = Field(description="API token: always `${VAR}`")
    object: Literal["persons", "organizations"] = "persons"

    @cached_property
    def lists(self) -> dict[str, Sequence[Listing]]:
        people = Listing(
            path=f"/api/v2/{self.object}",
            params={
                "updated_since": "{since}",
                "sort_by": "update_time",
                "sort_direction": "asc",
                "limit": "{size}",
                "cursor": "{token}",
            },
            items="data",
            updated="update_time",
            since="%Y-%m-%dT%H:%M:%SZ",
            sorted=True,
            paging="token",
            following="additional_data.next_cursor",
            size=500,
        )
        return {"customers": (people,)}

    @property
    def signs_in(self) -> Auth:
        return HeaderAuth(kind="header", name="x-api-token", value=self.token)

    @property
    def usual(self) -> Mapping:
        return place(updated_at="update_time", created_at="add_time")
