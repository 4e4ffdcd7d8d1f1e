"""Delivery: exactly once in effect, through failures, conflicts and killed processes."""

import os
import signal
import subprocess
import sys
import threading
from collections.abc import Sequence
from datetime import datetime, timedelta
from functools import partial
from pathlib import Path
from typing import Any

import pytest

from aios_core.decisions.actions import OutboxAction
from aios_core.errors import PermanentError, RetryableError
from resources.connectors.base import WriteResult
from resources.database import Database
from resources.decisions import DecisionStore
from resources.ledger import Ledger
from resources.outbox import Delivered, DeliveryStopped, Outbox, Revived, enqueue
from tests.resources.deciding import NOW, POLICY, FakeHelpdesk, automation, decisions, ticket

CARE = automation(actions={"source": "helpdesk", "batch_size": 10, "max_attempts": 3})
SURE = [[0.95, 0.03, 0.02]]


def fill(database: Database, count: int) -> None:
    """`count` assignments, one a ticket."""
    made = decisions([ticket(i) for i in range(count)], CARE, probabilities=SURE)
    DecisionStore(database).record(made, automation=CARE, policy_text=POLICY, now=NOW)


def deliver(database: Database, connector: Any, *, now: datetime = NOW) -> Delivered:
    return Outbox(database).deliver(automation=CARE, target="helpdesk", connector=connector, now=now)


def states(database: Database) -> dict[str, int]:
    return Outbox(database).counts("care")


def column(database: Database, query: str) -> list[Any]:
    with database.connection() as conn:
        return [row[0] for row in conn.execute(query).fetchall()]


def test_everything_due_is_sent_once_in_batches(database: Database) -> None:
    fill(database, 25)
    helpdesk = FakeHelpdesk()
    assert deliver(database, helpdesk) == Delivered(sent=25)
    assert [len(call) for call in helpdesk.calls] == [10, 10, 5]
    assert len(helpdesk.effects) == 25
    assert deliver(database, helpdesk) == Delivered()
    assert states(database) == {"sent": 25}
    assert column(database, "select sum(items)::int from ledger where kind = 'actions'") == [25]
    assert Ledger(database).verify().ok


def test_a_ticket_that_can_not_be_written_stops_no_other(database: Database) -> None:
    fill(database, 6)
    helpdesk = FakeHelpdesk({"1": "gone", "2": "failed", "3": "retry", "4": "conflict"})
    assert deliver(database, helpdesk) == Delivered(sent=2, retried=1, dead=2, conflicts=1)
    assert states(database) == {"dead": 2, "pending": 1, "sent": 2, "superseded": 1}
    dead = {d["external_id"]: d["last_error"] for d in Outbox(database).dead("care")}
    assert dead == {"1": "gone by fake", "2": "failed by fake"}


def test_a_conflict_goes_to_a_person(database: Database) -> None:
    fill(database, 1)
    deliver(database, FakeHelpdesk({"0": "conflict"}))
    assert column(
        database, "select case_id = decision_id and queue = 'billing' and state = 'waiting' from review_cases"
    ) == [True]
    assert column(database, "select last_error from outbox") == ["conflict by fake"]


def test_what_failed_comes_back_after_a_growing_pause_and_then_is_dead(database: Database) -> None:
    fill(database, 1)
    helpdesk = FakeHelpdesk({"0": "retry"})
    assert deliver(database, helpdesk) == Delivered(retried=1)
    assert deliver(database, helpdesk, now=NOW + timedelta(seconds=5)) == Delivered()
    assert deliver(database, helpdesk, now=NOW + timedelta(seconds=31)) == Delivered(retried=1)
    assert deliver(database, helpdesk, now=NOW + timedelta(seconds=45)) == Delivered()
    assert deliver(database, helpdesk, now=NOW + timedelta(minutes=5)) == Delivered(dead=1)
    ids = column(database, "select action_id from outbox where state = 'dead'")
    revive = partial(Outbox(database).revive, "care", ids, actor="person:lea", now=NOW + timedelta(minutes=6))
    assert revive() == Revived(again=1)
    assert revive() == Revived()
    assert deliver(database, FakeHelpdesk(), now=NOW + timedelta(minutes=6)) == Delivered(sent=1)


def test_a_ticket_without_an_answer_is_tried_again(database: Database) -> None:
    class Silent(FakeHelpdesk):
        def write(self, actions: Sequence[OutboxAction]) -> list[WriteResult]:
            return super().write(actions)[1:]

    fill(database, 3)
    assert deliver(database, Silent()) == Delivered(sent=2, retried=1)
    assert deliver(database, FakeHelpdesk(), now=NOW + timedelta(minutes=1)) == Delivered(sent=1)


def test_a_helpdesk_that_is_down_stops_the_delivery_and_loses_nothing(database: Database) -> None:
    class Down(FakeHelpdesk):
        def write(self, actions: Sequence[OutboxAction]) -> list[WriteResult]:
            if self.calls:
                raise RetryableError("helpdesk is down")
            return super().write(actions)

    fill(database, 25)
    with pytest.raises(DeliveryStopped, match="helpdesk is down; what is due stays pending"):
        deliver(database, Down())
    assert states(database) == {"pending": 15, "sent": 10}
    assert deliver(database, FakeHelpdesk(), now=NOW + timedelta(minutes=1)) == Delivered(sent=15)


def test_wrong_credentials_use_up_no_attempt(database: Database) -> None:
    class Refused(FakeHelpdesk):
        def write(self, actions: Sequence[OutboxAction]) -> list[WriteResult]:
            raise PermanentError("401: token is wrong")

    fill(database, 3)
    with pytest.raises(PermanentError, match="token is wrong"):
        deliver(database, Refused())
    assert column(database, "select attempts from outbox") == [0, 0, 0]
    assert states(database) == {"pending": 3}


def test_an_answer_about_a_strange_ticket_marks_nothing(database: Database) -> None:
    class Confused(FakeHelpdesk):
        def write(self, actions: Sequence[OutboxAction]) -> list[WriteResult]:
            return [WriteResult(external_id="999", status="sent")]

    fill(database, 2)
    with pytest.raises(PermanentError, match="999"):
        deliver(database, Confused())
    assert states(database) == {"pending": 2}


def test_actions_on_one_ticket_arrive_in_their_order(database: Database) -> None:
    def note(number: int) -> OutboxAction:
        return OutboxAction(
            target="helpdesk",
            kind="note",
            external_id="7",
            payload={"queue": f"q{number}"},
            idempotency_key=f"k{number}",
        )

    with database.connection() as conn:
        assert enqueue(conn, CARE, [note(1), note(2), note(3)], now=NOW) == 3
        assert enqueue(conn, CARE, [note(3), note(4)], now=NOW) == 1
    waiting = FakeHelpdesk({"7": "retry"})
    assert deliver(database, waiting) == Delivered(retried=1)
    helpdesk = FakeHelpdesk()
    assert deliver(database, helpdesk) == Delivered()  # the first one still waits, so the others do too
    assert deliver(database, helpdesk, now=NOW + timedelta(minutes=1)) == Delivered(sent=4)
    assert list(helpdesk.effects) == ["k1", "k2", "k3", "k4"]


def test_two_deliveries_at_once_send_each_action_once(database: Database) -> None:
    class Slow(FakeHelpdesk):
        def write(self, actions: Sequence[OutboxAction]) -> list[WriteResult]:
            threading.Event().wait(0.02)
            return super().write(actions)

    fill(database, 60)
    helpdesks, results = [Slow() for _ in range(3)], []
    threads = [threading.Thread(target=lambda h=h: results.append(deliver(database, h))) for h in helpdesks]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    sent = [ticket_id for helpdesk in helpdesks for call in helpdesk.calls for ticket_id in call]
    assert sorted(sent) == sorted({str(i) for i in range(60)})
    assert sum(r.sent for r in results) == 60


def test_a_newer_decision_recorded_while_sending_in_vain_is_obeyed(database: Database) -> None:
    fill(database, 1)
    later = ticket(0)["known_at"] + timedelta(hours=1)
    newer = decisions([ticket(0, ticket_version="v2", known_at=later)], CARE, probabilities=[[0.02, 0.03, 0.95]])

    class Overtaken(FakeHelpdesk):
        def write(self, actions: Sequence[OutboxAction]) -> list[WriteResult]:
            if not self.calls:  # recording must not wait for the vendor either
                DecisionStore(database).record(
                    newer, automation=CARE, policy_text=POLICY, now=NOW + timedelta(seconds=1)
                )
            return super().write(actions)

    assert deliver(database, Overtaken({"0": "retry"})) == Delivered(retried=1)
    helpdesk = FakeHelpdesk()
    assert deliver(database, helpdesk, now=NOW + timedelta(minutes=2)) == Delivered(sent=1)
    assert list(helpdesk.effects.values()) == ["outage"]
    assert states(database) == {"sent": 1, "superseded": 1}


def test_a_dead_write_is_never_replayed_over_a_newer_decision(database: Database) -> None:
    fill(database, 2)
    assert deliver(database, FakeHelpdesk({"0": "failed", "1": "failed"})) == Delivered(dead=2)
    known_at = ticket(0)["known_at"] + timedelta(hours=1)
    newer = decisions([ticket(0, ticket_version="v2", known_at=known_at)], CARE, probabilities=[[0.02, 0.03, 0.95]])
    later = NOW + timedelta(seconds=1)
    DecisionStore(database).record(newer, automation=CARE, policy_text=POLICY, now=later)
    assert deliver(database, FakeHelpdesk(), now=later) == Delivered(sent=1)
    outbox = Outbox(database)
    done = outbox.revive("care", outbox.dead_ids("care"), actor="person:lea", now=later)
    assert done == Revived(again=1, outdated=1)
    helpdesk = FakeHelpdesk()
    assert deliver(database, helpdesk, now=later) == Delivered(sent=1)
    assert helpdesk.calls == [["1"]]
    assert states(database) == {"sent": 2, "superseded": 1}
    assert column(database, "select subject || ' ' || items from ledger where kind = 'replay'") == ["person:lea 2"]
    assert Ledger(database).verify().ok


def test_only_the_named_automation_s_dead_writes_are_revived(database: Database) -> None:
    fill(database, 1)
    deliver(database, FakeHelpdesk({"0": "failed"}))
    ids = Outbox(database).dead_ids("care")
    assert Outbox(database).revive("other", ids, actor="person:lea", now=NOW) == Revived()
    assert states(database) == {"dead": 1}
    assert column(database, "select count(*) from ledger where kind = 'replay'") == [0]


def test_a_conflict_with_a_ticket_that_was_decided_again_asks_nobody(database: Database) -> None:
    fill(database, 1)
    later = ticket(0)["known_at"] + timedelta(hours=1)
    newer = decisions([ticket(0, ticket_version="v2", known_at=later)], CARE, probabilities=SURE)

    class Moved(FakeHelpdesk):
        def write(self, actions: Sequence[OutboxAction]) -> list[WriteResult]:
            after = NOW + timedelta(seconds=1)
            DecisionStore(database).record(newer, automation=CARE, policy_text=POLICY, now=after)
            return super().write(actions)

    assert deliver(database, Moved({"0": "conflict"})) == Delivered(conflicts=1)
    assert column(database, "select count(*) from review_cases") == [0]


def test_recording_and_delivering_at_once_leave_only_the_last_text_in_effect(database: Database) -> None:
    """Tickets change all the time while they are sent, and some writes conflict, which opens and withdraws cases."""
    rounds, tickets, errors = 6, 12, []
    last = f"v{rounds - 1}"

    def change() -> None:
        for step in range(rounds):
            known_at = NOW + timedelta(minutes=step)
            rows = [ticket(i, ticket_version=f"v{step}", known_at=known_at) for i in range(tickets)]
            shares = [[0.02, 0.03, 0.95]] if step == rounds - 1 else [*SURE, [0.4, 0.35, 0.25]]
            made = decisions(rows, CARE, probabilities=shares)
            at = NOW + timedelta(seconds=step)
            DecisionStore(database).record(made, automation=CARE, policy_text=POLICY, now=at)

    def send(number: int) -> None:
        for step in range(rounds * 2):
            conflicts = {str(i): "conflict" for i in range(tickets) if (i + step + number) % 3 == 0}
            deliver(database, FakeHelpdesk(conflicts), now=NOW + timedelta(hours=1))

    def run(work: Any, *args: Any) -> None:
        try:
            work(*args)
        except Exception as error:
            errors.append(error)

    threads = [threading.Thread(target=run, args=(change,))]
    threads += [threading.Thread(target=run, args=(send, number)) for number in (1, 2)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(timeout=60)
    assert not any(thread.is_alive() for thread in threads)
    assert errors == []
    deliver(database, FakeHelpdesk(), now=NOW + timedelta(hours=2))
    assert "pending" not in states(database)
    of = "from {} join decisions d using (decision_id) where d.ticket_version {} '" + last + "'"
    assert column(database, "select count(distinct d.ticket_id) " + of.format("outbox", "=")) == [tickets]
    assert column(database, "select count(*) " + of.format("review_cases", "<>")) == [0]
    assert Ledger(database).verify().ok


def test_dry_run_and_other_targets_are_never_sent(database: Database) -> None:
    dry = automation(actions={"source": "helpdesk", "dry_run": True})
    made = decisions([ticket(0)], dry, probabilities=SURE)
    DecisionStore(database).record(made, automation=dry, policy_text=POLICY, now=NOW)
    with database.connection() as conn:
        other = OutboxAction(target="chat", kind="note", external_id="1", payload={}, idempotency_key="k")
        enqueue(conn, CARE, [other], now=NOW)
    helpdesk = FakeHelpdesk()
    assert Outbox(database).deliver(automation=dry, target="helpdesk", connector=helpdesk, now=NOW) == Delivered()
    assert helpdesk.calls == []


KILLED = """
import os, sys
from datetime import datetime, UTC
from pathlib import Path
from resources.connectors.base import WriteResult
from resources.database import Database
from resources.outbox import Outbox
from tests.resources.test_outbox import CARE, NOW

class File:
    def write(self, actions):
        with open(sys.argv[2], "a") as effects:
            for action in actions:
                effects.write(action.idempotency_key + chr(10))
        os.write(1, b"sent")
        sys.stdin.read()  # until it is killed, between sending and marking

Outbox(Database(sys.argv[1])).deliver(automation=CARE, target="helpdesk", connector=File(), now=NOW)
"""


def test_a_process_killed_between_sending_and_marking_has_no_second_effect(
    database: Database, database_url: str, tmp_path: Path
) -> None:
    fill(database, 5)
    effects = tmp_path / "effects"
    child = subprocess.Popen(
        [sys.executable, "-c", KILLED, database_url, str(effects)],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        cwd=Path(__file__).parents[2],
    )
    assert child.stdout is not None
    try:
        assert child.stdout.read(4) == b"sent"
        assert deliver(database, FakeHelpdesk()) == Delivered()  # locked: nobody else sends them meanwhile
    finally:
        os.kill(child.pid, signal.SIGKILL)
        child.wait(timeout=10)
        for stream in (child.stdin, child.stdout):
            if stream is not None:
                stream.close()
    assert len(effects.read_text().split()) == 5  # the effects are there, and nothing is marked
    assert states(database) == {"pending": 5}

    class Remembering(FakeHelpdesk):
        def write(self, actions: Sequence[OutboxAction]) -> list[WriteResult]:
            known = effects.read_text().split()
            new = [a for a in actions if a.idempotency_key not in known]
            with effects.open("a") as file:
                file.writelines(f"{a.idempotency_key}\n" for a in new)
            return [WriteResult(external_id=a.external_id, status="sent") for a in actions]

    assert _until_sent(database, Remembering()) == 5
    keys = effects.read_text().split()
    assert len(keys) == len(set(keys)) == 5
    assert states(database) == {"sent": 5}


def _until_sent(database: Database, connector: Any) -> int:
    """The server notices a killed client within moments; until then its rows are locked."""
    sent = 0
    for _ in range(100):
        sent += deliver(database, connector).sent
        if sent:
            break
        threading.Event().wait(0.05)
    return sent
