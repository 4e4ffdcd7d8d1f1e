"""Salesforce objects as canonical customers.

What belongs here: where a customer's id, clocks and attributes stand in a Salesforce record. What does not: SOQL and HTTP
(`resources/connectors/`). Attributes are what the declaration maps: `tenure_months: Tenure_Months__c`.
"""

from collections.abc import Mapping
from datetime import datetime
from typing import Any

from aios_core.canonical.entities import Customer
from aios_core.canonical.values import clean_json, pick, to_id, to_optional_text, to_optional_time
from aios_core.declaration.sources import SalesforceSource

NOT_ATTRIBUTES = frozenset({"customer_id", "event_time", "known_at"})


def identify(payload: Mapping[str, Any]) -> tuple[str, str | None]:
    """(Id, SystemModstamp)."""
    return (
        to_id(payload.get("Id"), field="Id"),
        to_optional_text(payload.get("SystemModstamp"), field="SystemModstamp"),
    )


def selected_fields(source: SalesforceSource) -> tuple[str, ...]:
    """The columns to select: ids and clocks, then what the declaration maps, each once."""
    base = ("Id", "SystemModstamp", "LastModifiedDate", "CreatedDate", "IsDeleted")
    mapped = (rule.field for rule in source.mapping.values() if rule.field is not None)
    return tuple(dict.fromkeys((*base, *mapped)))


def map_customer(
    source: SalesforceSource,
    payload: Mapping[str, Any],
    *,
    source_name: str,
    correlation_id: str,
    landed_at: datetime,
    external_id: str,
    version: str,
) -> Customer:
    """One record. It became true when it was last modified; the system knew it at SystemModstamp. Raises RecordError.

    Of a deleted record nothing is known from then on: its attributes are null.
    """
    modified = to_optional_time(
        pick(source.mapping, "event_time", payload, "LastModifiedDate"), field="LastModifiedDate"
    )
    stamped = to_optional_time(pick(source.mapping, "known_at", payload, "SystemModstamp"), field="SystemModstamp")
    names = [n for n in source.mapping if n not in NOT_ATTRIBUTES]
    facts = {} if payload.get("IsDeleted") is True else payload
    return Customer(
        source=source_name,
        customer_id=_customer_id(source, payload, external_id),
        version=version,
        correlation_id=correlation_id,
        event_time=modified or stamped or landed_at,
        known_at=stamped or landed_at,
        attributes={n: clean_json(pick(source.mapping, n, facts), field=n) for n in names},
    )


def _customer_id(source: SalesforceSource, payload: Mapping[str, Any], external_id: str) -> str:
    """The record's own Id, unless the declaration names another field for what the helpdesk knows the customer by."""
    if "customer_id" not in source.mapping:
        return external_id
    return to_id(pick(source.mapping, "customer_id", payload), field="customer_id")
