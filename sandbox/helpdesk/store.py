"""All tickets as they stand at a moment, and the log of their versions in the order in which they came to be.

What belongs here: applying what agents and clients do. What does not: the world that decides what agents do
(`sandbox/world/`), the vendor's JSON (`sandbox/zendesk/`) and reading a client's JSON (`changes.py`).

Every version of every ticket is one entry of the log, in time order; a ticket's older entries are stale. An export walks the log
from its cursor and skips stale entries, so nothing that changes while it walks is lost. Moments of the log are microseconds
and strictly increase; the second that a payload shows increases with every version of a ticket, so that
(id, updated_at) names one content.
"""

import heapq
from array import array
from bisect import bisect_left
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field

import numpy as np

from sandbox.clock import SECOND
from sandbox.helpdesk.changes import Change, status_code
from sandbox.helpdesk.lifecycle import (
    CLOSE,
    CLOSED,
    CREATE,
    DELETED,
    HOUR,
    NEW,
    REOPEN,
    SOLVE,
    SOLVE_AGAIN,
    SOLVED,
    STATUS_AFTER,
    STATUSES,
    URGENCY,
    event_times,
    rescheduled,
)
from sandbox.helpdesk.texts import Texts
from sandbox.world.arrivals import ENTERED, Block
from sandbox.world.queues import PRIORITIES, group_id
from sandbox.world.spec import CALM_SECONDS, QUIET_SECONDS
from sandbox.world.tickets import CLOSE_AFTER_HOURS, PRODUCTS, TicketColumns
from sandbox.world.world import World
from sandbox.world.writer import Text

FIRST_TICKET_ID = 100_001
HOUR_US = int(HOUR * SECOND)
PROTEST_HOURS = 12
"""A ticket that a client solved in the wrong queue is reopened by its customer after this long."""
NEVER_LABELLED = -1


@dataclass(frozen=True, slots=True)
class Said:
    """A comment on a ticket, by an agent, a client or the customer."""

    author_id: int
    body: str
    public: bool
    at: int


@dataclass(slots=True)
class Overlay:
    """What clients have written on one ticket beyond its queue, status and priority."""

    tags: tuple[str, ...] | None = None
    custom_fields: dict[int, str | None] = field(default_factory=dict)
    comments: list[Said] = field(default_factory=list)
    assignee_id: int | None = None
    subject: str | None = None
    type: str | None = None
    external_id: str | None = None


@dataclass(frozen=True, slots=True)
class Position:
    """A place in the log: after everything up to this moment and, at this moment, up to this ticket id."""

    at: int
    ticket_id: int = 0


class TicketStore:
    """The helpdesk's tickets. Positions (`place`) count from 0 in order of creation; `place + FIRST_TICKET_ID` is the id."""

    def __init__(self, world: World, *, start: int) -> None:
        self.world = world
        self.start = start
        self.texts = Texts(world)
        self.blocks: list[Block] = []
        self.written: dict[int, Text] = {}
        self.overlays: dict[int, Overlay] = {}
        self.created_us, self.block, self.offset = array("q"), array("i"), array("i")
        self.customer, self.channel, self.product = array("i"), array("b"), array("b")
        self.agent, self.mood = array("b"), array("d")
        self._first_label, self._last_label = array("b"), array("b")
        self._work, self._reopen_after, self._second_work = array("d"), array("d"), array("d")
        self.status, self.group = array("b"), array("i")
        self.priority, self._first_priority = array("b"), array("b")
        self.versions, self.updated, self.solved_us = array("i"), array("q"), array("q")
        self.resolved_us = array("q")  # the first verdict, whatever came after it
        self._held: dict[int, tuple[bool, bool]] | None = None
        self._plan, self._due = array("i"), array("q")
        self._log_at, self._log_place, self._log_version = array("q"), array("i"), array("i")
        self._heap: list[tuple[int, int, int, int]] = []
        self._begin()

    def __len__(self) -> int:
        """How many tickets exist or are about to; those to come have no version yet."""
        return len(self.created_us)

    # -- building -----------------------------------------------------------------------------------------------------

    def _begin(self) -> None:
        """Lay out everything that happened before the clock starts, without walking through it event by event.

        What agents did just before the start, or would do just after it, waits for a quarter of an hour: all of the past
        can be exported at once, guard or no guard, and whoever runs right after the start sees the same world each time.
        """
        ats, places = [], []
        for block in self.world.past():
            columns = self.world.columns(block)
            times = event_times(columns, agents_start=block.start if block.kind == "history" else 0.0)
            first = self._append(block, columns)
            happened = times <= -QUIET_SECONDS
            last = np.where(happened, times, -np.inf).argmax(axis=1)
            ats.append(np.take_along_axis(times, last[:, None], axis=1)[:, 0])
            places.append(np.arange(first, first + len(columns)))
            self._settle(first, columns, times, happened, last)
        if ats:
            at = np.rint(np.concatenate(ats) * SECOND).astype(np.int64) + self.start
            place = np.concatenate(places).astype(np.int32)
            order = np.lexsort((place, at))
            self._log_at.frombytes(at[order].tobytes())
            self._log_place.frombytes(place[order].tobytes())
            self._log_version = array("i", np.asarray(self.versions, dtype=np.int32)[place[order]].tobytes())
        heapq.heapify(self._heap)

    def _settle(
        self,
        first: int,
        columns: TicketColumns,
        times: np.ndarray,
        happened: np.ndarray,
        last: np.ndarray,
    ) -> None:
        """State of one block's tickets at the start, and the next event of each that is not over."""
        counts = happened.sum(axis=1).tolist()
        rows = zip(
            last.tolist(),
            counts,
            times.tolist(),
            columns.first_label.tolist(),
            columns.last_label.tolist(),
            strict=True,
        )
        for place, (kind, count, due, first_label, last_label) in enumerate(rows, start=first):
            self.status[place] = STATUS_AFTER[kind]
            self.versions[place] = count
            self.updated[place] = self._moment(due[kind]) // SECOND if count else 0
            if kind >= SOLVE:
                self.group[place] = group_id(
                    last_label if kind >= SOLVE_AGAIN and due[REOPEN] == due[REOPEN] else first_label
                )
                self.solved_us[place] = self.resolved_us[place] = self._moment(due[SOLVE])
            following = next((later for later in range(kind + 1, 5) if due[later] == due[later]), None)
            if following is not None:
                self._push(place, following, self._moment(max(due[following], CALM_SECONDS + place % 60)))

    def _moment(self, relative: float) -> int:
        return self.start + round(relative * SECOND)

    def _append(self, block: Block, columns: TicketColumns) -> int:
        """Make room for a block's tickets, not yet created. Returns the place of its first one."""
        first, count = len(self), len(columns)
        self.blocks.append(block)
        created = np.rint(columns.created_at * SECOND).astype(np.int64) + self.start
        for column, values in (
            (self.created_us, created),
            (self.customer, columns.customer.astype(np.int32)),
            (self.channel, columns.channel.astype(np.int8)),
            (self.product, columns.product.astype(np.int8)),
            (self.agent, columns.agent.astype(np.int8)),
            (self.mood, columns.mood),
            (self._first_label, columns.first_label.astype(np.int8)),
            (self._last_label, columns.last_label.astype(np.int8)),
            (self._work, columns.work),
            (self._reopen_after, columns.reopen_after),
            (self._second_work, columns.second_work),
            (self.priority, columns.priority.astype(np.int8)),
            (self._first_priority, columns.priority.astype(np.int8)),
            (self.offset, np.arange(count, dtype=np.int32)),
            (self.block, np.full(count, len(self.blocks) - 1, dtype=np.int32)),
        ):
            column.frombytes(np.ascontiguousarray(values).tobytes())
        self._blank(count)
        return first

    def _blank(self, count: int) -> None:
        for column in (
            *(self.status, self.group, self.versions, self.updated, self.solved_us, self.resolved_us),
            *(self._plan, self._due),
        ):
            column.frombytes(bytes(column.itemsize * count))

    def add(self, blocks: Iterable[Block]) -> int:
        """Announce tickets that arrive after the start; they come to be as the clock passes them. Returns how many."""
        added = 0
        for block in blocks:
            columns = self.world.columns(block)
            first = self._append(block, columns)
            for place in range(first, first + len(columns)):
                self._push(place, CREATE, self.created_us[place])
            added += len(columns)
        return added

    def create(self, subject: str, body: str, *, customer: int, channel: int, priority: int, at: int) -> int:
        """A ticket that a client writes. No agent has a verdict on it: the world does not know what it is about."""
        place = len(self)
        at = self._stamp(at)
        for column, value in (
            (self.created_us, at),
            (self.customer, customer),
            (self.channel, channel),
            (self.product, 0),
            (self.agent, 0),
            (self._first_label, NEVER_LABELLED),
            (self._last_label, NEVER_LABELLED),
            (self.priority, priority),
            (self._first_priority, priority),
            (self.offset, 0),
            (self.block, -1),
        ):
            column.append(value)
        for reals in (self.mood, self._work, self._reopen_after, self._second_work):
            reals.append(0.0)
        self._blank(1)
        self.written[place] = (subject, body)
        self._version(place, at)
        return place

    # -- time ---------------------------------------------------------------------------------------------------------

    def catch_up(self, now: int) -> int:
        """Let everything happen that is due up to `now`. Returns how many versions came to be."""
        applied, later = 0, []
        while self._heap and self._heap[0][0] <= now:
            at, place, kind, plan = heapq.heappop(self._heap)
            if self._held is not None and kind != CREATE:
                later.append((at, place, kind, plan))
            elif plan == self._plan[place] and self.status[place] != DELETED:
                self._apply(place, kind, at)
                applied += 1
        for event in later:
            heapq.heappush(self._heap, event)
        return applied

    def hold(self) -> None:
        """From here on tickets arrive, but nobody works on them until `release`: a day is played in two acts.

        A client that looks once a day can so be heard as if it had looked all day long: what it writes is in effect from the
        moment that the release names.
        """
        self._held = {}

    def release(self, moments: Mapping[int, int], *, delay: int) -> None:
        """Let agents do what they would have done meanwhile, given that clients' moves took effect at these moments.

        `moments` are by place; a move without one took effect `delay` microseconds after its ticket was written.
        """
        held, self._held = self._held or {}, None
        for place, (was_right, is_right) in held.items():
            at, due = moments.get(place, self.created_us[place] + delay), self._due[place]
            if at < due and self.status[place] not in (SOLVED, CLOSED, DELETED):
                due = rescheduled(due, at, was_right=was_right, is_right=is_right)
                self._replan(place, SOLVE_AGAIN if self.solved_us[place] else SOLVE, due)

    def _push(self, place: int, kind: int, at: int) -> None:
        self._due[place] = at
        heapq.heappush(self._heap, (at, place, kind, self._plan[place]))

    def _apply(self, place: int, kind: int, at: int) -> None:
        self.status[place] = STATUS_AFTER[kind]
        if kind == CREATE and self.blocks[self.block[place]].kind in ENTERED:
            self.status[place], self.group[place] = SOLVED, group_id(self._first_label[place])
            self.solved_us[place] = self.resolved_us[place] = at
            self._push(place, CLOSE, at + int(CLOSE_AFTER_HOURS * HOUR_US))
        elif kind == CREATE:
            hours = self._work[place] * URGENCY[self.priority[place]]
            self._push(place, SOLVE, at + int(hours * HOUR_US))
        elif kind == REOPEN:
            self._push(place, SOLVE_AGAIN, at + int(self._second_work[place] * HOUR_US))
        elif kind in (SOLVE, SOLVE_AGAIN):
            label = self._first_label[place] if kind == SOLVE else self._last_label[place]
            self.group[place] = group_id(label)
            self.solved_us[place] = at
            self.resolved_us[place] = self.resolved_us[place] or at
            reopens = kind == SOLVE and self._reopen_after[place] != np.inf
            hours = self._reopen_after[place] if reopens else CLOSE_AFTER_HOURS
            self._push(place, REOPEN if reopens else CLOSE, at + int(hours * HOUR_US))
        self._version(place, self._stamp(at))

    def _stamp(self, at: int) -> int:
        """A moment after everything in the log."""
        return max(at, self._log_at[-1] + 1) if self._log_at else at

    def _version(self, place: int, at: int) -> None:
        self.versions[place] += 1
        self.updated[place] = max(at // SECOND, self.updated[place] + 1)
        self._log_at.append(at)
        self._log_place.append(place)
        self._log_version.append(self.versions[place])

    # -- clients ------------------------------------------------------------------------------------------------------

    def place_of(self, ticket_id: int) -> int | None:
        """Where a ticket is kept; None if it does not exist (yet, or any more)."""
        place = ticket_id - FIRST_TICKET_ID
        if not 0 <= place < len(self) or not self.versions[place] or self.status[place] == DELETED:
            return None
        return place

    def change(self, place: int, change: Change, *, author_id: int, at: int) -> None:
        """Apply a client's change. The ticket exists and is not closed; `change` was checked."""
        if change.group_id is not None or change.status is not None:
            self._move(place, change, at)
        if change.priority is not None:
            self.priority[place] = PRIORITIES.index(change.priority)
        overlay = self.overlays.setdefault(place, Overlay())
        overlay.custom_fields.update(change.custom_fields)
        for name in ("assignee_id", "subject", "type", "external_id"):
            if (value := getattr(change, name)) is not None:
                setattr(overlay, name, value)
        tags = set(self.tags(place) if change.tags is None else change.tags)
        if change.tags is not None or change.additional_tags or change.remove_tags:
            overlay.tags = tuple(sorted((tags | set(change.additional_tags)) - set(change.remove_tags)))
        at = self._stamp(at)
        if change.comment is not None:
            overlay.comments.append(Said(author_id, change.comment.body, change.comment.public, at))
        self._version(place, at)

    def _move(self, place: int, change: Change, at: int) -> None:
        """Another queue or status changes when an agent gets to the ticket, and whether one has to."""
        truth = group_id(self._last_label[place]) if self._last_label[place] != NEVER_LABELLED else None
        was, before = self.group[place], self.status[place]
        if change.group_id is not None:
            self.group[place] = change.group_id
        status = before if change.status is None else status_code(change.status)
        self.status[place] = status
        right = self.group[place] == truth
        waiting = before not in (SOLVED, CLOSED)
        if status in (SOLVED, CLOSED):
            if waiting and truth is not None and status == SOLVED:
                self._replan(
                    place, CLOSE if right else REOPEN, at + int(CLOSE_AFTER_HOURS if right else PROTEST_HOURS) * HOUR_US
                )
                self.solved_us[place] = 0
            elif status == CLOSED:
                self._plan[place] += 1
        elif not waiting and truth is not None:
            self._replan(place, SOLVE_AGAIN, at + int(self._second_work[place] * HOUR_US))
        elif truth is not None and was != self.group[place] and self._held is not None:
            first, _ = self._held.get(place, (was == truth, right))
            self._held[place] = first, right
        elif truth is not None and was != self.group[place]:
            due = rescheduled(self._due[place], at, was_right=was == truth, is_right=right)
            self._replan(place, SOLVE if before == NEW or not self.solved_us[place] else SOLVE_AGAIN, due)

    def _replan(self, place: int, kind: int, at: int) -> None:
        self._plan[place] += 1
        self._push(place, kind, at)

    def delete(self, place: int, *, at: int) -> None:
        """A deleted ticket comes back in the export once more, with that status, and nothing happens to it any more."""
        self.status[place] = DELETED
        self._plan[place] += 1
        self._version(place, self._stamp(at))

    # -- reading ------------------------------------------------------------------------------------------------------

    def changed_after(self, position: Position, *, until: int, limit: int) -> tuple[list[int], Position, bool]:
        """Up to `limit` places changed after a position and not after `until`, where to go on, and whether that is all."""
        entry = self._entry_after(position)
        places: list[int] = []
        log_at, log_place, log_version, versions = self._log_at, self._log_place, self._log_version, self.versions
        end = len(log_at)
        while entry < end and log_at[entry] <= until:
            place = log_place[entry]
            if versions[place] == log_version[entry]:
                if len(places) == limit:
                    return places, position, False
                places.append(place)
                position = Position(log_at[entry], place + FIRST_TICKET_ID)
            entry += 1
        return places, position, True

    def _entry_after(self, position: Position) -> int:
        entry = bisect_left(self._log_at, position.at)
        while (
            entry < len(self._log_at)
            and self._log_at[entry] == position.at
            and self._log_place[entry] + FIRST_TICKET_ID <= position.ticket_id
        ):
            entry += 1
        return entry

    def text(self, place: int) -> Text:
        """Subject and body as the customer wrote them."""
        if (block := self.block[place]) < 0:
            return self.written[place]
        return self.texts.of(self.blocks[block], self.offset[place])

    def tags(self, place: int) -> tuple[str, ...]:
        """The ticket's tags, sorted."""
        overlay = self.overlays.get(place)
        if overlay is not None and overlay.tags is not None:
            return overlay.tags
        return self.first_tags(place)

    def first_tags(self, place: int) -> tuple[str, ...]:
        """The tags that the customer's form put on the ticket."""
        return (PRODUCTS[self.product[place]],)

    def counts(self) -> dict[str, object]:
        """How many tickets exist, in how many versions, and how they stand."""
        existing = np.asarray(self.versions, dtype=np.int64) > 0
        by_status = np.bincount(np.asarray(self.status, dtype=np.int64)[existing], minlength=len(STATUSES)).tolist()
        return {
            "tickets": int(existing.sum()),
            "versions": int(sum(self.versions)),
            "deleted": by_status[DELETED],
            "by_status": dict(zip(STATUSES, by_status, strict=True)),
        }

    def truth(self, place: int) -> int | None:
        """Where a ticket belongs; None where the world does not know. No vendor's path may show it."""
        label = self._last_label[place]
        return None if label == NEVER_LABELLED else label

    def first_priority(self, place: int) -> int:
        """The priority that the customer ticked."""
        return self._first_priority[place]

    def touched(self, place: int) -> bool:
        """Whether an agent has had this ticket in hand."""
        return self.solved_us[place] != 0
