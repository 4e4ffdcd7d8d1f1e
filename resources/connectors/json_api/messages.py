"""A ticket's notes, or its whole conversation, out of a declared helpdesk: in the ticket itself, in a list of their own, or as ids to ask for.

What belongs here: which requests that takes. What does not: one request (`filling.py`, `asking.py`), HTTP, and what is looked for in the texts.
"""

from collections.abc import Iterable, Iterator, Mapping, Sequence
from datetime import UTC, datetime
from typing import Any, Protocol

from aios_core.canonical.thread import Message, messages_of
from aios_core.canonical.values import lookup
from aios_core.declaration.listing import Listing
from aios_core.declaration.thread import Thread
from aios_core.declaration.writing import Call, Notes
from resources.connectors.failures import SourceMalformed
from resources.connectors.json_api.asking import Place, items_of, place_after, request_for
from resources.connectors.json_api.filling import Each, Request, request_of

MOST_PAGES = 40  # of one ticket's messages; more than 2,000 are no conversation
TEXTS_AT_ONCE = 100  # that are asked for by their ids in one request
BEGINNING = datetime(1970, 1, 1, tzinfo=UTC)


class Answered(Protocol):
    """What came back: a parsed body and headers."""

    @property
    def body(self) -> Any: ...

    @property
    def headers(self) -> Mapping[str, str]: ...


class Ask(Protocol):
    """One request. `repeatable`: it may be sent again where it is not known whether it was met."""

    def __call__(self, request: Request, *, repeatable: bool) -> Answered: ...


def conversation(thread: Thread, *, ticket_id: str, ask: Ask) -> tuple[Message, ...]:
    """A ticket's messages. Raises what a request raises, and SourceMalformed."""
    ticket = None if thread.read is None else wanted(thread.read, _body(ask, thread.read, {"id": ticket_id}))
    found = listed(thread, ticket_id=ticket_id, ticket=ticket, ask=ask)
    return messages_of(thread, meant(thread, found, ask=ask))


def listed(notes: Notes, *, ticket_id: str, ticket: Any, ask: Ask) -> list[Mapping[str, Any]]:
    """All that is there, as the vendor has it; `ticket` is its payload, where they are inside it."""
    if notes.inside is not None:
        return _objects(lookup(ticket, notes.inside) or [] if isinstance(ticket, Mapping) else [])
    assert notes.listing is not None  # the declaration says one of the two
    return list(_pages(notes.listing, ticket_id=ticket_id, ask=ask))


def meant(notes: Notes, found: Iterable[Mapping[str, Any]], *, ask: Ask) -> list[Mapping[str, Any]]:
    """Those that are meant, with their texts."""
    only = [one for one in found if all(lookup(one, path) == value for path, value in notes.only.items())]
    if notes.texts is None or not only:
        return only
    return [
        text
        for start in range(0, len(only), TEXTS_AT_ONCE)
        for text in _texts(notes.texts, only[start : start + TEXTS_AT_ONCE], ask)
    ]


def wanted(call: Call, body: Any) -> Any:
    """What the call is made for, in its answer."""
    return lookup(body, call.answer) if call.answer and isinstance(body, Mapping) else body


def _pages(listing: Listing, *, ticket_id: str, ask: Ask) -> Iterator[Mapping[str, Any]]:
    place = Place()
    for _ in range(MOST_PAGES):
        asked = request_for(listing, since=BEGINNING, place=place)
        call = Call(method=listing.method, path=asked.path, params={n: str(v) for n, v in asked.params.items()})
        answer = ask(request_of(call, {"id": ticket_id}), repeatable=True)
        items = items_of(listing, answer.body)
        yield from _objects(items)
        following = place_after(listing, answer.body, answer.headers, place=place, count=len(items))
        if following is None:
            return
        place = following
    raise SourceMalformed(f"{listing.path}: more than {MOST_PAGES} pages of one ticket's messages")


def _texts(call: Call, named: Sequence[Mapping[str, Any]], ask: Ask) -> list[Mapping[str, Any]]:
    told = wanted(call, _body(ask, call, {"each": Each(str(lookup(one, "id")) for one in named)}))
    if not isinstance(told, list):
        raise SourceMalformed(f"{call.path}: an answer without its list; try again later")
    return _objects(told)


def _body(ask: Ask, call: Call, said: Mapping[str, Any]) -> Any:
    return ask(request_of(call, said), repeatable=True).body


def _objects(items: Any) -> list[Mapping[str, Any]]:
    return [one for one in items if isinstance(one, Mapping)] if isinstance(items, list) else []
