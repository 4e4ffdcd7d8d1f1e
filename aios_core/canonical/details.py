"""What a vendor's ticket says beside what triage decides by: type, organisation, assignee, satisfaction, service level, attachments.

What belongs here: where these stand in the payloads of each vendor. What does not: the canonical ticket (`entities.py`), which these do not change.

They are read from the landed payload when somebody looks, so that a field more asks for no new versions of old tickets. An attachment is its
name, size, type and address: never its content, and its address without what would open it.
"""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any
from urllib.parse import urlsplit, urlunsplit

from aios_core.canonical.values import clean_text, lookup
from aios_core.declaration.source_base import SourceBase

DETAILS = ("type", "organisation", "assignee", "satisfaction", "service_level")
MOST_ATTACHMENTS = 100
MOST_CHARS = 400

# connector -> detail -> dotted path; a declared mapping of the same name comes before it
PLACES: Mapping[str, Mapping[str, str]] = {
    "zendesk": {
        "type": "type",
        "organisation": "organization_id",
        "assignee": "assignee_id",
        "satisfaction": "satisfaction_rating.score",
    },
    "freshdesk": {
        "type": "type",
        "organisation": "company_id",
        "assignee": "responder_id",
        "service_level": "due_by",
    },
    "servicenow": {
        "type": "category",
        "organisation": "company",
        "assignee": "assigned_to",
        "service_level": "sla_due",
    },
    "jira": {"type": "fields.issuetype.name", "assignee": "fields.assignee.accountId"},
    "hubspot": {"assignee": "properties.hubspot_owner_id"},
    "intercom": {
        "assignee": "admin_assignee_id",
        "satisfaction": "conversation_rating.rating",
        "service_level": "sla_applied.sla_status",
    },
}
# lists of messages, each with attachments, and lists of attachments; a vendor's own list may leave them out
MESSAGES: Mapping[str, Sequence[str]] = {
    "zendesk": ("comments",),
    "freshdesk": ("conversations",),
    "intercom": ("conversation_parts.conversation_parts",),
}
ATTACHED: Mapping[str, Sequence[str]] = {
    "zendesk": ("attachments",),
    "freshdesk": ("attachments",),
    "jira": ("fields.attachment",),
    "intercom": ("source.attachments",),
}
_NAMES = ("file_name", "filename", "name")
_SIZES = ("size", "filesize")
_TYPES = ("content_type", "mimeType")
_URLS = ("content_url", "attachment_url", "content", "url", "_links.content")


@dataclass(frozen=True, slots=True, kw_only=True)
class Attachment:
    """A file at a message. `message` is the id of the vendor's message, None for the first one."""

    name: str
    size: int | None
    type: str | None
    url: str | None
    message: str | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Details:
    """Texts as the vendor has them, ids included; None where it says nothing."""

    type: str | None = None
    organisation: str | None = None
    assignee: str | None = None
    satisfaction: str | None = None
    service_level: str | None = None
    attachments: tuple[Attachment, ...] = ()


def details_of(source: SourceBase, payload: Mapping[str, Any]) -> Details:
    """All that is known; what is of another shape than expected is left out, as nothing depends on it."""
    connector = str(getattr(source, "connector", ""))
    places = PLACES.get(connector, {})
    found = {name: _text(_said(source, payload, name, places.get(name))) for name in DETAILS}
    return Details(**found, attachments=tuple(_attachments(connector, payload))[:MOST_ATTACHMENTS])


def bare_url(url: str) -> str | None:
    """The address without user, query and fragment, where signatures and tokens stand; None for what is no web address."""
    try:
        parts = urlsplit(url.strip())
        host = parts.hostname
        port = f":{parts.port}" if parts.port else ""
    except ValueError:
        return None
    if (
        parts.scheme not in ("http", "https")
        or not host
        or any(c.isspace() or not c.isprintable() for c in url.strip())
    ):
        return None
    name = f"[{host}]" if ":" in host else host
    return urlunsplit((parts.scheme, f"{name}{port}", parts.path, "", ""))


def _said(source: SourceBase, payload: Mapping[str, Any], name: str, usual: str | None) -> Any:
    rule = source.fields.get(name)
    if rule is not None and rule.field is None:
        return rule.constant
    path = rule.field if rule is not None else usual
    value = lookup(payload, path) if path is not None else None
    return rule.values.get(str(value), value) if rule is not None else value


def _attachments(connector: str, payload: Mapping[str, Any]) -> Iterator[Attachment]:
    for path in ATTACHED.get(connector, ()):
        yield from attachments_in(lookup(payload, path))
    for path in MESSAGES.get(connector, ()):
        for message in _objects(lookup(payload, path)):
            yield from attachments_in(message.get("attachments"), message=_text(message.get("id")))


def attachments_in(value: Any, *, message: str | None = None) -> Iterator[Attachment]:
    """Those of a vendor's list; what is none is passed over."""
    for one in _objects(value):
        name, size, url = _first(one, _NAMES), _first(one, _SIZES), _first(one, _URLS)
        yield Attachment(
            name=_text(name) or "?",
            size=size if isinstance(size, int) and not isinstance(size, bool) and size >= 0 else None,
            type=_text(_first(one, _TYPES)),
            url=bare_url(url) if isinstance(url, str) else None,
            message=message,
        )


def _objects(value: Any) -> Iterator[Mapping[str, Any]]:
    if isinstance(value, list):
        yield from (one for one in value if isinstance(one, Mapping))


def _first(item: Mapping[str, Any], names: Sequence[str]) -> Any:
    return next((value for name in names if (value := lookup(item, name)) is not None), None)


def _text(value: Any) -> str | None:
    if isinstance(value, bool) or not isinstance(value, (str, int, float)):
        return None
    return clean_text(str(value)).strip()[:MOST_CHARS] or None
