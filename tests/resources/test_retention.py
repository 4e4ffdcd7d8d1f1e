"""What the platform's own tables forget, on a real Postgres."""

from datetime import UTC, datetime, timedelta

import pytest

from resources.retention import FORGOTTEN, forget

NOW = datetime(2026, 5, 1, tzinfo=UTC)
OLD = NOW - timedelta(days=400)


def count(database, table):
    with database.connection() as conn:
        return conn.execute(f"select count(*) from {table}").fetchone()[0]


@pytest.fixture
def filled(database):
    """Of each kind some rows that are past their time, and each kind of row that must stay."""
    with database.connection() as conn:
        deliveries = (
            "insert into webhook_deliveries (automation, source, delivery_id, payload, received_at, read_at) values"
        )
        for n in range(7):
            conn.execute(f"{deliveries} ('a', 's', %s, '', %s, %s)", (f"read-{n}", OLD, OLD))
        conn.execute(f"{deliveries} ('a', 's', 'unread', '', %s, null), ('a', 's', 'new', '', %s, %s)", (OLD, OLD, NOW))
        for at in (OLD, NOW):
            conn.execute("insert into sign_in_failures values ('ann', '::1', %s)", (at,))
            conn.execute("insert into quota_slots (key, counts_until) values ('k', %s)", (at,))
        for key, state in (("sent", "sent"), ("dead", "dead"), ("waits", "pending")):
            conn.execute(
                "insert into alert_deliveries (automation, channel, alert_group, dedup_key, kind, severity, title, body, alert_ids,"
                " state, next_attempt_at, created_at) values ('a', 'c', 'g', %s, 'fired', 'page', '', '', '{}', %s, %s, %s)",
                (key, state, OLD, OLD),
            )
    return database


def test_only_what_nobody_reads_any_more_goes_and_a_second_pass_finds_nothing(filled):
    found = forget(filled, now=NOW, at_once=3)
    assert found == {"webhook_deliveries": 7, "alert_deliveries": 1, "sign_in_failures": 1, "quota_slots": 1}
    assert {t: count(filled, t) for t in found} == {
        "webhook_deliveries": 2,
        "alert_deliveries": 2,
        "sign_in_failures": 1,
        "quota_slots": 1,
    }
    assert set(forget(filled, now=NOW).values()) == {0}


def test_what_an_open_alert_told_stays_however_old(filled):
    with filled.connection() as conn:
        alert = conn.execute(
            "insert into alerts (automation, rule, signal, subject, severity, owner, costs, todo, channels, condition, state, since)"
            " values ('a', 'r', 's', '*', 'warning', 'o', '', '', '{}', '', 'firing', %s) returning alert_id",
            (OLD,),
        ).fetchone()[0]
        conn.execute("update alert_deliveries set alert_ids = %s where dedup_key = 'sent'", ([alert],))
    assert forget(filled, now=NOW)["alert_deliveries"] == 0
    with filled.connection() as conn:
        conn.execute("update alerts set resolved_at = %s, state = 'resolved'", (OLD,))
    assert forget(filled, now=NOW)["alert_deliveries"] == 1


def test_no_table_that_an_audit_or_a_replay_reads_is_ever_touched():
    kept = {
        "landing_records",
        "decisions",
        "outcomes",
        "review_events",
        "review_cases",
        "drafts",
        "model_calls",
        "outbox",
        "ledger",
    }
    assert not kept & {kind.table for kind in FORGOTTEN}
