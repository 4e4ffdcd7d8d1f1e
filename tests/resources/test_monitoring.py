"""Monitored days, incidents and retraining requests in a real Postgres."""

from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from datetime import UTC, date, datetime, timedelta

import pyarrow as pa
import pytest

from aios_core.monitoring.drift import ColumnDrift, Drift, Move
from aios_core.monitoring.evidence import DriftDay
from aios_core.monitoring.settled import settle
from aios_core.monitoring.sketch import cuts_of, empty, sketch
from resources.monitoring import MonitorStore, UnknownIncident

NOW = datetime(2026, 11, 20, 12, tzinfo=UTC)
DAY = date(2026, 11, 19)
NAME = "customer_escalations"
QUEUES = pa.table({"queue": ["billing", "fraud", "billing"]})
CUTS = cuts_of(QUEUES)


@pytest.fixture
def store(database):
    return MonitorStore(database)


def drift(*, psi=0.3, flagged=True, share=0.5, rows=500):
    column = ColumnDrift(
        psi=psi, drifted=flagged, kind="categorical", role="prediction", score=psi, threshold=0.2, missing_reference=0,
        missing_current=0, moved=(Move(level="fraud", reference=0.1, current=0.4),),
    )  # fmt: skip
    return Drift(
        rows=rows, reference_rows=5_000, columns={"queue": column}, share=share, flagged=flagged, reason="Flagged: …"
    )


def save(store, *, day=DAY, version=1, now=NOW, automation=NAME, **more):
    store.save_day(
        automation=automation, day=day, model_name=NAME, model_version=version, drift=drift(**more),
        sketch=empty(CUTS), report="reports/1.html", now=now,
    )  # fmt: skip


def decide(database, *, day=DAY, at=NOW, version=1, ticket="1", automation=NAME):
    with database.connection() as conn:
        conn.execute(
            "insert into decisions (decision_id, automation, source, ticket_id, ticket_version, correlation_id, day, model_name,"
            " model_version, policy_revision, declaration, verdict, rule, reason, record, decided_at)"
            " values (%s, %s, 'helpdesk', %s, '1', 'c', %s, 'm', %s, 'p', 'd', 'automate', 'r', 'r', '', %s)",
            (f"{automation}-{ticket}-{version}", automation, ticket, day, version, at),
        )


def incident(store, remedy="narrow", queue="billing", *, actor="run:1", evidence=None, now=NOW, automation=NAME):
    return store.open_incident(
        automation=automation,
        remedy=remedy,
        queue=queue,
        reason="because",
        evidence=evidence or {},
        actor=actor,
        now=now,
    )


def test_a_day_comes_back_as_it_was_measured(store):
    save(store)
    (day,) = store.days(automation=NAME, since=DAY)
    assert (day.rows, day.reference_rows, day.share, day.flagged, day.report) == (
        500,
        5_000,
        0.5,
        True,
        "reports/1.html",
    )
    assert day.psi == {"queue": 0.3}
    assert day.columns["queue"]["moved"] == [{"level": "fraud", "reference": 0.1, "current": 0.4}]
    assert day.as_drift_day() == DriftDay(day=DAY, share=0.5, flagged=True)
    went = {"changed": [{"kind": "feature", "what": "segment", "name": "predicted queue: fraud"}]}
    assert replace(day, explained=went).as_drift_day().queues == ("fraud",)
    assert replace(day, explained=went, flagged=False).as_drift_day().queues == ()


def test_days_of_one_version_under_the_same_cuts_add_up_to_a_window(store):
    for number, version in enumerate((1, 1, 2)):
        store.save_day(
            automation=NAME, day=DAY - timedelta(days=number), model_name=NAME, model_version=version, drift=drift(),
            sketch=sketch(CUTS, QUEUES), report=None, now=NOW,
        )  # fmt: skip
    window = {"automation": NAME, "since": DAY - timedelta(days=6), "until": DAY + timedelta(days=1)}
    found = store.window(CUTS, **window, model_version=1)
    assert (found.rows, found.counts["queue"].tolist()) == (6, [4, 2, 0, 0, 0])
    assert store.window(cuts_of(QUEUES.slice(0, 1)), **window, model_version=1).rows == 0


def test_a_day_measured_again_is_one_day_and_the_later_measurement_holds(store):
    save(store, rows=500)
    save(store, rows=700, now=NOW + timedelta(minutes=1))
    save(store, rows=600)  # a slow run that read earlier comes last
    assert [d.rows for d in store.days(automation=NAME, since=DAY)] == [700]


def test_a_day_without_enough_rows_keeps_an_unknown_share(store):
    save(store, share=None, flagged=False)
    assert store.days(automation=NAME, since=DAY)[0].share is None


def test_days_are_of_the_version_measured_last_unless_one_is_asked_for(store):
    save(store, version=1, psi=0.1)
    save(store, version=2, psi=0.4, now=NOW + timedelta(hours=1))
    save(store, day=DAY - timedelta(days=9))
    assert [d.model_version for d in store.days(automation=NAME, since=DAY)] == [2]
    assert [d.psi["queue"] for d in store.days(automation=NAME, since=DAY, model_version=1)] == [0.1]
    assert store.days(automation=NAME, since=DAY - timedelta(days=9), until=DAY)[0].day == DAY - timedelta(days=9)
    assert store.days(automation="other", since=DAY) == []


def test_days_are_unmeasured_until_saved_and_again_after_new_decisions(store, database):
    decide(database, ticket="1")
    decide(database, ticket="2")
    decide(database, ticket="3", day=DAY - timedelta(days=1), version=0)  # there was no model
    decide(database, ticket="4", automation="other")
    assert store.unmeasured_days(automation=NAME) == [(DAY, 2)]
    save(store)
    assert store.unmeasured_days(automation=NAME) == []
    decide(database, ticket="5", at=NOW + timedelta(seconds=1), version=2)
    assert store.unmeasured_days(automation=NAME) == [(DAY, 3)]
    save(store, version=2, now=NOW + timedelta(minutes=1))
    assert store.unmeasured_days(automation=NAME) == []


def test_the_same_narrowing_is_one_open_incident(store):
    first = incident(store)
    assert incident(store, actor="run:2", now=NOW + timedelta(hours=1)) == first
    assert incident(store, queue="fraud") != first
    assert incident(store, "stop", queue="*") != first
    assert store.close_incident(first, actor="person:ada", now=NOW)
    assert incident(store) != first


def test_ten_processes_that_find_the_same_open_one_incident(store):
    with ThreadPoolExecutor(10) as pool:
        ids = list(pool.map(lambda i: incident(store, actor=f"run:{i}"), range(10)))
    assert len(set(ids)) == 1
    assert len(store.incidents(automation=NAME)) == 1


def test_each_rollback_is_an_incident_of_its_own_but_a_repeated_step_is_not(store):
    evidence = {"from_version": 2, "to_version": 1}
    first = incident(store, "rollback", None, evidence=evidence)
    assert incident(store, "rollback", None, evidence=evidence) == first
    assert incident(store, "rollback", None, evidence=evidence, actor="run:2") != first
    assert store.rollbacks_since(automation=NAME, since=NOW - timedelta(days=7)) == 2


def test_rollbacks_are_counted_in_the_window_and_anew_after_a_stop_was_lifted(store):
    for days, run in ((9, "run:1"), (3, "run:2"), (2, "run:3")):
        incident(store, "rollback", None, actor=run, now=NOW - timedelta(days=days))
    week_ago = NOW - timedelta(days=7)
    assert store.rollbacks_since(automation=NAME, since=week_ago) == 2
    assert store.rollbacks_since(automation="other", since=week_ago) == 0
    assert store.last_rollback_at(automation=NAME) == NOW - timedelta(days=2)
    stop = incident(store, "stop", "*", now=NOW - timedelta(days=2))
    assert store.rollbacks_since(automation=NAME, since=week_ago) == 2
    store.close_incident(stop, actor="person:ada", now=NOW - timedelta(days=1))
    assert store.rollbacks_since(automation=NAME, since=week_ago) == 0


def test_a_promotion_closes_what_was_narrowed_and_tells_the_queues_but_not_a_stop(store):
    incident(store, queue="billing")
    incident(store, queue="fraud")
    incident(store, "stop", None)
    assert store.close_incidents(
        automation=NAME, remedy="narrow", queues=["billing", "fraud"], actor="run:9", now=NOW
    ) == ["billing", "fraud"]
    assert (
        store.close_incidents(automation=NAME, remedy="narrow", queues=["billing", "fraud"], actor="run:9", now=NOW)
        == []
    )
    (left,) = store.incidents(automation=NAME, open_only=True)
    assert (left.remedy, left.closed_by) == ("stop", None)


def test_an_incident_is_closed_once_and_an_unknown_one_is_an_error(store):
    number = incident(store, evidence={"champion": {"version": 2}})
    assert store.close_incident(number, actor="person:ada", now=NOW)
    assert not store.close_incident(number, actor="person:bob", now=NOW + timedelta(days=1))
    (kept,) = store.incidents(automation=NAME)
    assert (kept.closed_by, kept.closed_at, kept.evidence) == ("person:ada", NOW, {"champion": {"version": 2}})
    with pytest.raises(UnknownIncident, match="there is no incident 404"):
        store.close_incident(404, actor="person:ada", now=NOW)


def test_a_retraining_is_asked_for_once_and_done_by_a_training_that_started_after_it(store):
    assert store.pending_retraining(automation=NAME) is None
    request = store.request_retraining(automation=NAME, reason="the world changed", now=NOW)
    assert store.request_retraining(automation=NAME, reason="still", now=NOW + timedelta(hours=1)) == request
    assert store.pending_retraining(automation=NAME) == request
    assert store.pending_retraining(automation="other") is None
    assert not store.retraining_done(automation=NAME, started_at=NOW - timedelta(minutes=1), now=NOW)
    assert store.retraining_done(automation=NAME, started_at=NOW, now=NOW + timedelta(hours=2))
    assert store.pending_retraining(automation=NAME) is None
    assert store.request_retraining(automation=NAME, reason="again", now=NOW + timedelta(days=1)) != request


def settled_of(rows):
    cuts = cuts_of(QUEUES, classes=("billing", "fraud"))
    table = pa.table({
        "queue": ["billing", "fraud"] * rows,
        "label": ["billing", "billing"] * rows,
        "probabilities": [[0.9, 0.1], [0.2, 0.8]] * rows,
    })  # fmt: skip
    return cuts, sketch(cuts, table.drop_columns(["label"])), settle(cuts, table)


def test_what_is_settled_of_a_day_and_what_is_behind_its_drift_come_back_with_it(store):
    cuts, day, settled = settled_of(20)
    found = drift()
    for number in range(2):
        store.save_day(
            automation=NAME, day=DAY + timedelta(days=number), model_name=NAME, model_version=1, drift=found, sketch=day,
            settled=settled, report=None, now=NOW,
        )  # fmt: skip
    parts = store.parts(cuts, automation=NAME, since=DAY, until=DAY + timedelta(days=2), model_version=1)
    assert list(parts) == [DAY, DAY + timedelta(days=1)]
    assert parts[DAY].settled.as_json() == settled.as_json()
    assert parts[DAY].sketch.as_json() == day.as_json()
    assert store.parts(CUTS, automation=NAME, since=DAY, until=DAY + timedelta(days=2), model_version=1) == {}
    (kept, _) = store.days(automation=NAME, since=DAY)
    assert kept.explained == {"kinds": [], "changed": [], "concept": None}


def test_outcomes_that_came_later_replace_those_of_a_measured_day_and_make_no_day_of_their_own(store):
    cuts, day, settled = settled_of(5)
    store.save_day(
        automation=NAME, day=DAY, model_name=NAME, model_version=1, drift=drift(), sketch=day, settled=None, report=None,
        now=NOW,
    )  # fmt: skip
    for _ in range(2):
        store.save_settled(automation=NAME, day=DAY, model_name=NAME, model_version=1, settled=settled)
        store.save_settled(automation=NAME, day=DAY, model_name=NAME, model_version=2, settled=settled)
    parts = store.parts(cuts, automation=NAME, since=DAY, until=DAY + timedelta(days=1), model_version=1)
    assert parts[DAY].settled.rows == 10
    assert len(store.days(automation=NAME, since=DAY)) == 1
    assert store.parts(cuts, automation=NAME, since=DAY, until=DAY + timedelta(days=1), model_version=2) == {}
