"""A look: what fires, what is told, and what stands afterwards, on a real Postgres."""

import threading
from datetime import timedelta

from aios_core.alerting.signals import Reading
from resources import signals
from resources.alert_deliveries import DeliveryStore
from resources.alerts import AlertStore
from resources.monitoring import MonitorStore
from tests.resources.alerting import fail_job, firing, look_at, mend_jobs, watched
from tests.review_world import NOW, Wanted, record

MINUTE, HOUR = timedelta(minutes=1), timedelta(hours=1)
OF = watched()


def kinds(database, alert_id):
    return [e.kind for e in AlertStore(database).timeline(alert_id)]


def test_a_quiet_automation_has_no_alerts(database):
    found = look_at(database, OF, at=NOW)
    assert (found.fired, found.resolved, found.messages) == ((), (), 0)
    assert firing(database) == {}


def test_a_crashed_monitor_fires_at_once_and_is_over_once_its_job_succeeds(database):
    fail_job(database, "monitor", at=NOW)
    (alert,) = look_at(database, OF, at=NOW).fired
    assert firing(database) == {"monitor_failed": "monitor"}
    mend_jobs(database, at=NOW + MINUTE)
    look_at(database, OF, at=NOW + MINUTE)
    assert firing(database) == {}
    assert kinds(database, alert) == ["fired", "told", "resolved", "told"]


def test_looking_again_fires_nothing_twice_and_tells_nothing_twice(database):
    fail_job(database, "monitor", at=NOW)
    assert look_at(database, OF, at=NOW).messages == 1
    for minutes in range(5):
        again = look_at(database, OF, at=NOW + minutes * MINUTE)
        assert (again.fired, again.messages) == ((), 0)


def test_many_looks_at_once_are_one_alert_and_one_message(database):
    fail_job(database, "monitor", at=NOW)
    threads = [threading.Thread(target=look_at, args=(database, OF), kwargs={"at": NOW}) for _ in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert len(AlertStore(database).alerts()) == 1
    assert len(DeliveryStore(database).newest()) == 1


def test_a_backlog_fires_by_queue_once_it_has_lasted_and_ends_when_people_are_done(database):
    record(database, [Wanted(ticket_id="T1"), Wanted(ticket_id="T2", queue="fraud")], of=OF)
    at = NOW + 8 * HOUR + MINUTE
    look_at(database, OF, at=at)
    assert "backlog_old" not in firing(database)  # pending: ten minutes are asked for
    look_at(database, OF, at=at + 10 * MINUTE)
    assert [a.subject for a in AlertStore(database).alerts() if a.rule == "backlog_old"] == ["fraud", "billing"]
    with database.connection() as conn:
        conn.execute("update review_cases set state = 'decided', decided_at = %s", (at + 20 * MINUTE,))
    for minutes in (20, 26, 60):
        look_at(database, OF, at=at + minutes * MINUTE)
    assert "backlog_old" not in firing(database)


def test_what_belongs_to_an_incident_is_told_as_one_message(database):
    incident = MonitorStore(database).open_incident(
        automation="escalations", remedy="narrow", queue="billing", reason="billing is not well", evidence={},
        actor="run:1", now=NOW,
    )  # fmt: skip
    record(database, [Wanted(ticket_id="T1")], of=OF, now=NOW - 20 * HOUR)
    of = watched(rules=[{"name": "backlog_old", "for_minutes": 0}])
    look_at(database, of, at=NOW)
    (together,) = [d for d in DeliveryStore(database).newest() if d.alert_group == f"incident:{incident}"]
    assert len(together.alert_ids) == 2
    assert together.title.startswith("[critical] escalations: incident")


def test_a_silence_hides_but_records_and_its_end_tells_what_still_stands(database):
    store = AlertStore(database)
    silence = store.silence(automation="escalations", rule="monitor_failed", reason="maintenance", actor="person:lea",
                            until=NOW + 4 * HOUR, now=NOW)  # fmt: skip
    fail_job(database, "monitor", at=NOW)
    assert look_at(database, OF, at=NOW).messages == 0
    (alert,) = store.alerts()
    assert kinds(database, alert.alert_id) == ["fired", "silenced"]
    store.end_silence(silence, actor="person:lea", now=NOW + HOUR)
    assert look_at(database, OF, at=NOW + HOUR).messages == 1


def test_an_acknowledged_alert_is_not_reminded_of(database):
    fail_job(database, "monitor", at=NOW)
    (alert,) = look_at(database, OF, at=NOW).fired
    assert look_at(database, OF, at=NOW + 24 * HOUR).messages == 1
    store = AlertStore(database)
    assert store.acknowledge(alert, actor="person:ana", now=NOW + 25 * HOUR)
    assert not store.acknowledge(alert, actor="person:ben", now=NOW + 25 * HOUR)
    assert store.get(alert).acknowledged_by == "person:ana"
    assert look_at(database, OF, at=NOW + 72 * HOUR).messages == 0


def test_a_rule_that_is_taken_out_ends_its_alerts(database):
    fail_job(database, "monitor", at=NOW)
    look_at(database, OF, at=NOW)
    look_at(database, watched(rules=[{"name": "monitor_failed", "enabled": False}]), at=NOW + MINUTE)
    (over,) = AlertStore(database).alerts(states=("resolved",))
    assert AlertStore(database).timeline(over.alert_id)[2].detail == "its rule is not declared any more"


def test_a_signal_that_can_not_be_read_is_an_alert_and_ends_nothing(database, monkeypatch):
    fail_job(database, "monitor", at=NOW)
    look_at(database, OF, at=NOW)
    mend_jobs(database, at=NOW)
    monkeypatch.setitem(
        signals.SIGNALS, "monitor_failed", lambda asked: asked.rows("select * from a_table_that_is_not_there")
    )
    for minutes in (1, 2, 3):
        look_at(database, OF, at=NOW + minutes * MINUTE)
    assert firing(database) == {"monitor_failed": "monitor", "signal_failed": "monitor_failed"}
    monkeypatch.undo()
    look_at(database, OF, at=NOW + 4 * MINUTE)
    assert firing(database) == {}


def test_what_is_dear_to_read_is_read_now_and_then_and_stands_meanwhile(database, monkeypatch):
    read = []
    monkeypatch.setitem(
        signals.SIGNALS, "money_at_risk_share", lambda asked: read.append(asked.now) or [Reading(value=2.0)]
    )
    for minutes in range(12):
        look_at(database, OF, at=NOW + minutes * MINUTE)
    assert read == [NOW, NOW + 10 * MINUTE]
    assert "money_at_risk" in firing(database)  # ten minutes are asked for, and it stood for all of them


def test_automations_do_not_see_each_others_alerts(database):
    fail_job(database, "monitor", at=NOW)
    other = watched().model_copy(update={"name": "other"})
    assert look_at(database, other, at=NOW).fired == ()
