"""The tools of a run, over one ticket's world: what they may be asked, what they answer, and how much of it.

What belongs here: placeholders in and out, numbering passages, cutting results, and errors in words for the model. What does not: the
policy and the budget, which come before (`running.py`), and reading (`world.py`).

A placeholder in an argument becomes what it stands for only where it names this customer or a ticket. A search and the status page get
the words without it.
"""

import json
from collections.abc import Callable, Collection, Mapping
from dataclasses import dataclass, replace
from typing import Any, Final, Protocol

from aios_core.agents import prompt
from aios_core.agents.facts import argument_classes
from aios_core.agents.tools import (
    Arguments,
    CheckOutage,
    ReadCustomer,
    ReadTicket,
    SearchKnowledge,
    clean,
    whose_customer,
    whose_ticket,
)
from aios_core.drafting.model import Source, Value
from aios_core.errors import AiosError
from aios_core.privacy.masker import Masker

RESULT_CHARS: Final = 8_000


@dataclass(frozen=True, slots=True, kw_only=True)
class Looked:
    """What a tool answered, as the model is told it. `sources` are passages that it had not seen before."""

    text: str
    sources: tuple[Source, ...] = ()
    error: str | None = None
    seconds: float | None = None  # as recorded; None: measured by the caller


class World(Protocol):
    """What the tools of one ticket can reach. Everything here reads."""

    @property
    def ticket_id(self) -> str: ...

    @property
    def customer_id(self) -> str | None: ...

    def tickets_of_requester(self) -> Collection[str]:
        """Ids of the requester's other tickets, newest first."""

    def search(self, query: str) -> tuple[Source, ...]:
        """Passages, in the order of their fitness."""

    def customer(self) -> Mapping[str, Value]:
        """The record of this ticket's customer; empty where there is none."""

    def ticket(self, ticket_id: str) -> Mapping[str, Any] | None:
        """One ticket, which was checked to be this one or its requester's."""

    def outages(self, *, area: str, service: str | None) -> Any:
        """What the status page says."""


class Tooling(Protocol):
    """What a run asks: the world, or a record of it."""

    def classes(self, tool: str, arguments: Arguments) -> dict[str, str]:
        """Whose customer or ticket the arguments mean, and what else a policy may know."""

    def use(self, tool: str, arguments: Arguments) -> Looked:
        """Carry the call out. It was allowed, and means nobody else's records."""


class LiveTooling:
    """Tools over a world, with the masker of the run."""

    def __init__(self, world: World, masker: Masker, *, sources: tuple[Source, ...] = ()) -> None:
        self._world, self._masker = world, masker
        self._numbers = {_place(source): source.number for source in sources}

    def classes(self, tool: str, arguments: Arguments) -> dict[str, str]:  # noqa: ARG002 (a record needs the name)
        meant = self._restored(arguments)
        classes: dict[str, str] = {**argument_classes(meant), **whose_customer(meant, own=self._world.customer_id)}
        if isinstance(meant, ReadTicket):
            others = () if meant.ticket_id in (None, self._world.ticket_id) else self._world.tickets_of_requester()
            classes |= whose_ticket(meant, own=self._world.ticket_id, of_requester=others)
        return classes

    def use(self, tool: str, arguments: Arguments) -> Looked:
        reading: dict[type[Arguments], Callable[[Any], Looked]] = {
            SearchKnowledge: self._search,
            ReadCustomer: self._customer,
            ReadTicket: self._ticket,
            CheckOutage: self._outages,
        }
        try:
            return reading[type(arguments)](self._restored(arguments))
        except AiosError as error:
            return Looked(text=self._told(f"{tool} failed: {error}"), error=error.code)
        except Exception as error:  # one broken tool must not take the run's record along
            return Looked(text=f"{tool} failed: {type(error).__name__}", error="tool.failed")

    def _search(self, asked: SearchKnowledge) -> Looked:
        query = self._masker.without(asked.query).strip()
        shown, new = [], []
        for source in self._world.search(query) if query else ():
            number = self._numbers.get(_place(source))
            if number is None:
                number = self._numbers[_place(source)] = max(self._numbers.values(), default=0) + 1
                new.append(replace(source, number=number))
            shown.append(replace(source, number=number))
        if not shown:
            return Looked(text="No passage answers this.")
        return Looked(text=_cut("\n\n".join(map(prompt.passage, shown))), sources=tuple(new))

    def _customer(self, _: ReadCustomer) -> Looked:
        record = {name: value for name, value in self._world.customer().items() if value is not None}
        return Looked(text=self._json(record) if record else "There is no record of this customer.")

    def _ticket(self, asked: ReadTicket) -> Looked:
        found = self._world.ticket(asked.ticket_id or self._world.ticket_id)
        if found is None:
            return Looked(text="There is no such ticket.")
        others = list(self._world.tickets_of_requester()) if asked.ticket_id in (None, self._world.ticket_id) else []
        return Looked(text=self._json({**found, **({"other_tickets_of_requester": others} if others else {})}))

    def _outages(self, asked: CheckOutage) -> Looked:
        return Looked(text=self._json(self._world.outages(area=asked.area, service=asked.service)))

    def _restored(self, arguments: Arguments) -> Arguments:
        if isinstance(arguments, ReadCustomer) and arguments.customer_id is not None:
            return ReadCustomer(customer_id=self._masker.restore(arguments.customer_id).strip())
        if isinstance(arguments, ReadTicket) and arguments.ticket_id is not None:
            return ReadTicket(ticket_id=self._masker.restore(arguments.ticket_id).strip().removeprefix("#"))
        return arguments

    def _json(self, value: Any) -> str:
        return self._told(json.dumps(value, ensure_ascii=False, default=str))

    def _told(self, text: str) -> str:
        # masked before it is cut: half an address is not known for one
        return _cut(prompt.data(self._masker.mask(clean(text)[: 10 * RESULT_CHARS])))


def _place(source: Source) -> tuple[str, str, int]:
    return (str(source.key), source.version, source.passage)


def _cut(text: str) -> str:
    return text if len(text) <= RESULT_CHARS else f"{text[:RESULT_CHARS]} … (cut)"
