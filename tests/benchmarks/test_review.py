"""The benchmark of the console, small: it decides what it says, and it would notice a lost verdict and a double claim."""

from datetime import UTC, datetime

import pytest

from benchmarks.review import measure, world
from benchmarks.review.people import Reviewer
from resources.reviews import ReviewStore

QUIET = {"cases": 1_000, "clients": 2, "seconds": 1.0, "every_seconds": 0.3, "reviewers": 4, "decide": 40, "workers": 1}


@pytest.mark.timeout(300)
def test_people_decide_through_a_console_that_is_killed_and_nothing_is_lost():
    found = measure.measure(**QUIET)
    assert (found["cases"], found["double_claims"], found["lost_verdicts"]) == (1_000, 0, 0)
    assert found["decided"] >= 40
    assert found["next_cases"] > 0
    assert 0 < found["next_case_p50_ms"] <= found["next_case_p99_ms"]


def test_a_lost_verdict_and_a_double_claim_are_counted(database):
    now = datetime.now(UTC)
    names = world.fill(database, cases=400, people=2, now=now)
    store = ReviewStore(database)
    case = store.next_for(names[0], now=now)
    assert case is not None
    store.decide(case.case_id, actor=names[0], queue="outage", now=now)
    told = [Reviewer(name=name, cookie="", port=0) for name in names]
    told[0].told[case.case_id] = "outage"
    assert measure._checked(database, told) == {"decided": 1, "double_claims": 0, "lost_verdicts": 0}
    told[1].told["d399"] = "billing"
    with database.connection() as conn:
        conn.execute(
            "insert into review_events (case_id, kind, actor, at) values ('d7', 'claim', 'a', %s), ('d7', 'claim', 'b', %s)",
            (now, now),
        )
    assert measure._checked(database, told) == {"decided": 2, "double_claims": 1, "lost_verdicts": 1}
