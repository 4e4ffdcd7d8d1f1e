"""A JSON API as a connector: its lists one after the other, under one cursor.

What belongs here: joining lists, cursors and HTTP. What does not: reading a list (`reading.py`), writing to it (`writer.py`).
"""

from collections.abc import Generator, Iterator, Mapping, Sequence
from datetime import UTC, date, datetime
from datetime import time as day_time
from typing import TYPE_CHECKING, Any

import orjson

from aios_core.canonical.thread import Message
from aios_core.declaration.listing import Listing
from aios_core.declaration.source_base import ApiSource
from aios_core.declaration.writing import Writing
from aios_core.errors import PermanentError
from resources.connectors.base import Page, WriteResult, ahead, read_only, rounds
from resources.connectors.http import Answer, HttpClient
from resources.connectors.json_api import reading
from resources.connectors.json_api.asking import Asked, Place, items_of, request_for
from resources.connectors.json_api.filling import Request
from resources.connectors.json_api.messages import conversation
from resources.connectors.json_api.writer import Writer

if TYPE_CHECKING:
    from aios_core.decisions.actions import OutboxAction


class JsonApiConnector:
    """The lists of each object; `start` is the first day whose changes are read."""

    def __init__(
        self,
        *,
        name: str,
        http: HttpClient,
        listings: Mapping[str, Sequence[Listing]],
        start: date | None = None,
        source: ApiSource | None = None,
        writing: Writing | None = None,
    ) -> None:
        self.objects: tuple[str, ...] = tuple(listings)
        self._writer = None
        if source is not None and writing is not None:
            self._writer = Writer(source, writing, ask=self._send, now=lambda: datetime.now(UTC))
        self._name, self._http, self._listings = name, http, listings
        self._thread = None if source is None else source.thread
        self._start = reading.BEGINNING if start is None else datetime.combine(start, day_time(), tzinfo=UTC)

    def read(self, *, object: str, cursor: str | None) -> Iterator[Page]:
        """Pages of changes, the next one fetched while this one is landed."""
        if object not in self.objects:
            raise PermanentError(f"{self._name}: no object `{object}`; there are: {', '.join(self.objects)}")
        return ahead(self._pages(object, cursor))

    def write(self, actions: "Sequence[OutboxAction]") -> list[WriteResult]:
        """One result an action. Several actions on one ticket are written one after the other, in their order."""
        if self._writer is None:
            return read_only(self._name, actions)
        results: dict[int, WriteResult] = {}
        for places in rounds([a.external_id for a in actions]):
            results |= dict(zip(places, self._writer.write([actions[i] for i in places]), strict=True))
        return [results[i] for i in range(len(actions))]

    def thread(self, ticket_id: str) -> tuple[Message, ...]:
        """A ticket's conversation."""
        if self._thread is None:
            raise PermanentError(f"{self._name} does not show a ticket's conversation")
        return conversation(self._thread, ticket_id=ticket_id, ask=self._send)

    def check(self) -> str:
        """That each list can be read, by asking for the newest moments of it."""
        now, said = datetime.now(UTC), []
        for name, listings in self._listings.items():
            answer, _ = self._ask(request_for(listings[0], since=now, place=Place()))
            items_of(listings[0], answer)
            said.append(name)
        return f"{self._http.base_url}, reads {', '.join(said)}"

    def close(self) -> None:
        self._http.close()

    def _pages(self, object: str, cursor: str | None) -> Generator[Page, None, None]:
        listings = self._listings[object]
        newest = _parsed(cursor, len(listings))
        for number, listing in enumerate(listings):
            for found in reading.read(listing, object=object, ask=self._ask, newest=newest[number], start=self._start):
                newest[number] = found.newest
                page = reading.page(object, found, cursor=_dumped(newest))
                last = found.done and number == len(listings) - 1
                yield page if last or not found.done else _not_last(page)

    def _send(self, request: Request, *, repeatable: bool) -> Answer:
        return self._http.exchange(
            request.method, request.path, params=request.params or None, json=request.body, repeatable=repeatable
        )

    def _ask(self, asked: Asked) -> tuple[Any, Mapping[str, str]]:
        answer = self._http.exchange(asked.method, asked.path, params=asked.params or None, json=asked.body)
        return answer.body, answer.headers


def _not_last(page: Page) -> Page:
    return Page(object=page.object, records=page.records, rejects=page.rejects, cursor=page.cursor, done=False)


def _parsed(cursor: str | None, count: int) -> list[datetime | None]:
    """The newest change of each list; a list that was declared since begins at its start."""
    said = orjson.loads(cursor) if cursor else []
    moments = [None if moment is None else datetime.fromisoformat(moment) for moment in said[:count]]
    return moments + [None] * (count - len(moments))


def _dumped(newest: Sequence[datetime | None]) -> str:
    if all(moment is None for moment in newest):
        return ""
    return orjson.dumps([None if m is None else m.isoformat() for m in newest]).decode()
