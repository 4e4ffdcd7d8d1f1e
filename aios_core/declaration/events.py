"""Who is told what happens: receivers of events.

What belongs here: what can be declared. What does not: the events (`aios_core/events/`) and sending them (`resources/event_sinks/`).
"""

from typing import Annotated, Literal, get_args

from pydantic import Field

from aios_core.declaration.base import Declared, Identifier

EventType = Literal[
    "decision.recorded",
    "action.delivered",
    "action.failed",
    "review.decided",
    "review.reopened",
    "incident.opened",
    "incident.closed",
    "model.alias_moved",
]
EVENT_TYPES: tuple[EventType, ...] = get_args(EventType)
_VARIABLE = r"^\$\{[A-Z][A-Z0-9_]*\}$"


class Sink(Declared):
    """What every receiver declares."""

    types: tuple[EventType, ...] = Field(EVENT_TYPES, min_length=1, description="Which events it gets; default: all")
    batch_size: int = Field(100, ge=1, le=10_000, description="At most so many before it is noted how far it came")


class EventWebhook(Sink):
    """A URL that takes CloudEvents one by one (structured JSON), signed as Standard Webhooks says.

    2xx is taken. 410 and other 4xx (but 408, 425, 429) are refused for good; everything else comes again.
    """

    url: str = Field(description="`${VAR}` allowed")
    secrets: tuple[Annotated[str, Field(pattern=_VARIABLE)], ...] = Field(
        min_length=1, max_length=2, description="`whsec_…`, always `${VAR}`; while secrets are changed two sign"
    )
    headers: dict[str, str] = Field(default_factory=dict, description="With every delivery; `${VAR}` allowed")
    timeout_seconds: float = Field(10.0, gt=0, le=60)
    max_attempts: int = Field(10, ge=1, description="Tries to deliver an event, with growing pauses; then it is dead")


class EventTopic(Sink):
    """A Kafka topic: CloudEvents in binary mode, the subject as key. It needs the extra `kafka`."""

    brokers: str = Field(description="`host:port,host:port`; `${VAR}` allowed")
    topic: str
    settings: dict[str, str] = Field(
        default_factory=dict, description="librdkafka's settings (security.protocol, sasl.password …); `${VAR}` allowed"
    )
    timeout_seconds: float = Field(30.0, gt=0, description="For a batch to be confirmed")


class Events(Declared):
    """Decisions, actions, reviews, incidents and alias moves leave as CloudEvents. Without a receiver none is written."""

    webhooks: dict[Identifier, EventWebhook] = Field(default_factory=dict)
    kafka: dict[Identifier, EventTopic] = Field(default_factory=dict)
    keep_days: float = Field(7.0, gt=0, description="Events that every receiver has are kept so long")

    @property
    def sinks(self) -> dict[str, EventWebhook | EventTopic]:
        """By the name under which their progress is kept: `webhook:NAME`, `kafka:NAME`."""
        return {f"webhook:{n}": s for n, s in self.webhooks.items()} | {f"kafka:{n}": s for n, s in self.kafka.items()}

    @property
    def wanted(self) -> tuple[EventType, ...]:
        """Types that somebody gets."""
        asked = {told for sink in self.sinks.values() for told in sink.types}
        return tuple(told for told in EVENT_TYPES if told in asked)
