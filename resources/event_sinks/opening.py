"""From a declared receiver to an open one, and a turn for all receivers of an automation.

What belongs here: the choice of receiver, and sending to several side by side. What does not: order and rows (`resources/events.py`).
"""

from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from datetime import datetime
from functools import partial

from aios_core.automation import Automation
from aios_core.declaration.events import EventTopic, EventWebhook
from resources.database import Database
from resources.event_sinks.base import Receiver
from resources.event_sinks.kafka import TopicReceiver
from resources.event_sinks.webhook import WebhookReceiver
from resources.events import EventStore, Sent

Open = Callable[[EventWebhook | EventTopic], Receiver]


def opener(database: Database) -> Open:
    """How receivers are opened. Raises ConfigurationError for a variable that is not set."""

    def opened(declared: EventWebhook | EventTopic) -> Receiver:
        if isinstance(declared, EventTopic):
            return TopicReceiver(declared)
        return WebhookReceiver(declared, database=database)

    return opened


def send_all(
    automation: Automation,
    database: Database,
    *,
    console: str,
    now: datetime,
    seconds: float = 20.0,
    open_receiver: Open | None = None,
) -> dict[str, Sent]:
    """One turn for each receiver, each in a thread of its own: one that does not answer delays no other."""
    declared, store = automation.events, EventStore(database)
    opened = open_receiver or opener(database)
    store.want(automation.name, declared, now=now)
    with ThreadPoolExecutor(max(1, len(declared.sinks)), thread_name_prefix="events") as threads:
        turns = {
            name: threads.submit(
                store.turn, automation.name, declared, name,
                receiver=partial(opened, sink), console=console, now=now, seconds=seconds,
            )
            for name, sink in declared.sinks.items()
        }  # fmt: skip
    store.purge(automation.name, declared, now=now)
    return {name: turn.result() for name, turn in turns.items()}
