"""Signals as Postgres tells them: what they count, and when they say nothing."""

from datetime import timedelta

import pytest
from psycopg.types.json import Jsonb

from aios_core.alerting.rules import rules_of
from resources.monitoring import MonitorStore
from resources.reviews import ReviewStore
from resources.signals import SIGNALS, Asked
from tests.resources.alerting import watched
from tests.review_world import NOW, QUEUES, Wanted, automation, record

DAY, HOUR = timedelta(days=1), timedelta(hours=1)


def read(database, signal, *, now=NOW, of=None, **rule):
    of = of or watched()
    found = next(r for r in rules_of(of) if r.signal == signal or (signal == "money_at_risk" and r.name == signal))
    with database.connection() as conn:
        return SIGNALS[signal](Asked(conn=conn, automation=of, rule=found.model_copy(update=rule), now=now))


def decide(database, n, *, at, p=0.97, queue="billing"):
    """`n` tickets decided at once; 0.97 is automated, 0.55 goes to people."""
    wanted = [Wanted(ticket_id=f"{at:%d%H%M}-{queue}-{p}-{i}", p=p, queue=queue, day=at.date()) for i in range(n)]
    return record(database, wanted, of=watched(), now=at)


@pytest.fixture
def history(database):
    """Eight days with a dozen decisions each, at this time of day."""
    for days in range(1, 9):
        decide(database, 12, at=NOW - days * DAY - timedelta(minutes=5))


def test_throughput_is_compared_with_the_same_time_of_other_days(database, history):
    decide(database, 3, at=NOW - timedelta(minutes=5))
    (found,) = read(database, "decision_throughput", min_count=10)
    assert found.value == pytest.approx(0.25)
    assert found.note == "3 decisions, usually 12 at this time"


def test_a_day_that_was_as_quiet_last_week_is_no_fall(database, history):
    with database.connection() as conn:
        conn.execute("delete from review_cases")
        conn.execute("delete from outbox")
        conn.execute("delete from decisions where decided_at between %s and %s", (NOW - 7 * DAY - HOUR, NOW - 7 * DAY))
    (found,) = read(database, "decision_throughput", min_count=10)
    assert found.value is None
    assert "too few to compare" in found.note


def test_without_a_week_of_history_throughput_says_nothing(database):
    decide(database, 40, at=NOW - DAY)
    assert read(database, "decision_throughput")[0].value is None


def test_the_share_automated_is_compared_with_the_week_before(database, history):
    decide(database, 10, at=NOW - HOUR)
    decide(database, 10, at=NOW - HOUR, p=0.55)
    (found,) = read(database, "share_automated", min_count=20)
    assert found.value == pytest.approx(0.5)
    assert read(database, "share_automated", min_count=21)[0].value is None


def test_the_burn_counts_cases_that_fell_due_decided_late_or_not_at_all(database):
    allowed = 8 * HOUR
    decide(database, 10, at=NOW - allowed - timedelta(minutes=2), p=0.55)
    decide(database, 10, at=NOW - HOUR, p=0.55)  # not due yet
    assert read(database, "service_level_burn", window_minutes=(60.0, 5.0))[0].value == pytest.approx(20)
    with database.connection() as conn:
        conn.execute("update review_cases set state = 'decided', decided_at = created_at + interval '1 hour'"
                     " where created_at < %s", (NOW - 2 * HOUR,))  # fmt: skip
    assert read(database, "service_level_burn", window_minutes=(60.0, 5.0))[0].value == 0


def test_money_at_risk_follows_what_turns_out_and_what_an_error_costs(database):
    decide(database, 100, at=NOW - HOUR)
    (promised,) = read(database, "money_at_risk")
    assert promised.value == pytest.approx(100 * 0.03 * 12, rel=0.02)
    with database.connection() as conn:
        conn.execute(
            "insert into outcomes select automation, source, ticket_id, 'fraud', 'helpdesk', 'agent', 'c', %(now)s, %(now)s"
            " from decisions", {"now": NOW}
        )  # fmt: skip
    (after,) = read(database, "money_at_risk")
    assert after.value == pytest.approx(100 * (100 + 20 * 0.03) / 120 * 12, rel=0.02)
    (share,) = read(database, "money_at_risk_share")
    assert share.value == pytest.approx(after.value / (100 * 6 * 32 / 60))


def test_synthetic_tickets_count_for_nothing(database):
    decide(database, 100, at=NOW - HOUR)
    with database.connection() as conn:
        conn.execute("insert into probes (probe_id, automation, ticket_id, asked_at)"
                     " select ticket_id, automation, ticket_id, %s from decisions", (NOW,))  # fmt: skip
    assert read(database, "money_at_risk")[0].value == 0


def test_every_open_incident_is_a_reading_of_its_own(database):
    store = MonitorStore(database)
    for queue in QUEUES[:2]:
        store.open_incident(
            automation="escalations", remedy="narrow", queue=queue, reason="r", evidence={}, actor="a", now=NOW
        )
    assert [(r.value, r.incident_id) for r in read(database, "incident_open")] == [(1.0, 1), (1.0, 2)]


def test_drift_counts_flagged_days_in_a_row_and_old_measurements_are_no_news(database):
    with database.connection() as conn:
        for days, flagged in ((4, True), (3, False), (2, True), (1, True)):
            conn.execute(
                "insert into monitor_days (automation, day, model_name, model_version, rows, columns, flagged, reason, computed_at)"
                " values ('escalations', %s, 'm', 1, 500, '{}', %s, 'body drifted', %s)",
                ((NOW - days * DAY).date(), flagged, NOW - DAY),
            )  # fmt: skip
    (found,) = read(database, "drift_days")
    assert (found.value, found.note) == (2.0, "2026-11-19: body drifted")
    assert read(database, "drift_days", now=NOW + 10 * DAY) == []


def test_the_newest_estimate_counts(database):
    assert read(database, "estimated_accuracy") == []
    with database.connection() as conn:
        for days, high in ((2, 0.95), (1, 0.75)):
            content = Jsonb({"rows": 400, "accuracy": high - 0.02, "high": high})
            conn.execute(
                "insert into estimates (automation, day, model_name, model_version, promise, estimate, settled, computed_at)"
                " values ('escalations', %s, 'm', 1, '{}', %s, 0, %s)", ((NOW - days * DAY).date(), content, NOW),
            )  # fmt: skip
    assert [r.value for r in read(database, "estimated_accuracy")] == [0.75]


def test_a_source_is_stale_by_its_newest_ticket_and_unknown_before_the_first(database):
    assert read(database, "landing_stale_hours")[0].value is None
    decide(database, 1, at=NOW)
    with database.connection() as conn:
        conn.execute("update landing_records set landed_at = %s where object = 'tickets'", (NOW - 30 * HOUR,))
    (found,) = read(database, "landing_stale_hours")
    assert (found.subject, found.value) == ("helpdesk", pytest.approx(30))


def test_dead_letters_and_a_silent_judge_are_seen(database):
    decide(database, 3, at=NOW)
    with database.connection() as conn:
        conn.execute("update outbox set state = 'dead', last_error = 'gone'")
        conn.execute("insert into assessments (automation, evidence, remedy, reason, assessed_at)"
                     " values ('escalations', '{}', 'none', 'r', %s)", (NOW - HOUR,))  # fmt: skip
    (dead,) = read(database, "dead_letters")
    assert (dead.subject, dead.note) == ("helpdesk", "gone")
    assert dead.value >= 3
    assert read(database, "judge_silent_minutes")[0].value == pytest.approx(60)


def test_raised_cases_are_counted_by_queue_until_they_are_decided(database):
    of = automation(review={"service_levels": {"fraud": 1}, "escalate_before_hours": 0.5})
    wanted = [Wanted(ticket_id=t, queue=q) for t, q in (("a", "billing"), ("f", "fraud"), ("g", "fraud"))]
    record(database, wanted, of=of)
    store, late = ReviewStore(database), NOW + timedelta(minutes=40)
    store.make_batches(automation=of, now=NOW)
    assert read(database, "cases_escalated", of=of, now=late) == []
    store.make_batches(automation=of, now=late)
    (found,) = read(database, "cases_escalated", of=of, now=late)
    assert (found.subject, found.value) == ("fraud", 2)
    assert found.note == "2 cases would soon be late; the oldest waits 0.7 h"
    assert read(database, "cases_escalated", of=of, now=late - timedelta(minutes=1)) == []  # not raised by then
    for left in (1, 0):
        store.decide(store.next_for("ana", now=late).case_id, actor="ana", queue="fraud", now=late)
        assert [r.value for r in read(database, "cases_escalated", of=of, now=late)] == [1.0] * left
