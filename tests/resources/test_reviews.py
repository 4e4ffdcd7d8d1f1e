import threading
from collections.abc import Callable
from datetime import timedelta

import pytest

from aios_core.review.states import ReviewConflict, UnknownCase, UnknownQueue
from resources.database import Database
from resources.decisions import DecisionStore
from resources.ledger import Ledger
from resources.review_batches import BatchNotFinished
from resources.reviews import Batch, Case, ReviewStore, UnknownBatch
from tests.review_world import DAY, NOW, Wanted, automation, record

AUTOMATION = automation()
MINUTE = timedelta(minutes=1)


def made(database: Database, count: int = 3, **wanted: object) -> tuple[ReviewStore, Batch]:
    record(database, [Wanted(ticket_id=f"T{i}", p=0.4 + i / 100, **wanted) for i in range(count)])
    store = ReviewStore(database)
    return store, store.make_batches(automation=AUTOMATION, now=NOW)[0]


def take(store: ReviewStore, batch: Batch, actor: str = "ana", **more: object) -> Case | None:
    return store.next_case(automation=batch.automation, batch=batch.batch, actor=actor, **({"now": NOW} | more))


def events(database: Database, case_id: str) -> list[tuple[str, str]]:
    with database.connection() as conn:
        return conn.execute(
            "select kind, actor from review_events where case_id = %s order by event_id", (case_id,)
        ).fetchall()


def both(work: Callable[[int], object], count: int = 2) -> list[object]:
    """Run `work(0)`, `work(1)` … at the same time; exceptions come back as results."""
    results: list[object] = [None] * count
    start = threading.Barrier(count)

    def run(index: int) -> None:
        start.wait()
        try:
            results[index] = work(index)
        except Exception as error:  # handed to the test, which looks at it
            results[index] = error

    threads = [threading.Thread(target=run, args=(i,)) for i in range(count)]
    for t in threads:
        t.start()
    for t in threads:
        t.join(30)
    return results


# batches


def test_waiting_cases_become_one_batch_a_day_and_queue(database):
    record(database, [Wanted(ticket_id="a"), Wanted(ticket_id="b", queue="fraud"), Wanted(ticket_id="c")])
    batches = ReviewStore(database).make_batches(automation=AUTOMATION, now=NOW)
    assert {(b.batch, b.size) for b in batches} == {("2026-11-20/billing", 2), ("2026-11-20/fraud", 1)}
    assert all(b.due_at == NOW + timedelta(hours=8) and b.day == DAY and b.state == "open" for b in batches)


def test_making_batches_again_changes_nothing(database):
    store, batch = made(database)
    assert store.make_batches(automation=AUTOMATION, now=NOW + MINUTE) == []
    assert store.batches(automation="escalations") == [batch]


def test_later_cases_fill_the_open_batch_then_overflow_into_a_second_one(database):
    small = automation(review={"max_batch": 3})
    store = ReviewStore(database)
    record(database, [Wanted(ticket_id="a"), Wanted(ticket_id="b")], of=small)
    store.make_batches(automation=small, now=NOW)
    record(database, [Wanted(ticket_id=t) for t in "cde"], of=small)
    touched = store.make_batches(automation=small, now=NOW + MINUTE)
    assert {(b.batch, b.size) for b in touched} == {("2026-11-20/billing", 3), ("2026-11-20/billing.2", 2)}


def test_two_processes_making_batches_at_once_give_every_case_one_batch(database_url, database):
    record(database, [Wanted(ticket_id=f"T{i}") for i in range(40)])
    small = automation(review={"max_batch": 7})

    def work(_: int) -> int:
        with Database(database_url) as own:
            return len(ReviewStore(own).make_batches(automation=small, now=NOW))

    made_by = both(work, 3)
    batches = ReviewStore(database).batches(automation="escalations")
    assert sorted(made_by) == [0, 0, 6]
    assert sum(b.size for b in batches) == 40
    assert max(b.size for b in batches) == 7


def test_cases_of_another_automation_stay_out_of_it(database):
    other = automation(name="other")
    record(database, [Wanted(ticket_id="a")])
    record(database, [Wanted(ticket_id="a")], of=other)
    store = ReviewStore(database)
    assert len(store.make_batches(automation=other, now=NOW)) == 1
    assert [b.automation for b in store.batches()] == ["other"]


# one case after the other


def test_the_most_doubtful_case_comes_first(database):
    store, batch = made(database)
    first = take(store, batch)
    assert first is not None
    assert first.ticket_id == "T0"
    assert first.standing.claimed_by == "ana"
    assert first.standing.claim_expires == NOW + timedelta(minutes=15)


def test_asking_again_gives_the_case_already_held(database):
    store, batch = made(database)
    assert take(store, batch).case_id == take(store, batch, now=NOW + MINUTE).case_id


def test_the_second_person_gets_another_case(database):
    store, batch = made(database)
    assert take(store, batch).case_id != take(store, batch, "ben").case_id


def test_people_asking_at_once_never_get_the_same_case(database_url, database):
    _, batch = made(database, 12)

    def work(index: int) -> str | None:
        with Database(database_url, max_size=1) as own:
            found = take(ReviewStore(own), batch, f"person-{index}")
            return found.case_id if found else None

    got = both(work, 8)
    assert len(set(got)) == 8
    assert None not in got


def test_a_claim_that_ran_out_is_handed_to_somebody_else(database):
    store, batch = made(database, 1)
    case = take(store, batch)
    assert take(store, batch, "ben", now=NOW + 14 * MINUTE) is None
    assert take(store, batch, "ben", now=NOW + 16 * MINUTE).case_id == case.case_id


def test_a_skipped_case_comes_back_only_when_asked_for(database):
    store, batch = made(database, 1)
    case = take(store, batch)
    store.skip(case.case_id, actor="ana", reason="not my language", now=NOW)
    assert take(store, batch) is None
    assert take(store, batch, "ben").case_id == case.case_id
    store.release(case.case_id, actor="ben", now=NOW)
    assert take(store, batch, take_skipped=True).case_id == case.case_id


def test_signing_out_gives_back_all_that_was_held(database):
    store, batch = made(database, 2)
    case = take(store, batch)
    assert store.release_all(actor="ana", now=NOW) == 1
    assert store.case(case.case_id).standing.state == "waiting"
    assert events(database, case.case_id) == [("claim", "ana"), ("release", "ana")]


# verdicts


def test_a_verdict_is_recorded_with_who_when_and_what(database):
    store, batch = made(database)
    case = take(store, batch)
    decided = store.decide(case.case_id, actor="ana", queue="fraud", comment="stolen card", now=NOW + MINUTE)
    assert decided.standing.verdict == "corrected"
    assert decided.standing.verdict_queue == "fraud"
    assert decided.standing.decided_at == NOW + MINUTE
    assert decided.standing.comment == "stolen card"
    assert store.batch(automation="escalations", batch=batch.batch).decided == 1


def test_the_same_verdict_sent_twice_is_one_verdict(database):
    store, batch = made(database, 1)
    case = take(store, batch)
    first = store.decide(case.case_id, actor="ana", queue="billing", now=NOW)
    assert store.decide(case.case_id, actor="ana", queue="billing", now=NOW + MINUTE) == first
    assert events(database, case.case_id) == [("claim", "ana"), ("decide", "ana")]


def test_the_second_person_to_decide_is_refused_and_what_they_said_is_kept(database):
    store, batch = made(database, 1)
    case = take(store, batch)
    store.decide(case.case_id, actor="ana", queue="billing", now=NOW)
    with pytest.raises(ReviewConflict, match="ana already decided") as refused:
        store.decide(case.case_id, actor="ben", queue="fraud", comment="sure", now=NOW)
    assert refused.value.standing.verdict_queue == "billing"
    assert store.case(case.case_id).standing.verdict_queue == "billing"
    with database.connection() as conn:
        kept = conn.execute("select actor, detail from review_events where kind = 'conflict'").fetchall()
    assert kept == [("ben", {"queue": "fraud", "comment": "sure"})]


def test_of_two_verdicts_at_the_same_moment_one_counts(database_url, database):
    store, batch = made(database, 1)
    case = take(store, batch, now=NOW - timedelta(hours=1))  # a claim that has run out holds nobody back

    def work(index: int) -> str:
        with Database(database_url, max_size=1) as own:
            who = f"person-{index}"
            ReviewStore(own).decide(case.case_id, actor=who, queue="billing", now=NOW)
            return who

    results = both(work, 4)
    winners = [r for r in results if isinstance(r, str)]
    assert len(winners) == 1
    assert sum(isinstance(r, ReviewConflict) for r in results) == 3
    assert store.case(case.case_id).standing.decided_by == winners[0]


def test_a_queue_the_automation_does_not_have_is_refused(database):
    store, batch = made(database, 1)
    with pytest.raises(UnknownQueue, match="no queue 'refunds'; it has: billing, outage"):
        store.decide(take(store, batch).case_id, actor="ana", queue="refunds", now=NOW)


def test_without_declared_queues_the_models_classes_are_the_choices(database):
    learnt = automation(queues=[])
    with database.connection() as conn:
        conn.execute(
            "insert into model_versions (name, version, automation, kind, files, content_hash, snapshot_id, classes,"
            " metrics, card) values ('escalations', 1, 'escalations', 'linear_text', '{}', 'h', 's', '{b,a}', '{}', '{}')"
        )
    (case_id,) = record(database, [Wanted(ticket_id="a")], of=learnt)
    assert ReviewStore(database).choices(case_id) == ["b", "a"]


def test_an_unknown_case_says_so(database):
    with pytest.raises(UnknownCase, match="no review case nope"):
        ReviewStore(database).decide("nope", actor="ana", queue="billing", now=NOW)


def test_a_verdict_can_be_undone_in_time_by_who_gave_it(database):
    store, batch = made(database, 1)
    case = take(store, batch)
    store.decide(case.case_id, actor="ana", queue="fraud", now=NOW)
    with pytest.raises(ReviewConflict, match="only they can undo"):
        store.undo(case.case_id, actor="ben", now=NOW)
    with pytest.raises(ReviewConflict, match="too late"):
        store.undo(case.case_id, actor="ana", now=NOW + 11 * MINUTE)
    undone = store.undo(case.case_id, actor="ana", now=NOW + 9 * MINUTE)
    assert undone.standing.state == "claimed"
    assert undone.standing.verdict_queue is None
    assert events(database, case.case_id) == [("claim", "ana"), ("decide", "ana"), ("undo", "ana")]


# the end of a batch


def decide_all(store: ReviewStore, batch: Batch, actor: str = "ana", queue: str = "billing") -> None:
    while case := take(store, batch, actor):
        store.decide(case.case_id, actor=actor, queue=queue, now=NOW)


def test_a_batch_is_finished_when_its_last_verdict_can_no_longer_be_undone(database):
    store, batch = made(database)
    decide_all(store, batch)
    assert store.finished_batches("escalations", now=NOW + 10 * MINUTE) == []
    assert store.finished_batches("escalations", now=NOW + 11 * MINUTE) == [batch.batch]


def test_a_reviewer_can_close_a_batch_and_then_nothing_is_undone(database):
    store, batch = made(database, 1)
    assert not store.finish(automation="escalations", batch=batch.batch, now=NOW)
    decide_all(store, batch)
    assert store.finish(automation="escalations", batch=batch.batch, now=NOW)
    assert store.finished_batches("escalations", now=NOW) == [batch.batch]
    case = store.cases(automation="escalations", batch=batch.batch)[0]
    with pytest.raises(ReviewConflict, match="its batch is done"):
        store.undo(case.case_id, actor="ana", now=NOW)


def test_a_batch_reported_as_finished_stays_so_whatever_comes_after(database):
    store, batch = made(database, 1)
    decide_all(store, batch)
    assert store.finished_batches("escalations", now=NOW + 11 * MINUTE) == [batch.batch]
    case = store.cases(automation="escalations", batch=batch.batch)[0]
    with pytest.raises(ReviewConflict, match="its batch is done"):  # a clock that runs behind asks for it
        store.undo(case.case_id, actor="ana", now=NOW + 9 * MINUTE)
    record(database, [Wanted(ticket_id="later")])
    (other,) = store.make_batches(automation=AUTOMATION, now=NOW + 12 * MINUTE)
    assert other.batch == f"{batch.batch}.2"
    assert store.finished_batches("escalations", now=NOW) == [batch.batch]


def test_a_complete_batch_is_not_filled_while_its_last_verdict_may_be_undone(database):
    store, batch = made(database, 1)
    decide_all(store, batch)
    record(database, [Wanted(ticket_id="later")])
    (other,) = store.make_batches(automation=AUTOMATION, now=NOW)
    assert other.batch == f"{batch.batch}.2"


def test_collecting_gives_outcomes_assignments_and_a_ledger_entry_once(database):
    store, batch = made(database, 3)
    first = take(store, batch)
    store.decide(first.case_id, actor="ana", queue="fraud", comment="stolen card", now=NOW)
    decide_all(store, batch)
    collected = store.collect(automation=AUTOMATION, batch=batch.batch, now=NOW + MINUTE)
    assert (collected.outcomes, collected.agreed, collected.corrected, collected.actions) == (3, 2, 1, 3)
    assert store.collect(automation=AUTOMATION, batch=batch.batch, now=NOW + 2 * MINUTE) == collected
    with database.connection() as conn:
        outcome = conn.execute(
            "select queue, origin, actor, event_time, known_at from outcomes where ticket_id = %s", (first.ticket_id,)
        ).fetchall()
        action = conn.execute(
            "select kind, external_id, payload ->> 'queue', payload ->> 'comment', state from outbox where case_id = %s",
            (first.case_id,),
        ).fetchall()
        entries = conn.execute("select subject, items from ledger where kind = 'review'").fetchall()
    assert outcome == [("fraud", "review", "ana", NOW, NOW)]
    assert action == [("assign", first.ticket_id, "fraud", "ana chose fraud in review: stolen card", "pending")]
    assert entries == [(batch.batch, 3)]
    assert Ledger(database).verify().ok
    assert store.finished_batches("escalations", now=NOW + timedelta(days=1)) == []


def test_an_unfinished_batch_is_not_collected(database):
    store, batch = made(database, 2)
    store.decide(take(store, batch).case_id, actor="ana", queue="billing", now=NOW)
    with pytest.raises(BatchNotFinished, match="1 of 2 cases to decide"):
        store.collect(automation=AUTOMATION, batch=batch.batch, now=NOW)
    with database.connection() as conn:
        assert conn.execute("select count(*) from outcomes").fetchone() == (0,)


def test_collecting_an_unknown_batch_says_so(database):
    with pytest.raises(UnknownBatch, match="no review batch 2026-01-01/x"):
        ReviewStore(database).collect(automation=AUTOMATION, batch="2026-01-01/x", now=NOW)


def test_a_case_decided_before_it_had_a_batch_is_collected_too(database):
    (case_id,) = record(database, [Wanted(ticket_id="early")])
    store = ReviewStore(database)
    store.decide(case_id, actor="ana", queue="billing", now=NOW)
    (batch,) = store.make_batches(automation=AUTOMATION, now=NOW)
    assert batch.decided == 1
    assert store.collect(automation=AUTOMATION, batch=batch.batch, now=NOW).outcomes == 1


def test_a_case_replaced_by_a_newer_decision_leaves_its_batch_and_does_not_hold_it_up(database):
    store, batch = made(database, 2)
    kept = take(store, batch)
    store.decide(kept.case_id, actor="ana", queue="billing", now=NOW)
    gone = take(store, batch)
    store.release(gone.case_id, actor="ana", now=NOW)
    record(database, [Wanted(ticket_id=gone.ticket_id, version="2", p=0.98)], now=NOW + MINUTE)
    with pytest.raises(UnknownCase, match="newer decision"):
        store.decide(gone.case_id, actor="ana", queue="billing", now=NOW)
    assert store.finished_batches("escalations", now=NOW + 11 * MINUTE) == [batch.batch]
    assert store.collect(automation=AUTOMATION, batch=batch.batch, now=NOW).outcomes == 1
    assert len(DecisionStore(database).for_ticket("escalations", gone.ticket_id)) == 2


def test_audit_cases_are_handed_out_among_the_others(database):
    record(database, [Wanted(ticket_id=f"T{i}", p=0.4 + i / 500) for i in range(40)])
    with database.connection() as conn:  # the surest fifth, which would come last
        surest = "select case_id from review_cases order by priority limit 8"
        ids = [row[0] for row in conn.execute(surest)]
        conn.execute("update decisions set audit = true, rule = 'audit' where decision_id = any(%s)", (ids,))
    store = ReviewStore(database)
    (batch,) = store.make_batches(automation=AUTOMATION, now=NOW)
    order = [case.case_id for case in store.cases(automation=batch.automation, batch=batch.batch)]
    assert sorted(order.index(i) for i in ids) != list(range(32, 40))
    assert take(store, batch).case_id == order[0]
    assert min(order.index(i) for i in ids) < 20
