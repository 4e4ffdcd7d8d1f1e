"""Recording decisions: all or nothing, once, from anywhere, with what follows; and reading them back."""

import json
import os
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Sequence
from datetime import date, timedelta
from pathlib import Path
from typing import Any

import pyarrow as pa
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from aios_core.decisions.model import Decision, DecisionError, UnknownDecision
from resources.database import Database
from resources.decisions import DecisionStore
from resources.ledger import Ledger
from resources.recording import Recorded
from tests.aios_core.decisions.making import score
from tests.resources.deciding import CLASSES, NOW, POLICY, automation, decisions, ticket

DAY = date(2026, 11, 20)


def record(database: Database, made: Sequence[Decision], *, later: int = 0, **changes: Any) -> Recorded:
    declared = automation(**changes)
    return DecisionStore(database).record(
        made, automation=declared, policy_text=POLICY, now=NOW + timedelta(minutes=later)
    )


def rows(database: Database, query: str, *parameters: Any) -> list[tuple[Any, ...]]:
    with database.connection() as conn:
        return conn.execute(query, parameters).fetchall()


def everything(database: Database) -> list[list[tuple[Any, ...]]]:
    return [
        rows(database, query)
        for query in (
            "select decision_id, verdict, queue, record, decided_at from decisions order by 1",
            "select idempotency_key, decision_id, kind, external_id, payload, state from outbox order by 1",
            "select case_id, decision_id, queue, state, priority from review_cases order by 1",
            "select revision, content from policies",
            "select version, automation from declarations",
        )
    ]


def test_a_decision_is_recorded_with_all_that_follows_from_it(database: Database) -> None:
    made = decisions([ticket(i) for i in range(6)])
    assert record(database, made) == Recorded(new=6, existing=0, actions=4, cases=2, superseded=0)
    assert rows(database, "select kind, count(*) from outbox group by kind order by kind") == [
        ("assign", 2),
        ("draft", 2),
    ]
    cases = rows(database, "select case_id, queue, state, batch from review_cases order by 1")
    assert cases == [(d.decision_id, "billing", "waiting", None) for d in sorted(made, key=lambda d: d.decision_id)
                     if d.verdict == "review"]  # fmt: skip
    assert rows(database, "select kind, items from ledger") == [("decisions", 6)]
    assert rows(database, "select content from policies") == [(POLICY,)]


def test_recording_again_changes_nothing(database: Database) -> None:
    made = decisions([ticket(i) for i in range(6)])
    record(database, made)
    before = everything(database)
    assert record(database, made[::-1] + made, later=5) == Recorded(existing=6)
    assert everything(database) == before
    assert rows(database, "select count(*) from ledger") == [(1,)]


@settings(max_examples=12, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(parts=st.lists(st.sets(st.integers(0, 11), min_size=1), min_size=1, max_size=4))
def test_any_parts_in_any_order_give_the_same_rows(database: Database, parts: list[set[int]]) -> None:
    _clear(database)
    made = decisions([ticket(i) for i in range(12)])
    for part in parts:
        record(database, [made[i] for i in part])
    record(database, made)
    found = everything(database)
    _clear(database)
    record(database, made)
    assert found == everything(database)
    assert Ledger(database).verify().ok


def test_two_threads_record_the_same_decisions_once(database: Database) -> None:
    made = decisions([ticket(i) for i in range(200)])
    halves = [made[:150], made[50:], made[::-1], made[:150]]
    results: list[Recorded] = []
    start = threading.Barrier(len(halves))

    def work(mine: list[Decision]) -> None:
        start.wait()
        results.append(record(database, mine))

    threads = [threading.Thread(target=work, args=(half,)) for half in halves]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert len(results) == len(halves)
    assert sum(r.new for r in results) == 200
    assert rows(database, "select count(*) from decisions") == [(200,)]
    assert rows(database, "select count(*), count(distinct idempotency_key) from outbox") == [(134, 134)]
    assert Ledger(database).verify().ok


def test_a_failure_half_way_leaves_nothing_behind(database: Database) -> None:
    with database.connection() as conn:
        conn.execute("alter table ledger add constraint broken check (sequence < 1)")
    with pytest.raises(Exception, match="broken"):
        record(database, decisions([ticket(1)]))
    assert everything(database) == [[], [], [], [], []]


RECORDING = """
import os, sys
from resources.database import Database
from resources.decisions import DecisionStore
from tests.resources.deciding import NOW, POLICY, automation, decisions, ticket

store, made = DecisionStore(Database(sys.argv[1])), decisions([ticket(i) for i in range(600)])
os.write(1, b"go")
for start in range(0, 600, 20):
    store.record(made[start : start + 20], automation=automation(), policy_text=POLICY, now=NOW)
"""


def test_a_recorder_killed_at_any_instant_leaves_nothing_half_done(database: Database, database_url: str) -> None:
    child = subprocess.Popen(
        [sys.executable, "-c", RECORDING, database_url], stdout=subprocess.PIPE, cwd=Path(__file__).parents[2]
    )
    assert child.stdout is not None
    try:
        assert child.stdout.read(2) == b"go"
        while not rows(database, "select 1 from decisions limit 1"):
            time.sleep(0.005)
    finally:
        os.kill(child.pid, signal.SIGKILL)
        child.wait(timeout=10)
        child.stdout.close()
    [(recorded,)] = rows(database, "select count(*) from decisions")
    assert 0 < recorded < 600
    assert recorded % 20 == 0
    assert Ledger(database).verify().ok
    made = decisions([ticket(i) for i in range(600)])
    assert record(database, made).new == 600 - recorded
    assert rows(database, "select count(*), count(distinct decision_id) from outbox") == [(400, 400)]
    assert rows(database, "select count(*) from review_cases") == [(200,)]
    assert Ledger(database).verify().ok


def test_a_decision_made_under_other_rules_is_refused(database: Database) -> None:
    made = decisions([ticket(1)])
    with pytest.raises(DecisionError, match="decide again with the rules of this declaration"):
        record(database, made, description="changed meanwhile")
    with pytest.raises(DecisionError, match="was made under"):
        DecisionStore(database).record(made, automation=automation(), policy_text="other", now=NOW)
    assert everything(database) == [[], [], [], [], []]


def test_no_decisions_leave_no_trace(database: Database) -> None:
    assert record(database, []) == Recorded()
    assert rows(database, "select count(*) from ledger") == [(0,)]


def test_in_a_dry_run_actions_are_kept_and_never_sent(database: Database) -> None:
    changes = {"actions": {"source": "helpdesk", "dry_run": True}}
    record(database, decisions([ticket(0)], automation(**changes)), **changes)
    assert rows(database, "select state from outbox") == [("dry_run",)]


def test_a_new_text_withdraws_what_the_old_one_still_waits_for(database: Database) -> None:
    first = decisions([ticket(0), ticket(1), ticket(2)])  # automate, draft, review
    record(database, first)
    again = ticket(0)["known_at"] + timedelta(hours=1)
    newer = decisions([ticket(i, ticket_version="v2", known_at=again) for i in (2, 0, 1)])
    assert record(database, newer, later=60) == Recorded(new=3, actions=2, cases=1, superseded=3)
    by_state = rows(database, "select decision_id, state from outbox order by 2, 1")
    assert {(i, s) for i, s in by_state if s == "superseded"} == {(d.decision_id, "superseded") for d in first[:2]}
    assert rows(database, "select case_id from review_cases") == [
        (d.decision_id,) for d in newer if d.verdict == "review"
    ]


def test_an_old_text_decided_late_does_not_act(database: Database) -> None:
    later = ticket(0)["known_at"] + timedelta(hours=1)
    record(database, decisions([ticket(0, ticket_version="v2", known_at=later)]))
    late = record(database, decisions([ticket(0)]), later=60)
    assert (late.new, late.actions, late.superseded) == (1, 0, 0)
    assert rows(database, "select state from outbox") == [("pending",)]


def test_of_two_texts_in_one_recording_only_the_last_acts(database: Database) -> None:
    later = ticket(0)["known_at"] + timedelta(hours=1)
    both = decisions([ticket(0, ticket_version="v2", known_at=later), ticket(0)], probabilities=[[0.95, 0.03, 0.02]])
    assert record(database, both).actions == 1
    assert rows(database, "select decision_id from outbox") == [(both[0].decision_id,)]


def test_another_model_on_the_same_text_acts_last(database: Database) -> None:
    record(database, decisions([ticket(0)], model_version=3))
    newer = decisions([ticket(0)], model_version=4)
    assert record(database, newer).superseded == 1  # in the same instant, too
    assert rows(database, "select decision_id from outbox where state = 'pending'") == [(newer[0].decision_id,)]


def test_a_case_that_somebody_holds_or_decided_is_left_to_them(database: Database) -> None:
    made = decisions([ticket(i) for i in range(3)], probabilities=[[0.4, 0.35, 0.25]])
    record(database, made)
    with database.connection() as conn:
        conn.execute(
            "update review_cases set state = 'claimed', claimed_by = 'ada' where case_id = %s", (made[0].decision_id,)
        )
        conn.execute("update review_cases set state = 'decided' where case_id = %s", (made[1].decision_id,))
    later = ticket(9)["known_at"] + timedelta(hours=1)
    record(database, decisions([ticket(i, ticket_version="v2", known_at=later) for i in range(3)]), later=60)
    left = {row[0] for row in rows(database, "select case_id from review_cases")}
    assert {made[0].decision_id, made[1].decision_id} <= left
    assert made[2].decision_id not in left


def test_a_withdrawn_case_leaves_its_batch_smaller(database: Database) -> None:
    made = decisions([ticket(i) for i in range(2)], probabilities=[[0.4, 0.35, 0.25]])
    record(database, made)
    with database.connection() as conn:
        conn.execute(
            "insert into review_batches (automation, batch, queue, day, size, due_at) values ('care', 'b', 'billing', %s, 2, %s)",
            (DAY, NOW),
        )
        conn.execute("update review_cases set batch = 'b'")
        conn.execute(
            "insert into review_events (case_id, kind, actor) values (%s, 'skip', 'ada')", (made[0].decision_id,)
        )
    later = ticket(9)["known_at"] + timedelta(hours=1)
    record(database, decisions([ticket(0, ticket_version="v2", known_at=later)]), later=60)
    assert rows(database, "select size from review_batches") == [(1,)]


def test_decisions_are_found_counted_and_tabled(database: Database) -> None:
    made = decisions([ticket(i) for i in range(6)])
    record(database, made)
    store = DecisionStore(database)
    assert store.get(made[0].decision_id).record == made[0].record
    assert [d.decision_id for d in store.for_ticket("care", "1")] == [made[1].decision_id]
    assert store.counts("care", DAY, DAY + timedelta(days=1)) == {"automate": 2, "draft": 2, "review": 2, "fallback": 0}
    assert sum(store.counts("care", DAY + timedelta(days=1), DAY + timedelta(days=9)).values()) == 0
    table = store.table("care", DAY, DAY + timedelta(days=1))
    assert table.num_rows == 6
    assert table.column("decided_at")[0].as_py() == NOW
    assert table.column("landed_at").null_count == 6  # no ticket rows here
    assert store.table("care", DAY + timedelta(days=1), DAY).num_rows == 0


def test_an_unknown_decision_is_named(database: Database) -> None:
    for ask in (DecisionStore(database).get, DecisionStore(database).explain):
        with pytest.raises(UnknownDecision, match="no decision nowhere"):
            ask("nowhere")


def test_an_explanation_has_the_reason_the_words_and_what_followed(database: Database) -> None:
    made = decisions([ticket(0)])
    record(database, made)
    told = DecisionStore(database).explain(made[0].decision_id)
    json.dumps(told)  # can be shown and sent
    assert told["reason"].startswith("95.0% sure of billing")
    assert told["probabilities"][0] == {"queue": "billing", "probability": 0.95}
    assert [p["queue"] for p in told["probabilities"]] == list(CLASSES)
    assert told["terms"][0] == {"term": "bill", "weight": 1.25}
    assert told["policy"]["answer"] == {"verdict": "automate", "rule": "as_proposed"}
    assert [(a["kind"], a["state"]) for a in told["actions"]] == [("assign", "pending")]
    assert told["case"] is None
    assert told["newer_decision"] is None


class FakeModel:
    """Scores as the recorded model did; `explain` is what it was asked for."""

    def __init__(self, probabilities: list[float]) -> None:
        self.probabilities = probabilities
        self.explain: list[int] = []

    def score_batch(self, batch: pa.RecordBatch, *, explain: int = 0) -> pa.RecordBatch:
        self.explain.append(explain)
        return pa.RecordBatch.from_pylist([score(row, self.probabilities) for row in batch.to_pylist()])


class FakeRegistry:
    """Holds one model version."""

    def __init__(self, model: FakeModel) -> None:
        self.model = model
        self.loaded: list[tuple[str, int, str]] = []

    def load(self, *, name: str, version: int, accelerator: str) -> FakeModel:
        self.loaded.append((name, version, accelerator))
        return self.model


def test_a_decision_replays_through_its_own_model_version_and_policy(database: Database) -> None:
    made = decisions([ticket(0)])
    record(database, made)
    registry: Any = FakeRegistry(FakeModel([0.95, 0.03, 0.02]))
    again = DecisionStore(database).replay(made[0].decision_id, registry=registry)
    assert again.identical
    assert again.record == made[0].record
    assert registry.loaded == [("care", 3, "cpu")]
    assert registry.model.explain == [2]
    assert DecisionStore(database).replay(made[0].decision_id, registry=None).identical
    changed: Any = FakeRegistry(FakeModel([0.5, 0.3, 0.2]))
    assert not DecisionStore(database).replay(made[0].decision_id, registry=changed).identical


def test_without_its_policy_a_decision_can_not_be_replayed(database: Database) -> None:
    made = decisions([ticket(0)])
    record(database, made)
    with database.connection() as conn:
        conn.execute("delete from policies")
    with pytest.raises(DecisionError, match="policy revision .* is not stored"):
        DecisionStore(database).replay(made[0].decision_id, registry=None)


def test_20_000_decisions_are_recorded_in_seconds(database: Database) -> None:
    made = decisions([ticket(i) for i in range(20_000)])
    started = time.perf_counter()
    recorded = record(database, made)
    seconds = time.perf_counter() - started
    assert (recorded.new, recorded.actions, recorded.cases) == (20_000, 13_334, 6_666)
    assert seconds < 15  # about 2 s on an idle machine; the machine is shared
    started = time.perf_counter()
    assert Ledger(database).verify().ok
    print(f"recorded 20,000 decisions in {seconds:.2f} s, verified in {time.perf_counter() - started:.2f} s")


def _clear(database: Database) -> None:
    with database.connection() as conn:
        conn.execute("truncate decisions, outbox, review_cases, review_events, policies, declarations, ledger cascade")
