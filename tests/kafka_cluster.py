"""librdkafka's own mock brokers: the real protocol over real sockets, in a client of this process."""

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import pytest


@contextmanager
def kafka_cluster(brokers: int = 3) -> Iterator[str]:
    """A running cluster's `bootstrap.servers`; topics are made at first use, with four partitions."""
    confluent_kafka = pytest.importorskip("confluent_kafka", reason="the extra `kafka` is not installed")
    quiet: dict[str, Any] = {"log_level": 0, "error_cb": lambda _: None}
    holder = confluent_kafka.Producer({"test.mock.num.brokers": brokers, "bootstrap.servers": "mock:1", **quiet})
    found = holder.list_topics(timeout=10).brokers.values()
    yield ",".join(f"{broker.host}:{broker.port}" for broker in found)
    del holder


def produce(brokers: str, topic: str, messages: list[tuple[str | None, bytes | None]]) -> None:
    """Key and value of each message, confirmed."""
    import confluent_kafka

    producer = confluent_kafka.Producer({"bootstrap.servers": brokers, "log_level": 0})
    for key, value in messages:
        producer.produce(topic, key=key, value=value)
    assert producer.flush(10) == 0


def consumed(brokers: str, topic: str, *, at_least: int, seconds: float = 15.0) -> list[Any]:
    """Messages of a topic from its start."""
    import confluent_kafka

    consumer = confluent_kafka.Consumer(
        {"bootstrap.servers": brokers, "group.id": "test", "auto.offset.reset": "earliest", "log_level": 0}
    )
    topics = consumer.list_topics(topic, timeout=10).topics[topic].partitions
    consumer.assign([confluent_kafka.TopicPartition(topic, p, 0) for p in topics])
    found: list[Any] = []
    for _ in range(int(seconds)):
        found += [m for m in consumer.consume(10_000, timeout=1.0) if m.error() is None]
        if len(found) >= at_least:
            break
    consumer.close()
    return found
