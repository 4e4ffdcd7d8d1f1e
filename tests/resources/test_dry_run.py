"""What a dry run would have done, beside what people did."""

from datetime import timedelta

import pytest

from aios_core.decisions.actions import OutboxAction
from resources.database import Database
from resources.dry_run import Compared, DryRuns
from resources.outbox import enqueue
from tests.resources.deciding import NOW, automation

DRY = automation(actions={"source": "helpdesk", "dry_run": True})
SENDING = automation(actions={"source": "helpdesk"})


def kept(database: Database, ticket_id: str, queue: str, *, key: str = "", dry: bool = True, hours: float = 0) -> None:
    action = OutboxAction(
        target="helpdesk",
        kind="assign",
        external_id=ticket_id,
        payload={"queue": queue, "confidence": 0.95},
        idempotency_key=key or f"k{ticket_id}",
    )
    with database.connection() as conn:
        enqueue(conn, DRY if dry else SENDING, [action], now=NOW + timedelta(hours=hours))


def people(database: Database, ticket_id: str, queue: str, *, hours: float, origin: str = "helpdesk") -> None:
    when = NOW + timedelta(hours=hours)
    with database.connection() as conn:
        conn.execute(
            "insert into outcomes (automation, source, ticket_id, queue, origin, actor, correlation_id, event_time, known_at)"
            " values ('care', 'helpdesk', %s, %s, %s, 'a', 'c', %s, %s)",
            (ticket_id, queue, origin, when, when),
        )


@pytest.fixture
def compared(database: Database) -> Compared:
    kept(database, "1", "billing")
    people(database, "1", "billing", hours=2)
    people(database, "1", "outage", hours=30)  # what came of it later is another story
    kept(database, "2", "billing")
    people(database, "2", "outage", hours=6)
    kept(database, "3", "outage")  # nobody has looked yet
    people(database, "3", "outage", hours=-5)  # from before we would have moved it
    kept(database, "4", "roaming", key="old")
    kept(database, "4", "billing", key="new", hours=1)  # the newer decision is the one that would stand
    people(database, "4", "billing", hours=5)
    kept(database, "5", "billing", dry=False)  # was really sent: no dry run
    people(database, "5", "billing", hours=1)
    return DryRuns(database).compare("care")


def test_each_ticket_is_compared_once_with_what_people_did_after_it(compared: Compared) -> None:
    assert (compared.would, compared.same, compared.other) == (4, 2, 1)
    assert compared.agreement == pytest.approx(2 / 3)
    assert [(q.queue, q.would, q.same, q.other, q.open) for q in compared.queues] == [
        ("billing", 3, 2, 1, 0),
        ("outage", 1, 0, 0, 1),
    ]


def test_differences_name_their_ticket_and_hours_are_those_that_people_took(compared: Compared) -> None:
    (difference,) = compared.differences
    assert (difference.ticket_id, difference.would, difference.people) == ("2", "billing", "outage")
    assert compared.hours_sooner == pytest.approx(3.0), "2 and 4 hours"
    assert compared.kept == {"assign": 5}


def test_only_a_time_of_it_may_be_asked_for_and_nothing_is_no_agreement(database: Database, compared: Compared) -> None:
    assert compared.would == 4
    later = DryRuns(database).compare("care", since=NOW + timedelta(minutes=30))
    assert (later.would, later.kept) == (1, {"assign": 1})
    nothing = DryRuns(database).compare("other")
    assert (nothing.would, nothing.agreement, nothing.hours_sooner) == (0, None, None)
