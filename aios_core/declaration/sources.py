"""Sources: the systems that records come from and actions go to.

What belongs here: what can be declared of each kind of source. What does not: reading and writing (`resources/connectors/`) and what a
payload means (`aios_core/canonical/`).
"""

from collections.abc import Sequence
from datetime import date
from functools import cached_property
from typing import Annotated, Any, Literal

from pydantic import Field, model_validator

from aios_core.declaration.listing import Auth, Listing
from aios_core.declaration.source_base import ApiSource, SourceBase
from aios_core.declaration.thread import Thread
from aios_core.declaration.vendors.freshdesk import FreshdeskSource
from aios_core.declaration.vendors.hubspot import HubspotSource
from aios_core.declaration.vendors.intercom import IntercomSource
from aios_core.declaration.vendors.jira import JiraSource
from aios_core.declaration.vendors.pipedrive import PipedriveSource
from aios_core.declaration.vendors.servicenow import ServicenowSource


class ZendeskSource(SourceBase):
    """Tickets and users by Zendesk's incremental cursor exports; actions are written back to it."""

    connector: Literal["zendesk"]
    provides: Literal["tickets"] = "tickets"
    url: str = Field(description="Base URL, `${VAR}` allowed")
    email: str = Field(description="Agent's e-mail, `${VAR}` allowed")
    token: str = Field(description="API token: always `${VAR}`")
    start_time: date | None = Field(None, description="First day to export; default: the automation's start_date")

    @property
    def told_at(self) -> str | None:
        """An export leaves out the last minute, so what is told of is read by its id."""
        return None if self.webhook is None else self.webhook.ticket or "detail.id"

    @property
    def actions_a_ticket(self) -> tuple[int, float]:
        """30 updates of a ticket in ten minutes; an action is two at most."""
        return (15, 600.0)

    @cached_property
    def thread(self) -> Thread:
        """Its comments."""
        return Thread(
            listing=Listing(
                path="/api/v2/tickets/{id}/comments.json",
                params={"page[size]": "{size}", "page[after]": "{token}"},
                items="comments",
                paging="token",
                following="meta.after_cursor",
                more="meta.has_more",
            ),
            text="body",
            at="created_at",
            author="author_id",
            public={"public": True},
            attachments="attachments",
            first=True,
        )


class SalesforceSource(SourceBase):
    """Customers by SOQL query, incremental by SystemModstamp; a large full read by Bulk API 2.0."""

    connector: Literal["salesforce"]
    provides: Literal["customers"] = "customers"
    url: str
    client_id: str
    client_secret: str
    object: str = "Account"
    api_version: str = "v62.0"
    bulk: Literal["auto", "always", "never"] = Field(
        "auto", description="Whether a full read is a job of the Bulk API 2.0; auto: from `bulk_from` records on"
    )
    bulk_from: int = Field(20_000, ge=1)


class FileSource(SourceBase):
    """CSV, Parquet or JSON Lines, plain or compressed, on a disk or in an object store."""

    connector: Literal["file"]
    path: str = Field(
        description="Relative to the automation's folder, or a URL (`s3://bucket/exports/*.csv`); may be a glob; `${VAR}` allowed"
    )
    storage_options: dict[str, Any] = Field(
        default_factory=dict,
        description="Of a URL: what its fsspec client is given beyond the environment (`endpoint_url`, `headers` …); secrets always `${VAR}`",
    )
    format: Literal["csv", "parquet", "jsonl"] | None = Field(None, description="Default: from the file's ending")
    delimiter: str = ","
    encoding: str = "utf-8"
    id_column: str | None = Field(None, description="Default: file name and row number")


class HttpSource(ApiSource):
    """Any JSON API over HTTP: how it lists what changed, by declaration. Actions can't be written to it."""

    connector: Literal["http"]
    auth: Auth | None = Field(None, description="None: it asks nobody who they are")
    headers: dict[str, str] = Field(default_factory=dict, description="With every request; `${VAR}` allowed")
    listing: Listing
    gone: Listing | None = Field(
        None, description="A second list, of what was deleted: its items need the field `deleted` mapped"
    )

    conversation: Thread | None = Field(None, description="Where a ticket's messages are, for who looks at one")

    @cached_property
    def thread(self) -> Thread | None:
        return self.conversation

    @cached_property
    def lists(self) -> dict[str, Sequence[Listing]]:
        return {self.provides: (self.listing, *((self.gone,) if self.gone else ()))}

    @property
    def signs_in(self) -> Auth | None:
        return self.auth

    @property
    def says(self) -> dict[str, str]:
        return self.headers


class SqlSource(SourceBase):
    """A table or query of any database that SQLAlchemy has a driver for; new and changed rows by a column that only grows."""

    connector: Literal["sql"]
    url: str = Field(description="SQLAlchemy's URL: always `${VAR}`, since it holds a password")
    table: str | None = Field(None, description="A table or view, `schema.name` or `name`")
    query: str | None = Field(None, description="Or a SELECT, which becomes a subquery")
    cursor: str = Field(description="Column that only grows: when a row was last changed, or a number from a sequence")
    id_column: str = Field(description="Column that identifies a row, and orders rows of one cursor value")
    page_rows: int = Field(5000, ge=1, le=100_000)
    overlap_seconds: float = Field(300.0, ge=0, description="Of a column of times: rows may be committed so late")
    overlap_rows: int = Field(1000, ge=0, description="Of a column of numbers: the same, in numbers")

    @model_validator(mode="after")
    def _one_of(self) -> "SqlSource":
        if (self.table is None) == (self.query is None):
            raise ValueError("a sql source needs exactly one of `table` and `query`")
        return self


class KafkaSource(SourceBase):
    """A Kafka topic of JSON objects; offsets are kept with the rows. `_kafka` has partition, offset, key and time for the mapping.

    A message without a value says that the ticket of its key was deleted. It needs the extra `kafka`.
    """

    connector: Literal["kafka"]
    brokers: str = Field(description="`host:port,host:port`; `${VAR}` allowed")
    topic: str
    id: str = Field("key", description="Dotted path of a record's id in the message, or `key`: the message's key")
    start: Literal["beginning", "end"] = Field("beginning", description="Where the first read starts")
    page_rows: int = Field(1000, ge=1, le=100_000)
    timeout_seconds: float = Field(30.0, gt=0, description="Brokers that say nothing for so long are not there")
    settings: dict[str, str] = Field(
        default_factory=dict, description="librdkafka's settings (security.protocol, sasl.password …); `${VAR}` allowed"
    )


Source = Annotated[
    ZendeskSource
    | SalesforceSource
    | FreshdeskSource
    | HubspotSource
    | IntercomSource
    | JiraSource
    | PipedriveSource
    | ServicenowSource
    | FileSource
    | HttpSource
    | SqlSource
    | KafkaSource,
    Field(discriminator="connector"),
]
