"""A topic of tickets over Kafka's real protocol: each message once, whoever dies on the way."""

import json
import signal
import subprocess
import sys
from collections.abc import Iterator
from typing import Any

import pytest

from aios_core.canonical.mapper import map_record
from aios_core.declaration.sources import KafkaSource
from aios_core.errors import PermanentError
from resources import clock
from resources.connectors.base import Page, Record
from resources.connectors.kafka import KafkaConnector, TopicUnavailable
from resources.database import Database
from resources.landing import LandingStore, Pulled, pull
from tests.kafka_cluster import kafka_cluster, produce


@pytest.fixture(scope="module")
def brokers() -> Iterator[str]:
    with kafka_cluster() as found:
        yield found


def source(topic: str, **told: Any) -> KafkaSource:
    mapping = {"subject": "subject", "body": "text", "created_at": "at", "updated_at": "changed"}
    facts = {"connector": "kafka", "provides": "tickets", "brokers": "${B}", "topic": topic, "page_rows": 7,
             "timeout_seconds": 5, "mapping": mapping}  # fmt: skip
    return KafkaSource.model_validate(facts | told)


def opened(brokers: str, topic: str, **told: Any) -> KafkaConnector:
    return KafkaConnector(source(topic, **told), brokers=brokers, settings={"log_level": "0"})


def pages(brokers: str, topic: str, cursor: str | None = None, **told: Any) -> list[Page]:
    connector = opened(brokers, topic, **told)
    try:
        return list(connector.read(object="tickets", cursor=cursor))
    finally:
        connector.close()


def records(found: list[Page]) -> list[Record]:
    return [record for page in found for record in page.records]


def ticket(number: int, **told: Any) -> tuple[str, bytes]:
    said = {"number": f"T-{number}", "subject": f"s{number}", "text": "b", "at": "2026-11-01T00:00:00Z"} | told
    return str(number), json.dumps(said).encode()


def pulled(brokers: str, topic: str, database: Database, **told: Any) -> Pulled:
    connector = opened(brokers, topic, **told)
    try:
        return pull(connector, LandingStore(database), automation="care", source="topic")
    finally:
        connector.close()


def landed(database: Database) -> list[str]:
    with database.connection() as connection:
        return [row[0] for row in connection.execute("select external_id from landing_records order by landing_id")]


def test_every_message_arrives_once_and_the_next_read_begins_behind_it(brokers: str) -> None:
    produce(brokers, "once", [ticket(n) for n in range(30)])
    first = pages(brokers, "once")
    assert sorted(int(r.external_id) for r in records(first)) == list(range(30))
    assert first[-1].done
    assert all(len(page.records) <= 7 for page in first)
    assert records(pages(brokers, "once", first[-1].cursor)) == []
    produce(brokers, "once", [ticket(99)])
    assert [r.external_id for r in records(pages(brokers, "once", first[-1].cursor))] == ["99"]


def test_a_poison_message_goes_to_quarantine_with_its_code_and_place_and_holds_up_nothing(brokers: str) -> None:
    bad = [("a", b"\xff{"), ("b", b"[1]"), (None, json.dumps({"subject": "no key"}).encode())]
    produce(brokers, "poison", [ticket(1), *bad, ticket(2)])
    found = pages(brokers, "poison")
    assert sorted(r.external_id for r in records(found)) == ["1", "2"]
    rejects = [reject for page in found for reject in page.rejects]
    assert {r.code for r in rejects} == {"kafka.not_json", "kafka.not_an_object", "record.no_id"}
    assert all("offset" in reject.message for reject in rejects)


def test_the_id_may_stand_in_the_message_and_what_kafka_says_beside_may_be_mapped(brokers: str) -> None:
    produce(brokers, "own", [ticket(5)])
    (record,) = records(pages(brokers, "own", id="number"))
    assert record.external_id == "T-5"
    mapped = source("own", id="number", mapping={"subject": "subject", "body": "text", "created_at": "_kafka.time"})
    found = map_record(mapped, source_name="topic", object="tickets", payload=record.payload, correlation_id="c",
                       landed_at=clock.now(), external_id=record.external_id, version=record.version)  # fmt: skip
    assert (found.ticket_id, found.subject) == ("T-5", "s5")
    assert abs((clock.now() - found.created_at).total_seconds()) < 60


def test_a_message_without_a_value_says_that_the_ticket_is_gone(brokers: str) -> None:
    produce(brokers, "gone", [ticket(1), ("1", None)])
    last = records(pages(brokers, "gone"))[-1]
    found = map_record(source("gone"), source_name="topic", object="tickets", payload=last.payload, correlation_id="c",
                       landed_at=clock.now(), external_id=last.external_id, version=last.version)  # fmt: skip
    assert (found.ticket_id, found.status) == ("1", "deleted")


def test_messages_that_the_topic_dropped_unread_and_a_topic_made_anew_are_said(brokers: str) -> None:
    produce(brokers, "anew", [ticket(n) for n in range(8)])
    found = pages(brokers, "anew", '{"0": 1000, "1": 1000, "2": 1000, "3": 1000}')
    assert {reject.code for page in found for reject in page.rejects} == {"kafka.gap"}
    assert len(records(found)) == 8, "it is read from its start"


def test_a_reader_that_is_killed_before_its_commit_loses_and_doubles_nothing(brokers: str, database: Database) -> None:
    produce(brokers, "killed", [ticket(n) for n in range(60)])
    process = subprocess.Popen([sys.executable, "-c", _SLOW, brokers, database.url], stdout=subprocess.PIPE, text=True)
    try:
        assert process.stdout is not None
        assert process.stdout.readline() == "landing\n", "a page is landed and the next one is not committed"
    finally:
        process.send_signal(signal.SIGKILL)
        process.wait()
    assert 0 < len(landed(database)) < 60
    pulled(brokers, "killed", database)
    assert sorted(map(int, landed(database))) == list(range(60))


def test_two_readers_at_once_double_nothing(brokers: str, database: Database) -> None:
    produce(brokers, "both", [ticket(n) for n in range(40)])
    one, other = opened(brokers, "both"), opened(brokers, "both")
    store = LandingStore(database)
    cursors: dict[str, str | None] = {"one": None, "other": None}
    reads = {"one": one.read(object="tickets", cursor=None), "other": other.read(object="tickets", cursor=None)}
    for a, b in zip(reads["one"], reads["other"], strict=False):
        for name, page in (("one", a), ("other", b)):
            store.land(automation="care", source="topic", page=page, previous_cursor=cursors[name])
            cursors[name] = page.cursor
    one.close()
    other.close()
    pulled(brokers, "both", database)
    assert sorted(map(int, landed(database))) == list(range(40))


def test_brokers_that_do_not_answer_are_worth_a_retry_and_a_topic_that_is_not_there_is_said(brokers: str) -> None:
    gone = KafkaConnector(source("t", timeout_seconds=0.3), brokers="127.0.0.1:1", settings={"log_level": "0"})
    with pytest.raises(TopicUnavailable):
        list(gone.read(object="tickets", cursor=None))
    gone.close()
    with pytest.raises(PermanentError, match="no object `users`"):
        opened(brokers, "t").read(object="users", cursor=None)


_SLOW = """
import sys, time
from resources.connectors.kafka import KafkaConnector
from resources.database import Database
from resources.landing import LandingStore
from tests.resources.connectors.test_kafka import source
brokers, url = sys.argv[1:]
store, cursor = LandingStore(Database(url)), None
for number, page in enumerate(KafkaConnector(source("killed"), brokers=brokers, settings={}).read(object="tickets", cursor=None)):
    if number == 3:
        with store._database.connection() as connection:
            connection.execute("insert into landing_records (automation, source, object, external_id, version, payload, correlation_id)"
                               " values ('care', 'topic', 'tickets', 'uncommitted', 'v', '{}', 'c')")
            print("landing", flush=True)
            time.sleep(60)
    store.land(automation="care", source="topic", page=page, previous_cursor=cursor)
    cursor = page.cursor
"""
