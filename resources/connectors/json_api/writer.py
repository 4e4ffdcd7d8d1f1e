"""Writing to one declared helpdesk: read, look for what is in effect already, then what is missing, in the declared order.

What belongs here: the order of requests, and what an answer means for an action. What does not: what is to be changed (`effects.py`), one request
(`filling.py`), HTTP.

These APIs have no idempotency keys and bind no update to the version that was read. So an action's key stands in its note, which is written last and
looked for first: a note that is there says that everything was done. Before it come fields, which set twice are set once, and a reply, which is looked
for by its words. A request of which it is not known whether it was met is not sent again at once: it comes back after the outbox's pause, when the
vendor has long finished what it may still have been doing.
"""

from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any

from aios_core.canonical.entities import Ticket
from aios_core.canonical.mapper import map_record
from aios_core.canonical.values import lookup
from aios_core.decisions.conflicts import conflict
from aios_core.declaration.source_base import ApiSource
from aios_core.declaration.writing import Call, Notes, Several, Step, Writing
from aios_core.errors import RecordError, RetryableError
from resources.breakers import BreakerOpen
from resources.connectors.base import WriteResult
from resources.connectors.failures import SourceMalformed, SourceRefused, SourceThrottled
from resources.connectors.json_api.effects import Effect, NotWritable, effect_of, is_marked, was_replied
from resources.connectors.json_api.filling import Each, names, request_of
from resources.connectors.json_api.messages import Ask, listed, meant, wanted

if TYPE_CHECKING:
    from aios_core.decisions.actions import OutboxAction

GONE = (404, 410)


@dataclass(slots=True)
class _Case:
    """One action on its way. `result` is set once it is known what became of it."""

    action: "OutboxAction"
    payload: Mapping[str, Any] | None = None
    effect: Effect | None = None
    result: WriteResult | None = None
    pages: dict[str, list[Mapping[str, Any]]] = field(default_factory=dict)

    def ends(self, status: Any, message: str = "") -> None:
        self.result = WriteResult(external_id=self.action.external_id, status=status, message=message)


class Writer:
    """The writing side of one declared source."""

    def __init__(self, source: ApiSource, writing: Writing, *, ask: Ask, now: Callable[[], datetime]) -> None:
        self._source, self._writing = source, writing
        self._ask, self._now = ask, now
        self._left_alone: str | None = None

    def write(self, actions: "Sequence[OutboxAction]") -> list[WriteResult]:
        """One result an action, of which each ticket has one. What one ticket's answer says ends no other's action."""
        cases = [_Case(action) for action in actions]
        self._left_alone = None
        self._guarded(cases, self._read)
        for case in _open(cases):
            self._guarded([case], lambda one: self._judge(one[0]))
        for step in self._writing.steps:
            wanted = [c for c in _open(cases) if c.effect is not None and c.effect.parts & set(step.carries)]
            groups = _chunks(wanted, step.several.most) if step.several else [[case] for case in wanted]
            for group in groups:
                self._guarded(group, lambda group, step=step: self._take(step, group))
        for case in _open(cases):
            case.ends("sent")
        return [case.result for case in cases if case.result is not None]

    def _guarded(self, cases: list[_Case], work: Callable[[list[_Case]], None]) -> None:
        """What a failure of this work means for these actions. Once the source is left alone, nothing more is tried."""
        status, message = "", ""
        try:
            if self._left_alone is None:
                work(cases)
            else:
                status, message = "later", self._left_alone
        except (BreakerOpen, SourceThrottled) as error:
            status, message = "later", str(error)
            self._left_alone = message
        except RetryableError as error:
            status, message = "retry", str(error)
        except SourceRefused as error:
            if len(cases) > 1:  # one of them is the culprit
                for case in _open(cases):
                    self._guarded([case], work)
                return
            status, message = ("gone" if error.status in GONE else "failed"), str(error)
        except NotWritable as error:
            status, message = "failed", str(error)
        if status:
            for case in _open(cases):
                case.ends(status, message)

    # -- looking ------------------------------------------------------------------------------------------------------

    def _read(self, cases: list[_Case]) -> None:
        several = self._writing.read.several
        for group in _chunks(cases, several.most) if several else [[case] for case in cases]:
            self._guarded(group, self._read_several if several else self._read_one)

    def _read_one(self, cases: list[_Case]) -> None:
        (case,) = cases
        call = self._writing.read
        case.payload = _object(wanted(call, self._asked(call, {"id": case.action.external_id})), call)

    def _read_several(self, cases: list[_Case]) -> None:
        found = self._met(self._writing.read, cases, [{"id": case.action.external_id} for case in cases])
        for case in cases:
            case.payload = found.get(case.action.external_id)
            if case.payload is None:
                case.ends("gone", "the helpdesk has no such ticket any more")

    def _judge(self, case: _Case) -> None:
        """Whether anything is to be written at all, and what."""
        assert case.payload is not None  # read, or it has ended
        action, writing = case.action, self._writing
        now = self._ticket(case)
        if now.status == "deleted":
            return case.ends("gone", "the ticket was deleted")
        if action.payload.get("comment") and is_marked(action, self._texts(case, writing.notes)):
            return case.ends("sent", "was in effect already")
        why = conflict(action.seen, now, queue=action.moves_to, priority=action.payload.get("priority"))
        if why is not None:
            return case.ends("conflict", why)
        case.effect = effect_of(action, case.payload, now, source=self._source, writing=writing)
        if "reply" in case.effect.parts and was_replied(action, self._texts(case, writing.replies)):
            case.effect = case.effect.without("reply")
        return None

    def _ticket(self, case: _Case) -> Ticket:
        assert case.payload is not None
        try:
            entity = map_record(
                self._source,
                source_name=case.action.target,
                object="tickets",
                payload=case.payload,
                correlation_id="",
                landed_at=self._now(),
                external_id=case.action.external_id,
                version="now",
            )
        except RecordError as error:
            raise SourceMalformed(
                f"ticket {case.action.external_id} can't be understood as it stands: {error}"
            ) from error
        assert isinstance(entity, Ticket)
        return entity

    def _texts(self, case: _Case, notes: Notes | None) -> tuple[str, ...]:
        """The texts of a ticket's notes, as far as these are meant."""
        if notes is None:
            return ()
        found = meant(notes, self._notes(case, notes), ask=self._ask)
        return tuple(str(lookup(one, notes.text) or "") for one in found)

    def _notes(self, case: _Case, notes: Notes) -> list[Mapping[str, Any]]:
        path = "" if notes.listing is None else notes.listing.path
        if path not in case.pages:  # notes and replies are mostly in one list
            case.pages[path] = listed(notes, ticket_id=case.action.external_id, ticket=case.payload, ask=self._ask)
        return case.pages[path]

    # -- writing ------------------------------------------------------------------------------------------------------

    def _take(self, step: Step, cases: list[_Case]) -> None:
        if step.several is None:
            self._take_one(step, cases[0])
            return
        said = [self._said(step, case) for case in cases]
        met = self._met(step, cases, said)
        for case in cases:
            if case.action.external_id not in met:
                case.ends("failed", f"{step.path}: the helpdesk's answer says nothing of this ticket")

    def _take_one(self, step: Step, case: _Case) -> None:
        said = self._said(step, case)
        one_each = "tag" in names(step, in_lists=False) or (step.first is not None and "tag" in names(step.first))
        for tag in said["tag"] if one_each else (said["tag"],):
            found = None
            if step.first is not None:
                found = wanted(step.first, self._asked(step.first, {**said, "tag": tag}))
            self._ask(request_of(step, {**said, "tag": tag, "found": found}), repeatable=step.repeatable)

    def _said(self, step: Step, case: _Case) -> dict[str, Any]:
        assert case.effect is not None
        moment = self._now().astimezone(UTC).strftime("%Y-%m-%dT%H:%M:%SZ")
        said = case.effect.said(step.carries, id=case.action.external_id, now=moment)
        return {**said, "tag": Each(said.get("tags") or ())}

    def _met(self, call: Call, cases: list[_Case], said: Sequence[Mapping[str, Any]]) -> dict[str, Mapping[str, Any]]:
        """One request about several tickets; what its answer says of each that was met, by the ticket's id."""
        several: Several = call.several  # type: ignore[attr-defined]  # asked only where there is one
        each = Each(request_of(call.model_copy(update={"body": several.each, "path": ""}), one).body for one in said)
        answer = self._ask(request_of(call, {"each": each}), repeatable=getattr(call, "repeatable", True))
        items = _list(lookup(answer.body, several.items) if isinstance(answer.body, Mapping) else None, call)
        ids = {case.action.external_id for case in cases}
        found = {str(lookup(item, several.id)): item for item in items if isinstance(item, Mapping)}
        return {own: item for own, item in found.items() if own in ids}

    def _asked(self, call: Call, said: Mapping[str, Any]) -> Any:
        return self._ask(request_of(call, said), repeatable=True).body


def _open(cases: Iterable[_Case]) -> list[_Case]:
    return [case for case in cases if case.result is None]


def _chunks(cases: Sequence[_Case], size: int) -> list[list[_Case]]:
    return [list(cases[k : k + size]) for k in range(0, len(cases), size)]


def _object(found: Any, call: Call) -> Mapping[str, Any]:
    if not isinstance(found, Mapping):
        raise SourceMalformed(f"{call.path}: an answer without the ticket; try again later")
    return found


def _list(found: Any, call: Call) -> list[Any]:
    if not isinstance(found, list):
        raise SourceMalformed(f"{call.path}: an answer without its list; try again later")
    return found
