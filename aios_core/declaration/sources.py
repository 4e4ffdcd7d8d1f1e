"""Sources: the systems that records come from and actions go to.

What belongs here: what can be declared of each kind of source. What does not: reading and writing (`resources/connectors/`) and what a
payload means (`aios_core/canonical/`).
"""

from datetime import date
from typing import Annotated, Any, Literal

from pydantic import BeforeValidator, Field, model_validator

from aios_core.declaration.base import Declared


class FieldMapping(Declared):
    """Where one canonical field comes from in a source's payload."""

    field: str | None = Field(None, description="Column or dotted path in the payload")
    constant: str | int | float | bool | None = Field(None, description="The same value for every record")
    values: dict[str, str] = Field(default_factory=dict, description="Source value -> canonical value")
    format: str | None = Field(None, description="strptime format of a date-time column")

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


Source = Annotated[ZendeskSource | SalesforceSource | FileSource, Field(discriminator="connector")]
