"""Answers kept under the caller's own key, so that a request sent twice has one effect and one answer.

What belongs here: finding, keeping and purging them, within the caller's transaction. What does not: what a request means
(`gateway/decide/`).

The key is locked until the transaction ends: of two requests at once, one works and the other is told that it does. The
answer is written in the transaction of its effect: a process that is killed between leaves neither, and the next try starts afresh.
"""

from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any

from psycopg import Connection

from aios_core.errors import PermanentError, RetryableError
from resources.database import Database

KEPT = timedelta(hours=24)
PURGED_AT_ONCE = 10_000


class KeyInUse(RetryableError):
    """Another request with this key is being worked on."""

    code = "idempotency.in_progress"


class KeyReused(PermanentError):
    """The key was used for another request."""

    code = "idempotency.mismatch"


@dataclass(frozen=True, slots=True)
class KeptAnswer:
    """An answer as it was sent."""

    status: int
    body: bytes


def claim(connection: Connection[Any], *, scope: str, key: str, request_hash: str, now: datetime) -> KeptAnswer | None:
    """Lock the key; the answer it has already, None where the work is to be done. Raises KeyInUse, KeyReused."""
    locked = connection.execute(
        "select pg_try_advisory_xact_lock(hashtextextended(%s, 0))", (f"aios.idempotency.{scope}\x1f{key}",)
    ).fetchone()
    if not (locked and locked[0]):
        raise KeyInUse(f"a request with the idempotency key {key!r} is being worked on; try again in a moment")
    # a statement of its own, after the lock: it sees what whoever held it has committed
    found = connection.execute(
        "select request_hash, status, body from idempotent_requests where scope = %s and key = %s and created_at > %s",
        (scope, key, now - KEPT),
    ).fetchone()
    if found is None:
        return None
    if found[0] != request_hash:
        raise KeyReused(f"the idempotency key {key!r} was used for another request; use a new key for a new request")
    return KeptAnswer(found[1], bytes(found[2]))


def keep(
    connection: Connection[Any], *, scope: str, key: str, request_hash: str, answer: KeptAnswer, now: datetime
) -> None:
    """Keep an answer under a key that was claimed in this transaction; an older one than is kept is replaced."""
    connection.execute(
        "insert into idempotent_requests as i (scope, key, request_hash, status, body, created_at)"
        " values (%s, %s, %s, %s, %s, %s) on conflict (scope, key) do update set request_hash = excluded.request_hash,"
        " status = excluded.status, body = excluded.body, created_at = excluded.created_at",
        (scope, key, request_hash, answer.status, answer.body, now),
    )


def purge(database: Database, *, now: datetime) -> int:
    """Remove answers older than 24 hours; returns how many."""
    removed = 0
    while True:
        with database.connection() as connection:
            found = connection.execute(
                "delete from idempotent_requests where ctid = any(array(select ctid from idempotent_requests"
                " where created_at <= %s limit %s))",
                (now - KEPT, PURGED_AT_ONCE),
            ).rowcount
        removed += found
        if found < PURGED_AT_ONCE:
            return removed
