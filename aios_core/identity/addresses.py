"""Where a landed record has the addresses that tell who it is about.

What belongs here: the places, a vendor's and declared ones. What does not: spelling (`normal.py`) and joining (`resolve.py`).
"""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from aios_core.canonical.tabular import TOMBSTONE
from aios_core.canonical.values import lookup
from aios_core.declaration.identity import Address, Identity
from aios_core.declaration.source_base import SourceBase
from aios_core.identity.normal import digest, email_of, phone_of

# of users of a helpdesk and customers of a CRM alike, and of plain files; a mapped `email` or `phone` comes before them
PLACES: Mapping[Address, Sequence[str]] = {
    "email": (
        *("email", "Email", "PersonEmail", "emails", "other_emails"),
        *("properties.email", "properties.hs_additional_emails"),
    ),
    "phone": (
        *("phone", "Phone", "PersonMobilePhone", "MobilePhone", "mobile", "mobile_phone", "phones"),
        *("properties.phone", "properties.mobilephone"),
    ),
}
GONE = ("IsDeleted", "is_deleted", "deleted", "archived", "permanently_deleted", TOMBSTONE)
SHARED = "shared_phone_number"  # Zendesk's word for a line that is nobody's own
MOST = 50  # addresses of one record: more are a list, not a person


@dataclass(frozen=True, slots=True, kw_only=True)
class Addresses:
    """Digests of a record's addresses, sorted. `gone`: the record says that it was deleted or merged into another one."""

    emails: tuple[str, ...] = ()
    phones: tuple[str, ...] = ()
    gone: bool = False


def addresses_of(source: SourceBase, payload: Mapping[str, Any], rules: Identity) -> Addresses:
    """The addresses of a user or a customer. What is no address is no error: people write all sorts of things in these fields."""
    if _gone(source, payload):
        return Addresses(gone=True)
    emails = {found for text in _texts(source, payload, "email") if (found := email_of(text))}
    shared = payload.get(SHARED) is True
    phones = {found for text in _texts(source, payload, "phone") if (found := phone_of(text, rules)) and not shared}
    return Addresses(
        emails=_digests("email", emails) if "email" in rules.by else (),
        phones=_digests("phone", phones) if "phone" in rules.by else (),
    )


def _digests(kind: Address, found: set[str]) -> tuple[str, ...]:
    return tuple(sorted(digest(kind, one) for one in found)) if len(found) <= MOST else ()


def _gone(source: SourceBase, payload: Mapping[str, Any]) -> bool:
    rule = source.fields.get("deleted") if source.provides == "customers" else None
    paths = (*GONE, *((rule.field,) if rule is not None and rule.field is not None else ()))
    if any(lookup(payload, path) in (True, 1, "true", "True", "1") for path in paths):
        return True
    # a Zendesk user that was deleted or merged into another one; elsewhere `active` means other things
    return payload.get("active") is False and "role" in payload


def _texts(source: SourceBase, payload: Mapping[str, Any], kind: Address) -> Iterator[str]:
    rule = source.fields.get(kind) if source.provides == "customers" else None
    paths = (rule.field,) if rule is not None and rule.field is not None else PLACES[kind]
    for path in paths:
        yield from _flat(lookup(payload, path))


def _flat(value: Any) -> Iterator[str]:
    """A text, texts parted by `;` or `,`, or a list of texts or of `{value: text}`."""
    if isinstance(value, str):
        yield from (part for part in value.replace(",", ";").split(";") if part.strip())
    elif isinstance(value, int) and not isinstance(value, bool):
        yield str(value)  # a number from a file without quotes
    elif isinstance(value, Mapping):
        yield from _flat(value.get("value"))
    elif isinstance(value, list):
        for one in value:
            yield from _flat(one)
