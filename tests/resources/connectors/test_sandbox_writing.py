"""Writing to every helpdesk, against the sandbox over real HTTP: each action once, whatever the vendor's day is like."""

import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from dataclasses import replace
from typing import Any

import pytest

from aios_core.automation import Automation
from aios_core.canonical.entities import Ticket
from aios_core.canonical.mapper import content_hash, map_record
from aios_core.decisions.actions import OutboxAction
from aios_core.decisions.conflicts import Seen
from resources.connectors.base import Connector, Record
from resources.connectors.factory import shared
from resources.connectors.failures import SourceDenied
from resources.database import Database
from resources.outbox import Delivered, Outbox, enqueue
from tests.conftest import PROJECT
from tests.resources.connectors.desks import DESKS, REPLY, REPLYING, World, assignment, reply, sandbox_world
from tests.resources.connectors.fakes import action
from tests.resources.connectors.test_sandbox_vendors import GROUPS, QUEUES
from tests.resources.deciding import NOW


@pytest.fixture(scope="module")
def world() -> Iterator[World]:
    with sandbox_world() as found:
        yield found


@pytest.fixture(autouse=True)
def _calm(world: World) -> Iterator[None]:
    yield
    world.control("faults", {})


@pytest.mark.parametrize("name", DESKS)
def test_every_part_of_an_assignment_arrives_once(world: World, name: str) -> None:
    ticket_id = next(world.fresh)
    tags = set(world.ticket(ticket_id)["tags"])
    sent = replace(assignment(name, ticket_id), payload=assignment(name, ticket_id).payload | {"link": "https://c/d1"})
    assert [r.status for _ in range(2) for r in world.write(name, sent)] == ["sent", "sent"]
    found = world.ticket(ticket_id)
    assert found["group_id"] == next(int(group) for group, queue in GROUPS.items() if queue == "fraud")
    assert found["assignee_id"] == 300003
    assert set(found["tags"]) == tags | {"aios"}
    if "priority" not in DESKS[name].lacks:
        assert found["priority"] == "urgent"
    [(public, note)] = world.comments(ticket_id)
    assert not public
    assert note.startswith("AIOS chose fraud: it is sure.\n\nhttps://c/d1")
    assert world.control("doubles")["double_actions"] == 0


@pytest.mark.parametrize("name", REPLYING)
def test_a_public_reply_reaches_the_customer_once_and_its_note_does_not(world: World, name: str) -> None:
    ticket_id = next(world.fresh)
    drafted = action(DESKS[name].own_id(ticket_id), f"d2:{ticket_id}", kind="draft", comment=f"Draft:\n\n{REPLY}")
    assert [r.status for r in world.write(name, drafted)] == ["sent"]
    assert [public for public, _ in world.comments(ticket_id)] == [False]
    for _ in range(2):
        assert [r.status for r in world.write(name, reply(name, ticket_id))] == ["sent"]
    said = world.comments(ticket_id)
    assert [text for public, text in said if public] == [REPLY], "as it was written, whatever markup it passed through"
    assert sorted(public for public, _ in said) == [False, False, True]
    assert world.ticket(ticket_id)["group_id"] is None


def test_what_a_vendor_can_not_do_is_said_and_not_half_done(world: World) -> None:
    ticket_id = next(world.fresh)
    (refused,) = world.write("hubspot", reply("hubspot", ticket_id))
    assert (refused.status, "reply can't be written" in refused.message) == ("failed", True)
    (refused,) = world.write("intercom", assignment("intercom", ticket_id, priority="urgent"))
    assert (refused.status, "priority can't be written" in refused.message) == ("failed", True)
    (refused,) = world.write("jira", assignment("jira", ticket_id, queue="unheard_of"))
    assert "mapping.queue.values" in refused.message
    assert world.comments(ticket_id) == []


# each hits the one request that can't be repeated blindly: the note; the last three after it took effect
FAULTS = ("429", "5xx", "timeout", "lost_response", "truncated", "hung")
NOTES = {
    "zendesk": "PUT update_many",
    "freshdesk": "POST /notes",
    "servicenow": "PATCH incident/",
    "jira": "POST /comment",
    "hubspot": "POST objects/notes",
    "intercom": "POST /reply",
}


@pytest.mark.parametrize("name", DESKS)
def test_faults_before_and_after_a_write_took_effect_lose_and_double_nothing(world: World, name: str) -> None:
    for fault in FAULTS:
        ids = [next(world.fresh) for _ in range(2)]
        world.control("faults", {"next": [fault], "only": NOTES[name], "retry_after": 0.05, "timeout_ms": 50})
        hit = world.control("state")["faults"]["injected"].get(fault, 0)
        results = world.until_done(name, *(assignment(name, i) for i in ids))
        assert world.control("state")["faults"]["injected"][fault] == hit + 1, "the fault was met"
        assert [r.status for r in results] == ["sent"] * 2, fault
        assert [len(world.comments(i)) for i in ids] == [1, 1], fault
    assert world.control("doubles")["double_actions"] == 0


@pytest.mark.parametrize("name", DESKS)
def test_a_bad_day_loses_and_doubles_nothing(world: World, name: str) -> None:
    ids = [next(world.fresh) for _ in range(4)]
    rates = {"429": 0.1, "5xx": 0.1, "lost_response": 0.1, "truncated": 0.1, "malformed": 0.1}
    world.control("faults", {"rates": rates, "retry_after": 0.01})
    results = world.until_done(name, *(assignment(name, i) for i in ids), tries=30)
    world.control("faults", {})
    assert {r.status for r in results} == {"sent"}
    assert [len(world.comments(i)) for i in ids] == [1] * 4
    assert {world.ticket(i)["group_id"] for i in ids} == {4007}
    assert world.control("doubles")["double_actions"] == 0


class Died(BaseException):
    """Nobody catches it, as nobody catches a kill."""


def dying(connector: Connector, *, after: int, answered: bool) -> None:
    """The process ends at this request: before it is sent, or once it is answered."""
    http, made = connector._http, 0  # type: ignore[attr-defined]  # every client of a vendor has one
    exchange = http.exchange

    def counted(*args: Any, **kwargs: Any) -> Any:
        nonlocal made
        made += 1
        if made > after and not answered:
            raise Died
        found = exchange(*args, **kwargs)
        if made > after:
            raise Died
        return found

    http.exchange = counted


def until_death_does_not_come(world: World, name: str, make: Callable[[str, int], OutboxAction]) -> Iterator[int]:
    """A ticket for each request of an action, after writers died just before and just after that request and one lived."""
    for after in range(30):
        ticket_id, died = next(world.fresh), False
        for answered in (True, False):
            connector = world.open(name)
            dying(connector, after=after, answered=answered)
            try:
                connector.write([make(name, ticket_id)])
            except Died:
                died = True
            finally:
                connector.close()
        assert [r.status for r in world.write(name, make(name, ticket_id))] == ["sent"]
        yield ticket_id
        if not died:
            assert after >= 2, "it died while it read and while it wrote"
            return


@pytest.mark.parametrize("name", DESKS)
def test_a_writer_that_dies_at_any_request_leaves_nothing_half_done_or_doubled(world: World, name: str) -> None:
    for ticket_id in until_death_does_not_come(world, name, assignment):
        found = world.ticket(ticket_id)
        assert (found["group_id"], found["assignee_id"], "aios" in found["tags"]) == (4007, 300003, True)
        assert len(world.comments(ticket_id)) == 1
    assert world.control("doubles")["double_actions"] == 0


@pytest.mark.parametrize("name", REPLYING)
def test_a_writer_that_dies_at_any_request_answers_a_customer_once(world: World, name: str) -> None:
    for ticket_id in until_death_does_not_come(world, name, reply):
        assert sorted(public for public, _ in world.comments(ticket_id)) == [False, True]
    assert world.control("doubles")["double_actions"] == 0


KILLED = """
import os, sys, threading
from tests.resources.connectors.test_sandbox_writing import DESKS, World, deliver
from resources.database import Database

url, database_url = sys.argv[1:]
world, database = World(url), Database(database_url)

class Sending:
    def __init__(self, connector):
        self.connector = connector

    def write(self, actions):
        results = self.connector.write(actions)
        os.write(1, b"." if {r.status for r in results} == {"sent"} else b"!")
        threading.Event().wait()  # until it is killed, between sending and marking
        return results

for name in DESKS:
    threading.Thread(target=deliver, args=(database, world, name, Sending(world.open(name)))).start()
"""


def deliver(database: Database, world: World, name: str, connector: Any) -> Delivered:
    return Outbox(database).deliver(
        automation=world.automation(name), target="helpdesk", connector=connector, now=NOW, console="https://console"
    )


def test_a_process_killed_between_sending_and_marking_doubles_nothing_anywhere(
    world: World, database: Database, database_url: str
) -> None:
    ids = {name: [next(world.fresh) for _ in range(3)] for name in DESKS}
    with database.connection() as conn:
        for name, own in ids.items():
            enqueue(conn, world.automation(name), [assignment(name, i, f"{name}:killed") for i in own], now=NOW)
    child = subprocess.Popen(
        [sys.executable, "-c", KILLED, world.url, database_url], stdout=subprocess.PIPE, cwd=PROJECT
    )
    assert child.stdout is not None
    try:
        assert child.stdout.read(len(DESKS)) == b"." * len(DESKS), "everything was sent, and nothing is marked"
    finally:
        child.kill()
        child.wait(10)
        child.stdout.close()
    assert [len(world.comments(i)) for own in ids.values() for i in own] == [1] * 3 * len(DESKS)
    for name in DESKS:
        connector = world.open(name)
        assert _until_sent(database, world, name, connector) == 3
        connector.close()
    assert [len(world.comments(i)) for own in ids.values() for i in own] == [1] * 3 * len(DESKS)
    assert world.control("doubles")["double_actions"] == 0


def _until_sent(database: Database, world: World, name: str, connector: Connector) -> int:
    """The server notices a killed client within moments; until then its rows are locked."""
    for _ in range(100):
        if sent := deliver(database, world, name, connector).sent:
            return sent
        time.sleep(0.05)
    return 0


@pytest.mark.parametrize("name", DESKS)
def test_several_actions_on_one_ticket_arrive_in_their_order(world: World, name: str) -> None:
    ticket_id = next(world.fresh)
    steps = [assignment(name, ticket_id, f"k{n}", comment=f"step {n}", queue=q) for n, q in enumerate(QUEUES[:3])]
    assert [r.status for r in world.write(name, *steps)] == ["sent"] * 3
    assert [note.split("\n")[0] for _, note in world.comments(ticket_id)] == ["step 0", "step 1", "step 2"]
    assert world.ticket(ticket_id)["group_id"] == 4003


def seen(world: World, name: str, ticket_id: int) -> Seen:
    """The ticket as a read brings it, and as a decision would be made on it."""
    own_id, connector = DESKS[name].own_id(ticket_id), world.open(name)
    try:
        records = [r for page in connector.read(object="tickets", cursor=None) for r in page.records]
    finally:
        connector.close()
    (record,) = {r.external_id: r for r in records if r.external_id == own_id}.values()
    ticket = _mapped(world.automation(name), record)
    return Seen(content_hash=content_hash(ticket), queue=ticket.queue, priority=ticket.priority)


def _mapped(automation: Automation, record: Record) -> Ticket:
    entity = map_record(
        automation.sources["helpdesk"],
        source_name="helpdesk",
        object="tickets",
        payload=record.payload,
        correlation_id="c",
        landed_at=NOW,
        external_id=record.external_id,
        version=record.version,
    )
    assert isinstance(entity, Ticket)
    return entity


@pytest.mark.parametrize("name", DESKS)
def test_a_ticket_that_changed_since_the_decision_is_not_written_over(world: World, name: str) -> None:
    moved, same, solved, deleted = (next(world.fresh) for _ in range(4))
    decided = {i: replace(assignment(name, i), seen=seen(world, name, i)) for i in (moved, same, solved)}
    world.zendesk("PUT", f"/tickets/{moved}.json", ticket={"group_id": 4002})
    world.zendesk("PUT", f"/tickets/{solved}.json", ticket={"status": "solved"})
    world.control("faults", {"delete": [deleted]})
    results = world.write(name, *decided.values(), assignment(name, deleted))
    assert [r.status for r in results] == ["conflict", "sent", "conflict", "gone"]
    assert "somebody moved the ticket to outage" in results[0].message
    assert "before this action came" in results[2].message
    assert world.ticket(moved)["group_id"] == 4002
    assert (world.comments(moved), len(world.comments(same))) == ([], 1)
    was = decided[moved].seen
    assert was is not None
    ours = replace(decided[moved], seen=replace(was, ours=frozenset({"outage"})))
    assert [r.status for r in world.write(name, ours)] == ["sent"], "what we have moved ourselves is no conflict"


@pytest.mark.parametrize("name", DESKS)
def test_who_is_not_let_in_has_written_nothing_and_it_is_nobodys_failed_action(world: World, name: str) -> None:
    ticket_id, connector = next(world.fresh), world.open(name, token="wrong")
    with pytest.raises(SourceDenied):
        connector.write([assignment(name, ticket_id)])
    connector.close()
    assert world.comments(ticket_id) == []


def test_a_session_that_ran_out_is_renewed_on_the_way(world: World, monkeypatch: pytest.MonkeyPatch) -> None:
    declared = {k: v for k, v in DESKS["servicenow"].declared.items() if k not in ("username", "password")}
    by_oauth = replace(DESKS["servicenow"], declared=declared | {"client_id": "aios", "client_secret": "${TOKEN}"})
    monkeypatch.setitem(DESKS, "servicenow", by_oauth)
    connector = world.open("servicenow")
    assert [r.status for r in connector.write([assignment("servicenow", next(world.fresh))])] == ["sent"]
    for only in ("GET incident/", "PATCH incident/"):
        ticket_id = next(world.fresh)
        world.control("faults", {"next": ["expired_token"], "only": only})
        assert [r.status for r in connector.write([assignment("servicenow", ticket_id)])] == ["sent"]
        assert world.control("state")["faults"]["pending"] == []
        assert len(world.comments(ticket_id)) == 1
    connector.close()


def test_a_helpdesk_that_is_down_is_left_alone_and_uses_up_no_attempts(world: World, database: Database) -> None:
    ids = [next(world.fresh) for _ in range(8)]
    actions = [assignment("freshdesk", i) for i in ids]
    world.control("faults", {"rates": {"5xx": 1.0}, "only": "/freshdesk"})
    connector = world.open("freshdesk", traffic=shared(database))
    statuses = [r.status for r in connector.write(actions)]
    asked = world.control("state")["faults"]["injected"]["5xx"]
    assert [r.status for r in connector.write(actions)] == ["later"] * 8, "its breaker is open"
    assert world.control("state")["faults"]["injected"]["5xx"] == asked, "it was not asked again"
    connector.close()
    assert set(statuses[1:]) == {"later"}, "only the first found out"
    assert [world.comments(i) for i in ids] == [[]] * 8
