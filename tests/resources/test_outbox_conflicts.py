"""What delivery tells a connector of a ticket's past, how often it lets a ticket be changed, and who is left alone."""

from collections.abc import Sequence
from datetime import timedelta
from typing import Any

from aios_core.automation import Automation
from aios_core.decisions.actions import OutboxAction
from aios_core.decisions.conflicts import Seen
from resources.connectors.base import WriteResult
from resources.database import Database
from resources.decisions import DecisionStore
from resources.outbox import Delivered, Outbox, enqueue
from tests.resources.deciding import NOW, POLICY, FakeHelpdesk, automation, decisions, ticket

SURE = [[0.95, 0.03, 0.02]]
CARE = automation(actions={"source": "helpdesk", "priorities": {"billing": "high"}})


class Watched(FakeHelpdesk):
    """Remembers the actions as they came."""

    def __init__(self, answers: dict[str, str] | None = None) -> None:
        super().__init__(answers)
        self.given: list[OutboxAction] = []

    def write(self, actions: Sequence[OutboxAction]) -> list[WriteResult]:
        self.given += actions
        return super().write(actions)


def deliver(
    database: Database, connector: Any, *, declared: Automation = CARE, minutes: float = 0, **more: Any
) -> Delivered:
    now = NOW + timedelta(minutes=minutes)
    return Outbox(database).deliver(automation=declared, target="helpdesk", connector=connector, now=now, **more)


def decided(database: Database, *numbers: int, declared: Automation = CARE) -> None:
    """Tickets as they are known, and an assignment of each to `billing`."""
    with database.connection() as conn:
        for number in numbers:
            conn.execute(
                "insert into tickets (automation, source, ticket_id, version, correlation_id, event_time, known_at, created_at, subject,"
                " body, status, priority, queue, content_hash, landing_id)"
                " values ('care', 'helpdesk', %s, 'v1', 'c', %s, %s, %s, 's', 'b', 'open', 'low', 'outage', 'h1', 1)",
                (str(number), NOW, NOW, NOW),
            )
    made = decisions([ticket(n) for n in numbers], declared, probabilities=SURE)
    DecisionStore(database).record(made, automation=declared, policy_text=POLICY, now=NOW)


def note(number: int, key: str) -> OutboxAction:
    return OutboxAction(
        target="helpdesk", kind="note", external_id=str(number), payload={"queue": "q"}, idempotency_key=key
    )


def test_a_connector_is_told_how_the_ticket_was_when_it_was_decided_on(database: Database) -> None:
    decided(database, 1)
    helpdesk = Watched()
    deliver(database, helpdesk, console="https://console")
    (first,) = helpdesk.given
    assert first.seen == Seen(content_hash="h1", queue="outage", priority="low")
    assert first.payload["link"] == f"https://console/decisions/{first.decision_id}"


def test_what_we_have_done_ourselves_is_told_beside_it(database: Database) -> None:
    decided(database, 1)
    deliver(database, FakeHelpdesk())
    (sent,) = _rows(database, "select decision_id from outbox")
    with database.connection() as conn:
        again = OutboxAction(
            target="helpdesk",
            kind="note",
            external_id="1",
            payload={"queue": "q"},
            idempotency_key="later",
            decision_id=sent[0],
        )
        enqueue(conn, CARE, [again], now=NOW)
    helpdesk = Watched()
    deliver(database, helpdesk)
    seen = helpdesk.given[0].seen
    assert seen is not None
    assert (seen.queue, seen.ours, seen.our_priorities) == ("outage", frozenset({"billing"}), frozenset({"high"}))


def test_a_declaration_without_links_sends_none(database: Database) -> None:
    silent = automation(actions={"source": "helpdesk", "link": False})
    decided(database, 1, declared=silent)
    helpdesk = Watched()
    deliver(database, helpdesk, declared=silent, console="https://console")
    assert "link" not in helpdesk.given[0].payload


def test_who_is_left_alone_uses_up_no_attempt_and_comes_back(database: Database) -> None:
    decided(database, 1)
    for minute in range(12):  # more often than there are attempts
        assert deliver(database, FakeHelpdesk({"1": "later"}), minutes=minute) == Delivered(retried=1)
    assert _rows(database, "select state, attempts from outbox") == [("pending", 0)]
    assert deliver(database, FakeHelpdesk(), minutes=13) == Delivered(sent=1)


def test_one_ticket_is_changed_no_more_often_than_its_vendor_allows(database: Database) -> None:
    zendesk = {"connector": "zendesk", "url": "u", "email": "e", "token": "t"}
    declared = automation(sources={"helpdesk": zendesk})
    assert declared.sources["helpdesk"].actions_a_ticket == (15, 600.0)
    with database.connection() as conn:
        enqueue(conn, declared, [note(1, f"k{n}") for n in range(17)] + [note(2, "other")], now=NOW)
    assert deliver(database, FakeHelpdesk(), declared=declared) == Delivered(sent=16)
    assert deliver(database, FakeHelpdesk(), declared=declared, minutes=9) == Delivered()
    assert deliver(database, FakeHelpdesk(), declared=declared, minutes=11) == Delivered(sent=2)


def _rows(database: Database, query: str) -> list[Any]:
    with database.connection() as conn:
        return conn.execute(query).fetchall()
