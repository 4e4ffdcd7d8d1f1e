"""Incidents in a real Postgres: one a cause, a story from what others wrote, and an end that lifts what was held."""

from datetime import timedelta

import pytest

from aios_core.monitoring.evidence import Evidence, ModelQuality, Tally
from aios_core.monitoring.timeline import seconds_to_move, timeline
from aios_core.monitoring.verdict import Remedy
from resources.assessments import AssessmentStore
from resources.incidents import IncidentStore
from resources.ledger import Ledger
from resources.modes import ModeStore
from resources.monitoring import MonitorStore, UnknownIncident
from tests.aios_assets.rolled_back import LEFT, SURE, World
from tests.resources.deciding import NOW

HOUR = timedelta(hours=1)


@pytest.fixture
def store(database):
    return IncidentStore(database)


@pytest.fixture
def monitor(database):
    return MonitorStore(database)


def hold(database, monitor, queue, *, remedy="narrow", now=NOW, automation="care"):
    """An incident, and the mode that it sets."""
    incident = monitor.open_incident(automation=automation, remedy=remedy, queue=queue, reason="because", evidence={},
                                     actor="run:7", now=now)  # fmt: skip
    ModeStore(database).set(automation=automation, queue=queue, mode="review_only", reason="because", actor="run:7",
                            incident_id=incident, now=now)  # fmt: skip
    return incident


def rollback(monitor, *, actor="run:1", identity="rollback:care:2", now=NOW):
    return monitor.open_incident(automation="care", remedy="rollback", queue=None, reason="r", evidence={}, actor=actor,
                                 now=now, identity=identity)  # fmt: skip


def test_a_rollback_is_known_by_the_promotion_it_undoes_whichever_run_reports_it(monitor):
    first = rollback(monitor)
    assert rollback(monitor, actor="run:2", now=NOW + HOUR) == first
    assert rollback(monitor, identity="rollback:care:9") != first


def test_an_incident_whose_rollback_moved_nothing_counts_as_none(database, monitor):
    rollback(monitor)
    assert monitor.rollbacks_since(automation="care", since=NOW - HOUR) == 0
    assert monitor.last_rollback_at(automation="care") is None
    World(database, {}).roll_back()  # the same promotion, and now with its move
    assert monitor.rollbacks_since(automation="care", since=NOW - HOUR) == 1
    assert monitor.last_rollback_at(automation="care") == NOW


def test_closing_lifts_what_was_held_and_is_in_the_ledger_with_who_and_why(database, store, monitor):
    stop = hold(database, monitor, "*", remedy="stop")
    assert store.close(stop, actor="person:ada", why="the import was broken", now=NOW + HOUR)
    assert ModeStore(database).current("care") == {"*": "normal"}
    assert not store.close(stop, actor="person:bob", why="again", now=NOW + 2 * HOUR)
    closed = store.get(stop)
    assert (closed.closed_by, closed.closed_why, closed.closed_at) == (
        "person:ada",
        "the import was broken",
        NOW + HOUR,
    )
    [entry] = Ledger(database).entries()
    assert (entry.kind, entry.subject, entry.items) == ("incident", f"incident:{stop}", 1)
    assert Ledger(database).verify().ok


def test_a_queue_that_another_incident_holds_stays_with_people(database, store, monitor):
    narrow = hold(database, monitor, "*")
    stop = hold(database, monitor, "*", remedy="stop")
    store.close(narrow, actor="person:ada", why="w", now=NOW + HOUR)
    assert ModeStore(database).current("care") == {"*": "review_only"}
    store.close(stop, actor="person:ada", why="w", now=NOW + HOUR)
    assert ModeStore(database).current("care") == {"*": "normal"}


def test_only_what_a_person_lifted_makes_the_evidence_begin_anew(database, store, monitor):
    assert store.lifted_at("care") is None
    hold(database, monitor, "billing")
    monitor.close_incidents(automation="care", remedy="narrow", queues=["billing", "*"], actor="run:9", now=NOW)
    assert store.lifted_at("care") is None
    store.close(hold(database, monitor, "fraud"), actor="person:ada", why="w", now=NOW + HOUR)
    assert store.lifted_at("care") == NOW + HOUR
    assert store.lifted_at("other") is None


def test_incidents_are_listed_for_one_automation_or_all(database, store, monitor):
    ours, theirs = (
        hold(database, monitor, "billing"),
        hold(database, monitor, "billing", automation="other", now=NOW + HOUR),
    )
    assert [i.incident_id for i in store.list()] == [theirs, ours]
    store.close(ours, actor="person:ada", why="w", now=NOW)
    assert [i.incident_id for i in store.list("care")] == [ours]
    assert store.list("care", open_only=True) == []


def test_an_unknown_incident_says_how_to_find_the_known_ones(store):
    for ask in (store.get, store.story, lambda n: store.close(n, actor="a", why="w", now=NOW)):
        with pytest.raises(UnknownIncident, match="aios incident list"):
            ask(404)


def test_a_rollbacks_story_goes_from_flagged_to_confirmed(database, store):
    world = World(database, {"1": ("fraud", True)})
    world.decided([world.arrive(1)], [SURE["billing"]])
    evidence = Evidence(champion=ModelQuality(version=2, overall=Tally(rows=50, correct=10)))
    assessment = AssessmentStore(database).save(
        automation="care",
        evidence=evidence,
        remedy=Remedy(kind="rollback", reason="worse"),
        now=LEFT - timedelta(seconds=40),
    )
    found = world.roll_back()
    with database.connection() as conn:
        conn.execute("update incidents set assessment_id = %s", (assessment,))
    entries = timeline(store.story(found.incident_id))
    assert [e.kind for e in entries] == ["flagged", "decided", "moved"]
    assert seconds_to_move(store.story(found.incident_id)) == 40

    world.decided([world.arrive(2)], [SURE["fraud"]], version=1, at=LEFT + HOUR)

    last = timeline(store.story(found.incident_id))[-1]
    assert (last.kind, last.at, last.text) == ("confirmed", LEFT + HOUR, "The first decision under it, by the batch.")


def test_a_narrowings_story_is_confirmed_by_the_first_ticket_that_people_get(database, store, monitor):
    narrow = hold(database, monitor, "billing")
    assert [e.kind for e in timeline(store.story(narrow))] == ["decided", "moved"]
    with database.connection() as conn:
        for number, (queue, rule) in enumerate((("fraud", "mode"), ("billing", "threshold"), ("billing", "mode"))):
            conn.execute(
                "insert into decisions (decision_id, automation, source, ticket_id, ticket_version, correlation_id, day, model_name,"
                " model_version, policy_revision, declaration, verdict, queue, rule, reason, record, decided_at)"
                " values (%s, 'care', 'helpdesk', %s, '1', 'c', %s, 'care', 1, 'p', 'd', 'review', %s, %s, 'r', '', %s)",
                (f"d{number}", str(number), NOW.date(), queue, rule, NOW + HOUR),
            )
    confirmed = timeline(store.story(narrow))[-1]
    assert (confirmed.kind, confirmed.links[0].target) == ("confirmed", "d2")
    store.close(narrow, actor="person:ada", why="fixed", now=NOW + 2 * HOUR)
    assert [e.kind for e in timeline(store.story(narrow))][-2:] == ["lifted", "closed"]
