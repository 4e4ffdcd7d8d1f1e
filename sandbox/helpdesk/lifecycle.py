"""What happens to a ticket after it was written: an agent's verdict, now and then a reopening, then the closing.

What belongs here: the chain of events and their due times, as pure functions. What does not: state (`store.py`).
"""

from typing import Final

import numpy as np
from numpy.typing import NDArray

from sandbox.world.tickets import CLOSE_AFTER_HOURS, SPEED_WHEN_ROUTED, TicketColumns

CREATE, SOLVE, REOPEN, SOLVE_AGAIN, CLOSE = range(5)
NEW, OPEN, PENDING, HOLD, SOLVED, CLOSED, DELETED = range(7)
STATUSES: Final = ("new", "open", "pending", "hold", "solved", "closed", "deleted")
STATUS_AFTER: Final = (NEW, SOLVED, OPEN, SOLVED, CLOSED)
HOUR: Final = 3_600.0
URGENCY: Final = (1.6, 1.0, 0.6, 0.35)
"""How long a ticket of each priority waits, relative to a normal one."""

Floats = NDArray[np.float64]


def event_times(columns: TicketColumns, *, agents_start: float) -> Floats:
    """When each event of each ticket is due if no client ever writes: shape (tickets, 5), NaN where it never happens.

    Agents do not touch the new window before the clock starts: `agents_start` is that moment for it.
    """
    times = np.full((len(columns), 5), np.nan)
    times[:, CREATE] = columns.created_at
    solved = np.maximum(columns.created_at, agents_start) + columns.work * np.array(URGENCY)[columns.priority] * HOUR
    times[:, SOLVE] = solved
    reopened = np.isfinite(columns.reopen_after)
    times[:, REOPEN] = np.where(reopened, solved + columns.reopen_after * HOUR, np.nan)
    times[:, SOLVE_AGAIN] = times[:, REOPEN] + columns.second_work * HOUR
    times[:, CLOSE] = np.where(reopened, times[:, SOLVE_AGAIN], solved) + CLOSE_AFTER_HOURS * HOUR
    return times


def rescheduled(due: int, now: int, *, was_right: bool, is_right: bool) -> int:
    """When a pending verdict is due after the ticket was moved to another queue: the rest of the waiting changes speed."""
    before = SPEED_WHEN_ROUTED if was_right else 1.0
    after = SPEED_WHEN_ROUTED if is_right else 1.0
    return now + int(max(0, due - now) * before / after)
