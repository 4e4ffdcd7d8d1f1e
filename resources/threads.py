"""A ticket's conversation, asked of its helpdesk when somebody looks: it is as new as the look, and nothing of it is kept.

What belongs here: whom to ask, for how long, and what a failure means to who waits. What does not: what a message is (`aios_core/canonical/thread.py`),
and a vendor's requests (`resources/connectors/`).

Asking costs one or two requests of the same quota that reading and writing share, and waits for a place under it for a moment only: what runs by
itself is not held up by people who look around.
"""

from dataclasses import dataclass, replace

from aios_core.automation import Automation
from aios_core.canonical.thread import Message
from aios_core.errors import AiosError
from aios_core.privacy.masking import mask
from resources import deployments
from resources.connectors.base import Threaded
from resources.connectors.factory import open_connector, shared
from resources.database import Database

LONGEST_WAIT = 2.0  # seconds for a place under the vendor's quota


@dataclass(frozen=True, slots=True, kw_only=True)
class Conversation:
    """What was written after the ticket's own text, oldest first. `problem` says why that is not known; empty: this is all."""

    messages: tuple[Message, ...] = ()
    problem: str = ""

    def masked(self) -> "Conversation":
        """For who reads masked texts."""
        return replace(self, messages=tuple(map(_masked, self.messages)))


def conversation(database: Database, automation: Automation, *, source: str, ticket_id: str) -> Conversation:
    """Never raises for what a helpdesk does, or for a variable that is not set here."""
    declared = automation.sources.get(source)
    if declared is None:
        return Conversation(problem=f"{source} is no source of {automation.name} any more")
    try:
        connector = open_connector(
            declared,
            folder=deployments.PROJECT,  # sources of files have no conversations
            expand=deployments.expand,
            traffic=shared(database, longest_wait=LONGEST_WAIT),
            hurried=True,
        )
        try:
            if not isinstance(connector, Threaded):
                return Conversation(problem=f"{source} does not show what was written on a ticket")
            return Conversation(messages=connector.thread(ticket_id))
        finally:
            connector.close()
    except AiosError as error:
        return Conversation(problem=str(error))


def _masked(message: Message) -> Message:
    attachments = tuple(replace(one, name=mask(one.name), url=None) for one in message.attachments)
    return replace(
        message,
        text=mask(message.text),
        author=None if message.author is None else mask(message.author),
        attachments=attachments,
    )
