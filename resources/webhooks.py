"""Deliveries that came by webhook: each kept once, and which of them a read of their source has answered.

What belongs here: the table `webhook_deliveries`. What does not: proving a delivery (`aios_core/webhooks/`) and reading sources.

A delivery is a hint and a record. What it tells of is read from the source itself, in the source's own shape and order; so a delivery that is lost,
late or out of order harms nothing, and the next read on schedule heals it.
"""

from dataclasses import dataclass
from datetime import datetime

import orjson

from aios_core.canonical.values import lookup, to_id
from aios_core.errors import RecordError
from aios_core.webhooks.schemes import Delivery
from resources.database import Database


@dataclass(frozen=True, slots=True, kw_only=True)
class Waiting:
    """Deliveries of one source that no read has answered yet."""

    source: str
    count: int
    newest: int
    first_at: datetime
    last_at: datetime


class WebhookStore:
    """The deliveries of all automations."""

    def __init__(self, database: Database) -> None:
        self._database = database

    def take(self, delivery: Delivery, *, automation: str, source: str, body: bytes, now: datetime) -> bool:
        """Keep it; False where it was there already. Committed when this returns."""
        with self._database.connection() as connection:
            return bool(
                connection.execute(
                    "insert into webhook_deliveries (automation, source, delivery_id, payload, sent_at, received_at)"
                    " values (%s, %s, %s, %s, %s, %s) on conflict do nothing",
                    (automation, source, delivery.delivery_id, body, delivery.sent_at, now),
                ).rowcount
            )

    def waiting(self, automation: str) -> list[Waiting]:
        """By source, those that no read has answered."""
        with self._database.connection() as connection:
            found = connection.execute(
                "select source, count(*), max(delivery), min(received_at), max(received_at) from webhook_deliveries"
                " where automation = %s and read_at is null group by source order by source",
                (automation,),
            ).fetchall()
        return [Waiting(source=s, count=c, newest=n, first_at=f, last_at=last) for s, c, n, f, last in found]

    def newest(self, *, automation: str, source: str) -> int:
        """The newest delivery there is now; 0: none. Asked before a read, and told to `answered` after it."""
        with self._database.connection() as connection:
            row = connection.execute(
                "select coalesce(max(delivery), 0) from webhook_deliveries where automation = %s and source = %s",
                (automation, source),
            ).fetchone()
        return int(row[0]) if row else 0

    def told_of(self, *, automation: str, source: str, path: str, limit: int = 1000) -> list[str]:
        """The ids that deliveries which no read has answered have at this dotted path, the newest first."""
        with self._database.connection() as connection:
            found = connection.execute(
                "select payload from webhook_deliveries where automation = %s and source = %s and read_at is null"
                " order by delivery desc limit %s",
                (automation, source, limit),
            ).fetchall()
        ids = (_at(bytes(row[0]), path) for row in found)
        return list(dict.fromkeys(one for one in ids if one is not None))

    def answered(self, *, automation: str, source: str, up_to: int, now: datetime) -> int:
        """A read that began after these came has ended well; how many it answered."""
        with self._database.connection() as connection:
            return connection.execute(
                "update webhook_deliveries set read_at = %s where automation = %s and source = %s and delivery <= %s and read_at is null",
                (now, automation, source, up_to),
            ).rowcount


def _at(payload: bytes, path: str) -> str | None:
    """An id at this path of a delivery; None where there is none: a delivery is only a hint."""
    try:
        told = orjson.loads(payload)
        return to_id(lookup(told, path), field=path) if isinstance(told, dict) else None
    except (orjson.JSONDecodeError, RecordError):
        return None
