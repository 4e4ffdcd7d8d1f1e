"""Messages on their way, through Apprise to a real HTTP server that is well, busy, broken or silent."""

import subprocess
import sys
import textwrap
import time
from datetime import timedelta

import pytest

from aios_core.automation import AlertChannel
from resources.alert_deliveries import DeliveryStore
from resources.channels import Outcome, send
from tests.resources.alerting import fail_job, look_at, mend_jobs, receiver, watched
from tests.review_world import NOW

OF = watched(max_attempts=3)
MINUTE = timedelta(minutes=1)


@pytest.fixture
def hook(monkeypatch):
    with receiver() as made:
        monkeypatch.setenv("AIOS_TEST_CHAT", made.url())
        yield made


@pytest.fixture
def due(database):
    """One message that is to be sent."""
    fail_job(database, "monitor", at=NOW)
    assert look_at(database, OF, at=NOW).messages == 1


def the_message(database):
    (found,) = DeliveryStore(database).newest()
    return found


def deliver(database, *, at=NOW):
    return DeliveryStore(database).deliver(automation=OF, now=at)


def test_a_message_arrives_once_with_all_that_people_need(database, hook, due):
    assert deliver(database).sent == 1
    assert deliver(database).sent == 0
    (got,) = hook.got
    assert got["title"] == "[critical] escalations: monitor_failed (monitor) firing"
    assert got["type"] == "failure"
    assert "Do: Read the run's error" in got["message"]
    assert the_message(database).sent_at == NOW


def test_its_end_arrives_as_good_news(database, hook, due):
    deliver(database)
    mend_jobs(database, at=NOW + MINUTE)
    look_at(database, OF, at=NOW + MINUTE)
    deliver(database, at=NOW + MINUTE)
    assert [g["type"] for g in hook.got] == ["failure", "success"]


def test_its_end_never_arrives_before_its_beginning(database, hook, due):
    hook.answers = [500, 200]
    deliver(database)
    mend_jobs(database, at=NOW)
    look_at(database, OF, at=NOW)
    assert deliver(database).sent == 0
    assert deliver(database, at=NOW + MINUTE).sent == 2
    assert [g["type"] for g in hook.got] == ["failure", "failure", "success"]


@pytest.mark.parametrize("status", [429, 500, 503])
def test_a_busy_or_broken_service_is_tried_again_after_a_pause_and_shown_meanwhile(database, hook, due, status):
    hook.answers = [status, 200]
    assert deliver(database).retried == 1
    waiting = the_message(database)
    assert (waiting.state, waiting.attempts) == ("pending", 1)
    assert str(status) in waiting.last_error
    assert deliver(database).retried == 0  # its pause is not over
    assert deliver(database, at=waiting.next_attempt_at).sent == 1
    assert len(hook.got) == 2


def test_a_service_that_does_not_answer_in_time_is_tried_again(database, hook, due, monkeypatch):
    monkeypatch.setenv("AIOS_TEST_CHAT", hook.url(read_seconds=0.3))
    hook.hang = 1.0
    began = time.monotonic()
    assert deliver(database).retried == 1
    assert time.monotonic() - began < 5
    assert "onnection" in the_message(database).last_error


def test_it_is_given_up_after_the_declared_tries_and_that_is_an_alert_itself(database, hook, due):
    hook.answers = [500]
    for _ in range(3):
        deliver(database, at=the_message(database).next_attempt_at)
    assert (the_message(database).state, the_message(database).attempts) == ("dead", 3)
    assert len(look_at(database, OF, at=NOW + 5 * MINUTE).fired) == 1


def test_one_channel_that_fails_holds_up_no_other(database, hook, monkeypatch):
    of = watched(channels={"broken": "${AIOS_TEST_BROKEN}", "chat": "${AIOS_TEST_CHAT}"})
    monkeypatch.setenv("AIOS_TEST_BROKEN", "json://127.0.0.1:9/x?cto=0.5")
    fail_job(database, "monitor", at=NOW)
    look_at(database, of, at=NOW)
    found = DeliveryStore(database).deliver(automation=of, now=NOW)
    assert (found.sent, found.retried) == (1, 1)


def test_without_an_address_it_goes_nowhere_and_says_which_variable_is_missing(database, due):
    assert deliver(database).nowhere == 1
    assert "AIOS_TEST_CHAT is not set" in the_message(database).last_error


def test_a_variable_that_holds_no_address_is_a_dead_end(database, due, monkeypatch):
    monkeypatch.setenv("AIOS_TEST_CHAT", "not-an-address-but-s3cr3t")
    assert deliver(database).dead == 1
    assert "AIOS_TEST_CHAT" in the_message(database).last_error
    assert "s3cr3t" not in the_message(database).last_error


def test_an_error_never_shows_the_address():
    with receiver() as hook:
        hook.answers = [500]
        found = send(
            AlertChannel(url="${X}"), title="t", body="b", severity="info", over=False, environ={"X": hook.url()}
        )
    assert found.status == "retry"
    assert not any(secret in found.error for secret in ("pa55word", "s3cr3t"))


def test_a_sender_that_dies_after_sending_sends_the_same_message_again(database, hook, due):
    killed = textwrap.dedent(
        """
        import os, sys
        from datetime import datetime
        from resources import channels
        from resources.alert_deliveries import DeliveryStore
        from resources.database import Database
        from tests.resources.alerting import watched

        def send_and_die(channel, **message):
            assert channels.send(channel, **message).status == "sent"
            os.kill(os.getpid(), 9)

        store = DeliveryStore(Database(sys.argv[1]), sender=send_and_die)
        store.deliver(automation=watched(max_attempts=3), now=datetime.fromisoformat(sys.argv[2]))
        """
    )
    done = subprocess.run([sys.executable, "-c", killed, database.url, NOW.isoformat()], timeout=60, check=False)
    assert done.returncode == -9
    assert the_message(database).state == "pending"
    assert deliver(database).sent == 1
    first, second = hook.got
    assert first["message"] == second["message"]  # its last line is the same key


def test_what_does_not_fit_into_the_time_waits_for_the_next_look(database):
    for job in ("monitor", "assess", "repair"):
        fail_job(database, job, at=NOW)
    of = watched(channels={"a": "${A}", "b": "${B}", "c": "${C}"})
    look_at(database, of, at=NOW)
    ticks = iter(range(0, 1_000, 10))
    store = DeliveryStore(database, sender=lambda channel, **message: Outcome(status="sent"))
    assert store.deliver(automation=of, now=NOW, seconds=20, timer=lambda: next(ticks)).sent == 1
    assert store.deliver(automation=of, now=NOW).sent == 2
