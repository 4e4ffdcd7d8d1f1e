"""The people of the desk: who gets to which ticket when.

What belongs here: working hours and one queue for all, first come, first served. What does not: what they decide (the sandbox plays
that), and what a minute costs.
"""

import heapq
from collections.abc import Iterable
from dataclasses import dataclass, field
from datetime import datetime, timedelta

from aios_assets.simulation.story import People


@dataclass(frozen=True, slots=True, kw_only=True)
class Task:
    """One ticket that somebody has to look at from a moment on."""

    ticket: str
    since: datetime
    minutes: float


@dataclass(slots=True)
class Desk:
    """People with working hours, every day; whoever is free takes the oldest ticket. What is begun before closing is finished."""

    people: People
    minutes: float = 0.0
    _free: list[datetime] = field(default_factory=list)

    def work(self, tasks: Iterable[Task]) -> dict[str, datetime]:
        """When each ticket is done."""
        done = {}
        for task in sorted(tasks, key=lambda t: (t.since, t.ticket)):
            if not self._free:
                self._free = [task.since] * self.people.desk
            begin = self._open(max(task.since, heapq.heappop(self._free)))
            done[task.ticket] = end = begin + timedelta(minutes=task.minutes)
            heapq.heappush(self._free, end)
            self.minutes += task.minutes
        return done

    def _open(self, at: datetime) -> datetime:
        """The next moment at which the desk is open; `at` itself where it is."""
        midnight = at.replace(hour=0, minute=0, second=0, microsecond=0)
        opens = midnight + timedelta(hours=self.people.opens)
        if at < opens:
            return opens
        return at if at < midnight + timedelta(hours=self.people.closes) else opens + timedelta(days=1)
