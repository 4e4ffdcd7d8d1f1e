"""Reading one declared list from where the last read ended, so that nothing is missed while it changes underneath.

What belongs here: questions, their pages and the cursor. What does not: one request (`asking.py`), HTTP, and what a payload means.

Where an API sorts by change, its pages are not counted: an item that changes while we read moves to the end, and every later item slides one place
forward, past whoever counts. So each page asks anew for what changed since the newest change seen. Only the items of one moment that fill
more than a page have to be counted, and then they are counted until two counts are the same: whatever slid past the first left a gap in the second. A read begins a little before the last one's
newest change: what a slow transaction committed late carries an older stamp. What comes twice by all this is known by its version and
ignored at landing.
"""

import hashlib
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from typing import Any

from aios_core.canonical.values import lookup, to_id, to_time
from aios_core.declaration.listing import Listing
from aios_core.errors import PermanentError, RecordError
from resources.connectors.base import Page, Record, Reject
from resources.connectors.items import in_order, item_reject, to_json_bytes
from resources.connectors.json_api.asking import Asked, Place, items_of, place_after, request_for, written

Ask = Callable[[Asked], tuple[Any, Mapping[str, str]]]
BEGINNING = datetime(1970, 1, 1, tzinfo=UTC)


@dataclass(frozen=True, slots=True, kw_only=True)
class Read:
    """One page's items, the newest change known after it, and whether it was the last page."""

    records: tuple[Record, ...]
    rejects: tuple[Reject, ...]
    newest: datetime | None
    done: bool


def read(
    listing: Listing, *, object: str, ask: Ask, newest: datetime | None, start: datetime = BEGINNING
) -> Iterator[Read]:
    """Pages of what changed since `newest`, less the overlap; None: since `start`.

    What is not sorted is passed by (`newest` moves) only at its end: a read that is broken off begins again.
    """
    since = start if newest is None else max(newest - timedelta(seconds=listing.overlap_seconds), BEGINNING)
    place, seen, passed, counted = Place(), newest, newest, _Counted()
    while True:
        answer, headers = ask(request_for(listing, since=since, place=place))
        items = items_of(listing, answer)
        records, rejects, latest = _records(listing, object, items)
        seen = latest if seen is None else max(seen, latest or seen)
        following = place_after(listing, answer, headers, place=place, count=len(items))
        counted.add(records, latest)
        beyond = latest is not None and latest > since and written(listing, latest) != written(listing, since)
        ended = following is None or (listing.sorted and beyond)
        again = listing.sorted and ended and place.number > 0 and not counted.settled()
        reached = counted.reached if place.number else latest
        if ended and not again:
            passed = max((m for m in (passed, reached if listing.sorted else seen) if m is not None), default=None)
        done = following is None and not again
        yield Read(records=records, rejects=rejects, newest=passed, done=done)
        if done:
            return
        if again:
            counted.once_more()
            place = Place()
        elif ended and reached is not None:
            since, place, counted = reached, Place(), _Counted()
        elif following is not None:
            place = _within(listing, following, since)


@dataclass(slots=True)
class _Counted:
    """What counting pages showed, this time and the time before.

    An item slides past us only while another, which we had seen, leaves its place; the next count does not show that one as it was. So where
    everything of one count is there in the next, nothing slid past the first, and what it `reached` is whole.
    """

    now: set[str] = field(default_factory=set)
    before: set[str] | None = None
    latest: datetime | None = None
    reached: datetime | None = None

    def add(self, records: Sequence[Record], latest: datetime | None) -> None:
        """One more page of this count."""
        self.now |= {f"{record.external_id} {record.version}" for record in records}
        self.latest = latest if self.latest is None else max(self.latest, latest or self.latest)

    def settled(self) -> bool:
        """Whether the count before was whole."""
        return self.before is not None and self.before <= self.now

    def once_more(self) -> None:
        """What was counted now was counted before from here on."""
        self.before, self.reached, self.now, self.latest = self.now, self.latest, set(), None


def _within(listing: Listing, following: Place, since: datetime) -> Place:
    if listing.most_pages is not None and following.number >= listing.most_pages:
        raise PermanentError(
            f"{listing.path}: more than {listing.most_pages * listing.size:,} items changed at {since.isoformat()}, and the API"
            " shows no more of one moment; read them by an export"
        )
    return following


def page(object: str, found: Read, *, cursor: str) -> Page:
    """What is landed in one transaction."""
    return Page(object=object, records=found.records, rejects=found.rejects, cursor=cursor, done=found.done)


def _records(
    listing: Listing, object: str, items: list[Any]
) -> tuple[tuple[Record, ...], tuple[Reject, ...], datetime | None]:
    records: list[Record] = []
    rejects: list[Reject] = []
    latest: datetime | None = None
    for item in items:
        try:
            record, changed = _record(listing, object, item)
        except RecordError as error:
            rejects.append(item_reject(object, item, error))
            continue
        records.append(record)
        latest = changed if latest is None or (changed is not None and changed > latest) else latest
    return tuple(records), tuple(rejects), latest


def _record(listing: Listing, object: str, item: Any) -> tuple[Record, datetime | None]:
    if not isinstance(item, dict):
        raise RecordError("record.not_an_object", f"an item of {listing.path} is not an object with fields")
    external_id = to_id(lookup(item, listing.id), field=listing.id)
    changed = None if listing.updated is None else to_time(lookup(item, listing.updated), field=listing.updated)
    version = _version(listing, item, changed)
    return Record(object=object, external_id=external_id, version=version, json=to_json_bytes(item)), changed


def _version(listing: Listing, item: Mapping[str, Any], changed: datetime | None) -> str:
    """When it changed and what it is now: many APIs count whole seconds, in which an item can change twice."""
    told = {name: value for name, value in item.items() if name not in listing.ignore} if listing.ignore else item
    content = hashlib.sha256(in_order(told)).hexdigest()[:16]
    return content if changed is None else f"{changed.isoformat()}/{content}"
