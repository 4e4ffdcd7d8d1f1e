"""What follows from one attempt to send an action.

What belongs here: from a result to the action's next state, and the pause between attempts. What does not: sending and rows
(`resources/outbox.py`).
"""

import hashlib
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Literal

Status = Literal["sent", "conflict", "gone", "retry", "later", "failed", "by_hand"]
State = Literal["pending", "sent", "dead", "superseded"]

FIRST_PAUSE = timedelta(seconds=30)
LONGEST_PAUSE = timedelta(hours=1)
JITTER = 0.25  # actions that failed together should not come back together


@dataclass(frozen=True, slots=True, kw_only=True)
class Settlement:
    """An action after an attempt. `next_attempt_at` counts only while it is pending; `to_review` asks for a person."""

    state: State
    attempts: int
    next_attempt_at: datetime
    error: str | None
    to_review: bool = False


def settle(
    status: Status, message: str, *, attempts: int, max_attempts: int, idempotency_key: str, now: datetime
) -> Settlement:
    """The state after an attempt that ended with `status`; `attempts` counts those before it.

    A conflict (somebody changed the ticket meanwhile) and a ticket that is gone are final. What may work later is tried
    `max_attempts` times in all, then it is dead and waits for somebody to look. `later` is no attempt: nobody was asked.
    `by_hand` is dead at once, and its ticket goes to a person.
    """
    if status == "later":
        pause = backoff(1, key=idempotency_key)
        return Settlement(state="pending", attempts=attempts, next_attempt_at=now + pause, error=message)
    made = attempts + 1
    if status == "sent":
        return Settlement(state="sent", attempts=made, next_attempt_at=now, error=None)
    if status == "conflict":
        return Settlement(state="superseded", attempts=made, next_attempt_at=now, error=message, to_review=True)
    if status == "retry" and made < max_attempts:
        pause = backoff(made, key=idempotency_key)
        return Settlement(state="pending", attempts=made, next_attempt_at=now + pause, error=message)
    return Settlement(state="dead", attempts=made, next_attempt_at=now, error=message, to_review=status == "by_hand")


def backoff(attempts: int, *, key: str) -> timedelta:
    """The pause after so many attempts: 30 s, doubling, at most 1 h, spread by up to a quarter by the key."""
    doublings = min(max(attempts, 1) - 1, 16)
    pause = min(FIRST_PAUSE * (1 << doublings), LONGEST_PAUSE)
    share = int.from_bytes(hashlib.sha256(f"{key}:{attempts}".encode()).digest()[:4]) / 2**32
    return pause * (1 - JITTER * share)
