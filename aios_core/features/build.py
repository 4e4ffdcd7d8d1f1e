"""The feature table: one row a (ticket, content), holding only what was known at the ticket's arrival.

What belongs here: the point-in-time join of tickets with contacts and customers, and the table's schema. What does not:
anything fitted (`encoding.py` beside this file, and `aios_core/training/`), storage, and the clock.

**The decision moment is `created_at`, for both clocks of a customer fact.** A fact counts when it was true by then
(`event_time <= created_at`) and recorded by then (`known_at <= created_at`). The ticket version's own `known_at` would be
later for history, where the first version that a helpdesk exports is the resolved one: facts written down while the ticket
was being worked on would then enter training and be missing in serving, which decides at arrival. `created_at` is the one
moment that training and serving share.

The link from a requester to a customer is identity, not a fact that predicts, and helpdesks export a user's newest state
only. So the newest link known at the decision moment is used, and where there is none yet, the first one known after.
"""

import json
import math
from bisect import bisect_right
from collections.abc import Mapping, Sequence
from datetime import UTC, datetime
from typing import Any

import pyarrow as pa

from aios_core.automation import CrmFeature, Features
from aios_core.errors import PermanentError

TIMESTAMP = pa.timestamp("us", tz="UTC")
PREFIX = "crm_"

_TICKET_FIELDS = [
    pa.field("source", pa.string()),
    pa.field("ticket_id", pa.string()),
    pa.field("ticket_version", pa.string()),
    pa.field("correlation_id", pa.string()),
    pa.field("created_at", TIMESTAMP),
    pa.field("known_at", TIMESTAMP),
    pa.field("text", pa.string()),
    pa.field("priority", pa.string()),
    pa.field("channel", pa.string()),
    pa.field("language", pa.string()),
    pa.field("customer_id", pa.string()),
]


class FeatureError(PermanentError):
    """The tables handed in can't become features; the message names the table and the column."""

    code = "features.invalid"


def feature_schema(features: Features) -> pa.Schema:
    """The feature table's columns: the ticket's own, then `crm_<name>` (float64 or string) a declared CRM feature."""
    types = {"numeric": pa.float64(), "categorical": pa.string()}
    return pa.schema([*_TICKET_FIELDS, *(pa.field(PREFIX + f.name, types[f.kind]) for f in features.customer)])


def build_features(tickets: pa.Table, *, contacts: pa.Table, customers: pa.Table, features: Features) -> pa.Table:
    """Join each ticket with its customer's facts as known at its arrival; rows keep the order of `tickets`.

    `tickets`, `contacts` and `customers` have the columns of the canonical tables. A customer's `attributes` may be JSON
    text, a struct or a map. Unknown customers, and facts that only became known later, give nulls.
    """
    _require(tickets, "tickets", ("source", "ticket_id", "version", "correlation_id", "created_at", "known_at"))
    _require(tickets, "tickets", features.text)
    moments = [_aware(moment) for moment in tickets["created_at"].to_pylist()]
    owners = _owners(tickets, _Links(contacts), moments)
    columns: list[Any] = [
        tickets["source"].cast(pa.string()),
        tickets["ticket_id"].cast(pa.string()),
        tickets["version"].cast(pa.string()),
        tickets["correlation_id"].cast(pa.string()),
        pa.array(moments, TIMESTAMP),
        pa.array([_aware(moment) for moment in tickets["known_at"].to_pylist()], TIMESTAMP),
        _joined_text(tickets, features.text),
        *(_optional(tickets, name) for name in ("priority", "channel", "language")),
        pa.array(owners, pa.string()),
    ]
    if features.customer:
        facts = _Facts(customers)
        found = [facts.at(owner, moment) for owner, moment in zip(owners, moments, strict=True)]
        columns += [_crm_column(found, feature) for feature in features.customer]
    return pa.table(columns, schema=feature_schema(features))


def _require(table: pa.Table, name: str, columns: Sequence[str]) -> None:
    missing = [column for column in columns if column not in table.column_names]
    if missing:
        raise FeatureError(
            f"the {name} table has no column {', '.join(missing)} (it has {', '.join(table.column_names)}); "
            "hand in the canonical table, or declare other features"
        )


def _aware(moment: datetime) -> datetime:
    return moment if moment.tzinfo else moment.replace(tzinfo=UTC)


def _optional(table: pa.Table, name: str) -> Any:
    return table[name].cast(pa.string()) if name in table.column_names else pa.nulls(table.num_rows, pa.string())


def _joined_text(tickets: pa.Table, fields: Sequence[str]) -> Any:
    if not fields:
        return pa.array([""] * tickets.num_rows, pa.string())
    parts = zip(*(tickets[field].to_pylist() for field in fields), strict=True)
    return pa.array(["\n".join(part for part in row if part) for row in parts], pa.string())


def _owners(tickets: pa.Table, links: "_Links", moments: Sequence[datetime]) -> list[str | None]:
    """Each ticket's customer: named by its payload, else by its requester's contact."""
    named = _optional(tickets, "customer_id").to_pylist()
    sources, requesters = tickets["source"].to_pylist(), _optional(tickets, "requester_id").to_pylist()
    return [
        customer or (links.at((source, requester), moment) if requester else None)
        for customer, source, requester, moment in zip(named, sources, requesters, moments, strict=True)
    ]


class _Links:
    """Requester -> customer, by the time each link became known."""

    def __init__(self, contacts: pa.Table) -> None:
        self._known: dict[tuple[str, str], list[tuple[datetime, str, str | None]]] = {}
        if not contacts.num_rows:
            return
        _require(contacts, "contacts", ("source", "contact_id", "version", "customer_id", "known_at"))
        wanted = contacts.select(["source", "contact_id", "version", "customer_id", "known_at"])
        for row in wanted.to_pylist():
            link = (_aware(row["known_at"]), row["version"], row["customer_id"])
            self._known.setdefault((row["source"], row["contact_id"]), []).append(link)
        for links in self._known.values():
            links.sort(key=lambda link: link[:2])

    def at(self, contact: tuple[str, str], moment: datetime) -> str | None:
        links = self._known.get(contact)
        if not links:
            return None
        place = bisect_right(links, moment, key=lambda link: link[0])
        return links[max(place - 1, 0)][2]


class _Facts:
    """Customer versions; `at` answers with the newest one that was true and known at a moment."""

    def __init__(self, customers: pa.Table) -> None:
        self._versions: dict[str, list[tuple[datetime, datetime, str, int]]] = {}
        self._parsed: dict[int, Mapping[str, Any]] = {}
        if not customers.num_rows:
            return
        _require(customers, "customers", ("customer_id", "version", "event_time", "known_at", "attributes"))
        self._attributes = customers["attributes"].combine_chunks()
        keys = customers.select(["customer_id", "event_time", "known_at", "version"]).to_pylist()
        for index, row in enumerate(keys):
            version = (_aware(row["event_time"]), _aware(row["known_at"]), row["version"], index)
            self._versions.setdefault(row["customer_id"], []).append(version)
        for versions in self._versions.values():
            versions.sort(reverse=True)

    def at(self, customer: str | None, moment: datetime) -> Mapping[str, Any]:
        for event_time, known_at, _, index in self._versions.get(customer or "", ()):
            if event_time <= moment and known_at <= moment:
                return self._attributes_of(index)
        return {}

    def _attributes_of(self, index: int) -> Mapping[str, Any]:
        if index not in self._parsed:
            value = self._attributes[index].as_py()
            if isinstance(value, str | bytes):
                value = json.loads(value)
            self._parsed[index] = dict(value or {})
        return self._parsed[index]


def _crm_column(found: Sequence[Mapping[str, Any]], feature: CrmFeature) -> Any:
    if feature.kind == "numeric":
        return pa.array([_number(facts.get(feature.name)) for facts in found], pa.float64())
    return pa.array([_category(facts.get(feature.name)) for facts in found], pa.string())


def _number(value: Any) -> float | None:
    """A finite number, or None: what a CRM holds in a numeric field may be blank, text or NaN."""
    try:
        number = float(value)
    except (TypeError, ValueError, OverflowError):
        return None
    return number if math.isfinite(number) else None


def _category(value: Any) -> str | None:
    """Categories compare as text; true and false get the spelling that JSON has."""
    if value is None:
        return None
    text = str(value).lower() if isinstance(value, bool) else str(value).strip()
    return text or None
