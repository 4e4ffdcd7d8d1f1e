"""A Kafka topic that takes events.

What belongs here: producing a batch and waiting until it is confirmed. What does not: when it comes again (`resources/events.py`).

The producer is idempotent, so that its own retries neither double nor reorder. A process that dies after the confirmation and before it is noted
sends the batch again: readers know an event by `ce_source` and `ce_id`.
"""

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

from aios_core.declaration.events import EventTopic
from aios_core.errors import ConfigurationError
from aios_core.events.envelope import CloudEvent, binary
from resources.deployments import expand
from resources.event_sinks.base import Outcome, SinkUnavailable

if TYPE_CHECKING:
    from confluent_kafka import Producer

TOO_LARGE = ("MSG_SIZE_TOO_LARGE", "RECORD_LIST_TOO_LARGE", "INVALID_RECORD")


class TopicReceiver:
    """One topic. The subject is the key, so that a partition has a ticket's events in their order."""

    def __init__(self, settings: EventTopic) -> None:
        self._settings = settings
        self._producer = _producer(settings)

    def send(self, events: Sequence[CloudEvent]) -> list[Outcome]:
        """All of them, confirmed by all replicas that are in sync; what is too large for the topic is refused."""
        told: dict[int, Any] = {}
        for place, event in enumerate(events):
            self._produce(event, lambda error, _message, place=place: told.__setitem__(place, error), told, place)
        self._producer.flush(self._settings.timeout_seconds)
        if len(told) < len(events) or any(error and not _is_too_large(error) for error in told.values()):
            said = next((str(error) for error in told.values() if error), "no confirmation in time")
            self._producer.purge()
            self._producer.flush(0)
            raise SinkUnavailable(f"{self._settings.topic}: {said}")
        return [_outcome(told[place]) for place in range(len(events))]

    def close(self) -> None:
        self._producer.purge()
        self._producer.flush(0)

    def _produce(self, event: CloudEvent, done: Any, told: dict[int, Any], place: int) -> None:
        from confluent_kafka import KafkaException

        headers, value = binary(event)
        while True:
            try:
                self._producer.produce(
                    self._settings.topic, key=event.subject.encode(), value=value, headers=headers, on_delivery=done
                )
            except BufferError:  # the local queue is full: wait for confirmations
                if self._producer.poll(self._settings.timeout_seconds) == 0:
                    raise SinkUnavailable(f"{self._settings.topic}: no confirmation in time") from None
            except KafkaException as error:
                told[place] = error.args[0]
                return
            else:
                self._producer.poll(0)
                return


def _producer(settings: EventTopic) -> "Producer":
    try:
        from confluent_kafka import KafkaException, Producer
    except ImportError as error:
        raise ConfigurationError("events to Kafka need the extra `kafka`: `pip install 'aios[kafka]'`") from error
    own = {name: expand(value) for name, value in settings.settings.items()}
    fixed = {
        "bootstrap.servers": expand(settings.brokers),
        "enable.idempotence": True,
        "acks": "all",
        "message.timeout.ms": int(settings.timeout_seconds * 1000),
    }
    try:
        return Producer({"client.id": "aios", "compression.type": "lz4", "linger.ms": 5, **own, **fixed})
    except (KafkaException, ValueError, TypeError) as error:
        raise ConfigurationError(f"events: kafka.settings: {error}") from error


def _is_too_large(error: Any) -> bool:
    return error.name().lstrip("_") in TOO_LARGE


def _outcome(error: Any) -> Outcome:
    return Outcome(status="refused", message=error.str()) if error else Outcome(status="taken")
