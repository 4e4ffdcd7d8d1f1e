"""Messages about alerts, on their way: sending what is due, and what became of it.

What belongs here: rows of `alert_deliveries`. What does not: entering them (`alert_look.py`) and the services they go to (`channels.py`).

A row stays locked while it is sent: nobody else takes it, and a process that dies leaves it pending at once. What was sent but not
marked is sent again with the same last line (`Message KEY`), by which a reader or a receiver knows it: at least once, never not at all.
"""

import time
from collections.abc import Callable
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from psycopg import Connection
from psycopg.rows import class_row

from aios_core.automation import Alerts, Automation
from aios_core.decisions.delivery import backoff
from resources.channels import Outcome, Send, send
from resources.database import Database

BUDGET_SECONDS = 25.0  # a sensor's tick may take a minute


@dataclass(frozen=True, slots=True, kw_only=True)
class Delivery:
    """One message to one channel. `nowhere`: the channel had no address; `dead`: tried as often as declared."""

    delivery_id: int
    automation: str
    channel: str
    alert_group: str
    dedup_key: str
    kind: str
    severity: str
    title: str
    body: str
    alert_ids: list[int]
    state: str
    attempts: int
    next_attempt_at: datetime
    last_error: str | None
    created_at: datetime
    sent_at: datetime | None


@dataclass(frozen=True, slots=True, kw_only=True)
class Delivered:
    """How many messages ended how in one go; `retried` come again after a pause."""

    sent: int = 0
    retried: int = 0
    dead: int = 0
    nowhere: int = 0


class DeliveryStore:
    """Messages of all automations."""

    def __init__(self, database: Database, *, sender: Send = send) -> None:
        self._database = database
        self._send = sender

    def deliver(
        self,
        *,
        automation: Automation,
        now: datetime,
        seconds: float = BUDGET_SECONDS,
        timer: Callable[[], float] = time.monotonic,
    ) -> Delivered:
        """Send what is due, a message a transaction, until nothing is or the time is up; the rest comes at the next look."""
        counts = dict.fromkeys(Delivered.__dataclass_fields__, 0)
        until = timer() + seconds
        while timer() < until:
            state = self._deliver_one(automation, now)
            if state is None:
                break
            counts["retried" if state == "pending" else state] += 1
        return Delivered(**counts)

    def newest(
        self,
        automation: str | None = None,
        *,
        states: tuple[str, ...] = ("pending", "sent", "dead", "nowhere"),
        limit: int = 50,
    ) -> list[Delivery]:
        """Messages, newest first."""
        with self._database.connection() as conn, conn.cursor(row_factory=class_row(Delivery)) as cursor:
            return cursor.execute(
                f"select {_COLUMNS} from alert_deliveries where (%s::text is null or automation = %s) and state = any(%s)"
                " order by delivery_id desc limit %s",
                (automation, automation, list(states), limit),
            ).fetchall()

    def _deliver_one(self, automation: Automation, now: datetime) -> str | None:
        with self._database.connection() as conn:
            row = _due(conn, automation.name, now)
            if row is None:
                return None
            state, outcome = _settled(self._try(row, automation.alerts), row, automation.alerts)
            pause = backoff(row.attempts + 1, key=row.dedup_key)
            conn.execute(
                "update alert_deliveries set state = %s, attempts = attempts + 1, next_attempt_at = %s, last_error = %s,"
                " sent_at = %s where delivery_id = %s",
                (state, now + pause if state == "pending" else now, outcome.error, now if state == "sent" else None,
                 row.delivery_id),
            )  # fmt: skip
            return state

    def _try(self, row: Delivery, declared: Alerts) -> Outcome:
        channel = declared.channels.get(row.channel)
        if channel is None:
            return Outcome(status="nowhere", error=f"no channel is called `{row.channel}` any more")
        return self._send(channel, title=row.title, body=row.body, severity=row.severity, over=row.kind == "resolved")


def _settled(outcome: Outcome, row: Delivery, declared: Alerts) -> tuple[str, Outcome]:
    if outcome.status == "retry":
        return ("pending" if row.attempts + 1 < declared.max_attempts else "dead"), outcome
    return {"sent": "sent", "failed": "dead", "nowhere": "nowhere"}[outcome.status], outcome


def _due(conn: Connection[Any], automation: str, now: datetime) -> Delivery | None:
    """The next message, and none about an alert before an older one about it: nobody reads `over` first and `firing` after it."""
    with conn.cursor(row_factory=class_row(Delivery)) as cursor:
        return cursor.execute(
            f"select {_COLUMNS} from alert_deliveries d where automation = %s and state = 'pending' and next_attempt_at <= %s"
            " and not exists (select from alert_deliveries e where e.automation = d.automation and e.channel = d.channel"
            " and e.state = 'pending' and e.delivery_id < d.delivery_id and e.alert_ids && d.alert_ids)"
            " order by next_attempt_at, delivery_id limit 1 for update of d skip locked",
            (automation, now),
        ).fetchone()


_COLUMNS = ", ".join(Delivery.__dataclass_fields__)
