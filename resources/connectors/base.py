"""What every connector is: records in pages with a cursor, and writes that are safe to repeat.

What belongs here: the types that cross between a connector and the stores, and reading ahead. What does not: HTTP
(`http.py`) and anything of one vendor.
"""

import json
from collections.abc import Generator, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import closing
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Literal, Protocol, runtime_checkable

import orjson
from msgspec import Struct

if TYPE_CHECKING:
    from aios_core.canonical.thread import Message
    from aios_core.decisions.actions import OutboxAction


class Record(Struct, frozen=True, kw_only=True, gc=False):
    """One raw payload as it came: `json`, an object on one line. `version` identifies the content: the same id and version never differ."""

    object: str
    external_id: str
    version: str
    json: bytes

    @property
    def payload(self) -> dict[str, Any]:
        """The object, parsed for whoever asks: nearly all records land without."""
        try:
            payload: dict[str, Any] = orjson.loads(self.json)
        except orjson.JSONDecodeError:  # a number past all doubles, which is infinite here
            payload = json.loads(self.json)
        return payload


@dataclass(frozen=True, slots=True, kw_only=True)
class Reject:
    """A line or item that is not even a record: it goes to quarantine with its stable code."""

    object: str
    external_id: str
    code: str
    message: str
    payload: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Page:
    """What is landed in one transaction. `cursor` is where to go on once it is landed; empty: stay where we are.

    `by_id`: its records were asked for one by one, and have not all the fields that a list's have.
    """

    object: str
    records: tuple[Record, ...]
    rejects: tuple[Reject, ...]
    cursor: str
    done: bool
    by_id: bool = False


@dataclass(frozen=True, slots=True, kw_only=True)
class WriteResult:
    """What became of one action.

    `sent`: in effect, now or since an earlier try. `conflict`: the ticket moved on since the decision; a person looks.
    `gone`: there is no such ticket any more. `retry`: may work later. `later`: was not tried, the system is left alone or asks to
    wait. `failed`: will not work as it is. `by_hand`: neither, and a person has to do it.
    """

    external_id: str
    status: Literal["sent", "conflict", "gone", "retry", "later", "failed", "by_hand"]
    message: str = ""


class Connector(Protocol):
    """A client of one external system. Not safe to share between threads."""

    objects: tuple[str, ...]

    def read(self, *, object: str, cursor: str | None) -> Iterator[Page]:
        """Pages from where `cursor` stands (None: from the start) to the end of what there is now."""
        ...

    def write(self, actions: "Sequence[OutboxAction]") -> list[WriteResult]:
        """One result an action, in their order. Sending the same idempotency key again has no second effect."""
        ...

    def check(self) -> str:
        """One line that says who we are there; raises where the source can't be read."""
        ...

    def close(self) -> None:
        """Give back connections and files."""
        ...


@runtime_checkable
class Hinted(Protocol):
    """A connector whose lists show what changed only after a while, and which can be told of records to read at once."""

    def hint(self, ids: Sequence[str]) -> None:
        """Ids of tickets: the next read of tickets ends with them as they stand."""
        ...


@runtime_checkable
class Threaded(Protocol):
    """A connector that shows what was written back and forth on a ticket."""

    def thread(self, ticket_id: str) -> "tuple[Message, ...]":
        """Its messages after its own text, oldest first."""
        ...


def ahead(pages: Generator[Page, None, None]) -> Iterator[Page]:
    """The same pages, with the next one being read while the caller works on this one: one page of memory more."""
    with closing(pages), ThreadPoolExecutor(1, thread_name_prefix="read-ahead") as executor:
        following = executor.submit(next, pages, None)
        while (page := following.result()) is not None:
            following = executor.submit(next, pages, None)
            yield page


def rounds(ids: Sequence[str], *, limit: int = 1_000_000) -> list[list[int]]:
    """Places of `ids` in groups of at most `limit` without a repeated id; for each id its places keep their order."""
    turns: dict[str, int] = {}
    grouped: dict[int, list[int]] = {}
    for place, external_id in enumerate(ids):
        turn = turns.get(external_id, 0)
        turns[external_id] = turn + 1
        grouped.setdefault(turn, []).append(place)
    return [places[k : k + limit] for places in grouped.values() for k in range(0, len(places), limit)]


def read_only(source: str, actions: "Sequence[OutboxAction]") -> list[WriteResult]:
    """The answer of a source that can't be written to."""
    message = f"{source} can't be written to; let `actions.source` name a helpdesk, or leave it out"
    return [WriteResult(external_id=a.external_id, status="failed", message=message) for a in actions]
