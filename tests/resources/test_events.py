"""Events: written with the fact, and brought to every receiver in order, whatever happens on the way."""

from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from datetime import timedelta
from typing import Any

import jsonschema
import psycopg
import pytest

from aios_core.declaration.events import EVENT_TYPES, Events
from aios_core.events.envelope import CloudEvent
from aios_core.events.types import schema_of
from aios_core.webhooks.schemes import prove
from resources import clock
from resources.database import Database
from resources.event_sinks.base import Outcome, Receiver
from resources.event_sinks.kafka import TopicReceiver
from resources.event_sinks.opening import opener, send_all
from resources.events import EventStore, Sent
from resources.monitoring import MonitorStore
from resources.reviews import ReviewStore
from tests.kafka_cluster import consumed, kafka_cluster
from tests.resources.event_receiver import SECRET, Heard, receiver
from tests.review_world import NOW, Wanted, automation, record

CONSOLE = "https://console.example"


@pytest.fixture(autouse=True)
def secret(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("HOOK_SECRET", SECRET)


def hook(heard: Heard, **told: Any) -> dict[str, Any]:
    return {"url": heard.url, "secrets": ["${HOOK_SECRET}"], "timeout_seconds": 0.5, **told}


def told_to(**hooks: dict[str, Any]) -> Any:
    return automation(events={"webhooks": hooks})


def send(database: Database, of: Any, *, minutes: float = 0) -> dict[str, Sent]:
    return send_all(of, database, console=CONSOLE, now=NOW + timedelta(minutes=minutes))


def plant(database: Database, *subjects: str, type_: str = "decision.recorded") -> None:
    """Events about these subjects, each of its own fact."""
    with database.connection() as conn:
        for subject in subjects:
            conn.execute(
                "insert into events (automation, type, fact, subject, at, data)"
                " select 'escalations', %s, 'f' || (count(*) + 1), %s, %s, '{}' from events",
                (type_, subject, NOW),
            )


def test_every_fact_leaves_as_an_event_of_its_own_that_fits_its_schema(database: Database) -> None:
    with receiver() as heard:
        of = told_to(all=hook(heard))
        send(database, of)
        first, second = record(database, [Wanted(ticket_id="1", p=0.95), Wanted(ticket_id="2")], of=of)
        reviews = ReviewStore(database)
        reviews.claim(second, actor="ana", now=NOW)
        reviews.decide(second, actor="ana", queue="outage", now=NOW)
        reviews.undo(second, actor="ana", now=NOW)
        monitor = MonitorStore(database)
        incident = monitor.open_incident(
            automation=of.name, remedy="pause", queue=None, reason="r", evidence={}, actor="run:1", now=NOW
        )
        monitor.close_incident(incident, actor="lea", now=NOW)
        with database.connection() as conn:
            conn.execute("update outbox set state = 'sent', attempts = 1, sent_at = %s", (NOW,))
            conn.execute(_VERSION)
            conn.execute(_MOVED)
        send(database, of)

    by_type: dict[str, list[dict[str, Any]]] = {}
    for event in heard.taken:
        by_type.setdefault(event["type"].removeprefix("aios."), []).append(event)
    assert set(by_type) == set(EVENT_TYPES) - {"action.failed"}
    assert {e["data"]["decision_id"] for e in by_type["decision.recorded"]} == {first, second}
    assert by_type["review.decided"][0]["data"]["queue"] == "outage"
    assert by_type["review.decided"][0]["data"]["verdict"] == "corrected"
    assert by_type["action.delivered"][0]["subject"] == "tickets/helpdesk/1"
    assert len({e["id"] for e in heard.taken}) == len(heard.taken)
    for type_, events in by_type.items():
        for event in events:
            jsonschema.validate(event["data"], schema_of(type_, console=CONSOLE))


def test_what_is_sent_is_signed_as_a_receiver_of_standard_webhooks_proves_it(database: Database) -> None:
    with receiver() as heard:
        of = told_to(all=hook(heard))
        send(database, of)
        plant(database, "tickets/helpdesk/1")
        send(database, of)
    headers, body = heard.requests[0]
    proven = prove(
        "standard", headers=headers, body=body, secrets=[SECRET], now=clock.now(), tolerance=timedelta(minutes=1)
    )
    assert proven.delivery_id == heard.taken[0]["id"]
    assert headers["content-type"].startswith("application/cloudevents+json")


def test_nothing_is_written_where_nobody_is_told(database: Database) -> None:
    record(database, [Wanted(ticket_id="1")])
    assert EventStore(database).newest("escalations") == []


def test_a_fact_that_is_rolled_back_leaves_no_event(database: Database) -> None:
    with receiver() as heard:
        of = told_to(all=hook(heard))
        send(database, of)
        with pytest.raises(RuntimeError), database.connection() as conn:
            conn.execute(
                "insert into incidents (automation, remedy, reason, evidence, actor) values (%s, 'pause', 'r', '{}', 'a')",
                (of.name,),
            )
            raise RuntimeError
        send(database, of)
    assert heard.taken == []


def test_a_transaction_that_ends_late_is_not_passed_by(database: Database) -> None:
    with receiver() as heard:
        of = told_to(all=hook(heard))
        send(database, of)
        with psycopg.connect(database.url) as slow:
            slow.execute(_PLANT, ("slow",))
            plant(database, "tickets/helpdesk/quick")
            send(database, of)
            assert heard.taken == [], "what began before it may still come"
        send(database, of)
    assert heard.ids() == ["decision.recorded/slow", "decision.recorded/f1"]


def test_events_of_one_subject_wait_for_the_one_that_was_not_taken_and_others_go_on(database: Database) -> None:
    answers = {"decision.recorded/f1": 500}
    with receiver(lambda event: answers.get(event["id"], 204)) as heard:
        of = told_to(all=hook(heard))
        send(database, of)
        plant(database, "tickets/a", "tickets/b", "tickets/a", "tickets/b")
        told = send(database, of)["webhook:all"]
        assert heard.ids() == ["decision.recorded/f2", "decision.recorded/f4"]
        assert (told.taken, told.retried) == (2, 1)
        plant(database, "tickets/a")
        send(database, of)
        assert heard.ids() == ["decision.recorded/f2", "decision.recorded/f4"], "not before its pause is over"
        answers.clear()
        send(database, of, minutes=5)
    assert heard.ids()[2:] == ["decision.recorded/f1", "decision.recorded/f3", "decision.recorded/f5"]


def test_an_event_that_is_refused_is_dead_at_once_and_comes_again_when_asked(database: Database) -> None:
    answers = {"decision.recorded/f1": 422}
    with receiver(lambda event: answers.get(event["id"], 204)) as heard:
        of = told_to(all=hook(heard))
        store = EventStore(database)
        send(database, of)
        plant(database, "tickets/a", "tickets/a")
        assert send(database, of)["webhook:all"].dead == 1
        assert heard.ids() == ["decision.recorded/f2"], "what nobody will ever take holds up nothing"
        (dead,) = store.dead(of.name)
        assert (dead["fact"], dead["last_error"]) == ("f1", "the receiver answered 422")
        answers.clear()
        assert store.replay(of.name, ids=[dead["event_id"]], now=NOW) == 1
        send(database, of)
        assert heard.ids() == ["decision.recorded/f2", "decision.recorded/f1"]
        assert store.dead(of.name) == []


def test_what_is_not_taken_as_often_as_declared_is_given_up(database: Database) -> None:
    with receiver(lambda _: (429, {"Retry-After": "60"})) as heard:
        of = told_to(all=hook(heard, max_attempts=3))
        send(database, of)
        plant(database, "tickets/a")
        for minutes in (0, 0.5, 1.5, 3, 9):
            send(database, of, minutes=minutes)
    assert len(heard.posted) == 3, "not before the time that the receiver named, and three times in all"
    (status,) = EventStore(database).status(of.name, of.events)
    assert (status.dead, status.pending, status.waiting) == (1, 0, 0)


def test_a_dead_receiver_is_left_alone_with_its_events_and_delays_no_other(database: Database) -> None:
    with receiver() as well, receiver(lambda _: 1.0) as silent:
        of = told_to(silent=hook(silent, timeout_seconds=0.1), well=hook(well))
        send(database, of)
        plant(database, *(f"tickets/{n}" for n in range(12)))
        send(database, of)
        assert len(well.taken) == 12
        assert silent.taken == []
        assert len(silent.posted) == 5, "then its breaker is open"
        by_sink = {status.sink: status for status in EventStore(database).status(of.name, of.events)}
        assert by_sink["webhook:silent"].waiting + by_sink["webhook:silent"].pending == 12
        assert "left alone" in (by_sink["webhook:silent"].last_error or "")
        silent.answer = lambda _: 204
        with database.connection() as conn:
            conn.execute("update breakers set until = %s", (clock.now(),))  # its pause is over
        send(database, of, minutes=5)
    assert sorted(silent.ids()) == sorted(well.ids())


class DiesAfter:
    """A receiver whose process dies once it has sent so many, before it can note the last one."""

    def __init__(self, inner: Receiver, sends: int) -> None:
        self._inner, self._left = inner, sends

    def send(self, events: Sequence[CloudEvent]) -> list[Outcome]:
        self._left -= 1
        outcomes = self._inner.send(events)
        if self._left == 0:
            raise KeyboardInterrupt
        return outcomes

    def close(self) -> None:
        self._inner.close()


def test_who_dies_between_sending_and_noting_sends_it_again_under_the_same_id(database: Database) -> None:
    with receiver() as heard:
        of = told_to(all=hook(heard))
        send(database, of)
        plant(database, *(f"tickets/{n}" for n in range(5)))
        opened = opener(database)
        with pytest.raises(KeyboardInterrupt):
            send_all(of, database, console=CONSOLE, now=NOW, open_receiver=lambda sink: DiesAfter(opened(sink), 3))
        send(database, of)
    facts = [event["id"].rsplit("/", 1)[1] for event in heard.taken]
    assert facts == ["f1", "f2", "f3", "f3", "f4", "f5"]


def test_two_senders_share_the_work_and_double_nothing(database: Database) -> None:
    with receiver() as heard:
        of = told_to(all=hook(heard))
        send(database, of)
        plant(database, *(f"tickets/{n}" for n in range(30)))
        with ThreadPoolExecutor(4) as threads:
            list(threads.map(lambda _: send(database, of), range(4)))
    assert heard.ids() == [f"decision.recorded/f{n + 1}" for n in range(30)]


def test_a_receiver_gets_its_types_alone_and_only_what_happens_from_its_beginning_on(database: Database) -> None:
    with receiver() as first, receiver() as second:
        of = told_to(first=hook(first, types=["incident.opened"]))
        send(database, of)
        plant(database, "tickets/a", type_="decision.recorded")
        plant(database, "incidents/1", type_="incident.opened")
        send(database, of)
        assert [event["type"] for event in first.taken] == ["aios.incident.opened"]
        of = told_to(first=hook(first, types=["incident.opened"]), second=hook(second))
        send(database, of)
        plant(database, "tickets/b")
        send(database, of)
    assert [event["subject"] for event in second.taken] == ["tickets/b"]


def test_what_everybody_has_is_deleted_after_its_time_and_nothing_else(database: Database) -> None:
    with receiver(lambda event: 422 if event["subject"] == "tickets/bad" else 204) as heard:
        of = told_to(all=hook(heard))
        send(database, of)
        plant(database, "tickets/a", "tickets/bad")
        send(database, of)
        store = EventStore(database)
        assert store.purge(of.name, of.events, now=NOW + timedelta(days=6)) == 0
        plant(database, "tickets/unsent")
        assert store.purge(of.name, of.events, now=NOW + timedelta(days=8)) == 1
    assert {row["subject"] for row in store.newest(of.name)} == {"tickets/bad", "tickets/unsent"}


def test_a_variable_that_is_not_set_is_said_and_nothing_is_lost(
    database: Database, monkeypatch: pytest.MonkeyPatch
) -> None:
    with receiver() as heard:
        of = told_to(all=hook(heard))
        send(database, of)
        plant(database, "tickets/a")
        monkeypatch.delenv("HOOK_SECRET")
        assert "HOOK_SECRET" in (send(database, of)["webhook:all"].error or "")
        monkeypatch.setenv("HOOK_SECRET", SECRET)
        send(database, of)
    assert len(heard.taken) == 1


def test_events_reach_a_topic_in_order_of_their_subject_confirmed_before_they_are_noted(database: Database) -> None:
    with kafka_cluster() as brokers:
        of = automation(events={"kafka": {"log": {"brokers": brokers, "topic": "aios.events", "timeout_seconds": 10}}})
        send(database, of)
        plant(database, *(f"tickets/{n % 7}" for n in range(40)))
        assert send(database, of)["kafka:log"].taken == 40
        plant(database, "tickets/0")
        opened = opener(database)
        with pytest.raises(KeyboardInterrupt):
            send_all(of, database, console=CONSOLE, now=NOW, open_receiver=lambda sink: DiesAfter(opened(sink), 1))
        send(database, of)
        messages = consumed(brokers, "aios.events", at_least=42)
    assert len(messages) == 42, "the one whose sender died comes twice"
    ids = [dict(message.headers())["ce_id"].decode() for message in messages]
    assert len(set(ids)) == 41, "and is known by its id"
    by_subject: dict[bytes, list[int]] = {}
    for message, own in zip(messages, ids, strict=True):
        by_subject.setdefault(message.key(), []).append(int(own.rsplit("/f", 1)[1]))
    assert all(numbers == sorted(numbers) for numbers in by_subject.values())
    assert {dict(m.headers())["ce_type"] for m in messages} == {b"aios.decision.recorded"}


def test_brokers_that_are_gone_keep_everything_waiting(database: Database) -> None:
    of = automation(events={"kafka": {"log": {"brokers": "127.0.0.1:1", "topic": "t", "timeout_seconds": 0.5}}})
    send(database, of)
    plant(database, "tickets/a")
    told = send(database, of)["kafka:log"]
    assert (told.taken, told.dead) == (0, 0)
    assert told.error
    (status,) = EventStore(database).status(of.name, of.events)
    assert (status.waiting, status.sent) == (1, 0)


def test_an_event_that_is_too_large_for_the_topic_is_dead_and_the_others_arrive() -> None:
    with kafka_cluster(1) as brokers:
        declared = Events.model_validate(
            {"kafka": {"log": {"brokers": brokers, "topic": "t", "settings": {"message.max.bytes": "2000"}}}}
        )
        sink = TopicReceiver(declared.kafka["log"])
        outcomes = sink.send([_event("small"), _event("x" * 5_000), _event("small too")])
        sink.close()
    assert [outcome.status for outcome in outcomes] == ["taken", "refused", "taken"]


def _event(text: str) -> CloudEvent:
    return CloudEvent(id="i", source="/s", type="t", subject="k", time=NOW, dataschema="u:s", data={"text": text})


_PLANT = """
insert into aios.events (automation, type, fact, subject, at, data)
values ('escalations', 'decision.recorded', %s, 'tickets/helpdesk/slow', now(), '{}')
"""

_VERSION = """
insert into model_versions (name, version, automation, kind, files, content_hash, snapshot_id, classes, metrics, card)
values ('triage', 1, 'escalations', 'linear', '{}', 'h', 's', '{a}', '{}', '{}')
"""

_MOVED = (
    "insert into alias_moves (name, alias, version, actor, reason) values ('triage', 'champion', 1, 'lea', 'better')"
)
