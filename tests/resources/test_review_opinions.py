"""More than one person on a case, on a real Postgres: quorum, leads, assignment, forms, escalation, contradictions, counts."""

from datetime import timedelta

import pytest

from aios_core.review.form import InvalidForm
from aios_core.review.states import NotAllowed, ReviewConflict
from resources.canonical import CanonicalStore
from resources.database import Database
from resources.review_agreement import AgreementStore
from resources.review_escalation import RAISED
from resources.review_on_demand import batch_on_demand
from resources.review_steps import EmptyNote, UnknownPerson
from resources.reviews import Batch, ReviewStore
from tests.resources.test_reviews import both, events
from tests.review_world import NOW, Wanted, automation, record

MINUTE = timedelta(minutes=1)
TWO = automation(review={"quorum": 2})


def people(database: Database) -> None:
    with database.connection() as conn:
        for name, role in (("ana", "reviewer"), ("ben", "reviewer"), ("lea", "lead")):
            conn.execute("insert into users (username, password_hash, role) values (%s, 'x', %s)", (name, role))


def made(database: Database, *wanted: Wanted, of=TWO) -> tuple[ReviewStore, Batch]:
    people(database)
    record(database, list(wanted) or [Wanted(ticket_id="T0")], of=of)
    store = ReviewStore(database)
    return store, store.make_batches(automation=of, now=NOW)[0]


def only(database: Database, column: str = "case_id") -> str:
    with database.connection() as conn:
        ((found,),) = conn.execute(f"select {column} from review_cases").fetchall()
    return found


def decide(store: ReviewStore, case_id: str, actor: str, queue: str = "billing", **more: object):
    return store.decide(case_id, actor=actor, queue=queue, **({"now": NOW} | more))


def test_a_case_that_needs_two_is_never_handed_to_the_first_again(database):
    store, batch = made(database)
    case = store.next_for("ana", now=NOW)
    assert (case.opinions_needed, case.due_at) == (2, batch.due_at)
    assert decide(store, case.case_id, "ana").standing.state == "waiting"
    assert store.next_for("ana", now=NOW) is None
    assert store.next_case(automation="escalations", batch=batch.batch, actor="ana", now=NOW) is None
    assert store.next_for("ben", now=NOW, automation="escalations", queue="billing").case_id == case.case_id
    assert store.next_for("ben", now=NOW, queue="fraud") is None
    done = decide(store, case.case_id, "ben")
    assert (done.standing.state, [o.actor for o in store.opinions(case.case_id)]) == ("decided", ["ana", "ben"])
    assert store.batch(automation="escalations", batch=batch.batch).decided == 1


def test_two_people_deciding_at_once_are_both_counted(database_url, database):
    store, _ = made(database)
    case_id = only(database)

    def work(index: int) -> object:
        with Database(database_url, max_size=1) as own:
            return decide(ReviewStore(own), case_id, ("ana", "ben")[index], ("billing", "fraud")[index])

    both(work)
    case = store.case(case_id)
    assert case.contested
    assert {o.actor for o in case.opinions} == {"ana", "ben"}


def test_contested_cases_get_a_batch_that_only_leads_work_on_and_their_own_can_be_sent_on(database):
    store, batch = made(database)
    case_id = only(database)
    decide(store, case_id, "ana")
    decide(store, case_id, "ben", "fraud")
    (lead_batch,) = store.make_batches(automation=TWO, now=NOW + MINUTE)
    assert (lead_batch.queue, lead_batch.waiting, "lead" in lead_batch.reason) == ("for_a_lead", 1, True)
    assert store.make_batches(automation=TWO, now=NOW + MINUTE) == []
    assert store.finished_batches("escalations", now=NOW + MINUTE) == [batch.batch]
    assert store.next_for("ana", now=NOW) is None
    assert store.next_for("lea", now=NOW).case_id == case_id
    settled = decide(store, case_id, "lea", "fraud")
    assert (settled.standing.verdict_queue, settled.standing.overridden) == ("fraud", True)
    assert [e[0] for e in events(database, case_id)] == ["decide", "decide", "claim", "decide"]


def test_a_lead_sends_a_verdict_back_and_it_shows_in_the_work_of_who_gave_it(database):
    store, _ = made(database, of=automation())
    case_id = only(database)
    decide(store, case_id, "ana")
    with pytest.raises(NotAllowed):
        store.reject(case_id, actor="ben", reason="no", now=NOW)
    with pytest.raises(EmptyNote):
        store.reject(case_id, actor="lea", reason=" ", now=NOW)
    back = store.reject(case_id, actor="lea", reason="see the second page", now=NOW)
    assert (back.standing.state, back.rework, back.opinions) == ("waiting", "see the second page", ())
    assert [c.case_id for c in store.work_of("ana", now=NOW)] == [case_id]
    assert store.work_of("ben", now=NOW) == []
    decide(store, case_id, "ana", "fraud")
    (newest, first) = store.recent_of("ana", now=NOW)
    assert (newest.opinion.queue, first.opinion.queue, newest.case.standing.verdict_queue) == (
        "fraud",
        "billing",
        "fraud",
    )
    (worked,) = AgreementStore(database).worked(automation="escalations", since=NOW - MINUTE, until=NOW)
    assert (worked.decided, worked.rejected, worked.corrected) == (2, 1, 1)


def test_a_leads_word_and_what_it_replaced_are_both_on_record(database):
    store, batch = made(database, of=automation())
    case_id = only(database)
    decide(store, case_id, "ana")
    over = store.override(case_id, actor="lea", queue="fraud", comment="known thief", now=NOW + MINUTE)
    assert (over.standing.decided_by, over.standing.verdict_queue) == ("lea", "fraud")
    assert [o.queue for o in store.opinions(case_id)] == ["billing"]
    assert store.undo(case_id, actor="lea", now=NOW + MINUTE).standing.verdict_queue == "billing"
    store.override(case_id, actor="lea", queue="fraud", now=NOW + MINUTE)
    assert store.finish(automation="escalations", batch=batch.batch, now=NOW + MINUTE)
    with pytest.raises(ReviewConflict, match="sent on"):
        store.override(case_id, actor="lea", queue="roaming", now=NOW + MINUTE)


def test_what_is_left_to_somebody_is_handed_to_them_alone(database):
    store, _ = made(database, Wanted(ticket_id="a", p=0.4), Wanted(ticket_id="b", p=0.5), of=automation())
    first = store.next_for("ana", now=NOW)
    with pytest.raises(UnknownPerson, match="nobody is called 'zoe'"):
        store.reassign(first.case_id, actor="ana", to="zoe", reason="", now=NOW)
    store.reassign(first.case_id, actor="ana", to="ben", reason="speaks Dutch", now=NOW)
    assert store.next_for("ana", now=NOW).case_id != first.case_id
    assert [c.case_id for c in store.work_of("ben", now=NOW)] == [first.case_id]
    held = store.next_for("ben", now=NOW)
    assert held.case_id == first.case_id
    assert store.heartbeat(held.case_id, actor="ben", now=NOW + MINUTE).standing.claim_expires == NOW + 16 * MINUTE
    store.release(held.case_id, actor="ben", now=NOW, until=NOW + timedelta(hours=1))
    assert store.case(held.case_id).assigned_to == "ben"
    store.comment(held.case_id, actor="ana", text="called twice", now=NOW)
    assert events(database, held.case_id)[-1] == ("comment", "ana")


def test_answers_of_the_declared_form_are_checked_and_stand_with_the_verdict(database):
    fields = [{"name": "cause", "label": "Cause", "kind": "choice", "options": ["ours", "theirs"], "required": True}]
    of = automation(review={"form": fields, "undo_minutes": 0})
    store, batch = made(database, of=of)
    case_id = only(database)
    assert store.form(case_id).fields[0].options == ("ours", "theirs")
    with pytest.raises(InvalidForm, match="Cause"):
        decide(store, case_id, "ana")
    assert decide(store, case_id, "ana", form={"cause": "ours"}).standing.form == {"cause": "ours"}
    assert only(database, "form") == {"cause": "ours"}
    store.finish(automation="escalations", batch=batch.batch, now=NOW)
    assert store.collect(automation=of, batch=batch.batch, now=NOW).outcomes == 1


def test_a_case_that_somebody_has_spoken_on_outlives_a_newer_decision(database):
    store, _ = made(database)
    case_id = only(database)
    decide(store, case_id, "ana")
    record(database, [Wanted(ticket_id="T0", version="2", p=0.98)], of=TWO, now=NOW + MINUTE)
    assert [o.actor for o in store.opinions(case_id)] == ["ana"]


def test_what_would_soon_be_late_comes_first_once_by_its_queues_own_time(database):
    of = automation(review={"service_levels": {"fraud": 1}, "escalate_before_hours": 0.5})
    store, _ = made(database, Wanted(ticket_id="a", p=0.4), Wanted(ticket_id="f", queue="fraud", p=0.6), of=of)
    dues = {b.queue: b.due_at for b in store.batches(automation="escalations")}
    assert dues == {"billing": NOW + timedelta(hours=8), "fraud": NOW + timedelta(hours=1)}
    for minutes in (29, 31, 40):
        store.make_batches(automation=of, now=NOW + minutes * MINUTE)
    first = store.next_for("ana", now=NOW + 40 * MINUTE)
    assert (first.standing.queue, first.escalated_at, first.priority > RAISED) == ("fraud", NOW + 31 * MINUTE, True)
    assert [e for e in events(database, first.case_id) if e[0] == "escalate"] == [("escalate", "aios")]
    levels = {level.queue: level for level in store.service_levels(now=NOW + 61 * MINUTE)}
    assert (levels["fraud"].late, levels["fraud"].escalated, levels["fraud"].objective) == (1, 1, 1.0)
    assert (levels["billing"].late, levels["billing"].waiting, levels["billing"].objective) == (0, 1, 8.0)


def labelled(database: Database) -> set[str]:
    table = CanonicalStore(database).tickets_labelled(
        automation="escalations", known_before=NOW + timedelta(days=1), window_days=30, limit=100
    )
    return set(table.column("ticket_id").to_pylist())


@pytest.mark.parametrize("declared", ["leave_out", "lead"])
def test_contradictory_labels_are_not_learnt_before_a_lead_has_settled_them(database, declared):
    of = automation(review={"contradictions": declared, "undo_minutes": 0})
    store, batch = made(database, *(Wanted(ticket_id=t, p=p) for t, p in (("a", 0.4), ("b", 0.5), ("c", 0.6))), of=of)
    with database.connection() as conn:
        conn.execute("update tickets set body = body || ' Another matter.' where ticket_id = 'c'")
    cases = {c.ticket_id: c.case_id for c in store.cases(automation="escalations", batch=batch.batch)}
    for ticket, queue in (("a", "billing"), ("b", "fraud"), ("c", "roaming")):
        decide(store, cases[ticket], "ana", queue)
    later = NOW + 2 * MINUTE
    if declared == "lead":
        assert not store.finish(automation="escalations", batch=batch.batch, now=later)
        store.make_batches(automation=of, now=later)
        assert {
            store.next_for("lea", now=later).ticket_id,
            store.next_for("lea", now=later, besides=cases["a"]).ticket_id,
        } == {"a", "b"}
        decide(store, cases["a"], "lea", "billing", now=later)
        collect_all(store, of, later + MINUTE)
        assert labelled(database) == {"c"}  # the other one still waits for the lead
        decide(store, cases["b"], "lea", "billing", now=later)
        collect_all(store, of, later + MINUTE)
        assert labelled(database) == {"a", "b", "c"}
        assert store.case(cases["b"]).standing.verdict_queue == "billing"
    else:
        collect_all(store, of, later)
        assert labelled(database) == {"c"}
        assert {r["ticket_id"] for r in AgreementStore(database).in_dispute(automation="escalations", until=later)} == {
            "a",
            "b",
        }


def collect_all(store: ReviewStore, of, now) -> None:
    for name in store.finished_batches("escalations", now=now):
        store.collect(automation=of, batch=name, now=now)


def test_an_audit_on_demand_is_one_batch_a_day_of_automated_decisions(database):
    record(database, [Wanted(ticket_id=f"T{i}", p=0.97) for i in range(8)])
    of = automation()
    (first,) = batch_on_demand(database, automation=of, origin="audit", size=3, now=NOW)
    assert batch_on_demand(database, automation=of, origin="audit", size=3, now=NOW + MINUTE) == [first]
    assert ReviewStore(database).batch(automation="escalations", batch=first).waiting == 3
    batch_on_demand(database, automation=of, origin="audit", size=5, now=NOW + MINUTE)
    assert ReviewStore(database).batch(automation="escalations", batch=first).waiting == 5


def test_disagreement_on_demand_takes_the_tickets_that_versions_see_differently(database):
    record(database, [Wanted(ticket_id=f"T{i}", p=0.97) for i in range(4)])
    differing = [("helpdesk", "T1"), ("helpdesk", "T3")]
    (name,) = batch_on_demand(
        database, automation=automation(), origin="disagreement", size=10, now=NOW, differing=differing
    )
    cases = ReviewStore(database).cases(automation="escalations", batch=name)
    assert {c.ticket_id for c in cases} == {"T1", "T3"}


def test_counts_are_those_of_the_cases_after_any_steps_and_after_folding(database):
    store, batch = made(database, *(Wanted(ticket_id=f"T{i}") for i in range(5)), of=automation())
    for _ in range(3):
        decide(store, store.next_for("ana", now=NOW).case_id, "ana")
    store.next_for("ben", now=NOW)
    before = store.batch(automation="escalations", batch=batch.batch)
    assert (before.waiting, before.claimed, before.decided, before.decided_last) == (1, 1, 3, NOW)
    store.make_batches(automation=automation(), now=NOW)
    assert store.batch(automation="escalations", batch=batch.batch) == before
    with database.connection() as conn:
        assert conn.execute("select count(*) from review_tallies").fetchone()[0] == 3
        conn.execute("truncate review_cases cascade")
        assert conn.execute("select count(*) from review_tallies").fetchone()[0] == 0


def test_a_new_batch_waits_for_enough_cases_or_for_the_oldest(database):
    of = automation(review={"min_batch": 3, "max_age_minutes": 30})
    record(database, [Wanted(ticket_id="a")], of=of)
    store = ReviewStore(database)
    assert store.make_batches(automation=of, now=NOW + 29 * MINUTE) == []
    assert [b.waiting for b in store.make_batches(automation=of, now=NOW + 30 * MINUTE)] == [1]
