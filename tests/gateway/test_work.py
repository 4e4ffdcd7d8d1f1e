"""My work, and the service levels."""

from datetime import timedelta

import pytest

from resources.reviews import ReviewStore
from tests.review_world import NOW, Wanted, automation, record

BATCH = "/batches/escalations/2026-11-20/billing"


@pytest.fixture
def cases(database) -> list[str]:
    wanted = [Wanted(ticket_id=f"T{i}", p=0.4 + i / 100) for i in range(3)]
    ids = record(database, [*wanted, Wanted(ticket_id="F1", queue="fraud")])
    ReviewStore(database).make_batches(automation=automation(), now=NOW)
    return ids


def test_my_work_lists_what_i_hold_and_what_became_of_my_verdicts(ana, ben, database, cases, clock):
    assert "Nothing." in ana.see("/work").text
    ana.submit(BATCH)
    ana.submit(f"/cases/{cases[0]}/decide", queue="outage")
    page = ana.see("/work").text
    assert "Ticket T1" in page
    assert "stands" in page
    assert "Ticket T1" not in ben.see("/work").text
    ana.submit(f"/cases/{cases[0]}/undo")
    assert "open again" in ana.see("/work").text
    clock.on(timedelta(minutes=16))
    assert "Nothing." in ana.see("/work").text


def test_the_service_levels_count_what_is_soon_and_late_by_queue(ana, database, cases, clock):
    def level(queue: str):
        return next(q for q in ReviewStore(database).service_levels(now=clock.now) if q.queue == queue)

    billing = level("billing")
    assert (billing.waiting, billing.held, billing.soon, billing.late, billing.decided) == (3, 0, 0, 0, 0)
    assert billing.due_next == NOW + timedelta(hours=8)
    ana.submit(BATCH)
    clock.on(timedelta(minutes=10))
    ana.submit(f"/cases/{cases[0]}/decide", queue="outage")
    billing = level("billing")
    assert (billing.waiting, billing.held, billing.decided, billing.median) == (1, 1, 1, timedelta(minutes=10))
    clock.on(timedelta(hours=6))
    assert (level("billing").soon, level("billing").late) == (2, 0)
    clock.on(timedelta(hours=1, minutes=50))
    assert (level("billing").soon, level("billing").late) == (0, 2)
    assert level("fraud").late == 1
    page = ana.see("/levels").text
    assert "late by" in page
    assert "10 min" in page


def test_a_case_without_a_batch_waits_but_is_due_nowhere(ana, database):
    record(database, [Wanted(ticket_id="T1")])
    (level,) = ReviewStore(database).service_levels(now=NOW + timedelta(days=3))
    assert (level.waiting, level.soon, level.late, level.due_next) == (1, 0, 0, None)
    assert "no batch yet" in ana.see("/levels").text


def test_with_nothing_to_do_the_levels_say_so(ana):
    assert "Nothing waits" in ana.see("/levels").text
