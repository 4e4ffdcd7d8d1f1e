"""Requesters joined to customers: exact ids first, then e-mail, then phone; whoever could be two is left alone.

What belongs here: the decision. What does not: reading and keeping (`resources/requesters.py`).

A link says who somebody is now. It is made of the newest state of both sides alone, so a merge, a changed address and a record that came
late lead to the same links in whatever order they arrive.
"""

from collections.abc import Collection, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Literal, get_args

from aios_core.declaration.identity import Address, Identity
from aios_core.identity.addresses import Addresses

Way = Literal["key", "email", "phone", "ambiguous_email", "ambiguous_phone", "none"]
WAYS: tuple[Way, ...] = get_args(Way)
AMBIGUOUS: Mapping[Address, Way] = {"email": "ambiguous_email", "phone": "ambiguous_phone"}


@dataclass(frozen=True, slots=True, kw_only=True)
class Requester:
    """The newest state of a helpdesk's user; `key` is the customer's id that the helpdesk has for them."""

    source: str
    contact_id: str
    key: str | None
    addresses: Addresses


@dataclass(frozen=True, slots=True, kw_only=True)
class Candidate:
    """The newest state of a customer in one CRM source."""

    source: str
    customer_id: str
    addresses: Addresses


@dataclass(frozen=True, slots=True, kw_only=True)
class Link:
    """Who a requester is. `customer_id` and `customer_source` are None where `joined_by` is `none` or ambiguous."""

    source: str
    contact_id: str
    key: str | None
    joined_by: Way
    customer_source: str | None = None
    customer_id: str | None = None


def resolve(
    requesters: Iterable[Requester], candidates: Iterable[Candidate], *, order: Sequence[str], rules: Identity
) -> Iterator[Link]:
    """A link for each requester. `order` names the CRM sources as declared; candidates of others, and gone ones, join nobody."""
    known = _Known(order=tuple(order))
    for candidate in candidates:
        known.add(candidate)
    for requester in requesters:
        yield _link(requester, known, rules)


@dataclass(slots=True)
class _Known:
    """Source and what is asked -> the ids that have it."""

    order: tuple[str, ...]
    ids: dict[tuple[str, str], set[str]] = field(default_factory=dict)
    addresses: dict[tuple[str, str], set[str]] = field(default_factory=dict)

    def add(self, candidate: Candidate) -> None:
        if candidate.addresses.gone or candidate.source not in self.order:
            return
        own = candidate.source, candidate.customer_id
        self.ids.setdefault(own, set()).add(candidate.customer_id)
        for address in (*candidate.addresses.emails, *candidate.addresses.phones):
            self.addresses.setdefault((candidate.source, address), set()).add(candidate.customer_id)

    def with_key(self, key: str) -> tuple[str, set[str]] | None:
        return next(((s, self.ids[s, key]) for s in self.order if (s, key) in self.ids), None)

    def with_any(self, addresses: Collection[str]) -> tuple[str, set[str]] | None:
        """The first source that has somebody with one of these addresses, and all whom it has."""
        for source in self.order:
            found = set[str]().union(*(self.addresses.get((source, address), ()) for address in addresses))
            if found:
                return source, found
        return None


def _link(requester: Requester, known: _Known, rules: Identity) -> Link:
    way, found = _found(requester, known, rules)
    source, customer = found if found is not None else (None, None)
    return Link(
        source=requester.source,
        contact_id=requester.contact_id,
        key=requester.key,
        joined_by=way,
        customer_source=source,
        customer_id=customer,
    )


def _found(requester: Requester, known: _Known, rules: Identity) -> tuple[Way, tuple[str, str] | None]:
    if requester.key is not None and (exact := known.with_key(requester.key)) is not None:
        return "key", (exact[0], requester.key)
    for kind in rules.by:
        addresses = requester.addresses.emails if kind == "email" else requester.addresses.phones
        if (matched := known.with_any(addresses)) is None:
            continue
        source, ids = matched
        # the next address is not asked: it could only part what this one says is one
        return (kind, (source, next(iter(ids)))) if len(ids) == 1 else (AMBIGUOUS[kind], None)
    return "none", None
