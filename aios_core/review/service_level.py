"""How long a case may wait, and how much of that is left.

What belongs here: due times and their level. What does not: sending escalations.
"""

from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Literal

Level = Literal["on_time", "soon", "late"]
SOON_SHARE = 0.25  # the last quarter of the time allowed


@dataclass(frozen=True, slots=True, kw_only=True)
class ServiceLevel:
    """`left` is negative once the time allowed has passed."""

    due_at: datetime
    left: timedelta
    level: Level


def due(waiting_since: datetime, *, hours: float) -> datetime:
    """When the oldest case of a batch must be decided."""
    return waiting_since + timedelta(hours=hours)


def service_level(*, waiting_since: datetime, due_at: datetime, now: datetime) -> ServiceLevel:
    """`late` at and after the due time, `soon` in the last quarter before it."""
    left = due_at - now
    if left <= timedelta(0):
        return ServiceLevel(due_at=due_at, left=left, level="late")
    allowed = max(due_at - waiting_since, timedelta(seconds=1))
    return ServiceLevel(due_at=due_at, left=left, level="soon" if left <= allowed * SOON_SHARE else "on_time")
