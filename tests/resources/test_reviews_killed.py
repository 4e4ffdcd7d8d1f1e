"""A process that is killed while people decide loses nothing and decides nothing twice."""

import subprocess
import sys
import textwrap
from pathlib import Path

from resources.reviews import ReviewStore
from tests.review_world import NOW, Wanted, automation, record

PROJECT = Path(__file__).parents[2]

# Says each case after its verdict has been taken, as the console answers after it.
DECIDING = textwrap.dedent("""
    import sys
    from resources.database import Database
    from resources.reviews import ReviewStore
    from tests.review_world import NOW

    url, actor = sys.argv[1:]
    store = ReviewStore(Database(url, max_size=1))
    while case := store.next_case(automation="escalations", batch="2026-11-20/billing", actor=actor, now=NOW):
        store.decide(case.case_id, actor=actor, queue="billing", now=NOW)
        print(case.case_id, flush=True)
""")


def test_two_killed_reviewers_leave_every_case_decided_once_or_open(database, database_url):
    record(database, [Wanted(ticket_id=f"T{i:04}") for i in range(200)])
    store = ReviewStore(database)
    store.make_batches(automation=automation(review={"max_batch": 1000}), now=NOW)
    told: dict[str, list[str]] = {"ana": [], "ben": []}
    processes = {
        actor: subprocess.Popen(
            [sys.executable, "-c", DECIDING, database_url, actor],
            cwd=PROJECT,
            stdout=subprocess.PIPE,
            text=True,
            bufsize=1,
        )
        for actor in told
    }
    for actor, process in processes.items():
        told[actor] += [process.stdout.readline().strip() for _ in range(15)]
        process.kill()
        told[actor] += process.stdout.read().split()
        process.wait(10)

    cases = {c.case_id: c.standing for c in store.cases(automation="escalations", batch="2026-11-20/billing")}
    assert len(cases) == 200
    assert all(cases[c].decided_by == actor for actor, theirs in told.items() for c in theirs if c)
    decided = [c for c, standing in cases.items() if standing.state == "decided"]
    # at most one verdict a process was taken without its answer getting out
    assert 0 <= len(decided) - sum(len(t) for t in told.values()) <= 2
    with database.connection() as conn:
        events = conn.execute("select case_id from review_events where kind = 'decide'").fetchall()
    assert sorted(c for (c,) in events) == sorted(decided)

    # what the killed ones held is free again after the lease, and the batch can be completed
    later = NOW + store.case(decided[0]).lease
    while case := store.next_case(automation="escalations", batch="2026-11-20/billing", actor="eva", now=later):
        store.decide(case.case_id, actor="eva", queue="billing", now=later)
    assert store.batch(automation="escalations", batch="2026-11-20/billing").decided == 200
