"""Sources: the systems that records come from and actions go to.

What belongs here: what can be declared of each kind of source. What does not: reading and writing (`resources/connectors/`) and what a
payload means (`aios_core/canonical/`).
"""

from datetime import date
from functools import cached_property
from typing import Annotated, Any, Literal

from pydantic import BeforeValidator, Field, model_validator

from aios_core.declaration.base import Declared
from aios_core.declaration.listing import Auth, Listing
from aios_core.declaration.webhook import Webhook


class FieldMapping(Declared):
    """Where one canonical field comes from in a source's payload."""

    field: str | None = Field(None, description="Column or dotted path in the payload")
    constant: str | int | float | bool | None = Field(None, description="The same value for every record")
    values: dict[str, str] = Field(default_factory=dict, description="Source value -> canonical value")
    format: str | None = Field(None, description="strptime format of a date-time column")
    markup: Literal["html"] | None = Field(None, description="The text is HTML: its words are taken, its tags left")

    @model_validator(mode="after")
    def _one_origin(self) -> "FieldMapping":
        if (self.field is None) == (self.constant is None):
            raise ValueError("a mapping needs exactly one of `field` and `constant`")
        return self


def _long_form(value: Any) -> Any:
    """`subject: text` is short for `subject: {field: text}`."""
    return {"field": value} if isinstance(value, str) else value


Mapping = dict[str, Annotated[FieldMapping, BeforeValidator(_long_form, json_schema_input_type=str | FieldMapping)]]


class SourceBase(Declared):
    """What every source declares. `provides` says which canonical entity its records become."""

    provides: Literal["tickets", "customers"]
    mapping: Mapping = Field(default_factory=dict)
    webhook: Webhook | None = Field(
        None, description="The source calls us when something changed; none: it is read on schedule"
    )

    @property
    def usual(self) -> Mapping:
        """Where this kind of source has its canonical fields; `mapping` has the last word."""
        return {}

    @cached_property
    def fields(self) -> Mapping:
        """Every canonical field that has a place, as declared or as usual."""
        return {**self.usual, **self.mapping}


class ZendeskSource(SourceBase):
    """Tickets and users by Zendesk's incremental cursor exports; actions are written back to it."""

    connector: Literal["zendesk"]
    provides: Literal["tickets"] = "tickets"
    url: str = Field(description="Base URL, `${VAR}` allowed")
    email: str = Field(description="Agent's e-mail, `${VAR}` allowed")
    token: str = Field(description="API token: always `${VAR}`")
    start_time: date | None = Field(None, description="First day to export; default: the automation's start_date")


class SalesforceSource(SourceBase):
    """Customers by SOQL query, incremental by SystemModstamp."""

    connector: Literal["salesforce"]
    provides: Literal["customers"] = "customers"
    url: str
    client_id: str
    client_secret: str
    object: str = "Account"
    api_version: str = "v62.0"


class FileSource(SourceBase):
    """CSV, Parquet or JSON Lines, plain or compressed; `path` may be a glob and is relative to the automation's folder."""

    connector: Literal["file"]
    path: str
    format: Literal["csv", "parquet", "jsonl"] | None = Field(None, description="Default: from the file's ending")
    delimiter: str = ","
    encoding: str = "utf-8"
    id_column: str | None = Field(None, description="Default: file name and row number")


class HttpSource(SourceBase):
    """Any JSON API over HTTP: how it lists what changed, by declaration. Actions can't be written to it."""

    connector: Literal["http"]
    url: str = Field(description="Base URL, `${VAR}` allowed")
    auth: Auth | None = Field(None, description="None: it asks nobody who they are")
    headers: dict[str, str] = Field(default_factory=dict, description="With every request; `${VAR}` allowed")
    listing: Listing
    gone: Listing | None = Field(
        None, description="A second list, of what was deleted: its items need the field `deleted` mapped"
    )
    requests_a_minute: int | None = Field(
        None, ge=1, description="What the API allows; none: it says 429 when it is enough"
    )


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


Source = Annotated[
    ZendeskSource | SalesforceSource | FileSource | HttpSource | SqlSource, Field(discriminator="connector")
]
