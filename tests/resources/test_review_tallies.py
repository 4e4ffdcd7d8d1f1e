"""Counts are sums of steps: after any sequence of steps by any people, on real rows, they equal what counting cases gives.

The steps are those of the machine that proves the rules (`tests/aios_core/review/test_opinions.py`), and its invariants are asked of what
stands in Postgres; beside them here are the steps that only rows know: cases that come, go, are batched, handed out and sent on.
"""

from collections import Counter
from collections.abc import Callable

from hypothesis import HealthCheck, settings
from hypothesis import strategies as st
from hypothesis.stateful import invariant, rule, run_state_machine_as_test

from aios_core.review.states import NotAllowed, ReviewConflict, Standing
from resources import review_tallies
from resources.database import Database
from resources.review_cases import lock_case, move
from resources.reviews import ReviewStore
from tests.aios_core.review.test_opinions import LEADS, PEOPLE, QUEUES, ManyHands
from tests.review_world import Wanted, automation, record

OF = automation(review={"quorum": 2, "undo_minutes": 10, "service_levels": {"fraud": 1}, "escalate_before_hours": 0.9})
OTHERS = st.sampled_from(["T1", "T2", "T3"])
STATES = ("waiting", "claimed", "decided")


class ManyHandsOnRows(ManyHands):
    """`case` is ticket T0's, read anew after each step; other tickets come and go around it."""

    def __init__(self, database: Database) -> None:
        super().__init__()
        self.database, self.store, self.versions = database, ReviewStore(database), Counter[str]()
        with database.connection() as conn:
            conn.execute("truncate tickets, decisions, review_cases, review_batches, outcomes, outbox cascade")
        self.case_id = self.arrives("T0", "billing")
        self.read()

    def arrives(self, ticket: str, queue: str) -> str:
        self.versions[ticket] += 1
        wanted = Wanted(ticket_id=ticket, queue=queue, version=str(self.versions[ticket]))
        return record(self.database, [wanted], of=OF, now=self.now)[0]

    def read(self) -> None:
        self.case = self.store.case(self.case_id).standing

    def step(self, take: Callable[[Standing], Standing]) -> Standing | None:
        with self.database.connection() as conn:
            stood = lock_case(conn, self.case_id)
            try:
                taken = take(stood.standing)
            except (ReviewConflict, NotAllowed):
                return None
            self.case = move(conn, stood, taken, None, self.now, actor="somebody").standing
        return stood.standing

    @rule(ticket=OTHERS, queue=QUEUES)
    def a_ticket_comes_or_a_newer_decision_replaces_its_case(self, ticket: str, queue: str) -> None:
        self.arrives(ticket, queue)

    @rule()
    def cases_become_batches_and_steps_are_folded(self) -> None:
        self.store.make_batches(automation=OF, now=self.now)
        self.read()

    @rule()
    def steps_are_folded(self) -> None:
        with self.database.connection() as conn:
            review_tallies.fold(conn)

    @rule(actor=PEOPLE, queue=QUEUES)
    def somebody_takes_the_next_case_and_decides(self, actor: str, queue: str) -> None:
        case = self.store.next_for(actor, now=self.now, besides=self.case_id)
        if case is not None:
            self.store.decide(case.case_id, actor=actor, queue=queue, now=self.now)

    @rule(actor=PEOPLE)
    def somebody_takes_the_next_case_and_leaves(self, actor: str) -> None:
        self.store.next_for(actor, now=self.now)
        self.store.release_all(actor=actor, now=self.now)
        self.read()

    @rule()
    def what_is_finished_is_sent_on(self) -> None:
        for batch in self.store.finished_batches(OF.name, now=self.now):
            self.store.collect(automation=OF, batch=batch, now=self.now)
        self.read()

    @invariant()
    def sums_of_steps_are_counts_of_cases(self) -> None:
        with self.database.connection() as conn:
            of_cases = conn.execute(
                "select automation, batch, queue, state, count(*) from review_cases group by 1, 2, 3, 4"
            )
            counted = {tuple(row[:4]): row[4] for row in of_cases}
            of_steps = conn.execute(
                "select automation, batch, queue, state, sum(steps) from review_tallies group by 1, 2, 3, 4"
            )
            assert {tuple(row[:4]): row[4] for row in of_steps if row[4]} == counted
        for batch in self.store.batches(states=("open", "done", "collected")):
            shown = (batch.waiting, batch.claimed, batch.decided)
            of_batch = Counter[str]()
            for (_, name, _, state), n in counted.items():
                of_batch[state] += n if name == batch.batch else 0
            assert shown == tuple(of_batch[state] for state in STATES)
        undecided = Counter[str]()
        for (_, _, queue, state), n in counted.items():
            undecided[queue] += n if state != "decided" else 0
        levels = {level.queue: level.waiting + level.held for level in self.store.service_levels(now=self.now)}
        assert {q: n for q, n in levels.items() if n} == {q: n for q, n in undecided.items() if n}


def test_whatever_people_do_sums_of_steps_are_counts_of_cases(database):
    with database.connection() as conn:
        for name in ("ana", "ben", "eva", "lea", "max"):
            role = "lead" if name in LEADS else "reviewer"
            conn.execute("insert into users (username, password_hash, role) values (%s, 'x', %s)", (name, role))
    run_state_machine_as_test(
        lambda: ManyHandsOnRows(database),
        settings=settings(
            max_examples=8,
            stateful_step_count=20,
            deadline=None,
            suppress_health_check=list(HealthCheck),
            database=None,
        ),
    )
