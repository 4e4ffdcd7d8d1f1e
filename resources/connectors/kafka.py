"""A Kafka topic of JSON records: messages from where the landed rows end to where the topic ends now.

What belongs here: reading messages and the cursor. What does not: what a record means (`aios_core/canonical/tabular.py`).

The cursor holds the next offset of each partition, and moves in the transaction that lands the rows. Partitions are assigned, not subscribed to: there
is no consumer group whose rebalance could hand a message out twice, and what the broker believes to be committed is never asked.
"""

import json
from collections.abc import Callable, Iterator, Sequence
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any

import orjson

from aios_core.canonical.tabular import TOMBSTONE
from aios_core.canonical.values import MAX_ID_CHARS, lookup, to_id
from aios_core.declaration.sources import KafkaSource
from aios_core.errors import ConfigurationError, PermanentError, RecordError, RetryableError
from resources.connectors.base import Page, Record, Reject, WriteResult, ahead, read_only
from resources.connectors.items import to_json_bytes

if TYPE_CHECKING:
    from confluent_kafka import Consumer, Message

    from aios_core.decisions.actions import OutboxAction

ABOUT = "_kafka"
MAX_REJECT_CHARS = 1_000_000
POLL_SECONDS = 1.0


class TopicUnavailable(RetryableError):
    """The brokers did not answer in time; the messages stay where they are."""

    code = "source.unavailable"


class KafkaConnector:
    """One topic. `settings` are librdkafka's."""

    def __init__(self, source: KafkaSource, *, brokers: str, settings: dict[str, str]) -> None:
        self.objects: tuple[str, ...] = (source.provides,)
        self._source = source
        self._consumer = _consumer(brokers, settings)

    def read(self, *, object: str, cursor: str | None) -> Iterator[Page]:
        """Pages of up to `page_rows` messages, the next one fetched while this one is landed."""
        if object not in self.objects:
            raise PermanentError(f"kafka source: no object `{object}`; there is: {self.objects[0]}")
        return ahead(self._pages(cursor))

    def write(self, actions: "Sequence[OutboxAction]") -> list[WriteResult]:
        return read_only("a kafka source", actions)

    def check(self) -> str:
        """How many messages each partition holds."""
        ends = self._ends()
        held = sum(high - low for low, high in ends.values())
        return f"{self._source.topic}: {len(ends)} partitions, {held:,} messages"

    def close(self) -> None:
        self._consumer.close()

    def _pages(self, cursor: str | None) -> Iterator[Page]:
        ends, reached = self._ends(), _from_json(cursor)
        lost = list(self._lost(ends, reached))
        places = {
            partition: max(low, reached.get(partition, low if self._source.start == "beginning" else high))
            for partition, (low, high) in ends.items()
        }
        targets = {partition: high for partition, (_, high) in ends.items()}
        if behind := {p: at for p, at in places.items() if at < targets[p]}:
            self._assign(behind)
        while True:
            messages = self._messages(places, targets)
            for message in messages:
                places[message.partition()] = message.offset() + 1
            done = len(messages) < self._source.page_rows
            if done:  # the last offsets may be markers of transactions, which are no messages
                places = {p: max(at, targets[p]) for p, at in places.items()}
            records, rejects = self._understood(messages)
            at = _to_json({**reached, **places})
            if done:
                self._consumer.unassign()
            yield Page(object=self.objects[0], records=records, rejects=(*lost, *rejects), cursor=at, done=done)
            if done:
                return
            lost = []

    def _ends(self) -> dict[int, tuple[int, int]]:
        """(first, next) offset of each partition as it stands now."""
        from confluent_kafka import TopicPartition

        told = self._asked(lambda seconds: self._consumer.list_topics(self._source.topic, timeout=seconds))
        topic = told.topics[self._source.topic]
        if topic.error is not None:
            raise PermanentError(
                f"kafka source: {self._source.topic}: {topic.error.str()}; is there such a topic, and may we read it?"
            )
        return {
            p: self._asked(lambda s, p=p: self._consumer.get_watermark_offsets(TopicPartition(self._source.topic, p), timeout=s))
            for p in sorted(topic.partitions)
        }  # fmt: skip

    def _asked(self, ask: Callable[[float], Any]) -> Any:
        from confluent_kafka import KafkaException

        try:
            found = ask(self._source.timeout_seconds)
        except KafkaException as error:
            raise _failure(error.args[0]) from error
        if found is None:
            raise TopicUnavailable("kafka source: the brokers did not answer in time")
        return found

    def _assign(self, places: dict[int, int]) -> None:
        from confluent_kafka import TopicPartition

        self._consumer.assign([TopicPartition(self._source.topic, p, at) for p, at in places.items()])

    def _messages(self, places: dict[int, int], targets: dict[int, int]) -> list["Message"]:
        """Up to a page of messages that were there when the read began."""
        found: list[Message] = []
        open_ = {p for p, at in places.items() if at < targets[p]}
        waited = 0.0
        while open_ and len(found) < self._source.page_rows and waited < self._source.timeout_seconds:
            batch = self._consumer.consume(self._source.page_rows - len(found), timeout=POLL_SECONDS)
            waited = 0.0 if batch else waited + POLL_SECONDS
            for message in batch:
                error = message.error()
                if error is not None:
                    open_ -= self._ended(error, message)
                elif message.offset() < targets[message.partition()]:
                    found.append(message)
                if message.offset() is not None and message.offset() + 1 >= targets[message.partition()]:
                    open_.discard(message.partition())
        if open_ and len(found) < self._source.page_rows:
            raise TopicUnavailable(
                f"kafka source: {self._source.topic}: nothing came within {waited:g} s, though there is more"
            )
        return found

    def _ended(self, error: Any, message: "Message") -> set[int]:
        from confluent_kafka import KafkaError

        if error.code() == KafkaError._PARTITION_EOF:  # noqa: SLF001 (its public name)
            return {message.partition()}
        raise _failure(error)

    def _understood(self, messages: Sequence["Message"]) -> tuple[tuple[Record, ...], tuple[Reject, ...]]:
        records: list[Record] = []
        rejects: list[Reject] = []
        for message in messages:
            try:
                records.append(self._record(message))
            except RecordError as error:
                rejects.append(_reject(self.objects[0], message, error))
        return tuple(records), tuple(rejects)

    def _record(self, message: "Message") -> Record:
        """A message's value with what Kafka says of it beside; an empty one says that its key is gone."""
        raw, (_, stamp) = message.value(), message.timestamp()
        key = _text(message.key())
        about = {"partition": message.partition(), "offset": message.offset(), "key": key,
                 "time": datetime.fromtimestamp(stamp / 1000, UTC).isoformat() if stamp > 0 else None}  # fmt: skip
        payload = _object(raw) if raw else {TOMBSTONE: True}
        external_id = key if raw is None or self._source.id == "key" else lookup(payload, self._source.id)
        return Record(
            object=self.objects[0],
            external_id=to_id(external_id, field="key" if self._source.id == "key" else self._source.id),
            # the time tells a topic that was made anew from the one before it
            version=f"{message.partition()}-{message.offset()}-{stamp}",
            json=to_json_bytes({**payload, ABOUT: about}),
        )

    def _lost(self, ends: dict[int, tuple[int, int]], reached: dict[int, int]) -> Iterator[Reject]:
        """Messages that the topic has dropped before they were read, or offsets that a topic made anew does not have."""
        for partition, (low, high) in ends.items():
            at = reached.get(partition)
            if at is not None and not low <= at <= high:
                told = f"partition {partition} was read up to {at} and holds {low} to {high}: what lay between was never read"
                if at > high:
                    reached.pop(partition)
                    told = f"partition {partition} was read up to {at} and ends at {high}: the topic was made anew, it is read from its start"
                yield Reject(
                    object=self.objects[0],
                    external_id=f"partition {partition}",
                    code="kafka.gap",
                    message=told,
                    payload=told,
                )


def _consumer(brokers: str, settings: dict[str, str]) -> "Consumer":
    try:
        from confluent_kafka import Consumer, KafkaException
    except ImportError as error:
        raise ConfigurationError("a kafka source needs the extra `kafka`: `pip install 'aios[kafka]'`") from error
    fixed = {
        "bootstrap.servers": brokers,
        "group.id": "aios",  # librdkafka wants one; nothing is ever committed to it
        "enable.auto.commit": False,
        "enable.auto.offset.store": False,
        "auto.offset.reset": "error",
        "enable.partition.eof": True,
        "isolation.level": "read_committed",
    }
    try:
        return Consumer({"client.id": "aios", **settings, **fixed})
    except (KafkaException, ValueError, TypeError) as error:
        raise ConfigurationError(f"kafka source: settings: {error}") from error


def _failure(error: Any) -> Exception:
    told = f"kafka source: {error.str()}"
    return TopicUnavailable(told) if error.retriable() or error.code() < 0 else PermanentError(told)


def _object(raw: bytes) -> dict[str, Any]:
    try:
        found = orjson.loads(raw)
    except orjson.JSONDecodeError as error:
        raise RecordError("kafka.not_json", f"the message is not JSON: {error}") from error
    if not isinstance(found, dict):
        raise RecordError("kafka.not_an_object", f"the message is a {type(found).__name__}, not an object")
    return found


def _reject(object: str, message: "Message", error: RecordError) -> Reject:
    payload = (message.value() or b"").decode("utf-8", "backslashreplace")[:MAX_REJECT_CHARS]
    return Reject(
        object=object,
        external_id=(_text(message.key()) or f"{message.partition()}-{message.offset()}")[:MAX_ID_CHARS],
        code=error.code,
        message=f"partition {message.partition()}, offset {message.offset()}: {error}",
        payload=payload,
    )


def _text(raw: bytes | str | None) -> str | None:
    return raw.decode("utf-8", "replace") if isinstance(raw, bytes) else raw


def _from_json(cursor: str | None) -> dict[int, int]:
    return {int(p): int(at) for p, at in json.loads(cursor).items()} if cursor else {}


def _to_json(places: dict[int, int]) -> str:
    return json.dumps({str(p): places[p] for p in sorted(places)})
