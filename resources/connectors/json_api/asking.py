"""From a declared list and a place in it to one request, and from an answer to its items and the place after it: pure, without HTTP.

What belongs here: placeholders, and what an answer says of the next page. What does not: sending (`reading.py`).
"""

import re
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import Any
from urllib.parse import parse_qsl, urlsplit

from aios_core.canonical.values import lookup
from aios_core.declaration.listing import Listing
from resources.connectors.failures import SourceMalformed

_PLACEHOLDER = re.compile(r"\{(since|page|offset|token|size)\}")
_LINK = re.compile(r'<([^>]*)>\s*;[^,]*\brel="?next"?')
_NOTHING = object()
_SECOND = timedelta(seconds=1)


@dataclass(frozen=True, slots=True, kw_only=True)
class Place:
    """Where in one question's pages: its number from 0, and what the last answer gave for the next."""

    number: int = 0
    token: str | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Asked:
    """One request."""

    method: str
    path: str
    params: dict[str, str | int]
    body: Any


def request_for(listing: Listing, *, since: datetime, place: Place) -> Asked:
    """The request for the page at `place` of what changed since `since`."""
    if listing.paging == "link" and place.token is not None:
        return _linked(listing, place.token)
    said = {
        "since": written(listing, since),
        "size": listing.size,
        "page": listing.first + place.number,
        "offset": place.number * listing.size,
        "token": place.token,
    }
    params = {name: value for name, given in listing.params.items() if (value := _filled(given, said)) is not _NOTHING}
    body = None if listing.body is None else _filled(listing.body, said)
    return Asked(method=listing.method, path=str(_filled(listing.path, said)), params=params, body=body)


def written(listing: Listing, moment: datetime) -> str | int:
    """`moment` as the API reads it. The moment itself is among what comes back, also where the API would leave it out."""
    if listing.exclusive:
        moment = max(moment - _SECOND, datetime.fromtimestamp(0, UTC))
    if listing.since == "iso":
        return moment.astimezone(UTC).strftime("%Y-%m-%dT%H:%M:%S.%f")[:-3] + "Z"
    if listing.since == "epoch":
        return int(moment.timestamp())
    if listing.since == "epoch_ms":
        return int(moment.timestamp() * 1000)
    return moment.astimezone(UTC).strftime(listing.since)


def items_of(listing: Listing, answer: Any) -> list[Any]:
    """The answer's list. Raises SourceMalformed where there is none."""
    items = answer if not listing.items else lookup(answer, listing.items) if isinstance(answer, Mapping) else None
    if not isinstance(items, list):
        raise SourceMalformed(
            f"{listing.path}: an answer without a list at `{listing.items or '(its top)'}`; try again later"
        )
    return items


def place_after(listing: Listing, answer: Any, headers: Mapping[str, str], *, place: Place, count: int) -> Place | None:
    """Where the next page is; None: this was the last one."""
    facts = answer if isinstance(answer, Mapping) else {}
    if listing.more is not None and not lookup(facts, listing.more):
        return None
    if listing.last is not None and lookup(facts, listing.last):
        return None
    if listing.paging == "none":
        return None
    if listing.paging in ("token", "link"):
        token = lookup(facts, listing.following) if listing.following is not None else _next_link(headers)
        # a token that does not move would be read for ever
        return None if token in (None, "", place.token) else Place(number=place.number + 1, token=str(token))
    said = listing.more is not None or listing.last is not None
    return Place(number=place.number + 1) if count and (said or count >= listing.size) else None


def _filled(given: Any, said: Mapping[str, Any]) -> Any:
    if isinstance(given, str):
        alone = _PLACEHOLDER.fullmatch(given)
        if alone:
            return _NOTHING if said[alone[1]] is None else said[alone[1]]
        return _PLACEHOLDER.sub(lambda found: "" if said[found[1]] is None else str(said[found[1]]), given)
    if isinstance(given, Mapping):
        return {k: value for k, inner in given.items() if (value := _filled(inner, said)) is not _NOTHING}
    if isinstance(given, list):
        return [value for inner in given if (value := _filled(inner, said)) is not _NOTHING]
    return str(given).lower() if isinstance(given, bool) else given


def _linked(listing: Listing, url: str) -> Asked:
    """The next page by the URL that the API gave: its path and query, below our own base, whatever host it names."""
    parts = urlsplit(url)
    body = (
        None
        if listing.body is None
        else _filled(listing.body, dict.fromkeys(("since", "token", "page", "offset"), None) | {"size": listing.size})
    )
    return Asked(method=listing.method, path=parts.path, params=dict(parse_qsl(parts.query)), body=body)


def _next_link(headers: Mapping[str, str]) -> str | None:
    found = _LINK.search(headers.get("link", ""))
    return found[1] if found else None
