"""The soak's comparison finds what it is there to find: each kind of fault planted, and none where all is well."""

from dataclasses import replace
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest

from benchmarks.soak import judging
from benchmarks.soak.judging import Found, Standing, Version, actions, compare, deliveries, duplicates, versions_of
from benchmarks.soak.vendors import TICKETS
from resources.database import Database

AT = datetime(2026, 3, 10, 12, tzinfo=UTC)
STANDS = Standing(number=100_001, at=AT, deleted=False, queue="billing", subject="My bill")
KNOWN = Version(ticket_id="100001", at=AT, status="open", queue="billing", subject="My bill")
OLDER = replace(KNOWN, at=AT - timedelta(hours=1), queue=None)
FRESHDESK, INTERCOM = TICKETS["freshdesk"], TICKETS["intercom"]


def found(*known: Version, truth: Standing = STANDS, vendor: Any = FRESHDESK) -> tuple[int, int]:
    judged = compare("freshdesk", vendor, [truth], {"100001": list(known)} if known else {})
    return len(judged.lost), len(judged.wrong_order)


def test_what_arrived_as_it_stands_is_no_finding() -> None:
    assert found(OLDER, KNOWN) == (0, 0)
    assert found(replace(KNOWN, subject="My  bill ")) == (0, 0), "spaces are not what they were where texts are HTML"


def test_a_ticket_a_change_and_a_content_that_never_arrived_are_lost() -> None:
    assert found() == (1, 0)
    assert found(OLDER) == (1, 0)
    assert found(replace(KNOWN, queue="outage")) == (1, 0)
    assert found(replace(KNOWN, subject="Another")) == (1, 0)


def test_an_older_version_that_counts_as_newer_is_out_of_order() -> None:
    assert found(KNOWN, OLDER) == (0, 1)


def test_a_deletion_is_lost_where_the_vendor_tells_of_it_and_only_there() -> None:
    gone = replace(STANDS, deleted=True, queue=None, subject="")
    assert found(KNOWN, truth=gone) == (1, 0)
    assert found(KNOWN, replace(KNOWN, status="deleted"), truth=gone) == (0, 0)
    assert found(KNOWN, truth=gone, vendor=INTERCOM) == (0, 0)
    assert found(truth=gone) == (0, 0), "what was deleted before anybody saw it was never ours"


def sent(step: int) -> dict[str, Any]:
    return {"payload": {"comment": f"soak jira 100001 {step}"}, "external_id": "CARE-100001"}


def write(step: int, *, applied: bool = True) -> dict[str, Any]:
    return {"applied": applied, "fields": {"comment": {"body": f"soak jira 100001 {step}\n\nlink"}}}


def test_actions_are_lost_doubled_or_out_of_order_by_what_the_sandbox_received() -> None:
    assert actions([sent(0), sent(1)], [write(0), write(1)]) == (Found(), [])
    assert len(actions([sent(0), sent(1)], [write(0)])[0].lost) == 1
    assert len(actions([sent(0)], [write(0, applied=False)])[0].lost) == 1
    assert actions([sent(0)], [write(0), write(0)])[1] == ["`soak jira 100001 0`: 2 times"]
    assert len(actions([sent(0), sent(1)], [write(1), write(0)])[0].wrong_order) == 1


@pytest.fixture
def landed(database: Database) -> Database:
    with database.connection() as connection:
        connection.execute(
            "insert into landing_records (automation, source, object, external_id, version, payload, correlation_id)"
            " values ('soak', 'jira', 'tickets', '1', 'a', '{\"x\": 1}', 'c'), ('soak', 'jira', 'tickets', '1', 'b', '{\"x\": 2}', 'c'),"
            " ('soak', 'zendesk', 'tickets', '1', 'a', '{\"x\": 1}', 'c'), ('soak', 'zendesk', 'tickets', '1', 'sha256:1', '{\"x\": 1}', 'c')"
        )
    return database


def test_the_same_content_under_two_versions_is_a_duplicate(landed: Database) -> None:
    with landed.connection() as connection:
        assert duplicates(connection) == [], "what was read by its id beside the list is a version of its own"
        connection.execute(
            "insert into landing_records (automation, source, object, external_id, version, payload, correlation_id)"
            " values ('soak', 'jira', 'tickets', '1', 'c', '{\"x\": 1}', 'c')"
        )
        assert duplicates(connection) == ["jira tickets 1: 2 times"]


def test_an_acknowledged_delivery_that_is_not_there_is_lost(database: Database) -> None:
    with database.connection() as connection:
        connection.execute(
            "insert into webhook_deliveries (automation, source, delivery_id, payload, received_at)"
            " values ('soak', 'jira', 'd-1', '{}', now())"
        )
        assert deliveries(connection, [("jira", "d-1")]) == ([], [])
        assert deliveries(connection, [("jira", "d-1"), ("jira", "d-2")]) == (["delivery d-2 of jira"], [])
        assert versions_of(connection, "jira") == {}
        assert len(judging.judged(connection, [STANDS]).lost) == len(TICKETS)
